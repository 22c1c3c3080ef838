package config

import (
	"log/slog"
	"time"
)

// Log is how the log is written.
type Log struct {
	Format string     `name:"T2G_LOG_FORMAT" oneof:"text,json" otherwise:"text on a terminal, json otherwise" meaning:"How log lines are written." example:"json"`
	Level  slog.Level `name:"T2G_LOG_LEVEL" default:"info" meaning:"The least important lines that are still written." example:"debug"`
}

// Limits are those of every listener.
type Limits struct {
	MaxHeaderBytes  int           `name:"T2G_MAX_HEADER_BYTES" min:"4096" max:"1048576" default:"65536" meaning:"Size of a request's headers, in bytes, above which the answer is 431." example:"131072"`
	DrainDelay      time.Duration `name:"T2G_DRAIN_DELAY" min:"0s" max:"10m" default:"0s" meaning:"How long requests are still taken after SIGTERM while /ready answers 503." example:"5s"`
	ShutdownTimeout time.Duration `name:"T2G_SHUTDOWN_TIMEOUT" min:"0s" max:"10m" default:"15s" meaning:"How long requests may then take to end." example:"30s"`
}

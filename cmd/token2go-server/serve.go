package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/ops"
	"github.com/token2go/token2go/internal/serve"
	"github.com/token2go/token2go/internal/token"
	"github.com/token2go/token2go/internal/web"
)

// headerLimitFactor is net/http's limit on headers as a multiple of ours. Above its own,
// net/http answers in plain text; gateways send less, even tokens in three headers and a
// cookie.
const headerLimitFactor = 4

// flushInterval is how long an access line may wait, at most.
const flushInterval = 200 * time.Millisecond

// serveAll runs the server until ctx ends, then drains it.
func serveAll(ctx context.Context, s settings, stdout io.Writer) error {
	ctx, lines := record(ctx, stdout)
	defer flush(lines)()
	collectLess()
	log := slog.New(logHandler(s.Log.Format, s.Log.Level, stdout, lines.Direct()))
	for _, warning := range s.Warnings() {
		log.Warn(warning)
	}
	registry := ops.NewRegistry(s.version)
	options := gatewayOptions(s, log, lines, registry, stdout)
	people, err := gateway.New(options)
	if err != nil {
		return err
	}
	operator := ops.New(ops.Options{
		Web:     web.Options{Listener: "ops", Log: log, Metrics: options.Metrics},
		Metrics: registry, Hosts: s.Ops.Hosts(), Pprof: s.Ops.Pprof,
	})
	return serve.Run(ctx, serve.Options{
		Log: log, Drain: operator.Drain, DrainDelay: s.Limits.DrainDelay, ShutdownTimeout: s.Limits.ShutdownTimeout,
	}, listeners(s, people, operator)...)
}

// listeners are those that the configuration opens.
func listeners(s settings, people, operator http.Handler) []serve.Listener {
	open := []serve.Listener{{
		Name:           "gateway",
		Address:        serve.Address{Socket: s.Gateway.Socket, Host: s.Gateway.Host, Port: s.Gateway.Port, CertFile: s.Gateway.TLSCertFile, KeyFile: s.Gateway.TLSKeyFile},
		Handler:        people,
		MaxHeaderBytes: headerLimitFactor * s.Limits.MaxHeaderBytes,
	}}
	if s.Ops.Port != 0 {
		open = append(open, serve.Listener{
			Name: "ops", Address: serve.Address{Host: s.Ops.Host, Port: s.Ops.Port}, Handler: operator,
			MaxHeaderBytes: http.DefaultMaxHeaderBytes,
			WriteTimeout:   2 * time.Minute, // a profile takes 30 seconds and more
		})
	}
	return open
}

// flush writes access lines at intervals until stop is called, which writes the last ones,
// unless standard output blocks.
func flush(lines *audit.Lines) (stop func()) {
	done, flushed := make(chan struct{}), make(chan struct{})
	go func() { defer close(flushed); lines.FlushEvery(flushInterval, done) }()
	return func() {
		close(done)
		serve.Await(flushed, time.Second)
	}
}

// collectLess lets 16 MB of garbage gather before it is collected, instead of 4: the server
// keeps 2 MB, and would collect a hundred times a second under load. An operator's own
// GOGC or GOMEMLIMIT counts.
func collectLess() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(400)
	}
}

// record returns the writer of all log lines, and a context that ends when standard output
// has no reader.
func record(ctx context.Context, stdout io.Writer) (context.Context, *audit.Lines) {
	signal.Ignore(syscall.SIGPIPE) // by default it would end the process while it answers
	ctx, out := audit.WithReader(ctx, stdout)
	return ctx, audit.NewLines(out)
}

// gatewayOptions are the gateway listener's part of the configuration.
func gatewayOptions(s settings, log *slog.Logger, lines *audit.Lines, registry prometheus.Registerer, stdout io.Writer) gateway.Options {
	peers := s.Gateway.CIDRs
	if s.Gateway.Socket != "" {
		peers = nil // the socket's permissions decide who may connect
	}
	return gateway.Options{
		Tokens:   token.NewExtractor(s.Tokens.Headers(), s.Tokens.Fallback),
		Rules:    flowRules(s),
		Log:      log,
		Audit:    audit.New(logHandler(s.Log.Format, slog.LevelInfo, stdout, lines.Direct())),
		Access:   logHandler(s.Log.Format, s.Log.Level, stdout, lines.Held()),
		Metrics:  web.NewMetrics(registry),
		Registry: registry,
		Identity: s.Identity.HeaderNames,
		Texts: gateway.Texts{
			Target: s.UI.Target, Title: s.UI.Title, Desc1: s.UI.Desc1, Desc2: s.UI.Desc2, Misc: s.UI.Misc,
			SignInURL: s.UI.SignInURL, SignOutURL: s.UI.SignOutURL,
		},
		Version:        s.version,
		PublicURL:      s.Gateway.PublicURL,
		BasePath:       s.Gateway.BasePath,
		Hosts:          s.Hosts(),
		Peers:          peers,
		MaxHeaderBytes: s.Limits.MaxHeaderBytes,
	}
}

func flowRules(s settings) flow.Rules {
	modes := make(flow.Modes, len(s.Flow.Modes))
	for i, mode := range s.Flow.Modes {
		modes[i] = flow.Mode(mode)
	}
	rules := flow.Rules{Targets: s.targets, Consent: flow.Consent(s.Flow.Consent), Modes: modes, MaxURL: s.Flow.MaxURL}
	if s.Gateway.PublicURL != nil {
		rules.Issuer = s.Gateway.PublicURL.String()
	}
	return rules
}

// logHandler writes text to a terminal and JSON elsewhere, unless the format is set.
func logHandler(format string, level slog.Level, stdout, lines io.Writer) slog.Handler {
	if format == "text" || format == "" && isTerminal(stdout) {
		return slog.NewTextHandler(lines, &slog.HandlerOptions{Level: level})
	}
	return slog.NewJSONHandler(lines, &slog.HandlerOptions{Level: level})
}

func isTerminal(w io.Writer) bool {
	file, isFile := w.(*os.File)
	if !isFile {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

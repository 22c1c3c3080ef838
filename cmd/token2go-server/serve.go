package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/token"
	"github.com/token2go/token2go/internal/web"
)

// Time limits of a connection. The idle one is longer than that of common gateways
// (oauth2-proxy 90 s, nginx 60 s), so that they close first and never send a request
// into a connection that is just being closed.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	flushInterval     = 200 * time.Millisecond
)

// aboveOurs is by how much net/http's limit on headers is above ours. What exceeds its own
// it answers in plain text; so what gateways send, even with tokens in three headers and
// a cookie, stays below.
const aboveOurs = 4

// serve runs the server until ctx ends, then drains it.
func serve(ctx context.Context, s settings, stdout io.Writer) error {
	ctx, lines := record(ctx, stdout)
	flushed := make(chan struct{})
	done := make(chan struct{})
	go func() { defer close(flushed); lines.FlushEvery(flushInterval, done) }()
	defer func() {
		close(done)
		await(flushed, spare)
	}()

	defer runtime.KeepAlive(ballast())
	go giveBack(quiet, done)
	log := slog.New(logHandler(s.Log.Format, s.Log.Level, stdout, lines.Direct()))
	server, err := web.New(webOptions(s, log, lines, stdout))
	if err != nil {
		return err
	}
	doors, err := open(s, server, log)
	if err != nil {
		return err
	}
	for _, warning := range s.Warnings() {
		log.Warn(warning)
	}
	return attend(ctx, s, server, doors, log)
}

// webOptions wires the configuration to the web room.
func webOptions(s settings, log *slog.Logger, lines *audit.Lines, stdout io.Writer) web.Options {
	number, _ := version()
	peers := s.Gateway.CIDRs
	if s.Gateway.Socket != "" {
		peers = nil // the socket's file permissions say who may speak
	}
	modes := make(flow.Modes, len(s.Flow.Modes))
	for i, mode := range s.Flow.Modes {
		modes[i] = flow.Mode(mode)
	}
	rules := flow.Rules{Targets: s.targets, Consent: flow.Consent(s.Flow.Consent), Modes: modes, MaxURL: s.Flow.MaxURL}
	if s.Gateway.PublicURL != nil {
		rules.Issuer = s.Gateway.PublicURL.String()
	}
	return web.Options{
		Tokens:   token.NewExtractor(s.Tokens.Headers(), s.Tokens.Fallback),
		Rules:    rules,
		Log:      log,
		Audit:    audit.New(logHandler(s.Log.Format, slog.LevelInfo, stdout, lines.Direct())),
		Access:   logHandler(s.Log.Format, s.Log.Level, stdout, lines.Held()),
		Identity: s.Identity.HeaderNames,
		Texts: web.Texts{
			Target: s.UI.Target, Title: s.UI.Title, Desc1: s.UI.Desc1, Desc2: s.UI.Desc2, Misc: s.UI.Misc,
			SignInURL: s.UI.SignInURL, SignOutURL: s.UI.SignOutURL,
		},
		Version:        number,
		PublicURL:      s.Gateway.PublicURL,
		BasePath:       s.Gateway.BasePath,
		Hosts:          s.Hosts(),
		OpsHosts:       s.Ops.Hosts(),
		Peers:          peers,
		MaxHeaderBytes: s.Limits.MaxHeaderBytes,
		Pprof:          s.Ops.Pprof,
	}
}

// logHandler writes text to a terminal and JSON elsewhere, unless told.
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

// open binds the listeners of both doors, or none.
func open(s settings, server *web.Server, log *slog.Logger) ([]door, error) {
	listener, err := listenGateway(s, log)
	if err != nil {
		return nil, fmt.Errorf("gateway door: %w", err)
	}
	doors := []door{newDoor("gateway", listener, server.Gateway(), aboveOurs*s.Limits.MaxHeaderBytes, log)}
	if s.Ops.Port == 0 {
		return doors, nil
	}
	if listener, err = listenTCP(s.Ops.Host, s.Ops.Port); err != nil {
		_ = doors[0].listener.Close()
		return nil, fmt.Errorf("ops door: %w", err)
	}
	ops := newDoor("ops", listener, server.Ops(), http.DefaultMaxHeaderBytes, log)
	ops.server.WriteTimeout = 2 * time.Minute // a profile takes 30 seconds and more
	return append(doors, ops), nil
}

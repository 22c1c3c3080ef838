package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"token2go/internal/audit"
	"token2go/internal/flow"
	"token2go/internal/token"
	"token2go/internal/web"
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

// serve runs the server until ctx ends, then drains it.
func serve(ctx context.Context, s settings, stdout io.Writer) error {
	lines := audit.NewLines(stdout)
	flushed := make(chan struct{})
	done := make(chan struct{})
	go func() { defer close(flushed); lines.FlushEvery(flushInterval, done) }()
	defer func() { close(done); <-flushed }()

	log := slog.New(logHandler(s.LogFormat, s.LogLevel, stdout, lines.Direct()))
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
	peers := s.GatewayCIDRs
	if s.ServerSocket != "" {
		peers = nil // the socket's file permissions say who may speak
	}
	modes := make(flow.Modes, len(s.FlowModes))
	for i, mode := range s.FlowModes {
		modes[i] = flow.Mode(mode)
	}
	rules := flow.Rules{Targets: s.targets, Consent: flow.Consent(s.FlowConsent), Modes: modes, MaxURL: s.FlowMaxURL}
	if s.PublicURL != nil {
		rules.Issuer = s.PublicURL.String()
	}
	return web.Options{
		Tokens:   token.NewExtractor(s.TokenHeaders(), s.FallbackToken),
		Rules:    rules,
		Log:      log,
		Audit:    audit.New(logHandler(s.LogFormat, slog.LevelInfo, stdout, lines.Direct())),
		Access:   logHandler(s.LogFormat, s.LogLevel, stdout, lines.Held()),
		Identity: s.IdentityHeaderNames,
		Texts: web.Texts{
			Target: s.UITarget, Title: s.UITitle, Desc1: s.UIDesc1, Desc2: s.UIDesc2, Misc: s.UIMisc,
			SignInURL: s.UISignInURL, SignOutURL: s.UISignOutURL,
		},
		Version:        number,
		PublicURL:      s.PublicURL,
		BasePath:       s.BasePath,
		Hosts:          s.Hosts(),
		Peers:          peers,
		MaxHeaderBytes: s.MaxHeaderBytes,
		Pprof:          s.OpsPprof,
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

// door is a listener and what stands behind it.
type door struct {
	name     string
	listener net.Listener
	server   *http.Server
}

func newServer(handler http.Handler, maxHeaderBytes int, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// open binds the listeners of both doors, or none.
func open(s settings, server *web.Server, log *slog.Logger) ([]door, error) {
	listener, err := listenGateway(s, log)
	if err != nil {
		return nil, fmt.Errorf("gateway door: %w", err)
	}
	// net/http answers what exceeds its own limit in plain text, so ours is below it.
	doors := []door{{"gateway", listener, newServer(server.Gateway(), 2*s.MaxHeaderBytes, log)}}
	if s.OpsPort == 0 {
		return doors, nil
	}
	if listener, err = listenTCP(s.OpsHost, s.OpsPort); err != nil {
		_ = doors[0].listener.Close()
		return nil, fmt.Errorf("ops door: %w", err)
	}
	ops := newServer(server.Ops(), http.DefaultMaxHeaderBytes, log)
	ops.WriteTimeout = 2 * time.Minute // a profile takes 30 seconds and more
	return append(doors, door{"ops", listener, ops}), nil
}

// attend serves at the doors until ctx ends or one of them breaks.
func attend(ctx context.Context, s settings, server *web.Server, doors []door, log *slog.Logger) error {
	broken := make(chan error, len(doors))
	for _, d := range doors {
		log.Info("serving", "door", d.name, "address", d.listener.Addr().String())
		go func() {
			if err := d.server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
				broken <- fmt.Errorf("%s door: %w", d.name, err)
			}
		}()
	}
	select {
	case err := <-broken:
		return err
	case <-ctx.Done():
	}
	log.Info("draining", "delay", s.DrainDelay.String())
	server.Drain()
	time.Sleep(s.DrainDelay)
	return shut(doors, s.ShutdownTimeout)
}

// shut lets every request that has begun be answered, the ops door's last.
func shut(doors []door, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var errs []error
	for _, d := range doors {
		if err := d.server.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s door: not every request was answered within %s", d.name, limit), d.server.Close())
		}
	}
	return errors.Join(errs...)
}

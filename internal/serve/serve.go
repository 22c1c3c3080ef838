// Package serve opens listeners, reloads their certificates, and drains and stops them. It
// serves any http.Handler and decides nothing about requests.
package serve

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Time limits of a connection. The idle one is longer than that of common gateways
// (oauth2-proxy 90 s, nginx 60 s), so that they close first and never send a request
// into a connection that is just being closed.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute
)

// Listener is an address and the handler that answers there.
type Listener struct {
	Name           string        // required: in log lines and errors, such as gateway
	Address        Address       // where it listens
	Bound          net.Listener  // an open listener, used instead of Address; nil: Address is bound
	Handler        http.Handler  // required
	MaxHeaderBytes int           // above it, net/http answers in plain text; 0: its default
	WriteTimeout   time.Duration // for a whole answer; 0: 30 seconds, negative: none
}

// Options say how all listeners are run.
type Options struct {
	Log             *slog.Logger  // required
	Drain           func()        // called when the drain begins; nil: nothing
	DrainDelay      time.Duration // how long new requests are accepted after that
	ShutdownTimeout time.Duration // how long requests in progress may take after DrainDelay
}

// Run binds all listeners, or none, and serves until ctx ends or a listener fails. Then it
// drains them and closes them in order. The error joins the cause of ctx, if one was
// given, and what failed.
func Run(ctx context.Context, o Options, listeners ...Listener) error {
	servers, err := bind(listeners, o.Log)
	if err != nil {
		return err
	}
	failed := make(chan error, len(servers))
	for _, s := range servers {
		o.Log.Info("serving", "listener", s.name, "address", s.listener.Addr().String())
		go func() {
			if err := s.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("%s listener: %w", s.name, err)
			}
		}()
	}
	var cause error
	select {
	case cause = <-failed:
	case <-ctx.Done():
		if cause = context.Cause(ctx); errors.Is(cause, context.Canceled) {
			cause = nil
		}
	}
	return errors.Join(cause, drain(o, servers))
}

// server is a listener that is bound.
type server struct {
	*http.Server
	name        string
	listener    net.Listener
	connections *connections
}

func bind(listeners []Listener, log *slog.Logger) ([]server, error) {
	var servers []server
	for _, l := range listeners {
		if l.Bound == nil {
			bound, err := Listen(l.Address, log)
			if err != nil {
				for _, s := range servers {
					_ = s.listener.Close()
				}
				return nil, fmt.Errorf("%s listener: %w", l.Name, err)
			}
			l.Bound = bound
		}
		servers = append(servers, newServer(l, log))
	}
	return servers, nil
}

func newServer(l Listener, log *slog.Logger) server {
	c := newConnections()
	if l.WriteTimeout == 0 {
		l.WriteTimeout = writeTimeout
	}
	return server{&http.Server{
		Handler:           c.closing(l.Handler),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      l.WriteTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    l.MaxHeaderBytes,
		ConnState:         c.track,
		ConnContext:       withConnection,
		ErrorLog:          stdlog.New(netLog{log}, "", 0),

		// net/http would answer OPTIONS * by itself, past the handler's checks.
		DisableGeneralOptionsHandler: true,
	}, l.Name, l.Bound, c}
}

// Time limits of a shutdown.
const (
	// minDrain is the least time between the first "Connection: close" and the end of a
	// listener, so that clients do not send a request into a closing connection.
	minDrain = 100 * time.Millisecond
	// firstRequest is how long a request may take to arrive on a new connection.
	firstRequest = 500 * time.Millisecond
	// grace is added to the operator's limits before a shutdown counts as stuck.
	grace = time.Second
)

// ErrStuck is returned when a shutdown exceeds its limits, as it does while log lines
// cannot be written.
var ErrStuck = errors.New("shutdown took too long; is standard output read?")

func drain(o Options, servers []server) error {
	if o.Drain != nil {
		o.Drain()
	}
	for _, s := range servers {
		s.connections.draining.Store(true)
	}
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		o.Log.Info("draining", "delay", o.DrainDelay.String())
		time.Sleep(max(o.DrainDelay, minDrain))
		err = shutdown(servers, o.ShutdownTimeout)
	}()
	if !Await(ended, o.DrainDelay+o.ShutdownTimeout+grace) {
		return ErrStuck
	}
	return err
}

// Await reports whether done was closed within the limit.
func Await(done <-chan struct{}, limit time.Duration) bool {
	select {
	case <-done:
		return true
	case <-time.After(limit):
		return false
	}
}

// shutdown waits for the requests in progress, one listener after the other.
func shutdown(servers []server, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.shutdown(ctx, limit))
	}
	return errors.Join(errs...)
}

func (s server) shutdown(ctx context.Context, limit time.Duration) error {
	silent := time.AfterFunc(firstRequest, s.connections.closeNew)
	defer silent.Stop()
	s.connections.markIdle()
	if s.Shutdown(ctx) == nil {
		return nil
	}
	busy := s.connections.busy()
	_ = s.Close()
	if busy == 0 {
		return nil
	}
	return fmt.Errorf("%s listener: %d requests were not answered within %s", s.name, busy, limit)
}

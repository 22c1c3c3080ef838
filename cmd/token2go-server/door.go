package main

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/token2go/token2go/internal/web"
)

// door is a listener and what stands behind it.
type door struct {
	name     string
	listener net.Listener
	server   *http.Server
	peers    *peers
}

func newDoor(name string, listener net.Listener, handler http.Handler, maxHeaderBytes int, log *slog.Logger) door {
	known := &peers{states: map[net.Conn]http.ConnState{}}
	return door{name, listener, &http.Server{
		Handler:           known.tell(handler),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnState:         known.note,
		ErrorLog:          stdlog.New(netLog{log}, "", 0),

		// net/http would answer OPTIONS * by itself, past everything that guards the door.
		DisableGeneralOptionsHandler: true,
	}, known}
}

// peers knows what every connection of a door is at.
type peers struct {
	leaving atomic.Bool
	mu      sync.Mutex
	states  map[net.Conn]http.ConnState
}

// tell has every answer close its connection once the door is about to be shut: whoever
// keeps connections open then asks elsewhere, before an idle one is closed under a request.
func (p *peers) tell(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.leaving.Load() {
			w.Header()["Connection"] = []string{"close"}
		}
		next.ServeHTTP(w, r)
	})
}

func (p *peers) note(connection net.Conn, state http.ConnState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		delete(p.states, connection)
		return
	}
	p.states[connection] = state
}

// hangUp closes the connections on which no request has come whole, body aside. Browsers
// and gateways open connections ahead of time, and net/http would wait for them.
func (p *peers) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for connection, state := range p.states {
		if state == http.StateNew {
			_ = connection.Close()
		}
	}
}

// busy counts the connections on which a request is being answered.
func (p *peers) busy() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	count := 0
	for _, state := range p.states {
		if state == http.StateActive {
			count++
		}
	}
	return count
}

// netLog takes what net/http says of connections. Any client can cause most of it, so
// that is for debugging; what keeps everybody out, or is a mistake of ours, is not.
type netLog struct{ log *slog.Logger }

func (n netLog) Write(text []byte) (int, error) {
	line := strings.TrimSpace(string(text))
	switch {
	case strings.HasPrefix(line, "http: Accept error"):
		n.log.Error("connections are not taken", "cause", line)
	case strings.HasPrefix(line, "http: panic serving"):
		// What it panicked with may hold anything; the stack after it does not.
		n.log.Error("panic", "stack", line[max(0, strings.LastIndex(line, "\ngoroutine ")):])
	default:
		n.log.Debug("connection", "cause", line)
	}
	return len(text), nil
}

// Time limits of the end.
const (
	// breath is how long a door stays open at least after its connections are told to
	// close, so that no request runs into a connection that is just being closed.
	breath = 100 * time.Millisecond
	// patience is how long a first request may take to come when its door has closed.
	patience = 500 * time.Millisecond
	// spare is how much longer the end may take than what the operator allows.
	spare = time.Second
)

var errStuck = errors.New("the end took too long; does nobody read standard output?")

// attend serves at the doors until ctx ends or one of them breaks, and then drains them.
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
	var cause error
	select {
	case cause = <-broken:
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), errUnread) {
			cause = errUnread
		}
	}
	server.Drain()
	for _, d := range doors {
		d.peers.leaving.Store(true)
	}
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		log.Info("draining", "delay", s.Limits.DrainDelay.String())
		time.Sleep(max(s.Limits.DrainDelay, breath))
		err = shut(doors, s.Limits.ShutdownTimeout)
	}()
	if !await(ended, s.Limits.DrainDelay+s.Limits.ShutdownTimeout+spare) {
		return errors.Join(cause, errStuck)
	}
	return errors.Join(cause, err)
}

// await reports whether done was closed within the limit.
func await(done <-chan struct{}, limit time.Duration) bool {
	select {
	case <-done:
		return true
	case <-time.After(limit):
		return false
	}
}

// shut lets every request that has begun be answered, the ops door's last.
func shut(doors []door, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var errs []error
	for _, d := range doors {
		errs = append(errs, d.shut(ctx, limit))
	}
	return errors.Join(errs...)
}

func (d door) shut(ctx context.Context, limit time.Duration) error {
	silent := time.AfterFunc(patience, d.peers.hangUp)
	defer silent.Stop()
	if d.server.Shutdown(ctx) == nil {
		return nil
	}
	busy := d.peers.busy()
	_ = d.server.Close()
	if busy == 0 {
		return nil
	}
	return fmt.Errorf("%s door: %d requests were not answered within %s", d.name, busy, limit)
}

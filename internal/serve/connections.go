package serve

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// connections tracks the state of a listener's connections.
type connections struct {
	draining atomic.Bool
	mu       sync.Mutex
	states   map[net.Conn]http.ConnState
	closed   map[net.Conn]bool // by the shutdown, while no request had arrived on them
}

func newConnections() *connections {
	return &connections{states: map[net.Conn]http.ConnState{}, closed: map[net.Conn]bool{}}
}

// connectionKey is the key of a request's connection in its context.
type connectionKey struct{}

func withConnection(ctx context.Context, connection net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, connection)
}

// closing makes every answer close its connection once the listener drains. Clients then
// connect elsewhere, instead of sending a request into an idle connection that is closing.
// A request that arrived at the moment in which its connection was closed is not handled:
// its answer could not be sent, and a handed-over token would be on record for nothing.
func (c *connections) closing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.draining.Load() {
			w.Header()["Connection"] = []string{"close"}
			if connection, found := r.Context().Value(connectionKey{}).(net.Conn); found && c.isClosed(connection) {
				panic(http.ErrAbortHandler) //nolint:forbidigo // net/http then drops the connection
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (c *connections) isClosed(connection net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed[connection]
}

func (c *connections) track(connection net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		delete(c.states, connection)
		delete(c.closed, connection)
		return
	}
	c.states[connection] = state
}

// closeNew closes the connections on which no request's headers have arrived. Browsers and
// gateways open connections ahead of time, and net/http would wait for them.
func (c *connections) closeNew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for connection, state := range c.states {
		if state == http.StateNew {
			c.closed[connection] = true
			_ = connection.Close()
		}
	}
}

// markIdle notes which connections net/http is about to close.
func (c *connections) markIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for connection, state := range c.states {
		if state == http.StateIdle {
			c.closed[connection] = true
		}
	}
}

// busy counts the connections on which a request is being answered.
func (c *connections) busy() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	count := 0
	for _, state := range c.states {
		if state == http.StateActive {
			count++
		}
	}
	return count
}

// netLog takes what net/http logs about connections. Any client can cause most of it, so
// that goes to debug; a listener that fails and a panic are errors.
type netLog struct{ log *slog.Logger }

func (n netLog) Write(text []byte) (int, error) {
	line := strings.TrimSpace(string(text))
	switch {
	case strings.HasPrefix(line, "http: Accept error"):
		n.log.Error("connections are not accepted", "cause", line)
	case strings.HasPrefix(line, "http: panic serving"):
		// The panic value may contain anything; the stack after it does not.
		n.log.Error("panic", "stack", line[max(0, strings.LastIndex(line, "\ngoroutine ")):])
	default:
		n.log.Debug("connection", "cause", line)
	}
	return len(text), nil
}

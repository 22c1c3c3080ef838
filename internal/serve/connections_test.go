package serve

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A request whose connection the shutdown has just closed must not reach the handler, which
// would record a hand-over that no one receives.
func TestClosingDropsRequestOfClosedConnection(t *testing.T) {
	for _, state := range []http.ConnState{http.StateNew, http.StateIdle} {
		c := newConnections()
		here, there := net.Pipe()
		defer there.Close()
		handled := 0
		handler := c.closing(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { handled++ }))
		serve := func() (dropped bool) {
			defer func() { dropped = recover() == http.ErrAbortHandler }() //nolint:errorlint // net/http compares it so, too
			request := httptest.NewRequest(http.MethodGet, "/", nil)
			handler.ServeHTTP(httptest.NewRecorder(), request.WithContext(withConnection(t.Context(), here)))
			return false
		}
		c.track(here, state)
		c.draining.Store(true)
		if serve() || handled != 1 {
			t.Errorf("%s, draining: handled %d times, want once", state, handled)
		}
		c.closeNew()
		c.markIdle()
		if !serve() || handled != 1 {
			t.Errorf("%s, closed: handled %d times, want dropped", state, handled)
		}
		c.track(here, http.StateClosed)
		if len(c.closed) != 0 || len(c.states) != 0 {
			t.Errorf("%s: a closed connection is kept", state)
		}
	}
}

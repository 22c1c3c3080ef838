package web

import (
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/token2go/token2go/internal/problem"
)

// Ops is the door for the operator's own tools. It believes the network that it
// listens on, and knows no token.
func (s *Server) Ops() http.Handler {
	router := chi.NewRouter()
	router.Use(secured)
	router.Get("/health", s.adapt("/health", s.health).ServeHTTP)
	router.Get("/ready", s.adapt("/ready", s.ready).ServeHTTP)
	router.Group(func(inside chi.Router) {
		inside.Use(s.notRebound)
		inside.Method(http.MethodGet, "/metrics", s.metrics.handler())
		if s.Pprof {
			inside.HandleFunc("/debug/pprof/", pprof.Index)
			inside.HandleFunc("/debug/pprof/{profile}", profile)
			inside.HandleFunc("/debug/pprof/profile", pprof.Profile)
			inside.HandleFunc("/debug/pprof/trace", pprof.Trace)
			inside.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		}
	})
	return router
}

// notRebound refuses host names that may be anybody's. A website can have its own name
// lead here, and its page then reads what is answered: to the browser, both are one
// origin. An address is no name of a website, nor is a name without a dot; what else
// Prometheus asks by, the operator lists. Probes are let through, which read nothing.
func (s *Server) notRebound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := withoutPort(r.Host); !isAddress(name) && strings.Contains(name, ".") && !named(r.Host, s.OpsHosts) {
			s.metrics.refused(problem.HostNotAllowed)
			_ = write(w, problem.HostNotAllowed.Status(), "text/plain; charset=utf-8",
				"the ops door does not answer for this host name; ask by address, or list the name in T2G_OPS_ALLOWED_HOSTS\n")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// profile leaves out stacks with their arguments: among those are words of memory, and
// each may be eight characters of a token (measured). Without them, no profile shows any.
func profile(w http.ResponseWriter, r *http.Request) {
	if debug, _ := strconv.Atoi(r.FormValue("debug")); debug > 1 {
		_ = write(w, http.StatusForbidden, "text/plain; charset=utf-8", "stacks with arguments can show parts of tokens; use debug=1, which has none\n")
		return
	}
	pprof.Index(w, r)
}

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		next.ServeHTTP(w, r)
	})
}

// ready says whether new requests may be sent here.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) error {
	if s.draining.Load() {
		return write(w, http.StatusServiceUnavailable, mediaJSON, `{"status":"draining"}`)
	}
	return write(w, http.StatusOK, mediaJSON, `{"status":"ready"}`)
}

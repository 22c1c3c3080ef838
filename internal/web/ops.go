package web

import (
	"net/http"
	"net/http/pprof"
	"strconv"

	"github.com/go-chi/chi/v5"
)

// Ops is the door for the operator's own tools. It believes the network that it
// listens on, and knows no token.
func (s *Server) Ops() http.Handler {
	router := chi.NewRouter()
	router.Use(secured)
	router.Get("/health", s.adapt("/health", s.health).ServeHTTP)
	router.Get("/ready", s.adapt("/ready", s.ready).ServeHTTP)
	router.Method(http.MethodGet, "/metrics", s.metrics.handler())
	if s.Pprof {
		router.HandleFunc("/debug/pprof/", pprof.Index)
		router.HandleFunc("/debug/pprof/{profile}", profile)
		router.HandleFunc("/debug/pprof/profile", pprof.Profile)
		router.HandleFunc("/debug/pprof/trace", pprof.Trace)
		router.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	}
	return router
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

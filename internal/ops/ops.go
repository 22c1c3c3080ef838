// Package ops is the operator's listener: metrics, health, readiness and profiles. It
// trusts the network that it listens on and handles no token.
package ops

import (
	"net/http"
	"net/http/pprof"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/web"
)

// Options are what the listener needs.
type Options struct {
	Web     web.Options         // Listener, Log and Metrics are required; the rest is set here
	Metrics prometheus.Gatherer // required: what /metrics shows
	Hosts   []string            // names with a dot that are answered; nil: none, "*": all
	Pprof   bool                // serve profiles
	// Waiting returns what the server cannot do without and waits for, such as the
	// database; "" for nothing. Nil: always nothing.
	Waiting func() string
}

// Server is the listener's handler. It is safe for concurrent use.
type Server struct {
	http.Handler
	draining atomic.Bool
	waiting  func() string
}

// NewRegistry makes the registry of a process, with what describes the process itself.
func NewRegistry(version string) *prometheus.Registry {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "token2go_build_info", Help: "Always 1.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	})
	build.Set(1)
	registry := prometheus.NewRegistry()
	registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// New makes the handler.
func New(o Options) *Server {
	s := &Server{waiting: o.Waiting}
	o.Web.Headers, o.Web.Errors = web.SecurityHeaders, refusals()
	adapter := web.New(o.Web)
	router := chi.NewRouter()
	get := func(pattern string, h web.Handler) {
		router.Method(http.MethodGet, pattern, adapter.Handle(pattern, h))
	}
	get("/health", web.Health)
	get("/ready", s.ready)
	get("/metrics", checkHost(o.Hosts, promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{MaxRequestsInFlight: 4}).ServeHTTP))
	if o.Pprof {
		for pattern, h := range map[string]http.HandlerFunc{
			"/debug/pprof/":          pprof.Index,
			"/debug/pprof/{profile}": profile,
			"/debug/pprof/profile":   pprof.Profile,
			"/debug/pprof/trace":     pprof.Trace,
			"/debug/pprof/symbol":    pprof.Symbol,
		} {
			router.Handle(pattern, adapter.Handle(pattern, checkHost(o.Hosts, h)))
		}
	}
	s.Handler = adapter.Listen(router)
	return s
}

// Drain makes /ready answer 503 from now on, so that no new requests are sent here.
func (s *Server) Drain() { s.draining.Store(true) }

// ready reports whether new requests may be sent here.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) error {
	if s.draining.Load() {
		return web.Write(w, http.StatusServiceUnavailable, web.JSON, `{"status":"draining"}`)
	}
	if s.waiting != nil {
		if what := s.waiting(); what != "" {
			return web.Write(w, http.StatusServiceUnavailable, web.JSON, `{"status":"waiting for the `+what+`"}`)
		}
	}
	return web.Write(w, http.StatusOK, web.JSON, `{"status":"ready"}`)
}

func refusals() web.Errors {
	return web.Errors{Table: []web.Row{{Err: web.ErrHost, Problem: problem.Problem{
		Kind:   problem.HostNotAllowed,
		Detail: "the ops listener does not answer for this host name",
		Fix:    "Ask by address, or list the name in `T2G_OPS_ALLOWED_HOSTS`.",
	}}}}
}

// checkHost refuses host names that a website can have (DNS rebinding): its page could read
// the answers, because to the browser both are one origin. Addresses and names without a
// dot are not names of websites. Probes are exempt: their answers contain no data.
func checkHost(names []string, next http.HandlerFunc) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		name := web.HostName(r.Host)
		if _, err := netip.ParseAddr(name); err != nil && strings.Contains(name, ".") && !web.HostIn(r.Host, names) {
			return web.ErrHost
		}
		next(w, r)
		return nil
	}
}

// profile refuses stacks with arguments: an argument is a word of memory, which may be
// eight characters of a token (measured). Other profiles contain no arguments.
func profile(w http.ResponseWriter, r *http.Request) {
	if debug, _ := strconv.Atoi(r.FormValue("debug")); debug > 1 {
		_ = web.Write(w, http.StatusForbidden, "text/plain; charset=utf-8", "stacks with arguments can show parts of tokens; use debug=1, which has none\n")
		return
	}
	pprof.Index(w, r)
}

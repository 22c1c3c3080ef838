// Package api is the programs' listener: it answers whether an API key is good, to its
// holder, to proxies that ask before they pass a request on, and to applications.
//
// A caller is trusted for the credential it shows and nothing else. Forwarded identity
// headers are never read here, forwarded addresses only from trusted proxies.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/web"
)

// Options are what a Server needs.
type Options struct {
	Web   web.Options // Log and Metrics are required; Access is optional; the rest is set here
	Audit *audit.Log  // required: refused keys

	Checker *check.Checker // decides on keys; nil: there are no keys, and no route about them
	Prefix  apikey.Prefix  // of opaque keys; required with Checker
	Uses    Uses           // takes the uses of good keys; nil: they are not counted
	// AuditGood writes an event for good keys, too.
	AuditGood bool

	Hosts   []string       // host names that are answered; nil: all
	Peers   []netip.Prefix // addresses that are answered; nil: all
	Proxies []netip.Prefix // peers whose forwarded facts are believed
	// AskBrowsers has browsers ask for a password, which may be a key, where none came.
	AskBrowsers bool

	MaxHeaderBytes int              // required: larger requests get 431
	Now            func() time.Time // nil: time.Now
}

// Uses takes the uses of good keys. It must not block.
type Uses interface {
	Count(id apikey.ID, at time.Time, address netip.Addr, agent string)
}

// Server is the listener's handler. It is safe for concurrent use.
type Server struct {
	http.Handler
	options Options
	adapter *web.Adapter
	router  chi.Router
}

// New makes a Server.
func New(options Options) (*Server, error) {
	if err := options.check(); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &Server{options: options}
	o := options.Web
	o.Listener, o.Headers, o.Check, o.Errors, o.Render = listener, web.SecurityHeaders, s.checkRequest, s.errors(), s.renderProblem
	s.adapter = web.New(o)
	s.router = s.routes()
	s.Handler = s.adapter.Listen(http.HandlerFunc(s.route))
	return s, nil
}

// listener is the name of this listener in log lines and metrics.
const listener = "api"

func (o Options) check() error {
	switch {
	case o.Web.Log == nil, o.Web.Metrics == nil, o.Audit == nil:
		return errors.New("one of Web.Log, Web.Metrics and Audit is missing")
	case o.MaxHeaderBytes <= 0:
		return errors.New("options lack MaxHeaderBytes")
	case o.Checker != nil && o.Prefix == "":
		return errors.New("options lack Prefix")
	}
	return nil
}

// endpoint is one operation.
type endpoint struct {
	method  string
	pattern string
	handle  web.Handler
}

// endpoints are the operations; the API document lists the same. GET includes HEAD.
func (s *Server) endpoints() []endpoint {
	all := []endpoint{{"GET", "/health", web.Health}}
	if s.options.Checker != nil {
		all = append(all, endpoint{"GET", "/check", s.check})
	}
	return all
}

func (s *Server) routes() chi.Router {
	router := chi.NewRouter()
	for _, e := range s.endpoints() {
		handle := s.adapter.Handle(e.pattern, retry(e.handle))
		router.Method(e.method, e.pattern, handle)
		if e.method == http.MethodGet {
			router.Method(http.MethodHead, e.pattern, handle)
		}
	}
	router.NotFound(s.adapter.Handle(web.NoRoute, s.notFound).ServeHTTP)
	router.MethodNotAllowed(s.adapter.Handle(web.NoRoute, s.methodNotAllowed).ServeHTTP)
	return router
}

// route serves a request by its path, without the /k/KEY that may precede it.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	if key, found := keyInPath(r.URL.EscapedPath()); found && s.options.Checker != nil {
		r = withoutKey(r, key)
	}
	s.router.ServeHTTP(w, r)
}

// retry adds what a refused caller is told beside the problem.
func retry(handle web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := handle(w, r)
		if refusal, found := errors.AsType[*check.Refusal](err); found && refusal.RetryAfter > 0 {
			w.Header().Set("Retry-After", seconds(refusal.RetryAfter))
			setRate(w.Header(), refusal.Rate)
		}
		return err
	}
}

// Routes lists what is served, as "METHOD /path", in order.
func (s *Server) Routes() []string {
	var list []string
	for _, e := range s.endpoints() {
		list = append(list, e.method+" "+e.pattern)
	}
	slices.Sort(list)
	return list
}

// checkRequest refuses requests that the listener does not answer, whatever their route.
func (s *Server) checkRequest(r *http.Request) error {
	if err := web.CheckPeer(r, s.options.Peers); err != nil {
		return err
	}
	if err := web.CheckSize(r, s.options.MaxHeaderBytes); err != nil {
		return err
	}
	if r.URL.Path == "/health" || s.anyHost(r) {
		return nil
	}
	return web.CheckHost(r, s.options.Hosts)
}

// anyHost reports whether the request is a trusted proxy's question about a request of
// its own, whose Host is the application's.
func (s *Server) anyHost(r *http.Request) bool {
	return isQuestion(r.URL.Path) && s.trusted(r)
}

// record writes the event of a decision about a key.
func (s *Server) record(ctx context.Context, e audit.Event) error {
	e.Listener = listener
	return s.options.Audit.Write(ctx, s.options.Now(), e)
}

func text(name, value string) slog.Attr { return slog.String(name, value) }

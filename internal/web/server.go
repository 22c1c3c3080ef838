// Package web turns requests into calls of the rooms behind it and their results into
// answers; it decides nothing that a rule could decide.
//
// There are two doors. Gateway serves people and believes forwarded headers, because
// only the gateway can reach it. Ops serves the operator's tools. A handler stands at
// exactly one door, /health aside.
package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/token"
)

// Options are what a Server needs.
type Options struct {
	Tokens *token.Extractor // required: where the token is found
	Rules  flow.Rules       // required: what the redirect flow may do
	Log    *slog.Logger     // required: failures inside
	Audit  *audit.Log       // required: hand-overs and refusals
	Access slog.Handler     // required: a line for every request; may buffer

	Identity []string // headers that say who is signed in, for showing; none: nobody is shown
	Texts    Texts    // what the page says
	Version  string   // shown in the page's foot and in token2go_build_info
	Demo     string   // a banner on every page; none when empty

	PublicURL *url.URL       // nil: not known
	BasePath  string         // a prefix that the gateway leaves on; "" or such as "/t2g"
	Hosts     []string       // host names that are answered; nil: all
	OpsHosts  []string       // names with a dot by which the ops door is read; nil: none, "*": all
	Peers     []netip.Prefix // addresses that may speak to the gateway door; nil: all

	MaxHeaderBytes int              // required: larger requests get 431
	Pprof          bool             // profiles at the ops door
	Now            func() time.Time // nil: time.Now
}

// Texts are the operator's words on the page.
type Texts struct {
	Target, Title         string // plain
	Desc1, Desc2, Misc    string // HTML, trusted
	SignInURL, SignOutURL string // addresses at the gateway; may be empty
	Example               string // the address that examples call; empty: one that does not exist
}

// Server is everything behind the two doors. It is safe for concurrent use.
type Server struct {
	Options
	flow     *flow.Flow
	pages    *pages
	assets   *assets
	same     *http.CrossOriginProtection
	metrics  *metrics
	docs     http.Handler
	router   chi.Router
	draining atomic.Bool
}

// New prepares a Server. Pages, assets and the API document are made here, so that
// nothing of them can fail later.
func New(options Options) (*Server, error) {
	switch {
	case options.Tokens == nil, options.Log == nil, options.Audit == nil, options.Access == nil:
		return nil, errors.New("web: Tokens, Log, Audit and Access are required")
	case options.MaxHeaderBytes <= 0 || options.Rules.MaxURL <= 0 || options.Rules.Consent == "":
		return nil, errors.New("web: MaxHeaderBytes and Rules are required")
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &Server{Options: options, same: http.NewCrossOriginProtection()}
	s.flow = &flow.Flow{Rules: options.Rules, Tokens: options.Tokens, Now: options.Now}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s.metrics = newMetrics(prometheus.NewRegistry(), options.Version, options.Tokens.Names())
	s.docs = s.newDocs()
	s.router = s.routes()
	return s, nil
}

func (s *Server) load() (err error) {
	if s.PublicURL != nil {
		if err := s.same.AddTrustedOrigin(s.PublicURL.Scheme + "://" + s.PublicURL.Host); err != nil {
			return err
		}
	}
	if s.assets, err = newAssets(); err != nil {
		return err
	}
	s.pages, err = newPages(s.assets)
	return err
}

// Drain makes /ready say no from now on, so that no new requests are sent here.
func (s *Server) Drain() { s.draining.Store(true) }

// endpoint is one operation of the gateway door.
type endpoint struct {
	method  string
	pattern string
	handle  handler
}

// endpoints are the operations of the gateway door; the API document lists the same.
// GET stands for HEAD too, except where a HEAD could be taken for a hand-over.
func (s *Server) endpoints() []endpoint {
	return []endpoint{
		{"GET", "/", s.index},
		{"GET", "/index.html", s.index},
		{"GET", "/token", s.token},
		{"GET", flowPath, s.beginFlow},
		{"POST", flowPath, s.decideFlow},
		{"GET", "/echo", s.echo},
		{"GET", "/health", s.health},
		{"GET", "/docs", s.toSwagger},
		{"GET", "/openapi.yaml", s.documentYAML},
		{"GET", "/swagger.yaml", s.documentYAML},
		{"GET", "/openapi.json", s.documentJSON},
		{"GET", "/swagger-ui", s.toSwagger},
		{"GET", "/swagger-ui/", s.swagger},
		{"GET", "/swagger-ui/{file}", s.swagger},
		{"GET", "/static/{file}", s.static},
		{"GET", "/favicon.ico", s.favicon},
	}
}

const flowPath = "/flow/redirect/token"

func (s *Server) routes() chi.Router {
	router := chi.NewRouter()
	for _, e := range s.endpoints() {
		handle := s.adapt(e.pattern, e.handle)
		router.Method(e.method, e.pattern, handle)
		if e.method == http.MethodGet && e.pattern != flowPath {
			router.Method(http.MethodHead, e.pattern, handle)
		}
	}
	router.NotFound(s.adapt(noRoute, s.notFound).ServeHTTP)
	router.MethodNotAllowed(s.adapt(noRoute, s.methodNotAllowed).ServeHTTP)
	return router
}

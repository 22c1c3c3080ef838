// Package gateway is the people's listener, behind the auth gateway: the page, the token,
// the redirect flow, the echo and the API document. It turns requests into calls of the
// packages that decide, and their results into answers.
//
// Forwarded headers are believed here, because only the gateway can reach this listener.
package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/identity"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/page"
	"github.com/token2go/token2go/internal/passes"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/token"
	"github.com/token2go/token2go/internal/web"
)

// Options are what a Server needs.
type Options struct {
	Tokens   *token.Extractor      // required: where the token is found
	Rules    flow.Rules            // required: what the redirect flow may do
	Log      *slog.Logger          // required: internal errors
	Audit    *audit.Log            // required: hand-overs and refusals
	Metrics  *web.Metrics          // required: requests and refusals of all listeners
	Registry prometheus.Registerer // required: takes the metrics of hand-overs
	Access   slog.Handler          // a line for every request, may buffer; nil: none

	People   identity.Verifier // proves who is signed in; nil: nothing is stored in anyone's name
	Store    *store.Store      // required with Keys: stores who was here, and when; nil: it is not stored
	Keys     *keys.Manager     // makes API keys for people, requires People; nil: no /keys
	Checker  *check.Checker    // says why a key is refused; nil: it is not said
	Passes   *passes.Manager   // makes passes for people, requires People; nil: no /passes
	APIURL   *url.URL          // the API listener's address, for examples; nil: not known
	Identity []string          // headers with the name of who is signed in, for display; none: no name is shown
	Texts    Texts             // the operator's words on the page
	Version  string            // shown at the bottom of every page
	Demo     string            // a banner on every page; none when empty

	PublicURL *url.URL       // nil: not known
	BasePath  string         // a prefix that the gateway leaves on; "" or such as "/t2g"
	Hosts     []string       // host names that are answered; nil: all
	Peers     []netip.Prefix // addresses that are answered; nil: all

	MaxHeaderBytes int              // required: larger requests get 431
	Now            func() time.Time // nil: time.Now
}

// Texts are the operator's words on the page.
type Texts struct {
	Target, Title         string // plain
	Desc1, Desc2, Misc    string // HTML, trusted
	SignInURL, SignOutURL string // addresses at the gateway; may be empty
	Example               string // the address that examples call; empty: one that does not exist
}

// Server is the listener's handler. It is safe for concurrent use.
type Server struct {
	http.Handler
	options Options
	adapter *web.Adapter
	flow    *flow.Flow
	pages   *page.Pages
	origins *http.CrossOriginProtection
	metrics *metrics
	visits  *visits
	docs    http.Handler
	router  chi.Router
}

// New makes a Server. It prepares pages, files and the API document, so that they cannot
// fail later.
func New(options Options) (*Server, error) {
	if err := options.check(); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &Server{options: options, origins: http.NewCrossOriginProtection()}
	s.flow = &flow.Flow{Rules: options.Rules, Tokens: options.Tokens, Now: options.Now}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	s.visits = newVisits(options.Store, func(err error) { options.Log.Error("visit not stored", "listener", listener, "cause", err) })
	s.metrics = newMetrics(options.Registry, options.Tokens.Names())
	s.adapter = web.New(web.Options{
		Listener: listener, Log: s.options.Log, Access: s.options.Access, Metrics: s.options.Metrics,
		Headers: web.SecurityHeaders, Check: s.checkRequest, Errors: s.errors(), Render: s.renderProblem,
	})
	s.docs = s.newDocs()
	s.router = s.routes()
	s.Handler = s.adapter.Listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.router.ServeHTTP(w, s.strip(r))
	}))
	return s, nil
}

// listener is the name of this listener in log lines and metrics.
const listener = "gateway"

func (o Options) check() error {
	switch {
	case o.Tokens == nil, o.Log == nil, o.Audit == nil, o.Metrics == nil, o.Registry == nil:
		return errors.New("one of Tokens, Log, Audit, Metrics and Registry is missing")
	case o.MaxHeaderBytes <= 0 || o.Rules.MaxURL <= 0 || o.Rules.Consent == "":
		return errors.New("one of MaxHeaderBytes and Rules is missing")
	case o.Keys != nil && o.Store == nil:
		return errors.New("options lack Store")
	case (o.Keys != nil || o.Passes != nil) && o.People == nil:
		return errors.New("options lack People")
	}
	return nil
}

func (s *Server) load() (err error) {
	if s.options.PublicURL != nil {
		if err := s.origins.AddTrustedOrigin(s.options.PublicURL.Scheme + "://" + s.options.PublicURL.Host); err != nil {
			return err
		}
	}
	s.pages, err = page.New()
	return err
}

// endpoint is one operation.
type endpoint struct {
	method  string
	pattern string
	handle  web.Handler
}

// endpoints are the operations; the API document lists the same. GET includes HEAD, except
// for the flow, where a HEAD would answer with the token in Location.
func (s *Server) endpoints() []endpoint {
	return []endpoint{
		{"GET", "/", s.index},
		{"GET", "/index.html", s.index},
		{"GET", "/token", s.audited(s.token)},
		{"GET", flowPath, s.audited(s.beginFlow)},
		{"POST", flowPath, s.audited(s.decideFlow)},
		{"GET", "/keys", s.listKeys},
		{"POST", "/keys", s.makeKey},
		{"POST", "/keys/try", s.tryKey},
		{"GET", "/keys/{id}", s.getKey},
		{"PATCH", "/keys/{id}", s.changeKey},
		{"POST", "/keys/{id}", s.changeKey},
		{"POST", "/keys/{id}/rotate", s.rotateKey},
		{"POST", "/keys/{id}/revoke", s.revokeKey},
		{"GET", "/keys/{id}/usage", s.keyUsage},
		{"GET", "/passes", s.listPasses},
		{"POST", "/passes", s.makePass},
		{"POST", "/passes/try", s.tryPass},
		{"POST", "/passes/end", s.endPasses},
		{"POST", "/passes/{id}/revoke", s.revokePass},
		{"GET", "/admin", s.admin},
		{"GET", "/admin/keys", s.adminKeys},
		{"POST", "/admin/keys", s.adminMakeKey},
		{"POST", "/admin/keys/revoke", s.adminRevokeApp},
		{"GET", "/admin/people", s.adminPeople},
		{"GET", "/admin/people/{id}", s.adminPerson},
		{"PATCH", "/admin/people/{id}", s.adminChangePerson},
		{"POST", "/admin/people/{id}", s.adminChangePerson},
		{"POST", "/admin/people/{id}/revoke", s.adminRevokeAll},
		{"GET", "/admin/events", s.adminEvents},
		{"GET", "/admin/signing-keys", s.adminSigningKeys},
		{"GET", "/echo", s.echo},
		{"GET", "/health", web.Health},
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

// routedKey is keyPattern to the router, which would take /keys/try for a key otherwise.
const (
	keyPattern = "/keys/{id}"
	routedKey  = "/keys/{id:[0-9A-Za-z]{10}}"
)

func (s *Server) routes() chi.Router {
	router := chi.NewRouter()
	for _, e := range s.endpoints() {
		handle, routed := s.adapter.Handle(e.pattern, e.handle), strings.Replace(e.pattern, keyPattern, routedKey, 1)
		router.Method(e.method, routed, handle)
		if e.method == http.MethodGet && e.pattern != flowPath {
			router.Method(http.MethodHead, routed, handle)
		}
	}
	router.NotFound(s.adapter.Handle(web.NoRoute, s.notFound).ServeHTTP)
	router.MethodNotAllowed(s.adapter.Handle(web.NoRoute, s.methodNotAllowed).ServeHTTP)
	return router
}

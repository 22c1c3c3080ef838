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
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/passes"
	"github.com/token2go/token2go/internal/web"
)

// Options are what a Server needs.
type Options struct {
	Web   web.Options // Log and Metrics are required; Access is optional; the rest is set here
	Audit *audit.Log  // required: refused keys

	Checker *check.Checker // decides on keys; nil: there are no keys, and no route about them
	Prefix  apikey.Prefix  // of opaque keys; required with Checker
	Issuer  string         // T2G_API_URL, the iss of signed keys; required with JWTs
	JWTs    JWTs           // verifies signed keys; nil: there are none
	UUIDs   bool           // keys in apikey-manager's form are looked at
	// BareJWTs has signed keys without iss and kid be looked at, as apikeyserv made them, and
	// its routes served.
	BareJWTs bool
	// Registrar has anyone register at apikeyserv's /apikeys/; nil: no one may.
	Registrar Registrar
	// APIKeyManager has the routes of apikey-manager served; nil: they are not.
	APIKeyManager *APIKeyManager
	Uses          Uses // takes the uses of good keys; nil: they are not counted
	// AuditGood writes an event for good keys, too.
	AuditGood bool
	// Revoke revokes a key whose holder asks for it, and returns when it is refused here;
	// nil: no key can be revoked with itself.
	Revoke func(context.Context, apikey.ID) error

	Rings       Rings       // public keys to publish
	StatusLists StatusLists // nil: there are no signed keys
	Assertions  []string    // applications that get X-Token2go-Token; they need Rings.Assertions
	Services    Services    // the reverse proxy at /s/; nil: none
	Passes      Passes      // makes passes for services; nil: none
	// Older are routes of older systems besides their services, as "METHOD /path".
	Older map[string]func(http.ResponseWriter, *http.Request) error

	Host  string   // of T2G_API_URL; empty: not known
	Hosts []string // host names that are answered, beside those of services; nil: all
	// Addresses are answered as hosts, too. No website has one, so none can rebind its name.
	Addresses bool
	Peers     []netip.Prefix // addresses that are answered; nil: all
	Proxies   []netip.Prefix // peers whose forwarded facts are believed
	Origins   []string       // origins whose pages may read the answers, such as https://maps.example.org
	// AskBrowsers has browsers ask for a password, which may be a key, where none came.
	AskBrowsers bool

	MaxHeaderBytes int              // required: larger requests get 431
	Now            func() time.Time // nil: time.Now
}

// Uses takes the uses of good keys. It must not block.
type Uses interface {
	Count(id apikey.ID, at time.Time, address netip.Addr, agent string)
}

// Services is the reverse proxy. It answers, or returns an error and has answered nothing.
type Services interface {
	// Serve serves a service at /s/NAME, or at the root of a host.
	Serve(w http.ResponseWriter, r *http.Request, service string, atRoot bool) error
	// ForHost returns the service that answers at the root of a host; empty: none.
	ForHost(host string) string
	// DefaultService answers at the names of this listener that are not the one of
	// T2G_API_URL; empty: none does.
	DefaultService() string
}

// Passes makes and explains passes; a passes.Manager does.
type Passes interface {
	Make(ctx context.Context, by passes.Actor, r passes.Request) (passes.Made, error)
	Attenuate(text string, r passes.Request) (passes.Made, error)
	Explain(by passes.Actor, q passes.Question) (passes.Explanation, error)
	Address(service string) string
}

// Server is the listener's handler. It is safe for concurrent use.
type Server struct {
	http.Handler
	options    Options
	adapter    *web.Adapter
	router     chi.Router
	verified   *verified // nil: there are no signed keys
	registered registrations
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
	if options.JWTs != nil {
		s.verified = newVerified(options.JWTs)
	}
	o := options.Web
	o.Listener, o.Headers, o.Check, o.Errors, o.Render = listener, web.SecurityHeaders, s.checkRequest, s.errors(), s.renderProblem
	s.adapter = web.New(o)
	s.router = s.routes()
	s.Handler = s.adapter.Listen(http.HandlerFunc(s.route))
	return s, nil
}

const servicePattern = "/s/{service}/{path}"

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
	case o.JWTs != nil && o.Issuer == "":
		return errors.New("options lack Issuer")
	case len(o.Assertions) > 0 && o.Rings.Assertions == nil:
		return errors.New("options lack Rings.Assertions")
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
	for operation, handle := range s.options.Older {
		method, pattern, _ := strings.Cut(operation, " ")
		all = append(all, endpoint{method, pattern, handle})
	}
	if s.options.Checker != nil {
		all = append(all, endpoint{"GET", "/check", s.check}, endpoint{"POST", "/check", s.checkOther}, endpoint{"POST", "/introspect", s.introspect})
		if s.options.Revoke != nil {
			all = append(all, endpoint{"POST", "/revoke", s.revoke})
		}
	}
	if s.options.Passes != nil {
		all = append(all, endpoint{"POST", "/passes", s.makePass}, endpoint{"POST", "/passes/attenuate", s.attenuatePass}, endpoint{"POST", "/passes/explain", s.explainPass})
	}
	for path, ring := range s.options.Rings.published() {
		all = append(all, endpoint{"GET", path, jwks(ring)})
	}
	if s.options.StatusLists != nil {
		all = append(all, endpoint{"GET", "/status-lists/{n}", s.statusList})
	}
	return slices.Concat(all, s.apikeyserv(), s.registering(), s.apikeyManager())
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

// route serves a request by its host and its path, without the /k/KEY that may precede it.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	if verifies(r.URL.Path) && s.options.Checker != nil && s.trusted(r) {
		s.serveVerify(w, r)
		return
	}
	if service := s.serviceAtRoot(r); service != "" {
		s.adapter.Handle("(service)/{path}", s.proxied(service, true)).ServeHTTP(w, r)
		return
	}
	if key, found := keyInPath(r.URL.EscapedPath()); found && s.options.Checker != nil {
		r = withoutKey(r, key)
	}
	switch service, found := s.serviceInPath(r); {
	case verifies(r.URL.Path) && s.options.Checker != nil:
		s.serveVerify(w, r)
	case s.shared(w, r):
	case found:
		s.adapter.Handle(servicePattern, s.proxied(service, false)).ServeHTTP(w, r)
	default:
		s.router.ServeHTTP(w, r)
	}
}

func (s *Server) serveVerify(w http.ResponseWriter, r *http.Request) {
	pattern, handle := s.verifyHandler(r.URL.Path)
	s.adapter.Handle(pattern, retry(handle)).ServeHTTP(w, r)
}

// serviceInPath returns the NAME of /s/NAME/…, and whether the path is a service's.
func (s *Server) serviceInPath(r *http.Request) (string, bool) {
	rest, found := strings.CutPrefix(r.URL.EscapedPath(), "/s/")
	service, _, _ := strings.Cut(rest, "/")
	return service, found && s.options.Services != nil
}

// serviceAtRoot is the service to which the request's host belongs as a whole.
func (s *Server) serviceAtRoot(r *http.Request) string {
	if s.options.Services == nil {
		return ""
	}
	if service := s.options.Services.ForHost(r.Host); service != "" {
		return service
	}
	if s.options.Host == "" || strings.EqualFold(r.Host, s.options.Host) {
		return ""
	}
	if isAddress(r.Host) {
		return ""
	}
	return s.options.Services.DefaultService()
}

// proxied passes a request to a service. The headers of the answer are the service's own;
// a problem of ours says so, since it could be taken for the service's.
func (s *Server) proxied(service string, atRoot bool) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		ours := w.Header().Clone()
		web.ClearSecurityHeaders(w.Header())
		err := s.options.Services.Serve(w, r, service, atRoot)
		if err != nil {
			maps.Copy(w.Header(), ours)
			w.Header().Set("Token2go-Error", string(s.errors().Find(r, err).Kind))
		}
		return err
	}
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
	if s.options.Checker != nil {
		list = append(list, "GET "+verifyPath, "GET "+nginxPath, "GET "+envoyPattern) // and every other method
	}
	if s.options.Services != nil {
		list = append(list, "GET "+servicePattern)
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
	if r.URL.Path == "/health" || s.options.Addresses && isAddress(r.Host) || s.anyHost(r) || s.options.Services != nil && s.options.Services.ForHost(r.Host) != "" {
		return nil
	}
	return web.CheckHost(r, s.options.Hosts)
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(web.HostName(host))
	return err == nil
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

// attribute is a member of an event.
func attribute(name, value string) slog.Attr { return slog.String(name, value) }

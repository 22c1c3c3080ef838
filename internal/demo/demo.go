// Package demo pretends to be an auth gateway on loopback, for trying Token2go out and
// for its tests; it protects nothing.
//
// It treats the upstream as oauth2-proxy 7.15 does: it adds and strips the same
// headers and answers an ended session in the same way. Anyone may sign in as any of the
// invented people. The tokens are signed by a key that lives as long as the process, and
// a small API, Notes, accepts them.
package demo

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

const (
	maxSessions = 1000
	maxLogins   = 64
	maxToken    = 512 << 10
	maxForm     = 4 << 20
)

// Options configure a Gateway.
type Options struct {
	// Upstream is the server behind the gateway, as scheme and host. Required.
	Upstream *url.URL
	// Transport carries requests to Upstream, for one that listens on a Unix socket.
	// Nil: plain connections that ignore the proxy variables of the environment.
	Transport http.RoundTripper

	// People are those who can sign in; usernames must differ. Nil: People().
	People []Person
	// Provider is the origin at which the pretend identity provider shows its sign-in
	// form. The gateway serves that form under /provider/ whatever the host name, so
	// another name for the same listener makes sign-in cross-site. Nil: the gateway's own.
	Provider *url.URL

	// Lifetime is that of an access token, in whole seconds. 0: five minutes.
	Lifetime time.Duration
	// Renew is how much of a token's lifetime may be left before the next request gets
	// a new one. 0: a fifth of Lifetime. Negative: never, so that expired tokens arrive.
	Renew time.Duration
	// TokenBytes pads access tokens to about this length, at most 524288. 0: no
	// padding, which is a little over a kilobyte.
	TokenBytes int

	// NotesToken is a token of the Notes API itself, which opens everyone's notes, as the
	// credential of a service does. Empty: there is none.
	NotesToken string

	// Flags are the settings of oauth2-proxy to imitate.
	Flags Flags
	// Secure says that browsers reach the gateway by https although it does not
	// terminate TLS itself. Not needed for requests that arrive by TLS.
	Secure bool
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Flags are settings of oauth2-proxy. The zero value is oauth2-proxy with
// --pass-access-token alone.
type Flags struct {
	NoPassAccessToken       bool // leaves --pass-access-token out: no access token goes anywhere
	PassAuthorizationHeader bool // Authorization upstream: Bearer and the ID token
	SetXAuthRequest         bool // X-Auth-Request-* in every answer, not only those of /oauth2/auth
	SetAuthorizationHeader  bool // Authorization in every answer: Bearer and the ID token
	ReverseProxy            bool // another gateway in front sends the original request in X-Forwarded-*
	SkipProviderButton      bool // straight to the identity provider, no page with a button before

	// CookieSameSite is the SameSite attribute of the session cookie; zero is none.
	CookieSameSite http.SameSite
}

// Gateway is the pretend gateway. It serves any number of requests at once, and any
// number of host names.
type Gateway struct {
	upstream *url.URL
	people   []Person
	provider *url.URL
	flags    Flags
	secure   bool
	renew    time.Duration
	now      func() time.Time
	notesKey string

	mint     *mint
	sessions *boundedMap[*session]
	logins   *boundedMap[login]
	proxy    *httputil.ReverseProxy
	routes   map[string]http.HandlerFunc
	origin   *http.CrossOriginProtection
	pages    *template.Template
}

// New makes a gateway with its own signing key and no session. Its error names the
// option that is missing or out of range.
func New(options Options) (*Gateway, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	options = options.filled()
	minted, err := newMint(options.Lifetime, options.TokenBytes)
	if err != nil {
		return nil, err
	}
	pages, err := template.ParseFS(files, "*.html")
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	g := &Gateway{
		upstream: options.Upstream,
		people:   options.People,
		provider: options.Provider,
		flags:    options.Flags,
		secure:   options.Secure,
		renew:    options.Renew,
		now:      options.Now,
		notesKey: options.NotesToken,
		mint:     minted,
		sessions: newBoundedMap[*session](maxSessions),
		logins:   newBoundedMap[login](maxLogins),
		origin:   http.NewCrossOriginProtection(),
		pages:    pages,
	}
	g.proxy = g.reverseProxy(options.Transport)
	g.routes = g.ownRoutes()
	return g, nil
}

func (o Options) check() error {
	if err := checkOrigin("upstream", o.Upstream); err != nil {
		return err
	}
	if o.Provider != nil {
		if err := checkOrigin("provider", o.Provider); err != nil {
			return err
		}
	}
	if o.Lifetime < 0 || o.Lifetime%time.Second != 0 {
		return fmt.Errorf("lifetime: got %v, want whole seconds", o.Lifetime)
	}
	if o.TokenBytes < 0 || o.TokenBytes > maxToken {
		return fmt.Errorf("token bytes: got %d, want 0 to %d", o.TokenBytes, maxToken)
	}
	return checkPeople(o.People)
}

func checkOrigin(name string, u *url.URL) error {
	switch {
	case u == nil:
		return errors.New(name + ": missing")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.User != nil,
		u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return fmt.Errorf("%s: got %s, want scheme and host alone, as in http://127.0.0.1:8081", name, u.Redacted())
	}
	return nil
}

func (o Options) filled() Options {
	if o.People == nil {
		o.People = People()
	}
	if o.Lifetime == 0 {
		o.Lifetime = 5 * time.Minute
	}
	if o.Renew == 0 {
		o.Renew = o.Lifetime / 5
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Transport == nil {
		o.Transport = plainTransport()
	}
	return o
}

// ownRoutes are the paths that the gateway answers itself. They are compared exactly: a
// ServeMux would clean paths, which the upstream has to receive as they were sent.
func (g *Gateway) ownRoutes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"/oauth2/sign_in":                   g.signIn,
		"/oauth2/start":                     g.start,
		"/oauth2/callback":                  g.callback,
		"/oauth2/sign_out":                  g.signOut,
		"/oauth2/auth":                      g.auth,
		"/oauth2/userinfo":                  g.userInfo,
		notesPath:                           g.notesBehind,
		"/oauth2/static/demo.css":           asset("demo.css"),
		"/oauth2/static/demo.svg":           asset("demo.svg"),
		"/provider/sign_in":                 g.provide,
		"/.well-known/jwks.json":            g.keys,
		"/.well-known/openid-configuration": g.configuration,
	}
}

// ServeHTTP answers the gateway's own paths and forwards the rest for people who are
// signed in.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if answer, own := g.routes[r.URL.Path]; own {
		answer(w, r)
		return
	}
	g.forward(w, r)
}

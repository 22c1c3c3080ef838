package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/web"
)

// A dialect is how a kind of proxy asks about a request: the headers in which it tells the
// client's address and the request's target.
type dialect struct{ address, target string }

const (
	verifyPath = "/verify"
	nginxPath  = "/verify/nginx"
	envoyPath  = "/verify/envoy/"

	envoyPattern = "/verify/envoy/{app}/{path}"
)

// verifies reports whether a path asks for a proxy. There a 2xx is the grant, so every
// method is a check, a preflight too.
func verifies(path string) bool { return path == verifyPath || strings.HasPrefix(path, verifyPath+"/") }

// verifyHandler is the handler of one of the dialects; nil for a path that is none.
func (s *Server) verifyHandler(path string) (pattern string, handle web.Handler) {
	switch {
	case path == verifyPath:
		return verifyPath, s.verify(dialect{address: "X-Forwarded-For", target: "X-Forwarded-Uri"})
	case path == nginxPath:
		return nginxPath, s.verify(dialect{address: "X-Real-Ip", target: "X-Original-Uri"})
	case strings.HasPrefix(path, envoyPath):
		return envoyPattern, s.verifyEnvoy
	}
	return web.NoRoute, s.notFound
}

// verify answers a proxy that tells about the request in headers, and names the
// application in its own query.
func (s *Server) verify(d dialect) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		app, err := appOf(r.URL)
		if err != nil {
			return err
		}
		target, err := s.target(r, d.target)
		if err != nil {
			return err
		}
		return s.grant(w, r, target, app, d.address)
	}
}

// target is where the request went that a trusted proxy asks about; else this request's
// own.
func (s *Server) target(r *http.Request, header string) (*url.URL, error) {
	values := r.Header[header]
	switch {
	case len(values) == 0 || !s.trusted(r):
		return r.URL, nil
	case len(values) > 1:
		return nil, &problem.Problem{Kind: problem.InvalidRequest, Detail: header + " came twice, want the proxy to overwrite it"}
	}
	path, query, _ := strings.Cut(values[0], "?")
	return &url.URL{Path: path, RawPath: path, RawQuery: query}, nil
}

// verifyEnvoy answers Envoy, which puts the path of the request behind the application's
// name and passes its query on: nothing of ours is read from it but a key. To the
// X-Forwarded-For of its question Envoy adds an address of its own, which need not be the
// one it connects from; so the client's is in X-Real-IP here.
func (s *Server) verifyEnvoy(w http.ResponseWriter, r *http.Request) error {
	name, path, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), envoyPath), "/")
	app, err := url.PathUnescape(name)
	if err != nil || app == "" {
		return &problem.Problem{Kind: problem.NotFound, Detail: "the path names no application", Fix: "Have Envoy ask at `/verify/envoy/APPLICATION`."}
	}
	path = "/" + path
	return s.grant(w, r, &url.URL{Path: path, RawPath: path, RawQuery: r.URL.RawQuery}, app, "X-Real-Ip")
}

// grant lets the request through which a proxy asks about, if its key is good.
func (s *Server) grant(w http.ResponseWriter, r *http.Request, target *url.URL, app, addressHeader string) error {
	found, err := s.find(r, target)
	if err != nil {
		return err
	}
	verdict, err := s.decide(r, question{
		found: found, address: s.client(r, addressHeader), host: pageHost(r.Header), app: app, agent: r.UserAgent(),
		ofProxy: s.trusted(r),
	})
	if err != nil {
		return err
	}
	h := w.Header()
	if slices.Contains(s.options.Assertions, app) {
		signed, err := s.assertion(verdict, app)
		if err != nil {
			return err
		}
		h.Set("X-Token2go-Token", signed)
	}
	setIdentity(h, verdict)
	setRate(h, verdict.Rate)
	h["Content-Length"] = []string{"0"}
	w.WriteHeader(http.StatusOK)
	return nil
}

// setIdentity tells the application whose key it was, under our names and oauth2-proxy's.
func setIdentity(h http.Header, v check.Verdict) {
	set := func(value string, names ...string) {
		if isSafe(value) {
			for _, name := range names {
				h[name] = []string{value}
			}
		}
	}
	set(v.Key.ID.String(), "X-Token2go-Key")
	set(joined(v.Roles), "X-Token2go-Roles")
	set(string(v.Key.Config), "X-Token2go-Config")
	if p := v.Person; p != nil {
		set(p.Subject, "X-Token2go-Subject", "X-Auth-Request-User")
		set(p.Login, "X-Token2go-Login", "X-Auth-Request-Preferred-Username")
		set(p.Email, "X-Token2go-Email", "X-Auth-Request-Email")
		set(joined(p.Groups), "X-Token2go-Groups", "X-Auth-Request-Groups")
	}
}

// isSafe reports whether a header can hold a value as it is, in UTF-8. Another one is left
// out: changed, it could be another person's.
func isSafe(value string) bool {
	return value != "" && utf8.ValidString(value) && value == strings.TrimSpace(value) && !strings.ContainsFunc(value, unicode.IsControl)
}

// joined lists entries with commas. One with a comma is left out: it would be read as two.
func joined(entries []string) string {
	var safe []string
	for _, entry := range entries {
		if isSafe(entry) && !strings.Contains(entry, ",") {
			safe = append(safe, entry)
		}
	}
	return strings.Join(safe, ",")
}

// assertionTTL is how long a signed statement about a request is valid.
const assertionTTL = time.Minute

// assertionClaims are the claims of X-Token2go-Token.
type assertionClaims struct {
	Issuer   string   `json:"iss,omitempty"`
	Subject  string   `json:"sub,omitempty"`
	Audience string   `json:"aud"`
	Issued   int64    `json:"iat"`
	Expires  int64    `json:"exp"`
	Roles    []string `json:"roles"`
	Key      string   `json:"key"`
}

func (s *Server) assertion(v check.Verdict, app string) (string, error) {
	now := s.options.Now()
	claims := assertionClaims{
		Issuer: s.options.Issuer, Audience: app, Issued: now.Add(-time.Second).Unix(), Expires: now.Add(assertionTTL).Unix(),
		Roles: list(v.Roles), Key: v.Key.ID.String(),
	}
	if v.Person != nil {
		claims.Subject = v.Person.Subject
	}
	return s.options.Rings.Assertions.Sign(claims)
}

// statusFor is the status with which a refusal reaches a proxy: nginx makes 500 of all but
// 401 and 403.
func statusFor(path string, status int) int {
	if path == nginxPath && status != http.StatusUnauthorized {
		return http.StatusForbidden
	}
	return status
}

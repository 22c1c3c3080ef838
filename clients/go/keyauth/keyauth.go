// Package keyauth lets an http.Handler be called with Token2go's API keys alone.
//
//	keys, err := keyauth.New(keyauth.Options{Server: "https://keys.example.org", App: "maps"})
//	…
//	http.ListenAndServe(":8080", keys.Handler(app))
//
// The handler finds the owner of the key with FromContext. The key itself is taken out of
// the request first.
//
// Online, each key is asked about at the server, and the answer is used again for
// Options.MaxAge: so long may a revoked key go on working. Offline, keys that are JWTs are
// verified here, with the server's published keys and its lists of revoked ones, which are
// read again as often as the server asks for; opaque keys are refused. Where the server
// does not answer, both go on with what they know for Options.MaxStale, and answer 503
// after that.
package keyauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/loopback"
	"github.com/token2go/token2go/internal/secret"
)

// Key is a good key with what the server says of its owner.
type Key struct {
	ID      string    // public; may be logged
	Name    string    // as its owner named it; offline empty, as are all the others but Subject
	Kind    string    // opaque, jwt or uuid
	Expires time.Time // zero: never

	Subject      string // of the owner; offline it is the key's number
	Login, Email string
	Roles        []string // of the owner's roles, those that the key was given
	Groups       []string
	Apps         []string
	Config       json.RawMessage // free, as the owner gave it; nil: none
}

// Options say which server is asked, and how. Server is required.
type Options struct {
	Server    string // the address of the API listener; https, or http on loopback
	AllowHTTP bool   // take http beyond loopback as well, as within a cluster
	Issuer    string // the iss of keys that are JWTs, the server's T2G_API_URL; empty: Server
	App       string // the application that this is; empty: keys that name applications are refused
	Prefix    string // what opaque keys begin with, the server's T2G_KEYS_PREFIX; empty: t2g

	// Secret is a key with the grant introspect:APP. With it the server is told the
	// caller's address and page, so that keys can be bound to networks and hosts. Without,
	// the server takes this program's address for the caller's.
	Secret string
	// Address is the caller's address; nil: that of the connection. Behind a proxy it is
	// what the proxy says, which only you can know to be trustworthy.
	Address func(*http.Request) netip.Addr

	Offline    bool // verify keys that are JWTs here
	AllowQuery bool // keys may come in the query, as api-key, api_key or x-api-key

	MaxAge   time.Duration // how long an answer is used again; 0: 5 seconds, below 0: never
	MaxStale time.Duration // how old what is known may be where the server does not answer; 0: a minute, offline 15 minutes

	HTTPClient *http.Client     // nil: one with a time limit of 5 seconds that follows no redirect
	Now        func() time.Time // nil: the clock
}

// Refused is why a request is not let through.
type Refused struct {
	Status     int      // 401, 403, 429 or 503
	Kind       string   // for programs, such as invalid_key
	Detail     string   // for people
	RetryAfter string   // the header; empty: none
	Challenges []string // for WWW-Authenticate
	cause      error    // of a server that does not answer; for the log
}

func (r *Refused) Error() string { return r.Kind + ": " + r.Detail }

// Unwrap returns why the server does not answer, or nil.
func (r *Refused) Unwrap() error { return r.cause }

// Checker checks keys. It is safe for concurrent use.
type Checker struct {
	o       Options
	prefix  apikey.Prefix
	secret  secret.Value
	online  *online
	offline *offline
}

// New makes a Checker. It does not call the server yet.
func New(o Options) (*Checker, error) {
	server, err := parseServer(o.Server, o.AllowHTTP)
	if err != nil {
		return nil, err
	}
	o.Server = server
	o.Issuer = cmp.Or(strings.TrimSuffix(o.Issuer, "/"), server)
	o.MaxAge = cmp.Or(o.MaxAge, 5*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.HTTPClient == nil {
		o.HTTPClient = &http.Client{
			Timeout:       5 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // it would carry the key
		}
	}
	if o.Address == nil {
		o.Address = peer
	}
	prefix, err := apikey.ParsePrefix(cmp.Or(o.Prefix, "t2g"))
	if err != nil {
		return nil, err
	}
	c := &Checker{o: o, prefix: prefix, secret: secret.New(o.Secret)}
	c.o.Secret = ""
	if o.Offline {
		c.o.MaxStale = cmp.Or(o.MaxStale, 15*time.Minute)
		c.offline = newOffline(c.o)
		return c, nil
	}
	c.o.MaxStale = cmp.Or(o.MaxStale, time.Minute)
	c.online, err = newOnline(c.o, c.secret)
	return c, err
}

// parseServer returns the address without a slash at its end.
func parseServer(text string, allowHTTP bool) (string, error) {
	server, err := url.Parse(text)
	const example = ", want one such as https://keys.example.org"
	switch {
	case err != nil:
		return "", errors.New("keyauth: the server's address cannot be read" + example)
	case server.Scheme != "https" && server.Scheme != "http" || server.Host == "" || server.User != nil || server.RawQuery != "" || server.Fragment != "":
		return "", errors.New("keyauth: not the address of a server" + example)
	case server.Scheme == "http" && !allowHTTP && !loopback.Host(server.Hostname()):
		return "", errors.New("keyauth: http beyond this computer, where others can read keys, wants AllowHTTP")
	}
	return strings.TrimSuffix(server.String(), "/"), nil
}

func peer(r *http.Request) netip.Addr {
	address, _ := netip.ParseAddrPort(r.RemoteAddr)
	return address.Addr().Unmap()
}

// Check checks the key of a request. The error is a *Refused, or the context's.
func (c *Checker) Check(r *http.Request) (Key, error) {
	found, err := c.find(r)
	if err != nil {
		return Key{}, err
	}
	if c.offline != nil {
		return c.offline.check(r.Context(), found)
	}
	return c.online.check(r.Context(), question{
		key: found, Address: c.o.Address(r), Origin: r.Header.Get("Origin"), Referer: r.Referer(), Method: r.Method, URI: withoutKey(r.URL).RequestURI(),
	})
}

type contextKey struct{}

// FromContext returns the key of a request that Handler let through.
func FromContext(ctx context.Context) (Key, bool) {
	key, found := ctx.Value(contextKey{}).(Key)
	return key, found
}

// Handler lets requests with a good key through to next, without the key, and answers
// others with a problem document (RFC 9457).
func (c *Checker) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, err := c.Check(r)
		if err != nil {
			refuse(w, err)
			return
		}
		next.ServeHTTP(w, c.strip(r.WithContext(context.WithValue(r.Context(), contextKey{}, key))))
	})
}

func refuse(w http.ResponseWriter, err error) {
	refused, found := errors.AsType[*Refused](err)
	if !found {
		refused = unavailable(err)
	}
	h := w.Header()
	for _, challenge := range refused.Challenges {
		h.Add("WWW-Authenticate", challenge)
	}
	if refused.RetryAfter != "" {
		h.Set("Retry-After", refused.RetryAfter)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(refused.Status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"title": http.StatusText(refused.Status), "status": refused.Status, "kind": refused.Kind, "detail": refused.Detail,
	})
}

// challenges ask programs for a key. git and wget send a password only after the second.
func challenges() []string {
	return []string{`Bearer realm="token2go", error="invalid_token"`, `Basic realm="token2go", charset="UTF-8"`}
}

func unauthorized(kind, detail string) *Refused {
	return &Refused{Status: http.StatusUnauthorized, Kind: kind, Detail: detail, Challenges: challenges()}
}

var errInvalid = unauthorized("invalid_key", "The API key is not valid.")

func unavailable(cause error) *Refused {
	return &Refused{
		Status: http.StatusServiceUnavailable, Kind: "check_unavailable", Detail: "API keys cannot be checked at the moment.",
		RetryAfter: "5", cause: fmt.Errorf("keyauth: %w", cause),
	}
}

// Package proxy calls APIs for programs that never see the APIs' credentials.
//
// A services file says which APIs there are, with which credential each is called, and
// what may be called at all. A caller shows a credential of this server; the proxy
// examines the path once, matches it against the rules, and sends what it examined with
// the API's credential in place of the caller's.
package proxy

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/pass/lockbox"
	"github.com/token2go/token2go/internal/rule"
)

// Service is one API.
type Service struct {
	Name string
	Base *url.URL // path without a slash at its end

	Credential Credential // nil: none is sent
	People     []string   // roles, groups and subjects that may make passes; "*" is everyone who is signed in
	Open       bool       // anyone may call, without a credential
	Accept     []string   // kinds of credentials that open it
	Audiences  lockbox.Audiences
	Nobody     bool // no credential opens it

	Rules  rule.Set               // what may be called; see Scoped
	Scopes map[string][]rule.Rule // named sets of rules for passes
	Paths  rule.Options           // what the path of a call may hold; Unscoped is decided for each call
	Legacy *bool                  // how rules of magic-api-proxy's tokens are matched; nil: not said

	Hosts       []string // names at which the service answers at the root
	Default     bool     // it answers at the API listener's names that are no other service's
	StripPrefix string   // taken off the caller's path before it is examined

	RequestHeaders  []string // the only ones that go up, besides those of the body; nil: all that may
	ResponseHeaders []string // the only ones that come back; nil: all that may

	MaxRequestBytes int64 // of a body
	Rate            apikey.Rate
	Concurrency     int            // calls at once; 0: without limit
	Networks        []netip.Prefix // of callers; nil: any

	ConnectTimeout time.Duration // 0: none
	ReadTimeout    time.Duration // until the answer begins, and between its parts; 0: none
	Redirects      bool          // redirects within the base URL are followed for GET and HEAD
	WebSocket      bool
	Stream         bool   // answers may be silent for any time
	AllowPrivate   bool   // a name may mean a private address
	Proxy          string // empty: none; "env": as the environment says; else its URL
	CAFile         string
	ClientCertFile string
	ClientKeyFile  string

	Revoked   []string // IDs of passes that are revoked
	NotBefore time.Time
}

// Scoped reports whether the service itself says what may be called.
func (s *Service) Scoped() bool { return len(s.Rules.Allow) > 0 || len(s.Rules.Deny) > 0 }

// Accepts reports whether credentials of the kind open the service.
func (s *Service) Accepts(kind string) bool { return slices.Contains(s.Accept, kind) }

// mayUse reports whether the person is still one of those who may use the service.
func (s *Service) mayUse(p *check.Person) bool {
	return slices.ContainsFunc(s.People, func(name string) bool {
		return name == "*" || name == p.Subject || slices.Contains(p.Roles, name) || slices.Contains(p.Groups, name)
	})
}

// Personal reports whether the service is called with the token of the person who made the
// pass.
func (s *Service) Personal() bool {
	_, personal := s.Credential.(person)
	return personal
}

// Injected are the headers and parameters that a call gets, with their values masked.
func (s *Service) Injected() []string {
	switch c := s.Credential.(type) {
	case nil:
		return nil
	case query:
		return []string{c.name + "=***"}
	case inPath:
		return []string{c.template}
	default:
		var masked []string
		for _, name := range c.headers() {
			masked = append(masked, name+": ***")
		}
		slices.Sort(masked)
		return masked
	}
}

// Origin is that of the base URL.
func (s *Service) Origin() string { return s.Base.Scheme + "://" + s.Base.Host }

// Revocations are those that the services file lists.
func (s *Service) Revocations() []pass.Revocation {
	var list []pass.Revocation
	for _, id := range s.Revoked {
		list = append(list, pass.Revocation{ID: id})
	}
	if !s.NotBefore.IsZero() {
		list = append(list, pass.Revocation{Service: s.Name, Before: s.NotBefore})
	}
	return list
}

// literal reports whether the base URL names an address, which is the operator's word,
// and not a name that could mean another one tomorrow.
func (s *Service) literal() bool {
	host := s.Base.Hostname()
	return isAddress(host) || strings.EqualFold(host, "localhost")
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

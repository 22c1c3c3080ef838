// Package pass makes and verifies passes: signed credentials that open one service, for some
// methods and paths, for a while.
//
// A pass carries its rules itself, so a server that verifies it needs no database. Signing
// keys come from package signing. It has no HTTP: which header a pass came in, and what the
// service behind it is, is its callers' part.
package pass

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/rule"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/signing"
)

// Pass is a verified pass.
type Pass struct {
	ID        string // the jti
	Issuer    string
	Service   string
	Subject   string // for whom it was made, such as PersonSubject writes it
	Issued    time.Time
	NotBefore time.Time
	Expires   time.Time
	Limit                    // its own
	Networks  []netip.Prefix // of the caller's address; empty: any
	Ancestors []Ancestor     // the pass that it was made from, that one's, and so on
	sealed    []byte
}

// Limit is what a pass may call. A pass that was made from another is within the other's
// limit too.
type Limit struct {
	Rules  []rule.Rule `json:"rules,omitempty"`
	Scopes []string    `json:"scopes,omitempty"` // names of rules that the service has; what these or Rules fit is allowed
	Rate   apikey.Rate `json:"rate,omitzero"`
}

// unlimited reports whether every call is allowed.
func (l Limit) unlimited() bool { return len(l.Rules)+len(l.Scopes) == 0 }

// Ancestor is a pass from which another was made.
type Ancestor struct {
	ID     string
	Issued time.Time
	Limit
}

// PersonSubject is the subject of passes that a person made.
func PersonSubject(subject string) string { return "person:" + subject }

// KeySubject is the subject of passes that a program made with an API key.
func KeySubject(id apikey.ID) string { return "key:" + id.String() }

// Operator is the subject of passes that were made on the command line.
const Operator = "operator"

// HasSecret reports whether the pass carries a sealed secret.
func (p Pass) HasSecret() bool { return p.sealed != nil }

// AllowsAddress reports whether the caller's address is in one of the networks.
func (p Pass) AllowsAddress(address netip.Addr) bool {
	return apikey.Restrictions{Networks: p.Networks}.AllowsAddress(address)
}

// Sets are the rules of the pass and of its ancestors: each set must allow a call. Scopes
// are those that the service has now; one that it does not have allows nothing.
func (p Pass) Sets(scopes map[string][]rule.Rule) []rule.Set {
	var sets []rule.Set
	for _, limit := range p.limits() {
		if limit.unlimited() {
			continue
		}
		set := rule.Set{Allow: slices.Clone(limit.Rules)}
		for _, scope := range limit.Scopes {
			set.Allow = append(set.Allow, scopes[scope]...)
		}
		sets = append(sets, set)
	}
	return sets
}

func (p Pass) limits() []Limit {
	limits := []Limit{p.Limit}
	for _, ancestor := range p.Ancestors {
		limits = append(limits, ancestor.Limit)
	}
	return limits
}

// Rates are how often may be called, by the ID of the pass under which calls are counted:
// passes made from one share its rate.
func (p Pass) Rates() map[string]apikey.Rate {
	rates := map[string]apikey.Rate{}
	for _, pass := range append([]Ancestor{{ID: p.ID, Limit: p.Limit}}, p.Ancestors...) {
		if pass.Rate.Requests > 0 {
			rates[pass.ID] = pass.Rate
		}
	}
	return rates
}

// Options are what an Issuer needs.
type Options struct {
	Ring        *signing.Ring    // required: of the purpose signing.Passes
	Issuer      string           // required: the address of this server, which is the iss of its passes
	Sealer      *Sealer          // nil: passes cannot carry secrets
	MaxTTL      time.Duration    // the longest life of a pass; 0: 90 days
	Revocations *Revocations     // nil: no pass is revoked
	Now         func() time.Time // nil: the clock
}

// DefaultMaxTTL is the longest life of a pass where nothing else is configured.
const DefaultMaxTTL = 90 * 24 * time.Hour

// Issuer makes and verifies the passes of one server. It is safe for concurrent use.
type Issuer struct {
	o     Options
	known *lru.Cache[digest, verified]
}

// New makes an Issuer.
func New(o Options) (*Issuer, error) {
	if o.Ring == nil || o.Issuer == "" {
		return nil, errors.New("pass: a ring and an issuer are required")
	}
	if o.MaxTTL == 0 {
		o.MaxTTL = DefaultMaxTTL
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Revocations == nil {
		o.Revocations = new(Revocations)
	}
	known, err := lru.New[digest, verified](maxKnown)
	if err != nil {
		return nil, err
	}
	return &Issuer{o: o, known: known}, nil
}

// Request is what a new pass is to be.
type Request struct {
	Service  string        // required; ignored by Attenuate, as is Subject
	Subject  string        // required
	TTL      time.Duration // required, but for Attenuate, where 0 is the rest of the parent's life
	Limit                  // required, but for Attenuate
	Networks []netip.Prefix
	Secret   secret.Value // sealed into the pass
	Origin   string       // of the service's base URL; required for a pass with a secret
}

// Errors of Mint and Attenuate, for the caller to read.
var (
	ErrTTL      = errors.New("the life of a pass must be at least a second and at most the longest that is allowed")
	ErrNoRules  = errors.New("a pass wants at least one rule or scope")
	ErrNetworks = errors.New("no address is both in the networks given and in those of the pass that this one is made from")
	ErrTooDeep  = errors.New("made from a pass that was itself made from eight others in a row")
	ErrTooLong  = errors.New("the pass would be longer than servers take in a header; give it fewer or shorter rules")
	ErrNoSealer = errors.New("this server has no key to seal a secret with")
)

const (
	maxAncestors = 8
	maxLength    = 7 << 10 // bytes; many servers take 8 KiB of header
)

// Mint makes a pass.
func (i *Issuer) Mint(r Request) (Pass, secret.Value, error) {
	switch {
	case r.Service == "" || r.Subject == "":
		return Pass{}, secret.Value{}, errors.New("pass: no service or no subject")
	case r.unlimited():
		return Pass{}, secret.Value{}, ErrNoRules
	}
	p := i.draft(r)
	p.Service, p.Subject, p.Networks = r.Service, r.Subject, r.Networks
	return i.sign(p, r.Secret, r.Origin)
}

// Attenuate makes a pass from another one that was verified. The new one allows what both
// allow, ends no later and is revoked with its parent.
func (i *Issuer) Attenuate(parent Pass, r Request) (Pass, secret.Value, error) {
	if len(parent.Ancestors) >= maxAncestors {
		return Pass{}, secret.Value{}, ErrTooDeep
	}
	left := parent.Expires.Sub(i.o.Now())
	if r.TTL == 0 || r.TTL > left {
		r.TTL = left
	}
	p := i.draft(r)
	p.Service, p.Subject = parent.Service, parent.Subject
	p.Ancestors = append([]Ancestor{{ID: parent.ID, Issued: parent.Issued, Limit: parent.Limit}}, parent.Ancestors...)
	var overlap bool
	if p.Networks, overlap = intersect(parent.Networks, r.Networks); !overlap {
		return Pass{}, secret.Value{}, ErrNetworks
	}
	if !parent.HasSecret() {
		return i.sign(p, secret.Value{}, "")
	}
	held, err := i.Secret(parent, r.Origin)
	if err != nil {
		return Pass{}, secret.Value{}, err
	}
	return i.sign(p, held, r.Origin)
}

// draft is a pass with an ID and times. Times are whole seconds, as in its claims.
func (i *Issuer) draft(r Request) Pass {
	now := i.o.Now().UTC().Truncate(time.Second)
	return Pass{
		ID: rand.Text(), Issuer: i.o.Issuer, Limit: r.Limit,
		Issued: now, NotBefore: now, Expires: i.o.Now().Add(r.TTL).UTC().Truncate(time.Second),
	}
}

func (i *Issuer) sign(p Pass, held secret.Value, origin string) (Pass, secret.Value, error) {
	if life := p.Expires.Sub(p.Issued); life < time.Second || life > i.o.MaxTTL {
		return Pass{}, secret.Value{}, fmt.Errorf("%w: %s", ErrTTL, i.o.MaxTTL)
	}
	if !held.Absent() {
		var err error
		if p.sealed, err = i.Seal(p, origin, held); err != nil {
			return Pass{}, secret.Value{}, err
		}
	}
	text, err := i.o.Ring.Sign(p.claims())
	if err != nil {
		return Pass{}, secret.Value{}, err
	}
	if len(text) > maxLength {
		return Pass{}, secret.Value{}, ErrTooLong
	}
	return p, secret.New(text), nil
}

// Secret opens the secret that the pass carries. Origin is that of the service's base URL
// now: a secret is never sent to another one. The error may be ErrSealed.
func (i *Issuer) Secret(p Pass, origin string) (secret.Value, error) {
	return i.Unseal(p, origin, p.sealed)
}

// Seal encrypts a secret for a pass, to be kept elsewhere than in it.
func (i *Issuer) Seal(p Pass, origin string, held secret.Value) ([]byte, error) {
	if i.o.Sealer == nil {
		return nil, ErrNoSealer
	}
	return i.o.Sealer.Seal(p, origin, held)
}

// Unseal decrypts what Seal made for the pass, or for the first of its ancestors. The error
// may be ErrSealed.
func (i *Issuer) Unseal(p Pass, origin string, sealed []byte) (secret.Value, error) {
	if i.o.Sealer == nil {
		return secret.Value{}, ErrNoSealer
	}
	held, err := i.o.Sealer.Open(p, origin, sealed)
	if err != nil && len(p.Ancestors) > 0 {
		return i.o.Sealer.Open(p.First(), origin, sealed)
	}
	return held, err
}

// First is the pass that is not made from another one, as far as it is known: its ID,
// service and limit.
func (p Pass) First() Pass {
	if len(p.Ancestors) == 0 {
		return p
	}
	first := p.Ancestors[len(p.Ancestors)-1]
	return Pass{ID: first.ID, Issuer: p.Issuer, Service: p.Service, Subject: p.Subject, Issued: first.Issued, Limit: first.Limit}
}

// intersect returns the networks that are in one of each list. An empty list is every
// address.
func intersect(a, b []netip.Prefix) (both []netip.Prefix, overlap bool) {
	switch {
	case len(a) == 0:
		return b, true
	case len(b) == 0:
		return a, true
	}
	for _, x := range a {
		for _, y := range b {
			narrow := x
			if x.Bits() < y.Bits() {
				narrow = y
			}
			if x.Overlaps(y) && !slices.Contains(both, narrow) {
				both = append(both, narrow)
			}
		}
	}
	return both, len(both) > 0
}

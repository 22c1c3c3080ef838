// Package passes makes, lists and revokes passes within what the operator allows.
//
// It has no HTTP: the gateway's pages, the API listener and the command line call it with
// an Actor, who was identified before. With a database, a pass is stored before it is
// returned; without one it can be neither listed nor revoked.
package passes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/rule"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/store"
)

// Options are what a Manager needs.
type Options struct {
	Issuer      *pass.Issuer      // required
	Services    func() []Service  // required: those there are now, in the order in which they are shown
	Server      string            // required: the address of the API listener, without a slash at its end
	Store       *store.Store      // nil: nothing is listed or revoked
	Revocations *pass.Revocations // required with Store: takes what is revoked here
	MaxTTL      time.Duration     // 0: pass.DefaultMaxTTL
	Now         func() time.Time  // nil: time.Now
}

// Manager makes and revokes passes. It is safe for concurrent use.
type Manager struct {
	o      Options
	sealed *lru.Cache[string, []byte] // secrets of the database, by the ID of the pass
}

// New makes a Manager.
func New(o Options) (*Manager, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxTTL == 0 {
		o.MaxTTL = pass.DefaultMaxTTL
	}
	const maxSealed = 1024
	sealed, err := lru.New[string, []byte](maxSealed)
	return &Manager{o: o, sealed: sealed}, err
}

var (
	// ErrService is returned for a service that does not exist, or that the actor may not
	// make passes for: which of both is not shown.
	ErrService = errors.New("there is no such service for you")
	// ErrNotStored is returned where there is no database.
	ErrNotStored = errors.New("without a database passes are not listed and cannot be revoked one by one")
)

// Invalid is a member of a request that cannot be.
type Invalid struct {
	Field string // as it is named in JSON
	Want  string // what is allowed
}

func (e *Invalid) Error() string { return e.Field + ": want " + e.Want }

// Stores reports whether passes are listed and can be revoked.
func (m *Manager) Stores() bool { return m.o.Store != nil }

// MaxTTL is the longest life of a pass.
func (m *Manager) MaxTTL() time.Duration { return m.o.MaxTTL }

// Address is where a service is called.
func (m *Manager) Address(service string) string { return m.o.Server + "/s/" + service }

// Services are those that the actor may make passes for.
func (m *Manager) Services(by Actor) []Service {
	return slices.DeleteFunc(slices.Clone(m.o.Services()), func(s Service) bool { return !by.uses(s) })
}

func (m *Manager) service(by Actor, name string) (Service, error) {
	for _, s := range m.o.Services() {
		if s.Name == name && by.uses(s) {
			return s, nil
		}
	}
	return Service{}, ErrService
}

// Request is a pass that is asked for.
type Request struct {
	Service  string
	Name     string // for the list; may be empty
	Rules    []rule.Rule
	Scopes   []string
	TTL      time.Duration
	Networks []netip.Prefix
	Rate     apikey.Rate

	// Of a Personal service: the person's token, and when it expires; zero: not known.
	Token   secret.Value
	Expires time.Time
}

// Made is a new pass.
type Made struct {
	Pass     pass.Pass
	Text     secret.Value // the pass itself, to be shown once
	Findings []string     // what is probably not meant
}

const maxName = 100 // characters

// Make makes a pass. The error may be an *Invalid, ErrService or one of package pass.
func (m *Manager) Make(ctx context.Context, by Actor, r Request) (Made, error) {
	service, err := m.service(by, r.Service)
	if err != nil {
		return Made{}, err
	}
	request, err := m.checked(by, service, r)
	if err != nil {
		return Made{}, err
	}
	stored := m.o.Store != nil && !r.Token.Absent()
	if !stored {
		request.Secret, request.Origin = r.Token, service.Origin
	}
	p, text, err := m.o.Issuer.Mint(request)
	if err != nil {
		return Made{}, err
	}
	if m.o.Store != nil {
		if err := m.store(ctx, by, p, r, service); err != nil {
			return Made{}, err
		}
	}
	return Made{Pass: p, Text: text, Findings: lint(r.Rules)}, nil
}

// checked is what package pass is asked for.
func (m *Manager) checked(by Actor, service Service, r Request) (pass.Request, error) {
	for _, scope := range r.Scopes {
		if !slices.ContainsFunc(service.Scopes, func(s Scope) bool { return s.Name == scope }) {
			return pass.Request{}, &Invalid{"scopes", "names of scopes that the service has"}
		}
	}
	if len([]rune(r.Name)) > maxName {
		return pass.Request{}, &Invalid{"name", fmt.Sprintf("at most %d characters", maxName)}
	}
	if service.Personal {
		if r.Token.Absent() {
			return pass.Request{}, &Invalid{"service", "one that needs no token of a person, where none makes the pass"}
		}
		if left := r.Expires.Sub(m.o.Now()); !r.Expires.IsZero() && left < r.TTL {
			r.TTL = left
		}
	}
	return pass.Request{
		Service: service.Name, Subject: by.Subject, TTL: r.TTL, Networks: r.Networks,
		Limit: pass.Limit{Rules: r.Rules, Scopes: r.Scopes, Rate: r.Rate},
	}, nil
}

// store writes what is kept of a pass, with the person's token sealed.
func (m *Manager) store(ctx context.Context, by Actor, p pass.Pass, r Request, service Service) error {
	kept := store.Pass{ID: p.ID, Service: p.Service, Subject: p.Subject, Name: r.Name, Created: p.Issued, Expires: p.Expires}
	var err error
	if kept.Allowed, err = json.Marshal(allowed{p.Limit, p.Networks}); err != nil {
		return err
	}
	if !r.Token.Absent() {
		if kept.Secret, err = m.o.Issuer.Seal(p, service.Origin, r.Token); err != nil {
			return err
		}
	}
	_, err = m.o.Store.AddPass(ctx, kept, store.Event{At: p.Issued, Actor: by.Name, Action: "pass made"})
	return err
}

// allowed is what is kept of a pass's limits.
type allowed struct {
	pass.Limit
	Networks []netip.Prefix `json:"networks,omitempty"`
}

func lint(rules []rule.Rule) (findings []string) {
	for _, r := range rules {
		for _, finding := range rule.Lint(r) {
			findings = append(findings, r.String()+": "+finding)
		}
	}
	return findings
}

// Attenuate makes a pass from the text of another one, whose holder needs no other right.
// It is not listed, and is revoked with its parent. The error may be one of package pass.
func (m *Manager) Attenuate(text string, r Request) (Made, error) {
	parent, err := m.o.Issuer.Inspect(text)
	if err != nil {
		return Made{}, err
	}
	request := pass.Request{TTL: r.TTL, Networks: r.Networks, Limit: pass.Limit{Rules: r.Rules, Scopes: r.Scopes, Rate: r.Rate}}
	for _, s := range m.o.Services() {
		if s.Name == parent.Service {
			request.Origin = s.Origin
		}
	}
	p, child, err := m.o.Issuer.Attenuate(parent, request)
	return Made{Pass: p, Text: child, Findings: lint(r.Rules)}, err
}

// Token returns the token of the person who made the pass of a Personal service. The error
// may be pass.ErrSealed or store.ErrNotFound.
func (m *Manager) Token(ctx context.Context, p pass.Pass, origin string) (secret.Value, error) {
	if p.HasSecret() || m.o.Store == nil {
		return m.o.Issuer.Secret(p, origin)
	}
	id := p.First().ID
	sealed, known := m.sealed.Get(id)
	if !known {
		stored, err := m.o.Store.Pass(ctx, id)
		if err != nil {
			return secret.Value{}, err
		}
		sealed = stored.Secret
		m.sealed.Add(id, sealed)
	}
	return m.o.Issuer.Unseal(p, origin, sealed)
}

// Listed is a pass in a list.
type Listed struct {
	store.Pass
	Limit    pass.Limit
	Networks []netip.Prefix
	Usage    store.PassUsage
}

// List returns passes, the newest first: the actor's own, or for an administrator those
// that the filter chooses. The error may be ErrNotStored.
func (m *Manager) List(ctx context.Context, by Actor, f store.PassFilter) ([]Listed, error) {
	if m.o.Store == nil {
		return nil, ErrNotStored
	}
	if !by.Admin {
		f.Subject = by.Subject
	}
	found, err := m.o.Store.Passes(ctx, f)
	if err != nil {
		return nil, err
	}
	list := make([]Listed, 0, len(found))
	for _, p := range found {
		entry, err := m.listed(ctx, p)
		if err != nil {
			return nil, err
		}
		list = append(list, entry)
	}
	return list, nil
}

func (m *Manager) listed(ctx context.Context, p store.Pass) (Listed, error) {
	var limits allowed
	if err := json.Unmarshal(p.Allowed, &limits); err != nil {
		return Listed{}, fmt.Errorf("pass %s: %w", p.ID, err)
	}
	usage, err := m.o.Store.PassUsage(ctx, p.ID)
	return Listed{Pass: p, Limit: limits.Limit, Networks: limits.Networks, Usage: usage}, err
}

// Revoke ends a pass of the actor's at once, with all that were made from it. The error may
// be ErrNotStored or store.ErrNotFound, for another's pass as well.
func (m *Manager) Revoke(ctx context.Context, by Actor, id, reason string) error {
	if m.o.Store == nil {
		return ErrNotStored
	}
	if len([]rune(reason)) > maxName {
		return &Invalid{"reason", fmt.Sprintf("at most %d characters", maxName)}
	}
	own := func(p store.Pass) error {
		if !by.Admin && p.Subject != by.Subject {
			return store.ErrNotFound
		}
		return nil
	}
	now := m.o.Now()
	_, err := m.o.Store.RevokePass(ctx, id, now, reason, own, store.Event{At: now, Actor: by.Name, Action: "pass revoked"})
	if err == nil {
		m.o.Revocations.Add(pass.Revocation{ID: id})
	}
	return err
}

// EndAll ends all passes that exist now: of a service, of a subject, of both, or with empty
// texts all there are. Only an administrator may; others end their own.
func (m *Manager) EndAll(ctx context.Context, by Actor, service, subject string) error {
	switch {
	case m.o.Store == nil:
		return ErrNotStored
	case !by.Admin:
		subject = by.Subject
	}
	now := m.o.Now()
	end := store.PassEnd{Service: service, Subject: subject, Before: pass.EndAll(now)}
	if err := m.o.Store.EndPasses(ctx, end, store.Event{At: now, Actor: by.Name, Action: "passes ended"}); err != nil {
		return err
	}
	m.o.Revocations.Add(pass.Revocation{Service: service, Subject: subject, Before: end.Before})
	return nil
}

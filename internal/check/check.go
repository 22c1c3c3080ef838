// Package check decides whether an API key is good for one request.
//
// It keeps every live key in memory, so that a check asks no database and no other
// server. It has no HTTP: package api extracts the credential and the facts of the
// request, package store keeps the set of keys up to date.
package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/token2go/token2go/internal/apikey"
)

// Facts are what a decision depends on besides the key.
type Facts struct {
	Address netip.Addr // the client's; the zero value is in no network
	Host    string     // host of the page that calls, in lower case; empty: none was sent
	App     string     // the application that asks; empty: none was named
	InURL   bool       // the key came in a query or a path
	Service bool       // a service of the proxy asks, for which the key's applications do not matter
}

// Credential is a key as it was presented, with a shape and, where it is signed, a
// signature that are right.
type Credential struct {
	slot   slot
	opaque apikey.Key
	hash   apikey.Hash
	kind   apikey.Kind
}

// Opaque is an opaque key.
func Opaque(key apikey.Key) Credential {
	return Credential{slot: slot(key.ID), opaque: key, kind: apikey.Opaque}
}

// UUID is a key in apikey-manager's form, by its hash.
func UUID(hash apikey.Hash) Credential {
	return Credential{slot: slotOfHash(hash), hash: hash, kind: apikey.UUID}
}

// JWT is a signed key, by its ID; the caller has verified the signature.
func JWT(id apikey.ID) Credential { return Credential{slot: slot(id), kind: apikey.JWT} }

// Verdict is what a good key says of its owner.
type Verdict struct {
	Key    Key
	Person *Person  // nil for a key that has no person; not to be changed
	Roles  []string // the person's present roles, cut to those that the key was given
	Rate   RateState
}

// ErrUnavailable is returned where the database could not be asked about an unknown key, or
// whether what is known is still true.
var ErrUnavailable = errors.New("the database of keys cannot be asked")

// Options are what a Checker needs.
type Options struct {
	Keys    *Set                            // required
	Refresh func(ctx context.Context) error // required: brings Keys up to date with the database
	// Current returns nil if Keys may be relied on; nil: always. It is asked at each check.
	Current func(ctx context.Context) error

	// SeenWithin ends the keys of people who have not been at the gateway for so long;
	// 0: never.
	SeenWithin time.Duration
	// Failures is how many refused keys an address may present; the zero value is
	// without limit.
	Failures apikey.Rate
	Now      func() time.Time // nil: time.Now
}

// Checker decides. It is safe for concurrent use.
type Checker struct {
	Options
	refresh  refresher
	failures failures
	rates    rates
}

// New makes a Checker.
func New(options Options) *Checker {
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Checker{
		Options:  options,
		refresh:  refresher{run: options.Refresh, every: refreshInterval},
		failures: newFailures(options.Failures),
		rates:    newRates(),
	}
}

// Check decides whether the credential is good under these facts, in the order that
// the cases of Kind are listed. The error is a *Refusal or wraps ErrUnavailable.
func (c *Checker) Check(ctx context.Context, presented Credential, facts Facts) (Verdict, error) {
	if err := c.current(ctx); err != nil {
		return Verdict{}, err
	}
	now := c.Now()
	key, err := c.find(ctx, presented, facts.Address, now)
	if err != nil {
		return Verdict{}, err
	}
	person, err := c.person(key, facts.Address, now)
	if err != nil {
		return Verdict{}, err
	}
	if err := allowed(key, facts); err != nil {
		return Verdict{}, err
	}
	state, err := c.rates.take(presented.slot, key.Rate, now)
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{Key: key, Person: person, Roles: rolesOf(key, person), Rate: state}, nil
}

func (c *Checker) current(ctx context.Context) error {
	if c.Current == nil {
		return nil
	}
	if err := c.Current(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// Identify returns the key that was presented, whether it has ended or not. The error is as
// that of Check.
func (c *Checker) Identify(ctx context.Context, presented Credential, address netip.Addr) (Key, error) {
	return c.identify(ctx, presented, address, c.Now())
}

// identify returns the key if it exists. Every failure counts against the address, and
// beyond the limit becomes TooManyFailures without a look at the database.
func (c *Checker) identify(ctx context.Context, presented Credential, address netip.Addr, now time.Time) (Key, error) {
	key, found, right := c.Keys.find(presented)
	if !found {
		if wait := c.failures.wait(address, now); wait > 0 {
			return Key{}, &Refusal{Kind: TooManyFailures, Reason: Unknown, RetryAfter: wait}
		}
		// The key may have been made on another replica a moment ago.
		if err := c.refresh.wait(ctx); err != nil {
			return Key{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		key, found, right = c.Keys.find(presented)
	}
	switch {
	case !found:
		return Key{}, c.refuse(Unknown, address, now)
	case !right:
		return Key{}, c.refuse(WrongSecret, address, now)
	}
	return key, nil
}

// find returns the key if it exists and has not ended.
func (c *Checker) find(ctx context.Context, presented Credential, address netip.Addr, now time.Time) (Key, error) {
	key, err := c.identify(ctx, presented, address, now)
	if err != nil {
		return Key{}, err
	}
	var reason Reason
	switch {
	case key.Revoked:
		reason = Revoked
	case !key.Expires.IsZero() && !now.Before(key.Expires):
		reason = Expired
	default:
		return key, nil
	}
	return Key{}, c.refuse(reason, address, now)
}

// Refuse counts a credential that was found invalid before it could be checked. The error
// is a *Refusal.
func (c *Checker) Refuse(reason Reason, address netip.Addr) error {
	return c.refuse(reason, address, c.Now())
}

// refuse counts the failure.
func (c *Checker) refuse(reason Reason, address netip.Addr, now time.Time) error {
	if wait := c.failures.add(address, now); wait > 0 {
		return &Refusal{Kind: TooManyFailures, Reason: reason, RetryAfter: wait}
	}
	return &Refusal{Kind: InvalidKey, Reason: reason}
}

// person returns the key's owner, if there is one, and refuses the keys of people who are
// disabled or have left.
func (c *Checker) person(key Key, address netip.Addr, now time.Time) (*Person, error) {
	if key.Person == 0 {
		return nil, nil //nolint:nilnil // a machine key has no person
	}
	person := c.Keys.person(key.Person)
	switch {
	case person == nil || !person.Active:
		return nil, c.refuse(PersonInactive, address, now)
	case c.SeenWithin > 0 && now.Sub(person.Seen) > c.SeenWithin:
		return nil, c.refuse(PersonNotSeen, address, now)
	}
	return person, nil
}

func allowed(key Key, facts Facts) error {
	switch {
	case !key.AllowsAddress(facts.Address):
		return &Refusal{Kind: AddressNotAllowed}
	case !key.AllowsHost(facts.Host):
		return &Refusal{Kind: PageNotAllowed}
	case facts.InURL && !key.AllowInURL:
		return &Refusal{Kind: NotInURL}
	case !facts.Service && !key.AllowsApp(facts.App):
		return &Refusal{Kind: ApplicationNotAllowed}
	}
	return nil
}

// rolesOf cuts the person's present roles to those of the key. A machine key has those
// that it was given.
func rolesOf(key Key, person *Person) []string {
	switch {
	case person == nil:
		return key.Roles
	case key.Roles == nil:
		return person.Roles
	}
	var roles []string
	for _, role := range person.Roles {
		if slices.Contains(key.Roles, role) {
			roles = append(roles, role)
		}
	}
	return roles
}

// Kind is why a key is refused, in the words of the problem document.
type Kind string

// The kinds.
const (
	InvalidKey            Kind = "invalid_key"
	TooManyFailures       Kind = "too_many_failures"
	AddressNotAllowed     Kind = "address_not_allowed"
	PageNotAllowed        Kind = "page_not_allowed"
	NotInURL              Kind = "not_in_url"
	ApplicationNotAllowed Kind = "application_not_allowed"
	RateExceeded          Kind = "rate_exceeded"
)

// Reason says more of an invalid key. It is for the event and the owner: the caller must
// not learn whether a key ever existed.
type Reason string

// The reasons.
const (
	Malformed      Reason = "malformed" // no key can look so: a wrong checksum or signature
	Unknown        Reason = "unknown"
	WrongSecret    Reason = "wrong_secret"
	Revoked        Reason = "revoked"
	Expired        Reason = "expired"
	PersonInactive Reason = "person_inactive"
	PersonNotSeen  Reason = "person_not_seen"
)

// Refusal is why a key is not good for a request.
type Refusal struct {
	Kind       Kind
	Reason     Reason        // of InvalidKey and TooManyFailures
	RetryAfter time.Duration // of TooManyFailures and RateExceeded
	Rate       RateState     // of RateExceeded
}

func (r *Refusal) Error() string {
	if r.Reason == "" {
		return string(r.Kind)
	}
	return fmt.Sprintf("%s: %s", r.Kind, r.Reason)
}

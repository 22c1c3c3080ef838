// Package keys makes, changes, rotates and revokes API keys within the operator's policy.
//
// It has no HTTP: the gateway's pages, the API listener and the command line call it with
// an Actor, who was identified before. Each change is durable, with an event that names
// the actor, when its method returns.
package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/store"
)

// Options are what a Manager needs.
type Options struct {
	Store   *store.Store    // required
	Prefix  apikey.Prefix   // required: what opaque keys begin with
	Peppers []apikey.Pepper // required: the first hashes new keys
	Policy  Policy
	Signer  Signer // makes JWT keys; nil: there are none
	// Services are those of the proxy that the actor may use, with the names of their
	// scopes; nil: there are none, and no key opens one.
	Services func(by Actor) map[string][]string
	Now      func() time.Time // nil: time.Now
}

// Signer makes JWT keys.
type Signer interface {
	// SignKey completes a key that is about to be stored with what its JWT needs, such as
	// its number, and returns the JWT.
	SignKey(ctx context.Context, key *store.Key) (secret.Value, error)
}

// Manager makes and changes keys. It is safe for concurrent use.
type Manager struct{ o Options }

// New makes a Manager.
func New(options Options) *Manager {
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Manager{options}
}

// Policy is what the operator allows to an actor.
func (m *Manager) Policy(by Actor) Policy { return m.o.Policy.For(by) }

// MayMake returns a *Denied for an actor who may make no keys at all.
func (m *Manager) MayMake(by Actor) error {
	err := m.allowed(by, m.o.Policy.kinds()[0])
	if denied, found := errors.AsType[*Denied](err); found {
		return denied
	}
	return nil
}

// Parse reads a whole opaque key of this server. The error is as that of apikey.Prefix.
func (m *Manager) Parse(text string) (apikey.Key, error) { return m.o.Prefix.Parse(text) }

// Actor is who asks for a change.
type Actor struct {
	Name     string       // for the events: a subject, or such as "command line"
	Person   store.Person // the zero value is no person
	Admin    bool         // may see and change every key, and make machine keys
	AuthTime time.Time    // of the person's sign-in; zero: not known
}

// owns reports whether the actor may see and change the key.
func (a Actor) owns(key store.Key) bool {
	return a.Admin || a.Person.ID != 0 && key.Person == a.Person.ID
}

// Made is a new key.
type Made struct {
	Key    store.Key
	Secret secret.Value // the key itself, to be shown once
}

// Make makes a key. The error may be an *Invalid or a *Denied.
func (m *Manager) Make(ctx context.Context, by Actor, r Request) (Made, error) {
	key, err := m.checked(by, r)
	if err != nil {
		return Made{}, err
	}
	text, err := m.mint(ctx, &key)
	if err != nil {
		return Made{}, err
	}
	limit := 0
	if key.Person != 0 {
		limit = m.Policy(by).MaxKeys
	}
	stored, err := m.o.Store.AddKeyWithin(ctx, key, limit, m.event(by, "key made"))
	if errors.Is(err, store.ErrLimit) {
		err = tooMany(limit)
	}
	if err != nil {
		return Made{}, err
	}
	return Made{Key: stored, Secret: text}, nil
}

// mint sets what makes the key the one that the returned text presents. An ID that is set
// already stays.
func (m *Manager) mint(ctx context.Context, key *store.Key) (secret.Value, error) {
	minted := m.o.Prefix.Mint()
	if key.ID != 0 {
		minted = m.o.Prefix.MintWithID(key.ID)
	}
	key.ID = minted.ID
	switch key.Kind {
	case apikey.JWT:
		return m.o.Signer.SignKey(ctx, key)
	case apikey.UUID:
		text := apikey.MintUUID()
		hash, err := apikey.HashUUID(text)
		key.Hash = &hash
		return secret.New(text), err
	default:
		hash := m.o.Peppers[0].Hash(minted)
		key.Pepper, key.Hash = m.o.Peppers[0].ID, &hash
		return minted.Secret(), nil
	}
}

// Key returns a key of the actor's. The error may be store.ErrNotFound, for another
// person's key as well.
func (m *Manager) Key(ctx context.Context, by Actor, id apikey.ID) (store.Key, error) {
	key, err := m.o.Store.Key(ctx, id)
	if err == nil && !by.owns(key) {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Key{}, err
	}
	return key, nil
}

// Keys returns keys in the order of their IDs: the actor's own, or for an administrator
// those that the filter chooses.
func (m *Manager) Keys(ctx context.Context, by Actor, filter store.KeyFilter) ([]store.Key, error) {
	if !by.Admin {
		if by.Person.ID == 0 {
			return nil, nil
		}
		filter.Person = by.Person.ID
	}
	return m.o.Store.Keys(ctx, filter)
}

// Usage returns how a key of the actor's was used, and how often on each day since a time.
func (m *Manager) Usage(ctx context.Context, by Actor, id apikey.ID, since time.Time) (store.Usage, []store.UsageDay, error) {
	if _, err := m.Key(ctx, by, id); err != nil {
		return store.Usage{}, nil, err
	}
	return m.o.Store.Usage(ctx, id, since)
}

// Revoke ends a key of the actor's at once. One that is revoked stays as it is.
func (m *Manager) Revoke(ctx context.Context, by Actor, id apikey.ID, reason string) (store.Key, error) {
	if err := plainText("reason", reason, maxNote); err != nil {
		return store.Key{}, err
	}
	return m.change(ctx, by, id, "key revoked", func(key *store.Key) error {
		if key.Revoked.IsZero() {
			key.Revoked, key.Reason = m.now(), reason
		}
		return nil
	})
}

// RevokeAll ends all keys of a person and returns their IDs. Only an administrator or the
// person may.
func (m *Manager) RevokeAll(ctx context.Context, by Actor, person int64, reason string) ([]apikey.ID, error) {
	if err := plainText("reason", reason, maxNote); err != nil {
		return nil, err
	}
	if !by.Admin && (person == 0 || by.Person.ID != person) {
		return nil, store.ErrNotFound
	}
	return m.o.Store.RevokeKeys(ctx, person, m.now(), reason, m.event(by, "key revoked"))
}

// Change is what may change of a key; nil leaves a member as it is.
type Change struct {
	Name, Note   *string
	Restrictions *apikey.Restrictions // only narrower
}

// Change changes a key of the actor's. The error may be an *Invalid.
func (m *Manager) Change(ctx context.Context, by Actor, id apikey.ID, c Change) (store.Key, error) {
	if c.Name != nil {
		if err := name(*c.Name); err != nil {
			return store.Key{}, err
		}
	}
	if c.Note != nil {
		if err := plainText("note", *c.Note, maxNote); err != nil {
			return store.Key{}, err
		}
	}
	return m.change(ctx, by, id, "key changed", func(key *store.Key) error {
		if c.Restrictions != nil {
			if err := key.Narrow(*c.Restrictions); err != nil {
				return &Invalid{Field: "restrictions", Want: err.Error()}
			}
			key.Restrictions = *c.Restrictions
		}
		key.Name, key.Note = orKept(c.Name, key.Name), orKept(c.Note, key.Note)
		return nil
	})
}

func orKept(next *string, kept string) string {
	if next == nil {
		return kept
	}
	return *next
}

func (m *Manager) change(ctx context.Context, by Actor, id apikey.ID, action string, edit func(*store.Key) error) (store.Key, error) {
	return m.o.Store.ChangeKey(ctx, id, func(key *store.Key) error {
		if !by.owns(*key) {
			return store.ErrNotFound
		}
		return edit(key)
	}, m.event(by, action))
}

// maxOverlap is the longest time for which an old key and its successor are both good.
const maxOverlap = 90 * 24 * time.Hour

// Rotate makes a key in the place of another one, with the same properties and as long a
// life, as far as the policy allows them now. The old one ends after overlap, or at its own
// end if that is sooner.
func (m *Manager) Rotate(ctx context.Context, by Actor, id apikey.ID, overlap time.Duration) (Made, error) {
	return m.RotateTo(ctx, by, id, overlap, 0)
}

// RotateTo is Rotate with the ID of the new key, as Request.ID is; 0: a random one.
func (m *Manager) RotateTo(ctx context.Context, by Actor, id apikey.ID, overlap time.Duration, newID apikey.ID) (Made, error) {
	if overlap < 0 || overlap > maxOverlap {
		return Made{}, &Invalid{Field: "overlap", Given: overlap.String(), Want: fmt.Sprintf("0s to %s", maxOverlap)}
	}
	old, err := m.Key(ctx, by, id)
	if err != nil {
		return Made{}, err
	}
	if old.Person != 0 && old.Person != by.Person.ID {
		return Made{}, &Denied{Reason: "a person's key is replaced by that person alone, since its secret is shown"}
	}
	next, err := m.successor(by, old)
	if err != nil {
		return Made{}, err
	}
	if err := m.checkOverlap(ctx, by, old, overlap); err != nil {
		return Made{}, err
	}
	next.ID = newID
	text, err := m.mint(ctx, &next)
	if err != nil {
		return Made{}, err
	}
	stored, err := m.o.Store.RotateKey(ctx, id, func(key *store.Key) error {
		return m.end(key, overlap)
	}, next, m.event(by, "key rotated"))
	return Made{Key: stored, Secret: text}, err
}

// checkOverlap refuses a rotation while the person has more live keys than allowed, as
// after one with an overlap: keys would multiply by it.
func (m *Manager) checkOverlap(ctx context.Context, by Actor, old store.Key, overlap time.Duration) error {
	limit := m.Policy(by).MaxKeys
	if old.Person == 0 || limit == 0 || overlap == 0 {
		return nil
	}
	live, err := m.o.Store.LiveKeys(ctx, old.Person, m.now())
	if err == nil && live > limit {
		err = tooMany(limit)
	}
	return err
}

// successor is a key like old, not yet minted.
func (m *Manager) successor(by Actor, old store.Key) (store.Key, error) {
	if err := m.allowed(by, old.Kind); err != nil {
		return store.Key{}, err
	}
	p, now := m.Policy(by), m.now()
	if err := checkApps(p, old.Apps); err != nil {
		return store.Key{}, err
	}
	next := store.Key{
		Kind: old.Kind, Person: old.Person, Owner: old.Owner, Name: old.Name, Note: old.Note, Created: now,
		Restrictions: old.Restrictions, Config: old.Config, Services: old.Services, Grants: old.Grants,
	}
	if err := m.checkServices(by, old.Owner, old.Services); err != nil {
		return store.Key{}, err
	}
	next.AllowInURL = old.AllowInURL && p.InURL
	switch {
	case !old.Expires.IsZero():
		next.Expires = now.Add(min(old.Expires.Sub(old.Created), p.MaxTTL))
	case !p.Never:
		next.Expires = now.Add(p.MaxTTL)
	}
	return next, nil
}

// end sets the end of a key that has a successor.
func (m *Manager) end(key *store.Key, overlap time.Duration) error {
	now := m.now()
	switch {
	case !key.Revoked.IsZero():
		return &Invalid{Field: "key", Want: "a key that is not revoked"}
	case !key.Expires.IsZero() && !key.Expires.After(now):
		return &Invalid{Field: "key", Want: "a key that has not expired"}
	case overlap == 0:
		key.Revoked, key.Reason = now, "rotated"
	case key.Expires.IsZero() || key.Expires.After(now.Add(overlap)):
		key.Expires = now.Add(overlap)
	}
	return nil
}

func (m *Manager) now() time.Time { return m.o.Now().UTC().Truncate(time.Second) }

func (m *Manager) event(by Actor, action string) store.Event {
	return store.Event{At: m.now(), Actor: by.Name, Action: action}
}

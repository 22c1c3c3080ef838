package check

import (
	"net/netip"

	"github.com/token2go/token2go/internal/apikey"
)

// Try decides as Check does, about a key that is given without its secret: for its owner,
// who asks why it was refused. It counts no failure and takes nothing of the key's rate.
// The error is nil or a *Refusal.
func (c *Checker) Try(key Key, person *Person, facts Facts) error {
	now := c.Now()
	reason := Reason("")
	switch {
	case key.Revoked:
		reason = Revoked
	case !key.Expires.IsZero() && !now.Before(key.Expires):
		reason = Expired
	case key.Person == 0:
	case person == nil || !person.Active:
		reason = PersonInactive
	case c.SeenWithin > 0 && now.Sub(person.Seen) > c.SeenWithin:
		reason = PersonNotSeen
	}
	if reason != "" {
		return &Refusal{Kind: InvalidKey, Reason: reason}
	}
	return allowed(key, facts)
}

// Live returns nil if the key with this ID is good from this address: for what was made
// with it and is to end with it. The error is a *Refusal.
func (c *Checker) Live(id apikey.ID, address netip.Addr) error {
	key, found := c.Keys.shard(slot(id)).get(slot(id))
	if !found {
		return &Refusal{Kind: InvalidKey, Reason: Unknown}
	}
	key.Hosts = nil // of pages that call with the key itself
	return c.Try(key, c.Keys.person(key.Person), Facts{Address: address, Service: true})
}

// Present returns an error if the person with this subject is known here and is not active,
// or was not seen lately enough. The error is a *Refusal.
func (c *Checker) Present(subject string) error {
	person := c.Keys.PersonOf(subject)
	switch {
	case person == nil:
		return nil // a first visit that is not stored yet
	case !person.Active:
		return &Refusal{Kind: InvalidKey, Reason: PersonInactive}
	case c.SeenWithin > 0 && c.Now().Sub(person.Seen) > c.SeenWithin:
		return &Refusal{Kind: InvalidKey, Reason: PersonNotSeen}
	}
	return nil
}

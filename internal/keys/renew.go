package keys

import (
	"context"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/store"
)

// Renew sets the end of a key of apikey-manager's kind anew, and revives one that was revoked,
// as apikey-manager does; expires may be past, and zero is the policy's default. The error may
// be an *Invalid or a *Denied.
func (m *Manager) Renew(ctx context.Context, by Actor, id apikey.ID, expires time.Time) (key store.Key, revived bool, err error) {
	if err := m.allowed(by, apikey.UUID); err != nil {
		return store.Key{}, false, err
	}
	if expires.IsZero() || expires.After(m.now()) {
		policy := m.o.Policy.For(by)
		policy.MinTTL = 0
		if expires, err = m.expires(policy, Request{Expires: expires}); err != nil {
			return store.Key{}, false, err
		}
	}
	key, err = m.change(ctx, by, id, "key renewed", func(key *store.Key) error {
		if key.Kind != apikey.UUID || key.Person != by.Person.ID {
			return store.ErrNotFound
		}
		revived = !key.Revoked.IsZero()
		key.Expires, key.Revoked, key.Reason = expires.UTC().Truncate(time.Second), time.Time{}, ""
		return nil
	})
	return key, revived, err
}

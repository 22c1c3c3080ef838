package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/token2go/token2go/internal/signing"
	"github.com/token2go/token2go/internal/store"
)

// CacheLife is how long a new key must have been published before it signs: clients of
// apikeyserv read the keys once an hour.
const CacheLife = time.Hour

var (
	// ErrTooEarly is returned for a key that verifiers may not have read yet.
	ErrTooEarly = errors.New("verifiers may not have read the key yet")
	// ErrLast is returned for a key without which nothing could be signed.
	ErrLast = errors.New("no other key is active; activate its successor first")
	// ErrState is returned for a change that the key's state does not allow.
	ErrState = errors.New("not in this state")
	// ErrExists is returned for a key that is there already.
	ErrExists = errors.New("the key is there already")
	// ErrInvalid is returned for what cannot be a signing key.
	ErrInvalid = errors.New("no signing key can be made of it")
)

// List returns the keys of all purposes, the oldest first, with the private halves
// encrypted.
func (k *Keyring) List(ctx context.Context) ([]store.SigningKey, error) {
	return k.o.Store.SigningKeys(ctx)
}

// Make makes a key that is published and does not sign yet.
func (k *Keyring) Make(ctx context.Context, actor string, purpose signing.Purpose) (store.SigningKey, error) {
	if !slices.Contains(Purposes(), purpose) {
		return store.SigningKey{}, fmt.Errorf("%w: purpose %q, want one of %v", ErrInvalid, purpose, Purposes())
	}
	key, err := signing.New(purpose, signing.Next, k.o.Now())
	if err != nil {
		return store.SigningKey{}, err
	}
	return k.add(ctx, actor, key)
}

// Import stores a private key of apikeyserv in PEM. It verifies at once, and signs too if
// it is active.
func (k *Keyring) Import(ctx context.Context, actor string, pem []byte, active bool) (store.SigningKey, error) {
	state := signing.Retired
	if active {
		state = signing.Active
	}
	key, err := signing.ImportPEM(pem, signing.APIKeys, state, k.o.Now())
	if err != nil {
		return store.SigningKey{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return k.add(ctx, actor, key)
}

func (k *Keyring) add(ctx context.Context, actor string, key signing.Key) (store.SigningKey, error) {
	sealed := k.seal(key)
	err := k.change(ctx, actor, "signing key made", func(all []store.SigningKey) ([]store.SigningKey, error) {
		if slices.ContainsFunc(all, func(known store.SigningKey) bool { return known.ID == sealed.ID }) {
			return nil, fmt.Errorf("%s: %w", sealed.ID, ErrExists)
		}
		sealed = newest(sealed, all)
		return []store.SigningKey{sealed}, nil
	})
	return sealed, err
}

// newest dates a new key after all others, whatever the clock says: the newest one signs.
func newest(key store.SigningKey, others []store.SigningKey) store.SigningKey {
	for _, other := range others {
		if !key.Created.After(other.Created) {
			key.Created = other.Created.Add(time.Second)
		}
	}
	return key
}

// Activate has a key sign, if it is the newest active one. Unless it must be now, the error
// is ErrTooEarly for a key that was not published for CacheLife.
func (k *Keyring) Activate(ctx context.Context, actor, id string, now bool) error {
	return k.changeOne(ctx, actor, "signing key activated", id, func(key *store.SigningKey, _ []store.SigningKey) error {
		wait := CacheLife - k.o.Now().Sub(key.Created)
		switch {
		case key.State == string(signing.Revoked):
			return fmt.Errorf("%s is revoked: %w", id, ErrState)
		case key.State == string(signing.Next) && wait > 0 && !now:
			return fmt.Errorf("%w; wait another %s", ErrTooEarly, (wait + time.Second - 1).Truncate(time.Second))
		}
		key.State = string(signing.Active)
		return nil
	})
}

// Retire has a key verify and no longer sign. The error may be ErrLast.
func (k *Keyring) Retire(ctx context.Context, actor, id string) error {
	return k.changeOne(ctx, actor, "signing key retired", id, func(key *store.SigningKey, others []store.SigningKey) error {
		switch {
		case key.State == string(signing.Revoked):
			return fmt.Errorf("%s is revoked: %w", id, ErrState)
		case key.State == string(signing.Active) && !slices.ContainsFunc(others, isActive):
			return ErrLast
		}
		key.State = string(signing.Retired)
		return nil
	})
}

func isActive(key store.SigningKey) bool { return key.State == string(signing.Active) }

// Revoke ends a key, and with it all API keys that it signed. The active key before it
// signs again; where there is none, the newest that is next does, or a new one: a key set
// without keys would count for clients as one that could not be fetched.
func (k *Keyring) Revoke(ctx context.Context, actor, id string) error {
	return k.change(ctx, actor, "signing key revoked", func(all []store.SigningKey) ([]store.SigningKey, error) {
		key, others, err := pick(all, id)
		if err != nil {
			return nil, err
		}
		if key.State == string(signing.Revoked) {
			return nil, nil
		}
		key.State = string(signing.Revoked)
		changed := []store.SigningKey{key}
		if slices.ContainsFunc(others, isActive) {
			return changed, nil
		}
		successor, err := k.successor(signing.Purpose(key.Purpose), others)
		return append(changed, newest(successor, changed)), err
	})
}

func (k *Keyring) successor(purpose signing.Purpose, others []store.SigningKey) (store.SigningKey, error) {
	for _, other := range slices.Backward(others) {
		if other.State == string(signing.Next) {
			other.State = string(signing.Active)
			return other, nil
		}
	}
	key, err := signing.New(purpose, signing.Active, k.o.Now())
	if err != nil {
		return store.SigningKey{}, err
	}
	return k.seal(key), nil
}

// pick returns a key and the others of its purpose.
func pick(all []store.SigningKey, id string) (key store.SigningKey, others []store.SigningKey, err error) {
	i := slices.IndexFunc(all, func(k store.SigningKey) bool { return k.ID == id })
	if i < 0 {
		return key, nil, fmt.Errorf("signing key %s: %w", id, store.ErrNotFound)
	}
	for j, other := range all {
		if j != i && other.Purpose == all[i].Purpose {
			others = append(others, other)
		}
	}
	return all[i], others, nil
}

// changeOne changes one key; edit is given the others of its purpose, too.
func (k *Keyring) changeOne(ctx context.Context, actor, action, id string, edit func(key *store.SigningKey, others []store.SigningKey) error) error {
	return k.change(ctx, actor, action, func(all []store.SigningKey) ([]store.SigningKey, error) {
		key, others, err := pick(all, id)
		if err == nil {
			err = edit(&key, others)
		}
		return []store.SigningKey{key}, err
	})
}

func (k *Keyring) change(ctx context.Context, actor, action string, edit func([]store.SigningKey) ([]store.SigningKey, error)) error {
	if err := k.o.Store.ChangeSigningKeys(ctx, edit, store.Event{At: k.o.Now(), Actor: actor, Action: action}); err != nil {
		return err
	}
	return k.refresh(ctx)
}

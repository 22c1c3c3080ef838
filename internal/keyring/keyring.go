// Package keyring keeps the signing keys that are stored in the database, makes API keys
// that are JWTs, and publishes which of those are revoked.
//
// It has no HTTP. Each replica has a Keyring, which takes over what others change through
// Take.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/token2go/token2go/internal/signing"
	"github.com/token2go/token2go/internal/store"
)

// Options are what a Keyring needs.
type Options struct {
	Store  *store.Store     // required
	Sealer *signing.Sealer  // required: encrypts private keys
	Issuer string           // required: T2G_API_URL without a slash at its end
	Log    *slog.Logger     // required
	Now    func() time.Time // nil: time.Now
}

// Keyring is the signing keys of one server. It is safe for concurrent use.
type Keyring struct {
	o     Options
	rings map[signing.Purpose]*signing.Ring

	opened sync.Map // signing.Key by ID: those that were decrypted

	mu    sync.Mutex
	last  int             // the newest status list that is known
	lists map[int]*signed // by their numbers
}

// Purposes lists what the stored keys sign. Passes have keys that are derived from the
// database key.
func Purposes() []signing.Purpose {
	return []signing.Purpose{signing.APIKeys, signing.Statuses, signing.Assertions}
}

// Open reads the signing keys. The first time it makes an active one for each purpose; when
// several replicas do so at once, one of them does. The error may wrap signing.ErrSealed.
func Open(ctx context.Context, o Options) (*Keyring, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	k := &Keyring{o: o, rings: map[signing.Purpose]*signing.Ring{}, lists: map[int]*signed{}}
	for _, purpose := range Purposes() {
		k.rings[purpose] = signing.NewRing(purpose)
	}
	stored, err := o.Store.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	if len(k.missing(stored)) > 0 {
		if stored, err = k.makeFirst(ctx); err != nil {
			return nil, err
		}
	}
	opened, err := k.open(stored)
	if err != nil {
		return nil, err
	}
	return k, errors.Join(k.set(opened), k.reseal(ctx, stored))
}

// reseal encrypts under the current database key what was encrypted under an older one,
// which can be taken out of the configuration then.
func (k *Keyring) reseal(ctx context.Context, stored []store.SigningKey) error {
	if len(k.outdated(stored)) == 0 {
		return nil
	}
	return k.o.Store.ChangeSigningKeys(ctx, func(all []store.SigningKey) (changed []store.SigningKey, _ error) {
		for _, s := range k.outdated(all) {
			key, err := k.o.Sealer.Open(sealed(s))
			if err != nil {
				return nil, err
			}
			changed = append(changed, k.seal(key))
		}
		return changed, nil
	}, store.Event{At: k.o.Now(), Actor: "server", Action: "signing key encrypted anew"})
}

// outdated are the keys in use that are encrypted under an older database key.
func (k *Keyring) outdated(all []store.SigningKey) []store.SigningKey {
	var outdated []store.SigningKey
	for _, s := range all {
		if s.State != string(signing.Revoked) && !k.o.Sealer.Current(sealed(s)) {
			outdated = append(outdated, s)
		}
	}
	return outdated
}

func sealed(s store.SigningKey) signing.Sealed {
	return signing.Sealed{
		ID: s.ID, Purpose: signing.Purpose(s.Purpose), State: signing.State(s.State), Created: s.Created, Private: s.Private,
	}
}

// makeFirst makes the active keys that are missing, and returns all keys.
func (k *Keyring) makeFirst(ctx context.Context) ([]store.SigningKey, error) {
	err := k.o.Store.ChangeSigningKeys(ctx, func(all []store.SigningKey) (made []store.SigningKey, _ error) {
		for _, purpose := range k.missing(all) {
			key, err := signing.New(purpose, signing.Active, k.o.Now())
			if err != nil {
				return nil, err
			}
			made = append(made, k.seal(key))
		}
		return made, nil
	}, store.Event{At: k.o.Now(), Actor: "server", Action: "signing key made"})
	if err != nil {
		return nil, err
	}
	return k.o.Store.SigningKeys(ctx)
}

// missing are the purposes without an active key.
func (k *Keyring) missing(all []store.SigningKey) []signing.Purpose {
	return slices.DeleteFunc(Purposes(), func(purpose signing.Purpose) bool {
		return slices.ContainsFunc(all, func(key store.SigningKey) bool {
			return key.Purpose == string(purpose) && key.State == string(signing.Active)
		})
	})
}

// Take replaces the keys with those that are stored. One that cannot be read is left out
// and logged: it must not keep the others from signing and verifying.
func (k *Keyring) Take(stored []store.SigningKey) {
	opened, err := k.open(stored)
	if err = errors.Join(err, k.set(opened)); err != nil {
		k.o.Log.Error("a signing key is left out", "cause", err)
	}
}

// open returns the keys that can be decrypted, and an error for those that cannot.
func (k *Keyring) open(stored []store.SigningKey) (opened []signing.Key, failed error) {
	for _, s := range stored {
		if s.State == string(signing.Revoked) {
			continue
		}
		key, err := k.openOne(s)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		opened = append(opened, key)
	}
	return opened, failed
}

// openOne decrypts a key. One that was decrypted before stays good when a replica with a
// newer database key has encrypted it anew.
func (k *Keyring) openOne(s store.SigningKey) (signing.Key, error) {
	key, err := k.o.Sealer.Open(sealed(s))
	if known, found := k.opened.Load(s.ID); err != nil && found {
		key, err = known.(signing.Key), nil //nolint:forcetypeassert // nothing else is stored
		key.State, key.Created = signing.State(s.State), s.Created
	}
	if err == nil {
		k.opened.Store(s.ID, key)
	}
	return key, err
}

func (k *Keyring) set(keys []signing.Key) (failed error) {
	for _, ring := range k.rings {
		failed = errors.Join(failed, ring.Set(keys))
	}
	return failed
}

func (k *Keyring) seal(key signing.Key) store.SigningKey {
	sealed := k.o.Sealer.Seal(key)
	return store.SigningKey{
		ID: sealed.ID, Purpose: string(sealed.Purpose), State: string(sealed.State), Created: sealed.Created, Private: sealed.Private,
	}
}

// Ring is the keys of one of Purposes.
func (k *Keyring) Ring(purpose signing.Purpose) *signing.Ring { return k.rings[purpose] }

// refresh takes over the stored keys.
func (k *Keyring) refresh(ctx context.Context) error {
	stored, err := k.o.Store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("signing keys: %w", err)
	}
	k.Take(stored)
	return nil
}

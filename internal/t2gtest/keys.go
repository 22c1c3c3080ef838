package t2gtest

import (
	"context"
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/identity"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/store"
)

// Database opens an empty SQLite database until the test ends.
func Database(t testing.TB) *store.Store {
	t.Helper()
	opened, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "t2g.db"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	return opened
}

// Verified has a server verify the pretend gateway's tokens and store visits. Members of
// the group operators are administrators.
func Verified(t testing.TB, db *store.Store) func(*gateway.Options) {
	t.Helper()
	return func(o *gateway.Options) {
		verifier, err := identity.NewToken(identity.TokenOptions{
			Issuer: o.PublicURL.String(), Audiences: []string{"demo-services"}, Log: o.Log, Now: o.Now,
			Claims: identity.Claims{
				Subject: "sub", Login: "preferred_username", Email: "email", Groups: "groups",
				Roles: "realm_access.roles", Admin: "groups", AdminValue: "operators",
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		go verifier.Run(ctx)
		o.People, o.Store = verifier, db
	}
}

// WithKeys has a server make API keys in the database, for people of the pretend gateway.
func WithKeys(t testing.TB, db *store.Store, changes ...func(*keys.Policy)) func(*gateway.Options) {
	t.Helper()
	var master [32]byte
	_, _ = rand.Read(master[:])
	pepper, err := apikey.NewPepper(master[:])
	if err != nil {
		t.Fatal(err)
	}
	people := Verified(t, db)
	return func(o *gateway.Options) {
		people(o)
		now := o.Now
		if now == nil {
			now = time.Now
		}
		policy := keys.Policy{MinTTL: time.Minute, DefaultTTL: 90 * 24 * time.Hour, MaxTTL: 365 * 24 * time.Hour, InURL: true, Kinds: []apikey.Kind{apikey.Opaque}}
		for _, change := range changes {
			change(&policy)
		}
		o.Keys = keys.New(keys.Options{Store: db, Prefix: "t2g", Peppers: []apikey.Pepper{pepper}, Policy: policy, Now: now})
		o.Checker = check.New(check.Options{Keys: check.NewSet(pepper), Now: now})
	}
}

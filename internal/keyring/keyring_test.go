package keyring_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/keyring"
	"github.com/token2go/token2go/internal/signing"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/store/storetest"
)

const issuer = "https://api.t2g.example.org"

// fixture is a keyring with a clock that tests set.
type fixture struct {
	*keyring.Keyring
	store *store.Store
	clock time.Time
}

func sealer(t testing.TB, key byte) *signing.Sealer {
	t.Helper()
	s, err := signing.NewSealer(append(make([]byte, apikey.DatabaseKeyLength-1), key))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newDatabase(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "token2go.db") }

func open(t testing.TB, address string) *fixture {
	t.Helper()
	f := &fixture{store: storetest.Open(t, address), clock: time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)}
	var err error
	f.Keyring, err = keyring.Open(t.Context(), keyring.Options{
		Store: f.store, Sealer: sealer(t, 1), Issuer: issuer, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return f.clock },
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// key makes and stores a JWT key.
func (f *fixture) key(t testing.TB) (store.Key, string) {
	t.Helper()
	key := store.Key{ID: apikey.Prefix("t2g").Mint().ID, Kind: apikey.JWT, Created: f.clock, Expires: f.clock.Add(time.Hour)}
	text, err := f.SignKey(t.Context(), &key)
	if err != nil {
		t.Fatal(err)
	}
	if key, err = f.store.AddKey(t.Context(), key, store.Event{}); err != nil {
		t.Fatal(err)
	}
	return key, text.Reveal()
}

func (f *fixture) good(text string) bool {
	return f.Ring(signing.APIKeys).Verify(text, new(map[string]any)) == nil
}

// ids are those of the keys of a purpose, with their states.
func (f *fixture) ids(t testing.TB, purpose signing.Purpose) (ids []string, states string) {
	t.Helper()
	all, err := f.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range all {
		if key.Purpose == string(purpose) {
			ids, states = append(ids, key.ID), states+" "+key.State
		}
	}
	return ids, strings.TrimSpace(states)
}

func (f *fixture) wantStates(t testing.TB, want string) []string {
	t.Helper()
	ids, got := f.ids(t, signing.APIKeys)
	if got != want {
		t.Errorf("got states %q, want %q", got, want)
	}
	return ids
}

func want(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOpenMakesOneActiveKeyOfEachPurpose(t *testing.T) {
	address := newDatabase(t)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() { open(t, address) })
	}
	group.Wait()
	f := open(t, address)
	for _, purpose := range keyring.Purposes() {
		if _, states := f.ids(t, purpose); states != "active" {
			t.Errorf("%s: got states %q, want one active", purpose, states)
		}
	}
}

func TestOpenWithoutTheDatabaseKey(t *testing.T) {
	f := open(t, newDatabase(t))
	_, err := keyring.Open(t.Context(), keyring.Options{Store: f.store, Sealer: sealer(t, 2), Issuer: issuer, Log: slog.New(slog.DiscardHandler)})
	want(t, err, signing.ErrSealed)
}

// The old database key stays second until every replica has the new one, and is not needed
// afterwards.
func TestOpenEncryptsUnderTheCurrentDatabaseKey(t *testing.T) {
	f := open(t, newDatabase(t))
	_, text := f.key(t)
	keys := func(last byte) []byte { return append(make([]byte, apikey.DatabaseKeyLength-1), last) }
	for _, databaseKeys := range [][][]byte{{keys(2), keys(1)}, {keys(2)}} {
		s, err := signing.NewSealer(databaseKeys...)
		if err != nil {
			t.Fatal(err)
		}
		rotated, err := keyring.Open(t.Context(), keyring.Options{Store: f.store, Sealer: s, Issuer: issuer, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		want(t, rotated.Ring(signing.APIKeys).Verify(text, new(map[string]any)), nil)
	}
	stored, err := f.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if f.Take(stored); !f.good(text) {
		t.Error("a replica that runs with the old database key has forgotten its signing keys")
	}
}

func TestSignKey(t *testing.T) {
	f := open(t, newDatabase(t))
	key, text := f.key(t)
	var claims map[string]any
	if err := f.Ring(signing.APIKeys).Verify(text, &claims); err != nil {
		t.Fatal(err)
	}
	if key.Number <= 0 || key.Number >= 1<<53 {
		t.Errorf("number %d", key.Number)
	}
	got, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := json.Marshal(map[string]any{
		"iss": issuer, "sub": strconv.FormatInt(key.Number, 10), "jti": key.ID.String(), "iat": f.clock.Unix() - 1, "exp": f.clock.Unix() + 3600,
		"status": map[string]any{"status_list": map[string]any{"idx": key.Signed.Index, "uri": issuer + "/status-lists/0"}},
	})
	if err != nil || string(got) != string(wanted) {
		t.Errorf("got  %s\nwant %s", got, wanted)
	}
	endless := store.Key{ID: 1, Kind: apikey.JWT}
	if text, err := f.SignKey(t.Context(), &endless); err != nil {
		t.Error(err)
	} else if claims = nil; f.Ring(signing.APIKeys).Verify(text.Reveal(), &claims) != nil || claims["exp"] != nil {
		t.Errorf("a key without end: got %v", claims)
	}
}

func TestRotation(t *testing.T) {
	f := open(t, newDatabase(t))
	first := f.wantStates(t, "active")[0]
	_, old := f.key(t)
	want(t, f.Retire(t.Context(), "ada", first), keyring.ErrLast)
	want(t, f.Retire(t.Context(), "ada", "unknown"), store.ErrNotFound)

	next, err := f.Make(t.Context(), "ada", signing.APIKeys)
	if err != nil {
		t.Fatal(err)
	}
	f.wantStates(t, "active next")
	if !strings.Contains(string(f.Ring(signing.APIKeys).JWKS()), next.ID) {
		t.Error("the next key is not published")
	}
	want(t, f.Retire(t.Context(), "ada", first), keyring.ErrLast)
	want(t, f.Activate(t.Context(), "ada", next.ID, false), keyring.ErrTooEarly)
	f.clock = f.clock.Add(keyring.CacheLife + time.Second)
	want(t, f.Activate(t.Context(), "ada", next.ID, false), nil)
	key, recent := f.key(t)
	if key.Signed.SigningKey != next.ID {
		t.Errorf("signed by %s, want %s", key.Signed.SigningKey, next.ID)
	}
	want(t, f.Retire(t.Context(), "ada", first), nil)
	f.wantStates(t, "retired active")
	if !f.good(old) || !f.good(recent) {
		t.Error("a key of a retired or an active signing key is refused")
	}

	want(t, f.Revoke(t.Context(), "ada", first), nil)
	f.wantStates(t, "revoked active")
	if f.good(old) || !f.good(recent) {
		t.Error("the wrong keys are refused after their signing key was revoked")
	}
	want(t, f.Activate(t.Context(), "ada", first, true), keyring.ErrState)
	want(t, f.Retire(t.Context(), "ada", first), keyring.ErrState)
}

func TestRevokingTheLastActiveKeyLeavesASigner(t *testing.T) {
	f := open(t, newDatabase(t))
	first := f.wantStates(t, "active")[0]
	key, text := f.key(t)
	want(t, f.Revoke(t.Context(), "ada", first), nil)
	second := f.wantStates(t, "revoked active")[1]
	if f.good(text) {
		t.Error("a key of the revoked signing key is good")
	}
	if key, err := f.store.Key(t.Context(), key.ID); err != nil || key.Revoked.IsZero() {
		t.Errorf("got %+v, %v, want it revoked", key, err)
	}
	if _, text := f.key(t); !f.good(text) {
		t.Error("a new key is refused")
	}
	// One that is next comes before a new one; an active predecessor signs again.
	next, err := f.Make(t.Context(), "ada", signing.APIKeys)
	if err != nil {
		t.Fatal(err)
	}
	want(t, f.Revoke(t.Context(), "ada", second), nil)
	f.wantStates(t, "revoked revoked active")
	last, err := f.Make(t.Context(), "ada", signing.APIKeys)
	if err != nil {
		t.Fatal(err)
	}
	want(t, f.Activate(t.Context(), "ada", last.ID, true), nil)
	want(t, f.Revoke(t.Context(), "ada", last.ID), nil)
	if key, _ := f.key(t); key.Signed.SigningKey != next.ID {
		t.Errorf("signed by %s, want the predecessor, %s", key.Signed.SigningKey, next.ID)
	}
}

// A key that another replica has made verifies here after the follower's next look.
func TestTakeFollowsAnotherReplica(t *testing.T) {
	address := newDatabase(t)
	a, b := open(t, address), open(t, address)
	next, err := a.Make(t.Context(), "ada", signing.APIKeys)
	if err != nil {
		t.Fatal(err)
	}
	want(t, a.Activate(t.Context(), "ada", next.ID, true), nil)
	_, text := a.key(t)
	if b.good(text) {
		t.Error("known before it was told")
	}
	follower := &store.Follower{Store: b.store, Person: func(store.Person) error { return nil }, Key: func(store.Key) error { return nil }, Signing: b.Take}
	if err := follower.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !b.good(text) {
		t.Error("the other replica's key is refused")
	}
}

func (f *fixture) revoked(t testing.TB, key store.Key) bool {
	t.Helper()
	jwt, err := f.StatusList(t.Context(), key.Signed.List)
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := signing.OpenStatusList(f.Ring(signing.Statuses), jwt, issuer+"/status-lists/0", f.clock)
	if err != nil {
		t.Fatal(err)
	}
	return list.Revoked(key.Signed.Index)
}

func TestStatusListShowsRevokedKeys(t *testing.T) {
	f := open(t, newDatabase(t))
	if _, err := f.StatusList(t.Context(), 0); err != nil {
		t.Errorf("the first list: %v", err)
	}
	for _, n := range []int{1, -1} {
		_, err := f.StatusList(t.Context(), n)
		want(t, err, keyring.ErrNoList)
	}
	f.clock = f.clock.Add(2 * time.Second)
	gone, _ := f.key(t)
	kept, _ := f.key(t)
	if f.revoked(t, gone) || f.revoked(t, kept) {
		t.Error("a new key is revoked")
	}
	before, err := f.StatusList(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.ChangeKey(t.Context(), gone.ID, func(k *store.Key) error { k.Revoked = f.clock; return nil }, store.Event{}); err != nil {
		t.Fatal(err)
	}
	f.clock = f.clock.Add(2 * time.Second)
	if !f.revoked(t, gone) || f.revoked(t, kept) {
		t.Error("the list shows the wrong keys")
	}
	after, _ := f.StatusList(t.Context(), 0)
	f.clock = f.clock.Add(2 * time.Second)
	same, _ := f.StatusList(t.Context(), 0)
	f.clock = f.clock.Add(keyring.ListLifetime)
	later, _ := f.StatusList(t.Context(), 0)
	if before == after || after != same || same == later {
		t.Error("a list is not signed again when it changes and after half its life, or otherwise")
	}
}

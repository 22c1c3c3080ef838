package replica_test

import (
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/replica"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/store/storetest"
)

func pepper(t testing.TB, first byte) apikey.Pepper {
	t.Helper()
	key := make([]byte, apikey.DatabaseKeyLength)
	key[0] = first
	p, err := apikey.NewPepper(key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// add stores a new key of no person.
func add(t *testing.T, s *store.Store, p apikey.Pepper) apikey.Key {
	t.Helper()
	minted := apikey.Prefix("t2g").Mint()
	hash := p.Hash(minted)
	_, err := s.AddKey(t.Context(), store.Key{ID: minted.ID, Pepper: p.ID, Hash: &hash, Name: "job", Owner: "team", Created: time.Now()}, store.Event{})
	if err != nil {
		t.Fatal(err)
	}
	return minted
}

func open(t *testing.T) *store.Store {
	t.Helper()
	return storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "t2g.db"))
}

func TestReplicaFollowsTheDatabase(t *testing.T) {
	path := "sqlite:" + filepath.Join(t.TempDir(), "t2g.db")
	s, other, p := storetest.Open(t, path), storetest.Open(t, path), pepper(t, 1)
	first := add(t, s, p)
	r, err := replica.New(t.Context(), replica.Options{Store: s, Peppers: []apikey.Pepper{p}, MaxAge: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	checker := check.New(check.Options{Keys: r.Keys, Refresh: r.Refresh, Current: r.Current})
	good := func(key apikey.Key) error {
		_, err := checker.Check(t.Context(), check.Opaque(key), check.Facts{Address: netip.MustParseAddr("192.0.2.1")})
		return err
	}
	second := add(t, other, p)
	if err := errors.Join(good(first), good(second)); err != nil {
		t.Error(err)
	}
	revoke := func(by *store.Store, key apikey.Key) {
		t.Helper()
		_, err := by.ChangeKey(t.Context(), key.ID, func(k *store.Key) error { k.Revoked = time.Now(); return nil }, store.Event{})
		if err != nil {
			t.Fatal(err)
		}
	}
	wantRevoked := func(name string, key apikey.Key) {
		t.Helper()
		var refusal *check.Refusal
		if err := good(key); !errors.As(err, &refusal) || refusal.Reason != check.Revoked {
			t.Errorf("%s: got %v", name, err)
		}
	}
	revoke(s, first)
	wantRevoked("revoked by this process", first)
	revoke(other, second)
	if err := good(second); err != nil {
		t.Errorf("revoked by another process, before the refresh: %v", err)
	}
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantRevoked("revoked by another process", second)
}

func TestNewRefusesAMissingDatabaseKey(t *testing.T) {
	s := open(t)
	add(t, s, pepper(t, 1))
	_, err := replica.New(t.Context(), replica.Options{Store: s, Peppers: []apikey.Pepper{pepper(t, 2)}, MaxAge: time.Minute})
	if !errors.Is(err, replica.ErrPepper) || !strings.Contains(err.Error(), "1 live keys") {
		t.Errorf("got %v", err)
	}
}

func TestCurrentRefusesOrContinuesWithoutTheDatabase(t *testing.T) {
	for _, goOn := range []bool{false, true} {
		s := open(t)
		r, err := replica.New(t.Context(), replica.Options{Store: s, Peppers: []apikey.Pepper{pepper(t, 1)}, MaxAge: 50 * time.Millisecond, Continue: goOn})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Current(t.Context()); err != nil {
			t.Errorf("with the database: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		waitUntil(t, func() bool { return r.Age() > 50*time.Millisecond })
		if err := r.Current(t.Context()); (err == nil) != goOn {
			t.Errorf("without the database, continue %v: got %v", goOn, err)
		}
	}
}

func waitUntil(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatal("waited for 10 seconds")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestReplicaRevokesPasses(t *testing.T) {
	s := open(t)
	ring, _, err := pass.DeriveKeys(time.Now(), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	revocations := new(pass.Revocations)
	issuer, err := pass.New(pass.Options{Ring: ring, Issuer: "https://t2g.example.org", Revocations: revocations})
	if err != nil {
		t.Fatal(err)
	}
	mint := func(service string) (pass.Pass, string) {
		p, text, err := issuer.Mint(pass.Request{Service: service, Subject: "person:7", TTL: time.Hour, Limit: pass.Limit{Scopes: []string{"read"}}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.AddPass(t.Context(), store.Pass{ID: p.ID, Service: p.Service, Subject: p.Subject, Created: p.Issued, Expires: p.Expires}, store.Event{})
		if err != nil {
			t.Fatal(err)
		}
		return p, text.Reveal()
	}
	revoke := func(id string) {
		if _, err := s.RevokePass(t.Context(), id, time.Now(), "", func(store.Pass) error { return nil }, store.Event{}); err != nil {
			t.Fatal(err)
		}
	}
	before, beforeText := mint("notes")
	revoke(before.ID)
	r, err := replica.New(t.Context(), replica.Options{Store: s, Peppers: []apikey.Pepper{pepper(t, 1)}, Passes: revocations, MaxAge: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	after, afterText := mint("notes")
	_, ended := mint("mail")
	_, other := mint("notes")
	revoke(after.ID)
	if err := s.EndPasses(t.Context(), store.PassEnd{Service: "mail", Before: pass.EndAll(time.Now())}, store.Event{}); err != nil {
		t.Fatal(err)
	}
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]error{beforeText: pass.ErrRevoked, afterText: pass.ErrRevoked, ended: pass.ErrRevoked, other: nil} {
		if p, err := issuer.Inspect(text); !errors.Is(err, want) {
			t.Errorf("%s of %s: got %v, want %v", p.ID, p.Service, err, want)
		}
	}
}

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
	"github.com/token2go/token2go/internal/replica"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/store/storetest"
)

func pepper(t *testing.T, first byte) apikey.Pepper {
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
	s, p := open(t), pepper(t, 1)
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
	second := add(t, s, p) // as another replica would
	if err := errors.Join(good(first), good(second)); err != nil {
		t.Error(err)
	}
	_, err = s.ChangeKey(t.Context(), first.ID, func(k *store.Key) error { k.Revoked = time.Now(); return nil }, store.Event{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	var refusal *check.Refusal
	if err := good(first); !errors.As(err, &refusal) || refusal.Reason != check.Revoked {
		t.Errorf("revoked: got %v", err)
	}
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

package replica_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/replica"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/store/storetest"
)

// state is what decides whether a key is good, beside its restrictions.
type state struct{ active, revoked, expired bool }

func (s state) good() bool { return s.active && !s.revoked && !s.expired }

// put brings the key and its person into the state.
func (s state) put(t *testing.T, to *store.Store, key store.Key) {
	t.Helper()
	_, err := to.ChangePerson(t.Context(), key.Person, func(p *store.Person) error { p.Active = s.active; return nil }, store.Event{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = to.ChangeKey(t.Context(), key.ID, func(k *store.Key) error {
		k.Revoked, k.Expires = time.Time{}, time.Now().Add(time.Hour)
		if s.revoked {
			k.Revoked = time.Now()
		}
		if s.expired {
			k.Expires = time.Now().Add(-time.Hour)
		}
		return nil
	}, store.Event{})
	if err != nil {
		t.Fatal(err)
	}
}

// personal stores a new key of a new person.
func personal(t *testing.T, s *store.Store, p apikey.Pepper) (store.Key, check.Credential) {
	t.Helper()
	person, err := s.Visit(t.Context(), store.Person{Issuer: "https://idp.example.org", Subject: "ada", Seen: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	minted := apikey.Prefix("t2g").Mint()
	hash := p.Hash(minted)
	key, err := s.AddKey(t.Context(), store.Key{ID: minted.ID, Pepper: p.ID, Hash: &hash, Person: person.ID, Created: time.Now()}, store.Event{})
	if err != nil {
		t.Fatal(err)
	}
	return key, check.Opaque(minted)
}

// newReplica is one server of several on a database.
func newReplica(t *testing.T, address string, p apikey.Pepper) (*store.Store, *replica.Replica, *check.Checker) {
	t.Helper()
	s := storetest.Open(t, address)
	r, err := replica.New(t.Context(), replica.Options{Store: s, Peppers: []apikey.Pepper{p}, MaxAge: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return s, r, check.New(check.Options{Keys: r.Keys, Refresh: r.Refresh, Current: r.Current})
}

// Every way from one state to another, stored by one server and followed by the other.
func TestReplicaFollowsEveryTransition(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, fresh func(testing.TB) string) {
		address, p := fresh(t), pepper(t, 1)
		writer := storetest.Open(t, address)
		key, presented := personal(t, writer, p)
		_, r, checker := newReplica(t, address, p)
		transitions := 0
		for i := range 8 {
			for j := range 8 {
				transitions++
				for _, bits := range []int{i, j} {
					s := state{active: bits&1 > 0, revoked: bits&2 > 0, expired: bits&4 > 0}
					s.put(t, writer, key)
					if err := r.Refresh(t.Context()); err != nil {
						t.Fatal(err)
					}
					if _, err := checker.Check(t.Context(), presented, check.Facts{}); (err == nil) != s.good() {
						t.Errorf("%03b to %03b: at %+v got %v", i, j, s, err)
					}
				}
			}
		}
		if transitions != 64 {
			t.Errorf("got %d transitions", transitions)
		}
	})
}

// A key that one server makes is good at its first use at the other, and one that it
// revokes is refused there within a second.
func TestRevokedOnOneServerIsRefusedOnTheOther(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, fresh func(testing.TB) string) {
		address, p := fresh(t), pepper(t, 1)
		one, _, here := newReplica(t, address, p)
		_, r, there := newReplica(t, address, p)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx) })
		defer func() { cancel(); running.Wait() }()
		key, presented := personal(t, one, p)
		good := func(c *check.Checker) bool {
			_, err := c.Check(t.Context(), presented, check.Facts{})
			return err == nil
		}
		if !good(here) || !good(there) {
			t.Error("a new key is refused")
		}
		state{active: true, revoked: true}.put(t, one, key)
		begin := time.Now()
		waitUntil(t, func() bool { return !good(there) })
		if spent := time.Since(begin); spent > 2*time.Second { // a second, on a machine with nothing else to do
			t.Errorf("refused after %s", spent)
		}
	})
}

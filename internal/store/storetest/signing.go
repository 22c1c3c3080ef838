package storetest

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/store"
)

func newSigningKey(id string) store.SigningKey {
	return store.SigningKey{ID: id, Purpose: "apikey", State: "active", Created: now(), Private: []byte{0, 1, 255}}
}

func putSigningKeys(t testing.TB, s *store.Store, keys ...store.SigningKey) {
	t.Helper()
	put := func([]store.SigningKey) ([]store.SigningKey, error) { return keys, nil }
	if err := s.ChangeSigningKeys(t.Context(), put, store.Event{At: now(), Actor: "ada", Action: "signing key made"}); err != nil {
		t.Fatal(err)
	}
}

func signingKeys(t testing.TB, s *store.Store) []store.SigningKey {
	t.Helper()
	keys, err := s.SigningKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func testSigningKeys(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	putSigningKeys(t, s, newSigningKey("a"))
	got := signingKeys(t, s)
	if len(got) != 1 || got[0].ID != "a" || got[0].State != "active" || !got[0].Created.Equal(now()) || !slices.Equal(got[0].Private, []byte{0, 1, 255}) {
		t.Fatalf("got %+v", got)
	}
	errEdit := errors.New("no")
	err := s.ChangeSigningKeys(t.Context(), func(all []store.SigningKey) ([]store.SigningKey, error) {
		return []store.SigningKey{newSigningKey("b")}, errEdit
	}, store.Event{})
	if !errors.Is(err, errEdit) || len(signingKeys(t, s)) != 1 {
		t.Errorf("got %v and %d keys after an edit that failed", err, len(signingKeys(t, s)))
	}
	retired := got[0]
	retired.State = "retired"
	putSigningKeys(t, s, retired)
	if got := signingKeys(t, s); len(got) != 1 || got[0].State != "retired" {
		t.Errorf("got %+v, want it retired", got)
	}
	events, err := s.Events(t.Context(), store.EventFilter{Limit: 1})
	if err != nil || len(events) != 1 || events[0].Attributes["signing key"] != "a" || events[0].Attributes["state"] != "retired" {
		t.Errorf("got events %+v, %v", events, err)
	}
}

// Replicas that start at once must agree on the first key.
func testSigningKeysAtOnce(t *testing.T, fresh func(testing.TB) string) {
	address := fresh(t)
	stores := []*store.Store{Open(t, address), Open(t, address)}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			err := stores[i%2].ChangeSigningKeys(t.Context(), func(all []store.SigningKey) ([]store.SigningKey, error) {
				if len(all) > 0 {
					return nil, nil
				}
				return []store.SigningKey{newSigningKey(strconv.Itoa(i))}, nil
			}, store.Event{})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := signingKeys(t, stores[0]); len(got) != 1 {
		t.Errorf("got %d keys, want 1", len(got))
	}
}

func addSigned(t testing.TB, s *store.Store, signingKey string, person int64, list, index int) store.Key {
	t.Helper()
	key := NewKey("signed")
	key.Kind, key.Pepper, key.Hash, key.Number, key.Person = apikey.JWT, 0, nil, int64(key.ID>>8), person
	key.Signed = &store.Signed{SigningKey: signingKey, List: list, Index: index}
	return add(t, s, key)
}

func testStatusIndices(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	if last, err := s.LastStatusList(t.Context()); err != nil || last != 0 {
		t.Errorf("got list %d, %v, want 0", last, err)
	}
	putSigningKeys(t, s, newSigningKey("a"), newSigningKey("b"))
	ada := visit(t, s, "ada")
	revoked, machine, other := addSigned(t, s, "a", ada.ID, 0, 7), addSigned(t, s, "a", 0, 0, 8), addSigned(t, s, "b", ada.ID, 1, 9)
	add(t, s, NewKey("opaque"))
	if last, err := s.LastStatusList(t.Context()); err != nil || last != 1 {
		t.Errorf("got list %d, %v, want 1", last, err)
	}
	for index, want := range map[int]bool{7: true, 9: false} {
		if taken, err := s.StatusIndexTaken(t.Context(), 0, index); err != nil || taken != want {
			t.Errorf("index %d: got taken %t, %v, want %t", index, taken, err, want)
		}
	}
	taken := NewKey("same place")
	taken.Signed = &store.Signed{SigningKey: "a", List: 0, Index: 7}
	if _, err := s.AddKey(t.Context(), taken, store.Event{}); err == nil || errors.Is(err, store.ErrExists) {
		t.Errorf("a place that is taken: got %v, want an error that is not of the key's ID", err)
	}
	if _, err := s.Key(t.Context(), taken.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a key without its place was stored: %v", err)
	}
	indices := func(list int, want ...int) {
		t.Helper()
		got, err := s.RevokedIndices(t.Context(), list)
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("list %d: got %v, %v, want %v", list, got, err, want)
		}
	}
	indices(0)
	revoke := func(k *store.Key) error { k.Revoked = now(); return nil }
	if _, err := s.ChangeKey(t.Context(), revoked.ID, revoke, store.Event{}); err != nil {
		t.Fatal(err)
	}
	indices(0, 7)
	indices(1)
	if _, err := s.ChangePerson(t.Context(), ada.ID, func(p *store.Person) error { p.Active = false; return nil }, store.Event{}); err != nil {
		t.Fatal(err)
	}
	indices(1, 9)
	// With a signing key end the API keys that it signed, and no others.
	ended := newSigningKey("a")
	ended.State = store.SigningKeyRevoked
	putSigningKeys(t, s, ended)
	indices(0, 7, 8)
	if key, err := s.Key(t.Context(), machine.ID); err != nil || !key.Revoked.Equal(now()) || key.Reason == "" {
		t.Errorf("got %+v, %v, want it revoked", key, err)
	}
	if key, err := s.Key(t.Context(), other.ID); err != nil || !key.Revoked.IsZero() {
		t.Errorf("got %+v, %v, want it live", key, err)
	}
}

// A replica learns of the signing keys that another has made, and is not bothered with them
// at other changes.
func testFollowerSigningKeys(t *testing.T, fresh func(testing.TB) string) {
	address := fresh(t)
	a, f := Open(t, address), follow(Open(t, address)).Follower
	var calls, count int
	f.Signing = func(keys []store.SigningKey) { calls, count = calls+1, len(keys) }
	refresh := func(wantCalls, wantCount int) {
		t.Helper()
		if err := f.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if calls != wantCalls || count != wantCount {
			t.Errorf("got %d calls with %d keys, want %d with %d", calls, count, wantCalls, wantCount)
		}
	}
	putSigningKeys(t, a, newSigningKey("a"))
	refresh(1, 1)
	add(t, a, NewKey("opaque"))
	refresh(1, 1)
	putSigningKeys(t, a, newSigningKey("b"))
	refresh(2, 2)
}

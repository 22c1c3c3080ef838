// Package storetest is the one suite of tests that every engine of package store passes.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/store"
)

func now() time.Time { return time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC) }

// Run runs the suite. fresh returns the URL of a database that is empty.
func Run(t *testing.T, fresh func(testing.TB) string) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, func(testing.TB) string)
	}{
		{"Visit makes a person and refreshes it", testVisit},
		{"ChangePerson", testChangePerson},
		{"AddKey stores every field", testAddKey},
		{"AddKey refuses what is taken", testAddKeyTwice},
		{"AddKeyWithin counts live keys of the person", testAddKeyWithin},
		{"ChangeKey", testChangeKey},
		{"RotateKey changes both keys or none", testRotateKey},
		{"RevokeKeys", testRevokeKeys},
		{"Keys finds text and pages", testKeys},
		{"Keys finds those of an application", testKeysOfApp},
		{"People finds text and pages", testPeople},
		{"Peppers counts keys that need them", testPeppers},
		{"Usage adds up", testUsage},
		{"Events filters", testEvents},
		{"AddPass stores every field", testAddPass},
		{"Passes filters", testPasses},
		{"RevokedPasses finds what was revoked since", testRevokedPasses},
		{"PassUsage adds up", testPassUsage},
		{"SigningKeys are stored whole or not at all", testSigningKeys},
		{"SigningKeys of many at a time are made once", testSigningKeysAtOnce},
		{"Status lists show revoked keys and people", testStatusIndices},
		{"Follower passes on changed signing keys", testFollowerSigningKeys},
		{"Follower misses no change of many writers", testFollowerUnderLoad},
		{"Changes wait for each other", testChangesWait},
		{"Follower sees another process's change within a second", testFollowerNotices},
		{"Open migrates once for many at a time", testOpenAtOnce},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, fresh) })
	}
}

// Open opens a database until the test ends.
func Open(t testing.TB, address string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: address, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// NewKey makes a key that is not stored.
func NewKey(name string) store.Key {
	minted := apikey.Prefix("t2g").Mint()
	var hash apikey.Hash
	copy(hash[:], minted.Secret().Reveal()[15:])
	return store.Key{ID: minted.ID, Pepper: 1 << 63, Hash: &hash, Name: name, Created: now()}
}

func visit(t testing.TB, s *store.Store, subject string) store.Person {
	t.Helper()
	p, err := s.Visit(t.Context(), store.Person{
		Issuer: "https://idp.example.org", Subject: subject, Login: subject, Email: subject + "@example.org",
		Seen: now(), Roles: []string{"reader"}, Groups: []string{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func add(t testing.TB, s *store.Store, key store.Key) store.Key {
	t.Helper()
	stored, err := s.AddKey(t.Context(), key, store.Event{Actor: "ada", Action: "key made"})
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func testVisit(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	first := visit(t, s, "ada")
	if first.ID <= 0 || first.ID >= 1<<53 || !first.Active || first.Revision == 0 {
		t.Errorf("got %+v", first)
	}
	again := first
	again.Seen = now().Add(30 * time.Second)
	if got, err := s.Visit(t.Context(), again); err != nil || got.Revision != first.Revision {
		t.Errorf("a visit within the minute: got %+v, %v, want nothing written", got, err)
	}
	again.Seen, again.Active = now().Add(2*time.Minute), false
	if got, err := s.Visit(t.Context(), again); err != nil || !got.Seen.Equal(again.Seen) || !got.Active {
		t.Errorf("a later visit: got %+v, %v, want the time alone changed", got, err)
	}
	again.Seen, again.Roles = now(), []string{"reader", "writer"}
	got, err := s.Visit(t.Context(), again)
	if err != nil || len(got.Roles) != 2 || !got.Seen.Equal(now().Add(2*time.Minute)) || got.ID != first.ID {
		t.Errorf("other roles: got %+v, %v, want them taken over and the time kept", got, err)
	}
	if read, err := s.Person(t.Context(), first.ID); err != nil || !reflect.DeepEqual(read, got) {
		t.Errorf("got %+v, %v, want %+v", read, err, got)
	}
	if _, err := s.Person(t.Context(), 1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v, want %v", err, store.ErrNotFound)
	}
}

func testChangePerson(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	p := visit(t, s, "ada")
	disable := func(p *store.Person) error { p.Active = false; return nil }
	if _, err := s.ChangePerson(t.Context(), p.ID, disable, store.Event{Action: "person disabled"}); err != nil {
		t.Fatal(err)
	}
	if back := visit(t, s, "ada"); back.Active {
		t.Error("a visit made a disabled person active")
	}
	refused := errors.New("refused")
	_, err := s.ChangePerson(t.Context(), p.ID, func(p *store.Person) error { p.Active = true; return refused }, store.Event{})
	if read, _ := s.Person(t.Context(), p.ID); !errors.Is(err, refused) || read.Active {
		t.Errorf("got %v and active %v, want nothing changed", err, read.Active)
	}
	if _, err := s.ChangePerson(t.Context(), 1, disable, store.Event{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v, want %v", err, store.ErrNotFound)
	}
}

func testAddKey(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	p := visit(t, s, "ada")
	full := NewKey("nightly 'job'; --")
	full.Kind, full.Hash, full.Number = apikey.JWT, nil, 1<<53-1
	full.Person, full.Owner, full.Note = p.ID, "team", "a note\nof two lines ü"
	full.Expires, full.Replaces = now().Add(time.Hour), 1<<59
	full.Restrictions = apikey.Restrictions{
		Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		Hosts:    []apikey.HostPattern{"*.example.org"}, Apps: []string{"maps"}, Roles: []string{},
		AllowInURL: true, AllowBlank: true, Rate: apikey.Rate{Requests: 5, Per: time.Minute},
	}
	full.Config, full.Services, full.Grants = []byte(`{"a":1}`), map[string][]string{"notes": {"read"}}, []string{"introspect:maps"}
	for _, key := range []store.Key{NewKey("plain"), full} {
		stored := add(t, s, key)
		read, err := s.Key(t.Context(), key.ID)
		if err != nil || !reflect.DeepEqual(read, stored) {
			t.Errorf("got  %+v, %v\nwant %+v", read, err, stored)
		}
		if key.Revision = read.Revision; !reflect.DeepEqual(read, key) {
			t.Errorf("got  %+v\nwant %+v", read, key)
		}
	}
	if _, err := s.Key(t.Context(), 1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v, want %v", err, store.ErrNotFound)
	}
}

func testAddKeyTwice(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	key := NewKey("first")
	key.Number = 7
	add(t, s, key)
	for name, edit := range map[string]func(*store.Key){
		"ID":     func(k *store.Key) { k.ID = key.ID },
		"hash":   func(k *store.Key) { k.Hash = key.Hash },
		"number": func(k *store.Key) { k.Number = 7 },
	} {
		other := NewKey("second")
		edit(&other)
		if _, err := s.AddKey(t.Context(), other, store.Event{}); !errors.Is(err, store.ErrExists) {
			t.Errorf("the same %s: got %v, want %v", name, err, store.ErrExists)
		}
	}
	before, _ := s.Revision(t.Context())
	add(t, s, NewKey("third"))
	if after, _ := s.Revision(t.Context()); after != before+1 {
		t.Errorf("revision %d follows %d: a refused key must use none up", after, before)
	}
}

func testAddKeyWithin(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	ada, bob := visit(t, s, "ada"), visit(t, s, "bob")
	for _, edit := range []func(*store.Key){
		func(*store.Key) {},
		func(k *store.Key) { k.Expires = now().Add(time.Second) },
		func(k *store.Key) { k.Expires = now() },
		func(k *store.Key) { k.Revoked = now() },
		func(k *store.Key) { k.Person = bob.ID },
	} {
		key := NewKey("made")
		key.Person = ada.ID
		edit(&key)
		add(t, s, key)
	}
	if live, err := s.LiveKeys(t.Context(), ada.ID, now()); err != nil || live != 2 {
		t.Errorf("got %d, %v, want 2", live, err)
	}
	key := NewKey("one more")
	key.Person = ada.ID
	if _, err := s.AddKeyWithin(t.Context(), key, 2, store.Event{}); !errors.Is(err, store.ErrLimit) {
		t.Errorf("within 2: got %v, want %v", err, store.ErrLimit)
	}
	if _, err := s.Key(t.Context(), key.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a refused key: got %v", err)
	}
	for _, limit := range []int{3, 0} {
		if _, err := s.AddKeyWithin(t.Context(), key, limit, store.Event{}); err != nil {
			t.Errorf("within %d: %v", limit, err)
		}
		key.ID++
		key.Hash = NewKey("").Hash
	}
}

func testChangeKey(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	key := add(t, s, NewKey("first"))
	changed, err := s.ChangeKey(t.Context(), key.ID, func(k *store.Key) error {
		k.Name, k.Revoked, k.Reason = "second", now(), "left on a train"
		return nil
	}, store.Event{Actor: "ada", Action: "key revoked"})
	read, _ := s.Key(t.Context(), key.ID)
	if err != nil || read.Name != "second" || !read.Revoked.Equal(now()) || read.Revision <= key.Revision || !reflect.DeepEqual(read, changed) {
		t.Errorf("got %+v, %v", read, err)
	}
	refused := errors.New("refused")
	if _, err := s.ChangeKey(t.Context(), key.ID, func(k *store.Key) error { k.Name = "third"; return refused }, store.Event{}); !errors.Is(err, refused) {
		t.Errorf("got %v, want %v", err, refused)
	}
	if again, _ := s.Key(t.Context(), key.ID); !reflect.DeepEqual(again, read) {
		t.Errorf("a refused change left %+v", again)
	}
	if _, err := s.ChangeKey(t.Context(), 1, func(*store.Key) error { return nil }, store.Event{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v, want %v", err, store.ErrNotFound)
	}
}

func testRotateKey(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	old, next := add(t, s, NewKey("old")), NewKey("next")
	end := func(k *store.Key) error { k.Expires = now().Add(time.Hour); return nil }
	if _, err := s.RotateKey(t.Context(), old.ID, end, old, store.Event{}); !errors.Is(err, store.ErrExists) {
		t.Errorf("got %v, want %v", err, store.ErrExists)
	}
	if read, _ := s.Key(t.Context(), old.ID); !read.Expires.IsZero() {
		t.Error("a rotation that failed has ended the old key")
	}
	if _, err := s.RotateKey(t.Context(), old.ID, end, next, store.Event{Action: "key rotated"}); err != nil {
		t.Fatal(err)
	}
	before, _ := s.Key(t.Context(), old.ID)
	after, err := s.Key(t.Context(), next.ID)
	if err != nil || !before.Expires.Equal(now().Add(time.Hour)) || after.Replaces != old.ID || before.Revision != after.Revision {
		t.Errorf("got %+v and %+v, %v", before, after, err)
	}
}

func testRevokeKeys(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	ada, bob := visit(t, s, "ada"), visit(t, s, "bob")
	var want []apikey.ID
	for i := range 5 {
		key := NewKey(fmt.Sprint(i))
		key.Person = ada.ID
		if i == 0 {
			key.Revoked = now().Add(-time.Hour)
		} else {
			want = append(want, key.ID)
		}
		add(t, s, key)
	}
	other := NewKey("bob's")
	other.Person = bob.ID
	add(t, s, other)
	got, err := s.RevokeKeys(t.Context(), ada.ID, now(), "left", store.Event{Action: "key revoked"})
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	keys, err := s.Keys(t.Context(), store.KeyFilter{Person: ada.ID})
	if err != nil || len(keys) != 5 || slices.ContainsFunc(keys, func(k store.Key) bool { return k.Revoked.IsZero() }) {
		t.Errorf("got %d keys, %v, want 5 that are revoked", len(keys), err)
	}
	if read, _ := s.Key(t.Context(), other.ID); !read.Revoked.IsZero() {
		t.Error("another person's key was revoked")
	}
}

func testKeys(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	ada := visit(t, s, "ada")
	for _, name := range []string{"Nightly", "100%", "100 percent", "a_b", "axb", `back\slash`} {
		key := NewKey(name)
		if name == "axb" {
			key.Person = ada.ID
		}
		add(t, s, key)
	}
	for _, test := range []struct {
		text string
		want []string
	}{
		{"nightly", []string{"Nightly"}},
		{"100%", []string{"100%"}},
		{"a_b", []string{"a_b"}},
		{`\`, []string{`back\slash`}},
		{"ADA@", []string{"axb"}},
		{"nothing", nil},
		{"' OR 1=1 --", nil},
	} {
		keys, err := s.Keys(t.Context(), store.KeyFilter{Text: test.text})
		var names []string
		for _, key := range keys {
			names = append(names, key.Name)
		}
		if err != nil || !slices.Equal(names, test.want) {
			t.Errorf("%q: got %q, %v, want %q", test.text, names, err, test.want)
		}
	}
	var all []apikey.ID
	for page := (store.KeyFilter{Limit: 4}); ; page.After = all[len(all)-1] {
		keys, err := s.Keys(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		for _, key := range keys {
			all = append(all, key.ID)
		}
	}
	if len(all) != 6 || !slices.IsSorted(all) {
		t.Errorf("pages hold %v, want 6 in order", all)
	}
}

func testKeysOfApp(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	for name, apps := range map[string][]string{"maps": {"maps"}, "both": {"tiles", "maps"}, "Maps": {"Maps"}, "every": {"*"}, "none": nil} {
		key := NewKey(name)
		key.Apps = apps
		add(t, s, key)
	}
	elsewhere := NewKey("role")
	elsewhere.Roles = []string{"maps"}
	add(t, s, elsewhere)
	for _, limit := range []int{0, 1, 2} {
		var names []string
		for f := (store.KeyFilter{App: "maps", Limit: limit}); ; {
			keys, err := s.Keys(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			if len(keys) == 0 {
				break
			}
			for _, key := range keys {
				names = append(names, key.Name)
			}
			f.After = keys[len(keys)-1].ID
		}
		slices.Sort(names)
		if !slices.Equal(names, []string{"both", "maps"}) {
			t.Errorf("limit %d: got %q", limit, names)
		}
	}
}

func testPeople(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	for _, subject := range []string{"ada", "bob_1", "bobx1"} {
		_ = visit(t, s, subject)
	}
	for _, test := range []struct {
		filter store.PersonFilter
		want   int
	}{
		{store.PersonFilter{}, 3}, {store.PersonFilter{Text: "BOB"}, 2}, {store.PersonFilter{Text: "bob_"}, 1}, {store.PersonFilter{Text: "%"}, 0},
		{store.PersonFilter{Limit: 2}, 2}, {store.PersonFilter{After: 1 << 53}, 0},
	} {
		people, err := s.People(t.Context(), test.filter)
		if err != nil || len(people) != test.want {
			t.Errorf("%+v: got %d people, %v, want %d", test.filter, len(people), err, test.want)
		}
	}
}

func testPeppers(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	for i, edit := range []func(*store.Key){
		func(*store.Key) {},
		func(k *store.Key) { k.Pepper = 2 },
		func(k *store.Key) { k.Pepper, k.Expires = 2, now().Add(time.Second) },
		func(k *store.Key) { k.Pepper, k.Expires = 2, now() },
		func(k *store.Key) { k.Pepper, k.Revoked = 3, now() },
		func(k *store.Key) { k.Pepper, k.Kind = 4, apikey.UUID },
	} {
		key := NewKey(fmt.Sprint(i))
		edit(&key)
		add(t, s, key)
	}
	got, err := s.Peppers(t.Context(), now())
	if want := map[apikey.PepperID]int{1 << 63: 1, 2: 2}; err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func testUsage(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	for _, u := range []store.Usage{
		{Key: 5, Count: 3, Last: now(), Address: "192.0.2.1", Agent: "curl"},
		{Key: 5, Count: 4, Last: now().Add(-time.Hour), Address: "192.0.2.2", Agent: "another replica"},
		{Key: 5, Count: 1, Last: now().Add(24 * time.Hour), Address: "192.0.2.3", Agent: "GDAL"},
		{Key: 6, Count: 9, Last: now()},
	} {
		if err := s.AddUsage(t.Context(), []store.Usage{u}); err != nil {
			t.Fatal(err)
		}
	}
	total, days, err := s.Usage(t.Context(), 5, now().Add(-24*time.Hour))
	want := store.Usage{Key: 5, Count: 8, Last: now().Add(24 * time.Hour), Address: "192.0.2.3", Agent: "GDAL"}
	day := now().Truncate(24 * time.Hour)
	wantDays := []store.UsageDay{{Day: day, Count: 7}, {Day: day.Add(24 * time.Hour), Count: 1}}
	if err != nil || total != want || !slices.Equal(days, wantDays) {
		t.Errorf("got %+v, %v, %v, want %+v, %v", total, days, err, want, wantDays)
	}
	if never, days, err := s.Usage(t.Context(), 7, now()); err != nil || never != (store.Usage{Key: 7}) || len(days) != 0 {
		t.Errorf("never used: got %+v, %v, %v", never, days, err)
	}
}

func testEvents(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	ada := visit(t, s, "ada")
	first, second := NewKey("first"), NewKey("second")
	first.Person = ada.ID
	for _, key := range []store.Key{first, second} {
		if _, err := s.AddKey(t.Context(), key, store.Event{At: now(), Actor: "ada", Action: "key made", Attributes: map[string]string{"name": key.Name}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		filter store.EventFilter
		want   []string
	}{
		{store.EventFilter{}, []string{"second", "first"}},
		{store.EventFilter{Limit: 1}, []string{"second"}},
		{store.EventFilter{Person: ada.ID}, []string{"first"}},
		{store.EventFilter{Key: int64(second.ID)}, []string{"second"}}, //nolint:gosec // below 2^60
		{store.EventFilter{Action: "key made", Actor: "AD", From: now(), To: now().Add(time.Second)}, []string{"second", "first"}},
		{store.EventFilter{Action: "key"}, nil},
		{store.EventFilter{Actor: "_"}, nil},
		{store.EventFilter{From: now().Add(time.Second)}, nil},
		{store.EventFilter{To: now()}, nil},
	} {
		events, err := s.Events(t.Context(), test.filter)
		var names []string
		for _, e := range events {
			names = append(names, e.Attributes["name"])
			if !e.At.Equal(now()) || e.Actor != "ada" || e.Action != "key made" {
				t.Errorf("got %+v", e)
			}
		}
		if err != nil || !slices.Equal(names, test.want) {
			t.Errorf("%+v: got %v, %v, want %v", test.filter, names, err, test.want)
		}
	}
	all, _ := s.Events(t.Context(), store.EventFilter{})
	if older, err := s.Events(t.Context(), store.EventFilter{Before: all[0].Revision}); err != nil || len(older) != 1 {
		t.Errorf("got %d older events, %v, want 1", len(older), err)
	}
}

// replica is a copy that a follower keeps.
type replica struct {
	*store.Follower
	mu   sync.Mutex
	keys map[apikey.ID]store.Key
}

func follow(s *store.Store) *replica {
	r := &replica{keys: map[apikey.ID]store.Key{}}
	r.Follower = &store.Follower{
		Store:  s,
		Person: func(store.Person) error { return nil },
		Key: func(k store.Key) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.keys[k.ID] = k
			return nil
		},
	}
	return r
}

func (r *replica) key(id apikey.ID) store.Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys[id]
}

// A transaction that takes its revision first and commits last would be missed by a
// follower that polls in between.
func testFollowerUnderLoad(t *testing.T, fresh func(testing.TB) string) {
	address := fresh(t)
	a, b := Open(t, address), Open(t, address)
	r := follow(b)
	stop := make(chan struct{})
	var polls, writers sync.WaitGroup
	polls.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := r.Refresh(t.Context()); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	var mu sync.Mutex
	want := map[apikey.ID]int64{}
	for i := range 6 {
		s := []*store.Store{a, b}[i%2]
		writers.Go(func() {
			for range 15 {
				key, err := s.AddKey(t.Context(), NewKey("made"), store.Event{})
				if err == nil {
					key, err = s.ChangeKey(t.Context(), key.ID, func(k *store.Key) error { k.Name = "changed"; return nil }, store.Event{})
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				want[key.ID] = key.Revision
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	close(stop)
	polls.Wait()
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, revision := range want {
		if got := r.key(id); got.Name != "changed" || got.Revision != revision {
			t.Errorf("key %s: got %q at revision %d, want %d", id, got.Name, got.Revision, revision)
		}
	}
}

// The second change is not stored before the first, which began earlier and ends later: it
// would have the higher revision, and a follower that has read it would miss the first.
func testChangesWait(t *testing.T, fresh func(testing.TB) string) {
	address := fresh(t)
	a, b := Open(t, address), Open(t, address)
	r, slow := follow(b), add(t, a, NewKey("slow"))
	begun, end := make(chan struct{}), make(chan struct{})
	var first, second store.Key
	var writers sync.WaitGroup
	writers.Go(func() {
		var err error
		first, err = a.ChangeKey(t.Context(), slow.ID, func(k *store.Key) error {
			close(begun)
			<-end
			k.Name = "changed"
			return nil
		}, store.Event{})
		if err != nil {
			t.Error(err)
		}
	})
	<-begun
	writers.Go(func() {
		var err error
		if second, err = b.AddKey(t.Context(), NewKey("quick"), store.Event{}); err != nil {
			t.Error(err)
		}
	})
	time.Sleep(100 * time.Millisecond) // the second is begun
	if err := r.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
	if got := len(r.keys); got != 1 || r.key(slow.ID).Name != "slow" {
		t.Errorf("before the first has ended: got %d keys", got)
	}
	close(end)
	writers.Wait()
	if err := r.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
	if first.Revision >= second.Revision || r.key(slow.ID).Name != "changed" || r.key(second.ID).Name != "quick" {
		t.Errorf("got the revisions %d and %d, and %d keys", first.Revision, second.Revision, len(r.keys))
	}
}

func testFollowerNotices(t *testing.T, fresh func(testing.TB) string) {
	address := fresh(t)
	a, r := Open(t, address), follow(Open(t, address))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	defer func() { cancel(); <-done }()
	for i := range 3 {
		key := add(t, a, NewKey(fmt.Sprint(i)))
		begin := time.Now()
		for r.key(key.ID).ID == 0 && time.Since(begin) < 10*time.Second {
			time.Sleep(time.Millisecond)
		}
		if spent := time.Since(begin); spent > 2*time.Second { // a second, on a machine with nothing else to do
			t.Errorf("seen after %s", spent)
		}
	}
	if time.Since(r.Heard()) > 10*time.Second {
		t.Errorf("heard at %s", r.Heard())
	}
}

func testOpenAtOnce(t *testing.T, fresh func(testing.TB) string) {
	address := fresh(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			s, err := store.Open(t.Context(), store.Options{URL: address, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if status, err := s.Status(t.Context()); err != nil || status.Version != status.Latest || status.Latest == 0 {
				t.Errorf("got %+v, %v", status, err)
			}
		})
	}
	group.Wait()
}

package keys_test

import (
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/store"
)

const day = 24 * time.Hour

var policy = keys.Policy{MinTTL: time.Hour, DefaultTTL: 90 * day, MaxTTL: 365 * day, MaxKeys: 3, InURL: true}

func now() time.Time { return time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC) }

type fixture struct {
	*keys.Manager
	store  *store.Store
	pepper apikey.Pepper
}

func newFixture(t *testing.T, policy keys.Policy) fixture {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "keys.db"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	pepper, err := apikey.NewPepper(make([]byte, apikey.DatabaseKeyLength))
	if err != nil {
		t.Fatal(err)
	}
	m := keys.New(keys.Options{Store: s, Prefix: "t2g", Peppers: []apikey.Pepper{pepper}, Policy: policy, Now: now})
	return fixture{m, s, pepper}
}

func (f fixture) person(t *testing.T, subject string) keys.Actor {
	t.Helper()
	p, err := f.store.Visit(t.Context(), store.Person{
		Issuer: "https://idp.example.org", Subject: subject, Seen: now(), Roles: []string{"reader", "writer"}, Groups: []string{"hydro"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys.Actor{Name: subject, Person: p, AuthTime: now()}
}

func TestMakeStoresTheHashOfTheKeyThatItReturns(t *testing.T) {
	f := newFixture(t, policy)
	ann := f.person(t, "ann")
	made, err := f.Make(t.Context(), ann, keys.Request{Name: "nightly job", Restrictions: apikey.Restrictions{Roles: []string{"reader"}}})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := apikey.Prefix("t2g").Parse(made.Secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	stored, err := f.Key(t.Context(), ann, parsed.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !stored.Hash.Equal(f.pepper.Hash(parsed)) || !stored.Expires.Equal(now().Add(90*day)) || stored.Person != ann.Person.ID {
		t.Errorf("stored %+v", stored)
	}
	events, err := f.store.Events(t.Context(), store.EventFilter{})
	if err != nil || len(events) != 1 || events[0].Actor != "ann" || events[0].Action != "key made" {
		t.Errorf("events %+v, %v", events, err)
	}
}

func TestMakeRefuses(t *testing.T) {
	f := newFixture(t, keys.Policy{MinTTL: time.Hour, DefaultTTL: day, MaxTTL: 10 * day, Makers: []string{"hydro"}, Apps: []string{"maps", "tiles"}, SignedInWithin: time.Hour})
	ann := f.person(t, "ann")
	good := func() keys.Request {
		return keys.Request{Name: "job", Restrictions: apikey.Restrictions{Apps: []string{"maps"}}}
	}
	if _, err := f.Make(t.Context(), ann, good()); err != nil {
		t.Fatal(err)
	}
	stranger, stale := ann, ann
	stranger.Person.Groups, stale.AuthTime = nil, now().Add(-2*time.Hour)
	for _, test := range []struct {
		name string
		by   keys.Actor
		edit func(*keys.Request)
		want string
	}{
		{"no name", ann, func(r *keys.Request) { r.Name = "  " }, "name: "},
		{"a long name", ann, func(r *keys.Request) { r.Name = strings.Repeat("é", 101) }, "name: \"101 characters\""},
		{"a line break in the name", ann, func(r *keys.Request) { r.Name = "a\nb" }, "U+000A"},
		{"a name that reorders", ann, func(r *keys.Request) { r.Name = "a\u202eb" }, "U+202E"},
		{"too short a life", ann, func(r *keys.Request) { r.TTL = time.Minute }, "ttl: "},
		{"too long a life", ann, func(r *keys.Request) { r.TTL = 11 * day }, "\"11 days\", want 1h0m0s to 10 days"},
		{"an end in the past", ann, func(r *keys.Request) { r.Expires = now().Add(-day) }, "expires: "},
		{"no end", ann, func(r *keys.Request) { r.Never = true }, "never: "},
		{"two ends", ann, func(r *keys.Request) { r.TTL, r.Expires = day, now().Add(day) }, "one of never, ttl and expires"},
		{"no application", ann, func(r *keys.Request) { r.Apps = nil }, "apps: want at least one of maps, tiles"},
		{"an unknown application", ann, func(r *keys.Request) { r.Apps = []string{"other"} }, "apps: \"other\""},
		{"another's role", ann, func(r *keys.Request) { r.Roles = []string{"admin"} }, "roles: \"admin\""},
		{"URLs", ann, func(r *keys.Request) { r.AllowInURL = true }, "allowInUrl: "},
		{"half a rate", ann, func(r *keys.Request) { r.Rate.Requests = 5 }, "rate: "},
		{"a list as config", ann, func(r *keys.Request) { r.Config = []byte("[1]") }, "config: want a JSON object"},
		{"null as config", ann, func(r *keys.Request) { r.Config = []byte("null") }, "config: want a JSON object"},
		{"large config", ann, func(r *keys.Request) { r.Config = []byte(`{"a":"` + strings.Repeat("x", 8<<10) + `"}`) }, "config: "},
		{"a grant", ann, func(r *keys.Request) { r.Grants = []string{"introspect:maps"} }, "only an administrator"},
		{"a kind that is off", ann, func(r *keys.Request) { r.Kind = apikey.JWT }, "kind: "},
		{"a person who may not", stranger, func(*keys.Request) {}, "may not make API keys"},
		{"a sign-in long ago", stale, func(*keys.Request) {}, "within the last 1h0m0s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := good()
			test.edit(&r)
			if _, err := f.Make(t.Context(), test.by, r); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestMakeRefusesOneMoreThanAllowed(t *testing.T) {
	f := newFixture(t, policy)
	ann := f.person(t, "ann")
	var last keys.Made
	for range 3 {
		made, err := f.Make(t.Context(), ann, keys.Request{Name: "job"})
		if err != nil {
			t.Fatal(err)
		}
		last = made
	}
	var denied *keys.Denied
	if _, err := f.Make(t.Context(), ann, keys.Request{Name: "job"}); !errors.As(err, &denied) {
		t.Fatalf("got %v, want a denial", err)
	}
	if _, err := f.Revoke(t.Context(), ann, last.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Make(t.Context(), ann, keys.Request{Name: "job"}); err != nil {
		t.Errorf("after a revocation: %v", err)
	}
}

func TestPolicyOfRolesAndGroups(t *testing.T) {
	f := newFixture(t, keys.Policy{
		MinTTL: time.Hour, DefaultTTL: 90 * day, MaxTTL: 100 * day, MaxKeys: 1,
		MaxTTLFor: map[string]time.Duration{"hydro": 10 * day, "writer": 30 * day, "other": 900 * day}, MaxKeysFor: map[string]int{"reader": 2, "other": 50},
		NeverFor: []string{"other"}, InURLFor: []string{"hydro"},
	})
	ann := f.person(t, "ann")
	bob := ann
	bob.Person.Roles, bob.Person.Groups = nil, nil
	for _, test := range []struct {
		name string
		by   keys.Actor
		want keys.Policy
	}{
		{"the largest of those that she has", ann, keys.Policy{MinTTL: time.Hour, DefaultTTL: 30 * day, MaxTTL: 30 * day, MaxKeys: 2, InURL: true}},
		{"the general one for others", bob, keys.Policy{MinTTL: time.Hour, DefaultTTL: 90 * day, MaxTTL: 100 * day, MaxKeys: 1}},
	} {
		got := f.Policy(test.by)
		got.MaxTTLFor, got.MaxKeysFor, got.NeverFor, got.InURLFor = nil, nil, nil, nil
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
		}
	}
	if _, err := f.Make(t.Context(), ann, keys.Request{Name: "job", TTL: 31 * day}); err == nil {
		t.Error("a key lives longer than allowed to her roles")
	}
	made, err := f.Make(t.Context(), ann, keys.Request{Name: "job", Restrictions: apikey.Restrictions{AllowInURL: true}})
	if err != nil || !made.Key.Expires.Equal(now().Add(30*day)) {
		t.Errorf("got %+v, %v", made.Key, err)
	}
}

func TestKeysMadeAtOnceAreNoMoreThanAllowed(t *testing.T) {
	f := newFixture(t, policy)
	ann := f.person(t, "ann")
	var made atomic.Int64
	var group sync.WaitGroup
	for range 12 {
		group.Go(func() {
			_, err := f.Make(t.Context(), ann, keys.Request{Name: "job"})
			if err == nil {
				made.Add(1)
				return
			}
			if _, denied := errors.AsType[*keys.Denied](err); !denied {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if made.Load() != 3 {
		t.Errorf("got %d keys, want 3", made.Load())
	}
}

func TestRotateWithOverlapMultipliesNoKeys(t *testing.T) {
	f := newFixture(t, keys.Policy{DefaultTTL: day, MaxTTL: day, MaxKeys: 1})
	ann := f.person(t, "ann")
	made, err := f.Make(t.Context(), ann, keys.Request{Name: "job"})
	if err != nil {
		t.Fatal(err)
	}
	next, err := f.Rotate(t.Context(), ann, made.Key.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var denied *keys.Denied
	if _, err := f.Rotate(t.Context(), ann, next.Key.ID, time.Hour); !errors.As(err, &denied) {
		t.Errorf("got %v, want a denial", err)
	}
	if _, err := f.Rotate(t.Context(), ann, next.Key.ID, 0); err != nil {
		t.Errorf("without an overlap: %v", err)
	}
}

// What the operator no longer allows ends with a rotation.
func TestRotateGoesByThePresentPolicy(t *testing.T) {
	f := newFixture(t, policy)
	ann := f.person(t, "ann")
	made, err := f.Make(t.Context(), ann, keys.Request{Name: "job", Restrictions: apikey.Restrictions{AllowInURL: true}})
	if err != nil {
		t.Fatal(err)
	}
	later := func(p keys.Policy) *keys.Manager {
		return keys.New(keys.Options{Store: f.store, Prefix: "t2g", Peppers: []apikey.Pepper{f.pepper}, Policy: p, Now: now})
	}
	var invalid *keys.Invalid
	if _, err := later(keys.Policy{MaxTTL: day, Apps: []string{"maps"}}).Rotate(t.Context(), ann, made.Key.ID, 0); !errors.As(err, &invalid) {
		t.Errorf("a key for every application: got %v", err)
	}
	next, err := later(keys.Policy{MaxTTL: day}).Rotate(t.Context(), ann, made.Key.ID, 0)
	if err != nil || next.Key.AllowInURL || !next.Key.Expires.Equal(now().Add(day)) {
		t.Errorf("got %+v, %v", next.Key, err)
	}
}

func TestKeysOfOthersAreNotFound(t *testing.T) {
	f := newFixture(t, policy)
	ann, bob := f.person(t, "ann"), f.person(t, "bob")
	made, err := f.Make(t.Context(), ann, keys.Request{Name: "job"})
	if err != nil {
		t.Fatal(err)
	}
	id := made.Key.ID
	_, keyErr := f.Key(t.Context(), bob, id)
	_, revokeErr := f.Revoke(t.Context(), bob, id, "")
	_, changeErr := f.Change(t.Context(), bob, id, keys.Change{})
	_, rotateErr := f.Rotate(t.Context(), bob, id, 0)
	_, _, usageErr := f.Usage(t.Context(), bob, id, now())
	_, allErr := f.RevokeAll(t.Context(), bob, ann.Person.ID, "")
	for _, err := range []error{keyErr, revokeErr, changeErr, rotateErr, usageErr, allErr} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v, want not found", err)
		}
	}
	list, err := f.Keys(t.Context(), bob, store.KeyFilter{Person: ann.Person.ID})
	if err != nil || len(list) != 0 {
		t.Errorf("bob's keys: %v, %v", list, err)
	}
	admin := keys.Actor{Name: "root", Admin: true}
	if _, err := f.Revoke(t.Context(), admin, id, "leaked"); err != nil {
		t.Errorf("an administrator's revocation: %v", err)
	}
}

func TestRotate(t *testing.T) {
	for _, test := range []struct {
		name    string
		overlap time.Duration
		revoked bool
		ends    time.Time
	}{
		{"at once", 0, true, now().Add(90 * day)},
		{"with overlap", day, false, now().Add(day)},
		{"with an overlap beyond the old end", 90 * day, false, now().Add(90 * day)},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, policy)
			ann := f.person(t, "ann")
			old, err := f.Make(t.Context(), ann, keys.Request{Name: "job", Note: "n", Restrictions: apikey.Restrictions{Roles: []string{"reader"}}})
			if err != nil {
				t.Fatal(err)
			}
			next, err := f.Rotate(t.Context(), ann, old.Key.ID, test.overlap)
			if err != nil {
				t.Fatal(err)
			}
			if next.Key.ID == old.Key.ID || next.Key.Replaces != old.Key.ID || next.Key.Name != "job" || len(next.Key.Roles) != 1 ||
				!next.Key.Expires.Equal(now().Add(90*day)) {
				t.Errorf("next %+v", next.Key)
			}
			ended, err := f.Key(t.Context(), ann, old.Key.ID)
			if err != nil || ended.Revoked.IsZero() == test.revoked || !ended.Expires.Equal(test.ends) {
				t.Errorf("old %+v, %v", ended, err)
			}
			if test.revoked {
				if _, err := f.Rotate(t.Context(), ann, old.Key.ID, 0); err == nil {
					t.Error("a revoked key was rotated")
				}
			}
		})
	}
}

func TestChangeOnlyNarrows(t *testing.T) {
	f := newFixture(t, policy)
	ann := f.person(t, "ann")
	made, err := f.Make(t.Context(), ann, keys.Request{Name: "job", Restrictions: apikey.Restrictions{
		Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	title := "other"
	narrower := apikey.Restrictions{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.128/25")}}
	key, err := f.Change(t.Context(), ann, made.Key.ID, keys.Change{Name: &title, Restrictions: &narrower})
	if err != nil || key.Name != "other" || key.Networks[0].Bits() != 25 {
		t.Errorf("key %+v, %v", key, err)
	}
	var invalid *keys.Invalid
	if _, err := f.Change(t.Context(), ann, made.Key.ID, keys.Change{Restrictions: &apikey.Restrictions{}}); !errors.As(err, &invalid) {
		t.Errorf("got %v, want an invalid restriction", err)
	}
}

func TestMachineKeys(t *testing.T) {
	f := newFixture(t, policy)
	admin := f.person(t, "root")
	admin.Admin = true
	made, err := f.Make(t.Context(), admin, keys.Request{Name: "gateway", Owner: "platform team", Grants: []string{"introspect:maps"}})
	if err != nil || made.Key.Person != 0 || made.Key.Owner != "platform team" {
		t.Fatalf("%+v, %v", made.Key, err)
	}
	for _, grant := range []string{"introspect:", "admin:write", "root"} {
		if _, err := f.Make(t.Context(), admin, keys.Request{Name: "x", Owner: "y", Grants: []string{grant}}); err == nil {
			t.Errorf("grant %q was given", grant)
		}
	}
}

func TestKeysOpenOnlyServicesThatTheirMakerMayUse(t *testing.T) {
	f := newFixture(t, policy)
	usable := map[string][]string{"notes": {"read"}}
	f.Manager = keys.New(keys.Options{
		Store: f.store, Prefix: "t2g", Peppers: []apikey.Pepper{f.pepper}, Policy: policy, Now: now,
		Services: func(keys.Actor) map[string][]string { return usable },
	})
	ann := f.person(t, "ann")
	made, err := f.Make(t.Context(), ann, keys.Request{Name: "job", Services: map[string][]string{"notes": {"read"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, services := range []map[string][]string{
		{"payroll": {"read"}}, {"payroll": {}}, {"notes": {}}, {"notes": {"write"}}, {"notes": {"read"}, "payroll": {"read"}},
	} {
		if _, invalid := errors.AsType[*keys.Invalid](makeError(f.Make(t.Context(), ann, keys.Request{Name: "job", Services: services}))); !invalid {
			t.Errorf("a key for %v was made", services)
		}
	}
	usable = nil
	if _, invalid := errors.AsType[*keys.Invalid](makeError(f.Rotate(t.Context(), ann, made.Key.ID, 0))); !invalid {
		t.Error("a key was rotated whose service its owner may not use any more")
	}
}

func makeError(_ keys.Made, err error) error { return err }

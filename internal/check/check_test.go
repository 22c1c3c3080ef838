package check_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
)

const prefix = apikey.Prefix("t2g")

var (
	start = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	home  = netip.MustParseAddr("192.0.2.7")
)

// fixture is a checker over a set with one person.
type fixture struct {
	*check.Checker
	set       *check.Set
	pepper    apikey.Pepper
	refreshes atomic.Int64
	refresh   func(context.Context) error // nil: nothing is new
}

func newFixture(t testing.TB, edit func(*check.Options)) *fixture {
	t.Helper()
	pepper, err := apikey.NewPepper(make([]byte, apikey.DatabaseKeyLength))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{set: check.NewSet(pepper), pepper: pepper}
	options := check.Options{
		Keys: f.set,
		Refresh: func(ctx context.Context) error {
			f.refreshes.Add(1)
			if f.refresh != nil {
				return f.refresh(ctx)
			}
			return nil
		},
		Now: func() time.Time { return start },
	}
	if edit != nil {
		edit(&options)
	}
	f.Checker = check.New(options)
	f.set.PutPerson(&check.Person{ID: 1, Subject: "ada", Active: true, Seen: start, Roles: []string{"reader", "writer"}})
	return f
}

// add makes a key of the person and puts it into the set.
func (f *fixture) add(edit func(*check.Key)) check.Credential {
	minted := prefix.Mint()
	key := check.Key{ID: minted.ID, Pepper: f.pepper.ID, Hash: f.pepper.Hash(minted), Person: 1, Name: "nightly job"}
	if edit != nil {
		edit(&key)
	}
	f.set.Put(key)
	return check.Opaque(minted)
}

func TestCheckDecides(t *testing.T) {
	for _, test := range []struct {
		name  string
		edit  func(*check.Key)
		facts check.Facts
		want  check.Kind
	}{
		{"a key without restrictions", nil, check.Facts{}, ""},
		{"revoked", func(k *check.Key) { k.Revoked = true }, check.Facts{}, check.InvalidKey},
		{"ends in a second", func(k *check.Key) { k.Expires = start.Add(time.Second) }, check.Facts{}, ""},
		{"ends now", func(k *check.Key) { k.Expires = start }, check.Facts{}, check.InvalidKey},
		{"of an unknown person", func(k *check.Key) { k.Person = 9 }, check.Facts{}, check.InvalidKey},
		{"of a machine", func(k *check.Key) { k.Person = 0 }, check.Facts{}, ""},
		{"under an unknown pepper", func(k *check.Key) { k.Pepper++ }, check.Facts{}, check.InvalidKey},
		{"with another hash", func(k *check.Key) { k.Hash[31] ^= 1 }, check.Facts{}, check.InvalidKey},
		{"signed keys have this ID", func(k *check.Key) { k.Kind = apikey.JWT }, check.Facts{}, check.InvalidKey},
		{"in its network", inNetwork, check.Facts{Address: home}, ""},
		{"outside its network", inNetwork, check.Facts{Address: netip.MustParseAddr("192.0.3.7")}, check.AddressNotAllowed},
		{"from an unknown address", inNetwork, check.Facts{}, check.AddressNotAllowed},
		{"from its host", forHost, check.Facts{Host: "maps.example.org"}, ""},
		{"from another host", forHost, check.Facts{Host: "evil.example"}, check.PageNotAllowed},
		{"from no host", forHost, check.Facts{}, check.PageNotAllowed},
		{"in a URL", nil, check.Facts{InURL: true}, check.NotInURL},
		{"in a URL, which it allows", func(k *check.Key) { k.AllowInURL = true }, check.Facts{InURL: true}, ""},
		{"for its application", forApp, check.Facts{App: "maps"}, ""},
		{"for another application", forApp, check.Facts{App: "tiles"}, check.ApplicationNotAllowed},
		{"for no application", forApp, check.Facts{}, check.ApplicationNotAllowed},
		{
			"the address is looked at before the host",
			func(k *check.Key) { inNetwork(k); forHost(k) }, check.Facts{Host: "evil.example"}, check.AddressNotAllowed,
		},
		{
			"whether it is revoked comes first",
			func(k *check.Key) { inNetwork(k); k.Revoked = true }, check.Facts{}, check.InvalidKey,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, nil)
			_, err := f.Check(t.Context(), f.add(test.edit), test.facts)
			if got := kindOf(t, err); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func inNetwork(k *check.Key) { k.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }
func forHost(k *check.Key)   { k.Hosts = []apikey.HostPattern{"*.example.org"} }
func forApp(k *check.Key)    { k.Apps = []string{"maps"} }

// kindOf is the kind of a refusal, empty for none. Another error fails the test.
func kindOf(t testing.TB, err error) check.Kind {
	t.Helper()
	if err == nil {
		return ""
	}
	refusal, found := errors.AsType[*check.Refusal](err)
	if !found {
		t.Fatal(err)
	}
	return refusal.Kind
}

func TestCheckPerson(t *testing.T) {
	for _, test := range []struct {
		name   string
		person check.Person
		within time.Duration
		want   check.Reason
	}{
		{"active", check.Person{ID: 1, Active: true}, 0, ""},
		{"disabled", check.Person{ID: 1}, 0, check.PersonInactive},
		{"seen lately enough", check.Person{ID: 1, Active: true, Seen: start.Add(-time.Hour)}, time.Hour, ""},
		{"seen too long ago", check.Person{ID: 1, Active: true, Seen: start.Add(-time.Hour - 1)}, time.Hour, check.PersonNotSeen},
		{"never seen", check.Person{ID: 1, Active: true}, time.Hour, check.PersonNotSeen},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, func(o *check.Options) { o.SeenWithin = test.within })
			f.set.PutPerson(&test.person)
			_, err := f.Check(t.Context(), f.add(nil), check.Facts{})
			refusal, _ := errors.AsType[*check.Refusal](err)
			if refusal == nil {
				refusal = &check.Refusal{}
			}
			if refusal.Reason != test.want {
				t.Errorf("got %q, want %q", refusal.Reason, test.want)
			}
		})
	}
}

// Every way from one state of a key to another: the set shows the last one alone.
func TestCheckFollowsEveryTransition(t *testing.T) {
	type state struct{ active, revoked, expired bool }
	var states []state
	for i := range 8 {
		states = append(states, state{i&1 > 0, i&2 > 0, i&4 > 0})
	}
	for _, from := range states {
		for _, to := range states {
			f := newFixture(t, nil)
			minted := prefix.Mint()
			for _, s := range []state{from, to} {
				f.set.PutPerson(&check.Person{ID: 1, Active: s.active})
				key := check.Key{ID: minted.ID, Pepper: f.pepper.ID, Hash: f.pepper.Hash(minted), Person: 1, Revoked: s.revoked}
				if s.expired {
					key.Expires = start.Add(-time.Minute)
				}
				f.set.Put(key)
				_, err := f.Check(t.Context(), check.Opaque(minted), check.Facts{})
				if good := s.active && !s.revoked && !s.expired; (err == nil) != good {
					t.Errorf("%+v to %+v: at %+v got %v", from, to, s, err)
				}
			}
			if f.set.Len() != 1 {
				t.Errorf("the set holds %d keys, want 1", f.set.Len())
			}
		}
	}
}

func TestCheckCutsRoles(t *testing.T) {
	for _, test := range []struct {
		name        string
		person      int64
		roles, want []string
	}{
		{"all of the person's", 1, nil, []string{"reader", "writer"}},
		{"none", 1, []string{}, nil},
		{"some, one of them lost since", 1, []string{"admin", "writer"}, []string{"writer"}},
		{"a machine's own", 0, []string{"importer"}, []string{"importer"}},
	} {
		f := newFixture(t, nil)
		verdict, err := f.Check(t.Context(), f.add(func(k *check.Key) { k.Person, k.Roles = test.person, test.roles }), check.Facts{})
		if err != nil || !slices.Equal(verdict.Roles, test.want) {
			t.Errorf("%s: got %v, %v, want %v", test.name, verdict.Roles, err, test.want)
		}
	}
}

func TestSetReturnsWhatWasPut(t *testing.T) {
	f := newFixture(t, nil)
	random := rand.New(rand.NewPCG(1, 2))
	keys := map[apikey.ID]check.Key{}
	credentials := map[apikey.ID]check.Credential{}
	for i := range 3000 {
		minted := prefix.Mint()
		if i > 100 && i%3 == 0 { // change one that is there
			for id := range keys {
				keys[id] = fill(random, keys[id])
				f.set.Put(keys[id])
				break
			}
			continue
		}
		key := fill(random, check.Key{ID: minted.ID, Pepper: f.pepper.ID, Hash: f.pepper.Hash(minted)})
		f.set.Put(key)
		keys[key.ID], credentials[key.ID] = key, check.Opaque(minted)
	}
	for id, want := range keys {
		facts := check.Facts{InURL: want.AllowInURL}
		if len(want.Networks) > 0 {
			facts.Address = want.Networks[0].Addr()
		}
		if len(want.Hosts) > 0 {
			facts.Host = string(want.Hosts[0])
		}
		if len(want.Apps) > 0 {
			facts.App = want.Apps[0]
		}
		verdict, err := f.Check(t.Context(), credentials[id], facts)
		if err != nil || !reflect.DeepEqual(verdict.Key, want) {
			t.Fatalf("got %+v, %v\nwant %+v", verdict.Key, err, want)
		}
	}
	for id, key := range keys {
		f.set.Remove(key)
		if _, err := f.Check(t.Context(), credentials[id], check.Facts{}); err == nil {
			t.Fatal("a key that was removed is good")
		}
		break
	}
	if f.set.Len() != len(keys)-1 {
		t.Errorf("the set holds %d keys, want %d", f.set.Len(), len(keys)-1)
	}
}

// fill gives a key random members.
func fill(random *rand.Rand, key check.Key) check.Key {
	key.Name = fmt.Sprint("key ", random.Uint64())
	key.Config, key.Restrictions = nil, apikey.Restrictions{}
	if random.IntN(2) == 0 {
		key.Config = []byte(fmt.Sprintf(`{"n":%d}`, random.Uint64()))
	}
	if random.IntN(3) == 0 {
		key.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	}
	if random.IntN(3) == 0 {
		key.Hosts = []apikey.HostPattern{"maps.example.org", "*.example.net"}
	}
	if random.IntN(3) == 0 {
		key.Apps = []string{"maps", "tiles"}
	}
	if random.IntN(3) == 0 {
		key.Roles = []string{}
	}
	if random.IntN(3) == 0 {
		key.Rate = apikey.Rate{Requests: 5, Per: time.Minute}
	}
	key.AllowInURL, key.AllowBlank = random.IntN(2) == 0, random.IntN(2) == 0
	return key
}

func TestUnknownKeyIsLookedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		minted := prefix.Mint()
		f.refresh = func(context.Context) error { // the key arrives from another replica
			f.set.Put(check.Key{ID: minted.ID, Pepper: f.pepper.ID, Hash: f.pepper.Hash(minted), Person: 1})
			return nil
		}
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				if _, err := f.Check(t.Context(), check.Opaque(minted), check.Facts{}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got := f.refreshes.Load(); got != 1 {
			t.Errorf("%d looks at the database, want 1", got)
		}
	})
}

func TestGuessingCostsTenLooksASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		good := f.add(nil)
		begin := time.Now()
		var group sync.WaitGroup
		for i := range 200 {
			group.Go(func() {
				for range 50 {
					_, err := f.Check(t.Context(), check.Opaque(prefix.Mint()), check.Facts{Address: neighbor(i)})
					if kindOf(t, err) != check.InvalidKey {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		looks, seconds := f.refreshes.Load(), time.Since(begin).Seconds()
		if float64(looks) > 10*seconds+1 {
			t.Errorf("%d looks in %.1f s, want at most ten a second", looks, seconds)
		}
		if _, err := f.Check(t.Context(), good, check.Facts{}); err != nil {
			t.Errorf("a good key meanwhile: %v", err)
		}
	})
}

// neighbor is an address of its own for each number.
func neighbor(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

func TestWrongSecretAsksNoDatabase(t *testing.T) {
	f := newFixture(t, nil)
	f.add(func(k *check.Key) { k.Hash[0] ^= 1 })
	presented := f.add(func(k *check.Key) { k.Hash[0] ^= 1 })
	_, err := f.Check(t.Context(), presented, check.Facts{})
	if refusal, _ := errors.AsType[*check.Refusal](err); refusal == nil || refusal.Reason != check.WrongSecret || f.refreshes.Load() != 0 {
		t.Errorf("got %v after %d looks, want %s after none", err, f.refreshes.Load(), check.WrongSecret)
	}
}

func TestUnknownKeyWithoutDatabaseIsNoRefusal(t *testing.T) {
	f := newFixture(t, nil)
	broken := errors.New("no connection")
	f.refresh = func(context.Context) error { return broken }
	_, err := f.Check(t.Context(), check.Opaque(prefix.Mint()), check.Facts{})
	if _, refused := errors.AsType[*check.Refusal](err); refused || !errors.Is(err, broken) {
		t.Errorf("got %v, want the database's error", err)
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	f := newFixture(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	f.refresh = func(inner context.Context) error { cancel(); <-t.Context().Done(); return inner.Err() }
	if _, err := f.Check(ctx, check.Opaque(prefix.Mint()), check.Facts{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestTooManyFailures(t *testing.T) {
	now := start
	f := newFixture(t, func(o *check.Options) {
		o.Failures = apikey.Rate{Requests: 3, Per: time.Minute}
		o.Now = func() time.Time { return now }
	})
	good := f.add(nil)
	bad := func(address string) check.Kind {
		_, err := f.Check(t.Context(), f.add(func(k *check.Key) { k.Revoked = true }), check.Facts{Address: netip.MustParseAddr(address)})
		return kindOf(t, err)
	}
	for i, want := range []check.Kind{check.InvalidKey, check.InvalidKey, check.InvalidKey, check.TooManyFailures} {
		if got := bad("2001:db8::1"); got != want {
			t.Errorf("failure %d: got %q, want %q", i+1, got, want)
		}
	}
	if got := bad("2001:db8::2"); got != check.TooManyFailures {
		t.Errorf("from the same /64: got %q", got)
	}
	if got := bad("2001:db8:0:1::1"); got != check.InvalidKey {
		t.Errorf("from another /64: got %q", got)
	}
	if _, err := f.Check(t.Context(), good, check.Facts{Address: netip.MustParseAddr("2001:db8::1")}); err != nil {
		t.Errorf("a good key from the same address: %v", err)
	}
	_, err := f.Check(t.Context(), check.Opaque(prefix.Mint()), check.Facts{Address: netip.MustParseAddr("2001:db8::1")})
	if refusal, _ := errors.AsType[*check.Refusal](err); refusal == nil || refusal.RetryAfter <= 0 || f.refreshes.Load() != 0 {
		t.Errorf("an unknown key: got %v after %d looks, want a time to wait and no look", err, f.refreshes.Load())
	}
	now = now.Add(21 * time.Second)
	if got := bad("2001:db8::1"); got != check.InvalidKey {
		t.Errorf("after a third of the minute: got %q", got)
	}
}

func TestKeyRate(t *testing.T) {
	now := start
	f := newFixture(t, func(o *check.Options) { o.Now = func() time.Time { return now } })
	presented := f.add(func(k *check.Key) { k.Rate = apikey.Rate{Requests: 2, Per: time.Minute} })
	for i, remaining := range []int{1, 0} {
		verdict, err := f.Check(t.Context(), presented, check.Facts{})
		if err != nil || verdict.Rate.Remaining != remaining || verdict.Rate.Limit.Requests != 2 {
			t.Errorf("use %d: got %+v, %v, want %d remaining", i+1, verdict.Rate, err, remaining)
		}
	}
	_, err := f.Check(t.Context(), presented, check.Facts{})
	refusal, _ := errors.AsType[*check.Refusal](err)
	if refusal == nil || refusal.Kind != check.RateExceeded || refusal.RetryAfter != 30*time.Second {
		t.Errorf("got %+v, want %s for 30 s", refusal, check.RateExceeded)
	}
	now = now.Add(30 * time.Second)
	if _, err := f.Check(t.Context(), presented, check.Facts{}); err != nil {
		t.Errorf("after 30 s: %v", err)
	}
}

func TestUUIDAndJWT(t *testing.T) {
	f := newFixture(t, nil)
	hash, err := apikey.HashUUID(apikey.MintUUID())
	if err != nil {
		t.Fatal(err)
	}
	f.set.Put(check.Key{ID: 5, Kind: apikey.UUID, Hash: hash, Person: 1})
	f.set.Put(check.Key{ID: 6, Kind: apikey.JWT, Person: 1})
	for _, presented := range []check.Credential{check.UUID(hash), check.JWT(6)} {
		if _, err := f.Check(t.Context(), presented, check.Facts{}); err != nil {
			t.Error(err)
		}
	}
	other := hash
	other[31] ^= 1 // found in the same slot
	for _, presented := range []check.Credential{check.UUID(other), check.JWT(5), check.JWT(7)} {
		if _, err := f.Check(t.Context(), presented, check.Facts{}); kindOf(t, err) != check.InvalidKey {
			t.Errorf("got %v, want %s", err, check.InvalidKey)
		}
	}
}

func TestChecksAndChangesAtOnce(t *testing.T) {
	f := newFixture(t, nil)
	stable := f.add(nil)
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := f.Check(t.Context(), stable, check.Facts{}); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 5_000 {
		minted := prefix.Mint()
		key := fill(random, check.Key{ID: minted.ID % 500, Pepper: f.pepper.ID, Hash: f.pepper.Hash(minted)})
		f.set.Put(key)
		if random.IntN(3) == 0 {
			f.set.Remove(key)
		}
	}
	close(stop)
	group.Wait()
}

// BenchmarkCheck shows what a check costs by the number of keys, and what memory they take.
// One key of eight has networks, one of twenty a configuration of 200 bytes.
func BenchmarkCheck(b *testing.B) {
	for _, count := range []int{1_000, 1_000_000} {
		before := memory()
		f, credentials := filled(b, count)
		size := float64(memory()-before) / (1 << 20)
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				if _, err := f.Check(b.Context(), credentials[i%len(credentials)], check.Facts{Address: home}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(size, "MiB")
		})
	}
}

// filled is a checker with count keys, and some of them, spread over all.
func filled(b *testing.B, count int) (*fixture, []check.Credential) {
	f := newFixture(b, nil)
	credentials := make([]check.Credential, 0, 1_000)
	config, err := json.Marshal(map[string]string{"note": fmt.Sprintf("%0188d", 0)})
	if err != nil {
		b.Fatal(err)
	}
	for i := range count {
		presented := f.add(func(k *check.Key) {
			k.Name = "a name of 20 letters"
			if i%8 == 0 {
				inNetwork(k)
			}
			if i%20 == 0 {
				k.Config = config
			}
		})
		if i%(1+count/cap(credentials)) == 0 {
			credentials = append(credentials, presented)
		}
	}
	return f, credentials
}

func memory() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

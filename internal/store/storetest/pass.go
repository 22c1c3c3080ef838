package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/store"
)

func newPass(id string) store.Pass {
	return store.Pass{ID: id, Service: "notes", Subject: "person:7", Created: now(), Expires: now().Add(time.Hour)}
}

func addPass(t testing.TB, s *store.Store, p store.Pass) store.Pass {
	t.Helper()
	stored, err := s.AddPass(t.Context(), p, store.Event{Actor: "7", Action: "pass made"})
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func testAddPass(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	full := store.Pass{
		ID: "B", Parent: "A", Service: "notes", Subject: "person:7", Name: "agent 'x'", Created: now(), Expires: now().Add(time.Hour),
		Revoked: now().Add(time.Minute), Reason: "lost", Allowed: json.RawMessage(`{"scopes":["read"]}`), Secret: []byte{0, 1, 255},
	}
	for _, want := range []store.Pass{newPass("A"), full} {
		want = addPass(t, s, want)
		if got, err := s.Pass(t.Context(), want.ID); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
		}
	}
	if _, err := s.AddPass(t.Context(), newPass("A"), store.Event{}); !errors.Is(err, store.ErrExists) {
		t.Errorf("twice: got %v", err)
	}
	if _, err := s.Pass(t.Context(), "C"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown: got %v", err)
	}
	events, err := s.Events(t.Context(), store.EventFilter{})
	if err != nil || len(events) != 2 || fmt.Sprint(events[0].Attributes) != "map[for:person:7 pass:B service:notes]" {
		t.Errorf("events %+v, %v", events, err)
	}
	later := newPass("D")
	later.Created, later.Expires = now().Add(100*24*time.Hour), now().Add(101*24*time.Hour)
	addPass(t, s, later)
	if _, err := s.Pass(t.Context(), "A"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("one that expired long ago: got %v", err)
	}
}

func testPasses(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	for i, change := range []func(*store.Pass){
		func(*store.Pass) {},
		func(p *store.Pass) { p.Subject = "person:8" },
		func(p *store.Pass) { p.Service = "mail" },
		func(p *store.Pass) { p.Expires = now().Add(10 * time.Second) },
		func(p *store.Pass) { p.Revoked = now() },
	} {
		p := newPass(string(rune('A' + i)))
		p.Created = now().Add(time.Duration(i) * time.Second)
		change(&p)
		addPass(t, s, p)
	}
	for _, test := range []struct {
		filter store.PassFilter
		want   string
	}{
		{store.PassFilter{}, "EDCBA"},
		{store.PassFilter{Limit: 2}, "ED"},
		{store.PassFilter{Subject: "person:7"}, "EDCA"},
		{store.PassFilter{Service: "mail"}, "C"},
		{store.PassFilter{Subject: "person:8", Service: "notes"}, "B"},
		{store.PassFilter{Live: now().Add(10 * time.Second)}, "CBA"},
		{store.PassFilter{Subject: "' OR 1=1"}, ""},
	} {
		passes, err := s.Passes(t.Context(), test.filter)
		var ids []string
		for _, p := range passes {
			ids = append(ids, p.ID)
		}
		if got := strings.Join(ids, ""); err != nil || got != test.want {
			t.Errorf("%+v: got %s, %v, want %s", test.filter, got, err, test.want)
		}
	}
}

func testRevokedPasses(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	for _, id := range []string{"A", "B", "C"} {
		addPass(t, s, newPass(id))
	}
	since := func(revision int64) []string {
		found, ends, err := s.RevokedPasses(t.Context(), revision)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range ends {
			found = append(found, e.Service+"/"+e.Subject+"/"+e.Before.Format(time.TimeOnly))
		}
		slices.Sort(found)
		return found
	}
	revoke := func(id string, check error) (store.Pass, error) {
		return s.RevokePass(t.Context(), id, now(), "lost", func(store.Pass) error { return check }, store.Event{Action: "pass revoked"})
	}
	first, err := revoke("A", nil)
	if err != nil || !first.Revoked.Equal(now()) || first.Reason != "lost" {
		t.Errorf("got %+v, %v", first, err)
	}
	if again, err := revoke("A", nil); err != nil || again.Revision != first.Revision {
		t.Errorf("again: got %+v, %v", again, err)
	}
	if _, err := revoke("X", nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown: got %v", err)
	}
	foreign := errors.New("another person's")
	if _, err := revoke("B", foreign); !errors.Is(err, foreign) {
		t.Errorf("another person's: got %v", err)
	}
	for _, end := range []store.PassEnd{
		{Service: "notes", Before: now().Add(time.Hour)}, {Service: "notes", Before: now()}, {Subject: "person:7", Before: now()}, {Before: now()},
	} {
		if err := s.EndPasses(t.Context(), end, store.Event{Action: "passes ended"}); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := fmt.Sprint(since(0)), "[//12:00:00 /person:7/12:00:00 A notes//13:00:00]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := since(first.Revision); slices.Contains(got, "A") || len(got) != 3 {
		t.Errorf("since the first: got %q", got)
	}
	revision, err := s.Revision(t.Context())
	if err != nil || len(since(revision)) != 0 {
		t.Errorf("since the last: got %q, %v", since(revision), err)
	}
}

func testPassUsage(t *testing.T, fresh func(testing.TB) string) {
	s := Open(t, fresh(t))
	for _, u := range []store.PassUsage{
		{Pass: "A", Count: 2, Last: now().Add(time.Minute), Address: "192.0.2.1", Agent: "curl"},
		{Pass: "A", Count: 3, Last: now(), Address: "192.0.2.2", Agent: "wget"},
	} {
		if err := s.AddPassUsage(t.Context(), []store.PassUsage{u}); err != nil {
			t.Fatal(err)
		}
	}
	want := store.PassUsage{Pass: "A", Count: 5, Last: now().Add(time.Minute), Address: "192.0.2.1", Agent: "curl"}
	if got, err := s.PassUsage(t.Context(), "A"); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got, err := s.PassUsage(t.Context(), "B"); err != nil || got != (store.PassUsage{Pass: "B"}) {
		t.Errorf("never used: got %+v, %v", got, err)
	}
}

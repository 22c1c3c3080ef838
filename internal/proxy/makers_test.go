package proxy_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/proxy"
)

// people is a set with one person and what keys of it are hashed under.
type people struct {
	set    *check.Set
	pepper apikey.Pepper
}

func newPeople(t *testing.T) (people, func(*proxy.Options)) {
	t.Helper()
	pepper, err := apikey.NewPepper(make([]byte, apikey.DatabaseKeyLength))
	if err != nil {
		t.Fatal(err)
	}
	p := people{check.NewSet(pepper), pepper}
	p.put(true, "readers")
	checker := check.New(check.Options{Keys: p.set, Refresh: func(context.Context) error { return nil }})
	return p, func(o *proxy.Options) { o.Callers.Checker, o.Callers.Prefix = checker, "t2g" }
}

func (p people) put(active bool, groups ...string) {
	p.set.PutPerson(&check.Person{ID: 1, Subject: "ada", Active: active, Seen: time.Now(), Groups: groups})
}

// key adds a key of the person, or of a machine.
func (p people) key(person int64, edit func(*check.Key)) (check.Key, string) {
	minted := apikey.Prefix("t2g").Mint()
	key := check.Key{ID: minted.ID, Pepper: p.pepper.ID, Hash: p.pepper.Hash(minted), Person: person, Name: "job"}
	if edit != nil {
		edit(&key)
	}
	p.set.Put(key)
	return key, minted.Secret().Reveal()
}

const forReaders = `{"services":{"notes":{"base_url":"http://UPSTREAM","people":["readers"],"scopes":{"read":["GET /.*"]}}}}`

func (f *fixture) status(t *testing.T, credential, target string) int {
	t.Helper()
	status, _ := f.send(t, "GET "+target+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+credential+"\r\nConnection: close\r\n\r\n")
	return status
}

func TestKeysOpenServicesWhileTheirOwnerMayUseThem(t *testing.T) {
	p, with := newPeople(t)
	f := newFixture(t, newUpstream(t, ok), forReaders, with)
	_, key := p.key(1, func(k *check.Key) { k.Services = map[string][]string{"notes": {"read"}} })
	_, other := p.key(1, nil)
	if got := f.status(t, key, "/s/notes/a"); got != 200 {
		t.Errorf("the owner is a reader: got %d", got)
	}
	if got := f.status(t, other, "/s/notes/a"); got != 401 {
		t.Errorf("a key without the service: got %d", got)
	}
	p.put(true, "writers")
	if got := f.status(t, key, "/s/notes/a"); got != 401 {
		t.Errorf("the owner is no reader any more: got %d", got)
	}
}

func TestPassesEndWithTheirMaker(t *testing.T) {
	p, with := newPeople(t)
	f := newFixture(t, newUpstream(t, ok), forReaders, with)
	mint := func(subject string) string {
		_, text, err := f.passes.Mint(pass.Request{Service: "notes", Subject: subject, TTL: time.Hour, Limit: pass.Limit{Scopes: []string{"read"}}})
		if err != nil {
			t.Fatal(err)
		}
		return text.Reveal()
	}
	personal := mint(pass.PersonSubject("ada"))
	key, _ := p.key(0, nil)
	minted := mint(pass.KeySubject(key.ID))
	for _, text := range []string{personal, minted} {
		if got := f.status(t, text, "/s/notes/a"); got != 200 {
			t.Errorf("got %d, want 200", got)
		}
	}
	p.put(false, "readers")
	if got := f.status(t, personal, "/s/notes/a"); got != 401 {
		t.Errorf("the person is not active any more: got %d", got)
	}
	key.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	p.set.Put(key)
	if got := f.status(t, minted, "/s/notes/a"); got != 403 {
		t.Errorf("the key that minted it is for another network: got %d", got)
	}
	key.Networks, key.Revoked = nil, true
	p.set.Put(key)
	if got := f.status(t, minted, "/s/notes/a"); got != 401 {
		t.Errorf("the key that minted it is revoked: got %d", got)
	}
}

func TestEventsAndUpstreamGetNoCredentialFromTheQueryOrPath(t *testing.T) {
	p, with := newPeople(t)
	u := newUpstream(t, ok)
	f := newFixture(t, u, forReaders, with)
	_, key := p.key(1, func(k *check.Key) { k.Services = map[string][]string{"notes": {"read"}} })
	f.status(t, key, "/s/notes/a?"+key+"&b=1")
	f.status(t, key, "/s/notes/"+key)
	u.mu.Lock()
	first := u.heads[0]
	u.mu.Unlock()
	if strings.Contains(first, key) || !strings.Contains(first, "/a?b=1 ") {
		t.Errorf("sent %q", first)
	}
	for _, e := range f.events {
		if strings.Contains(e.Path+strings.Join(e.Query, " ")+e.Detail, key[:20]) {
			t.Errorf("the event %+v holds a key", e)
		}
	}
}

package passes_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/passes"
	"github.com/token2go/token2go/internal/rule"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/store/storetest"
)

const server = "https://api.t2g.example.org"

// fixture is a Manager with two services and a clock of its own.
type fixture struct {
	*passes.Manager
	issuer *pass.Issuer
	store  *store.Store
	now    time.Time
}

func newFixture(t testing.TB, stored bool) *fixture {
	t.Helper()
	f := &fixture{now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
	ring, sealer, err := pass.DeriveKeys(f.now, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return f.now }
	revocations := new(pass.Revocations)
	f.issuer, err = pass.New(pass.Options{Ring: ring, Sealer: sealer, Issuer: server, Revocations: revocations, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	if stored {
		f.store = storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "t2g.db"))
	}
	services := []passes.Service{
		{
			Name: "notes", People: []string{"writers"}, BaseURL: "https://notes.example.org/v1", Origin: "https://notes.example.org",
			Scopes:   []passes.Scope{{Name: "read", Title: "read notes", Rules: rules(t, "GET /notes/.*")}},
			Sets:     []rule.Set{{Allow: rules(t, "* /notes.*"), Deny: rules(t, "* /notes/secret")}},
			Injected: []string{"Authorization: Bearer …"},
		},
		{
			Name: "me", People: []string{passes.Everyone}, Personal: true, BaseURL: "https://me.example.org", Origin: "https://me.example.org",
			Scopes: []passes.Scope{{Name: "all", Rules: rules(t, "* /.*")}},
		},
		{Name: "admin", BaseURL: "https://admin.example.org", Scopes: []passes.Scope{{Name: "all", Rules: rules(t, "* /.*")}}},
	}
	f.Manager, err = passes.New(passes.Options{
		Issuer: f.issuer, Services: func() []passes.Service { return services }, Server: server, Store: f.store, Revocations: revocations, Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func rules(t testing.TB, texts ...string) (parsed []rule.Rule) {
	t.Helper()
	for _, text := range texts {
		r, err := rule.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, r)
	}
	return parsed
}

func person(subject string, memberOf ...string) passes.Actor {
	return passes.Actor{Name: subject, Subject: pass.PersonSubject(subject), Person: append([]string{subject}, memberOf...)}
}

func read() passes.Request {
	return passes.Request{Service: "notes", Scopes: []string{"read"}, TTL: time.Hour}
}

func (f *fixture) make(t testing.TB, by passes.Actor, r passes.Request) passes.Made {
	t.Helper()
	made, err := f.Make(t.Context(), by, r)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestServicesAreThoseOfTheActor(t *testing.T) {
	f := newFixture(t, false)
	for _, test := range []struct {
		name string
		by   passes.Actor
		want string
	}{
		{"a member", person("7", "writers"), "notes me"},
		{"someone else", person("7", "readers"), "me"},
		{"a subject", person("writers"), "notes me"},
		{"an administrator", passes.Actor{Subject: "person:root", Admin: true}, "notes me admin"},
		{"a key", passes.Actor{Mints: []string{"admin"}}, "admin"},
		{"a key without a grant", passes.Actor{}, ""},
	} {
		var names []string
		for _, s := range f.Services(test.by) {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		if _, err := f.Make(t.Context(), test.by, read()); (err == nil) != strings.Contains(test.want, "notes") || err != nil && !errors.Is(err, passes.ErrService) {
			t.Errorf("%s makes a pass: %v", test.name, err)
		}
	}
}

func TestMake(t *testing.T) {
	for _, stored := range []bool{false, true} {
		f := newFixture(t, stored)
		r := read()
		r.Rules, r.Networks = rules(t, "* .*"), []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		made := f.make(t, person("7", "writers"), r)
		p, err := f.issuer.Verify(made.Text.Reveal(), "notes")
		if err != nil || p.Subject != "person:7" || p.Expires.Sub(p.Issued) != time.Hour || len(p.Rules) != 1 || p.Scopes[0] != "read" || len(p.Networks) != 1 {
			t.Errorf("got %+v, %v", p, err)
		}
		if fmt.Sprint(made.Findings) != "[* .*: it allows every method on every path]" {
			t.Errorf("findings %q", made.Findings)
		}
	}
}

func TestMakeRefuses(t *testing.T) {
	f := newFixture(t, true)
	for name, test := range map[string]struct {
		change func(*passes.Request)
		want   string
	}{
		"an unknown scope":    {func(r *passes.Request) { r.Scopes = []string{"write"} }, "scopes: want"},
		"nothing allowed":     {func(r *passes.Request) { r.Scopes = nil }, "at least one rule or scope"},
		"too long a life":     {func(r *passes.Request) { r.TTL = 91 * 24 * time.Hour }, "life of a pass"},
		"too long a name":     {func(r *passes.Request) { r.Name = strings.Repeat("é", 101) }, "name: want"},
		"no service":          {func(r *passes.Request) { r.Service = "none" }, "no such service"},
		"no person's token":   {func(r *passes.Request) { r.Service, r.Scopes = "me", []string{"all"} }, "service: want"},
		"administrators' own": {func(r *passes.Request) { r.Service, r.Scopes = "admin", []string{"all"} }, "no such service"},
	} {
		r := read()
		test.change(&r)
		if _, err := f.Make(t.Context(), person("7", "writers"), r); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
	if list, err := f.List(t.Context(), passes.Actor{Admin: true}, store.PassFilter{}); err != nil || len(list) != 0 {
		t.Errorf("stored what was refused: %v, %v", list, err)
	}
}

func TestPersonsTokenIsSealed(t *testing.T) {
	for _, stored := range []bool{false, true} {
		f := newFixture(t, stored)
		r := passes.Request{Service: "me", Scopes: []string{"all"}, TTL: time.Hour, Token: secret.New("the person's"), Expires: f.now.Add(10 * time.Minute)}
		made := f.make(t, person("7"), r)
		if made.Pass.HasSecret() == stored || !made.Pass.Expires.Equal(f.now.Add(10*time.Minute)) {
			t.Errorf("stored %v: inside %v, ends %s", stored, made.Pass.HasSecret(), made.Pass.Expires)
		}
		child, err := f.Attenuate(made.Text.Reveal(), passes.Request{Rules: rules(t, "GET /.*")})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []pass.Pass{made.Pass, made.Pass, child.Pass} {
			held, err := f.Token(t.Context(), p, "https://me.example.org")
			if err != nil || held.Reveal() != "the person's" {
				t.Errorf("stored %v: got %q, %v", stored, held.Reveal(), err)
			}
			if _, err := f.Token(t.Context(), p, "https://evil.example.org"); !errors.Is(err, pass.ErrSealed) {
				t.Errorf("for another origin: got %v", err)
			}
		}
		if stored {
			kept, err := f.store.Pass(t.Context(), made.Pass.ID)
			if err != nil || len(kept.Secret) == 0 || strings.Contains(string(kept.Secret), "person's") {
				t.Errorf("kept %q, %v", kept.Secret, err)
			}
		}
	}
}

func TestListAndRevoke(t *testing.T) {
	f := newFixture(t, true)
	ada, eve, admin := person("ada", "writers"), person("eve", "writers"), passes.Actor{Name: "root", Subject: "person:root", Admin: true}
	r := read()
	r.Name, r.Networks = "agent", []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	first := f.make(t, ada, r)
	child, err := f.Attenuate(first.Text.Reveal(), passes.Request{})
	if err != nil {
		t.Fatal(err)
	}
	second := f.make(t, eve, read())
	if err := f.store.AddPassUsage(t.Context(), []store.PassUsage{{Pass: first.Pass.ID, Count: 3, Last: f.now}}); err != nil {
		t.Fatal(err)
	}
	list, err := f.List(t.Context(), ada, store.PassFilter{Subject: "person:eve"})
	if err != nil || len(list) != 1 || list[0].ID != first.Pass.ID || list[0].Name != "agent" || list[0].Usage.Count != 3 ||
		list[0].Limit.Scopes[0] != "read" || len(list[0].Networks) != 1 {
		t.Errorf("got %+v, %v", list, err)
	}
	if list, err := f.List(t.Context(), admin, store.PassFilter{}); err != nil || len(list) != 2 {
		t.Errorf("an administrator's: %d, %v", len(list), err)
	}
	if err := f.Revoke(t.Context(), eve, first.Pass.ID, ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another's: got %v", err)
	}
	if err := f.Revoke(t.Context(), ada, first.Pass.ID, "lost"); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]error{first.Text.Reveal(): pass.ErrRevoked, child.Text.Reveal(): pass.ErrRevoked, second.Text.Reveal(): nil} {
		if _, err := f.issuer.Inspect(text); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if err := f.EndAll(t.Context(), ada, "", "person:eve"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.issuer.Inspect(second.Text.Reveal()); err != nil {
		t.Errorf("ended another's: %v", err)
	}
	if err := f.EndAll(t.Context(), admin, "notes", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := f.issuer.Inspect(second.Text.Reveal()); !errors.Is(err, pass.ErrRevoked) {
		t.Errorf("after all were ended: %v", err)
	}
	f.now = f.now.Add(time.Second)
	if _, err := f.issuer.Inspect(f.make(t, eve, read()).Text.Reveal()); err != nil {
		t.Errorf("made a second later: %v", err)
	}
}

func TestWithoutDatabaseNothingIsListed(t *testing.T) {
	f := newFixture(t, false)
	ada := person("ada", "writers")
	made := f.make(t, ada, read())
	_, listErr := f.List(t.Context(), ada, store.PassFilter{})
	for _, err := range []error{listErr, f.Revoke(t.Context(), ada, made.Pass.ID, ""), f.EndAll(t.Context(), ada, "", "")} {
		if !errors.Is(err, passes.ErrNotStored) {
			t.Errorf("got %v, want %v", err, passes.ErrNotStored)
		}
	}
	if _, err := f.issuer.Inspect(made.Text.Reveal()); err != nil {
		t.Errorf("a revocation that was refused took effect: %v", err)
	}
}

func TestExplain(t *testing.T) {
	f := newFixture(t, false)
	ada := person("ada", "writers")
	parent := f.make(t, ada, passes.Request{Service: "notes", Rules: rules(t, "* /notes/.*"), TTL: time.Hour})
	child, err := f.Attenuate(parent.Text.Reveal(), passes.Request{Scopes: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name     string
		question passes.Question
		want     string
	}{
		{"a path", passes.Question{Pass: parent.Text.Reveal(), Method: "PUT", URL: "/notes/1?a=%2F"}, "allowed by * /notes/.*; PUT https://notes.example.org/v1/notes/1?a=%2F"},
		{"the upstream's URL", passes.Question{Pass: child.Text.Reveal(), Method: "GET", URL: "https://notes.example.org/v1/notes/1"}, "allowed by * /notes/.*; GET https://notes.example.org/v1/notes/1"},
		{"this server's URL", passes.Question{Pass: child.Text.Reveal(), Method: "GET", URL: server + "/s/notes/notes/%31"}, "allowed by * /notes/.*; GET https://notes.example.org/v1/notes/%31"},
		{"not of the child", passes.Question{Pass: child.Text.Reveal(), Method: "PUT", URL: "/notes/1"}, "no rule of the pass allows it"},
		{"not of the parent", passes.Question{Service: "notes", Pass: parent.Text.Reveal(), Method: "GET", URL: "/notes"}, "no rule of the pass allows it"},
		{"not of the service", passes.Question{Pass: parent.Text.Reveal(), Method: "GET", URL: "/admin"}, "no rule of the service allows it"},
		{"denied", passes.Question{Pass: parent.Text.Reveal(), Method: "GET", URL: "/NOTES/secret/"}, "the service denies it by * /notes/secret"},
		{"another host", passes.Question{Pass: parent.Text.Reveal(), Method: "GET", URL: "https://evil.example/notes/1"}, "the path is refused, whatever the rules: not_absolute"},
		{"a host that begins alike", passes.Question{Pass: parent.Text.Reveal(), Method: "GET", URL: "https://notes.example.org/v1.evil/"}, "the path is refused, whatever the rules: not_absolute"},
		{"dots", passes.Question{Pass: parent.Text.Reveal(), Method: "GET", URL: "/notes/..%2fx"}, "the path is refused, whatever the rules: dot_segment"},
		{"another method", passes.Question{Pass: parent.Text.Reveal(), Method: "GET", URL: "/notes/1?_method=PUT"}, "the query asks the service for another method"},
		{"rules", passes.Question{Service: "notes", Rules: rules(t, "GET /notes/1"), Method: "GET", URL: "/notes/1"}, "allowed by GET /notes/1; GET https://notes.example.org/v1/notes/1"},
		{"scopes", passes.Question{Service: "notes", Scopes: []string{"read"}, Method: "GET", URL: "/notes/1"}, "allowed by GET /notes/.*; GET https://notes.example.org/v1/notes/1"},
	} {
		by := ada
		if test.question.Pass != "" {
			by = passes.Actor{} // whoever holds it
		}
		got, err := f.Explain(by, test.question)
		text := got.Because
		if got.Allowed {
			text += "; " + got.Sent
		}
		if err != nil || text != test.want || got.Allowed && fmt.Sprint(got.Headers) != "[Authorization: Bearer …]" {
			t.Errorf("%s: got %+v, %v, want %q", test.name, got, err, test.want)
		}
	}
	for name, test := range map[string]struct {
		by       passes.Actor
		question passes.Question
		want     error
	}{
		"another person's service": {person("eve"), passes.Question{Service: "notes", Rules: rules(t, "GET /"), Method: "GET", URL: "/"}, passes.ErrService},
		"another service's pass":   {ada, passes.Question{Service: "me", Pass: parent.Text.Reveal(), Method: "GET", URL: "/"}, pass.ErrService},
		"no pass":                  {ada, passes.Question{Pass: "x", Method: "GET", URL: "/"}, pass.ErrInvalid},
	} {
		if _, err := f.Explain(test.by, test.question); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

func TestRateIsKept(t *testing.T) {
	f := newFixture(t, true)
	r := read()
	r.Rate = apikey.Rate{Requests: 5, Per: time.Minute}
	made := f.make(t, person("ada", "writers"), r)
	list, err := f.List(t.Context(), person("ada"), store.PassFilter{})
	if err != nil || list[0].Limit.Rate != r.Rate || made.Pass.Rates()[made.Pass.ID] != r.Rate {
		t.Errorf("got %+v, %v", list, err)
	}
	if _, err := json.Marshal(list); err != nil {
		t.Error(err)
	}
}

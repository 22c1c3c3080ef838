package api_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/api"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/passes"
	"github.com/token2go/token2go/internal/rule"
)

const passIssuer = "https://api.example.org"

// openPasses is a listener that makes passes for the services notes and mail.
func openPasses(t testing.TB, edit func(*api.Options)) (*fixture, *pass.Issuer) {
	t.Helper()
	ring, sealer, err := pass.DeriveKeys(time.Now(), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := pass.New(pass.Options{Ring: ring, Sealer: sealer, Issuer: passIssuer})
	if err != nil {
		t.Fatal(err)
	}
	read, err := rule.Parse("GET /notes/.*")
	if err != nil {
		t.Fatal(err)
	}
	manager, err := passes.New(passes.Options{Issuer: issuer, Server: passIssuer, Services: func() []passes.Service {
		return []passes.Service{
			{Name: "notes", BaseURL: "https://notes.example.org", Scopes: []passes.Scope{{Name: "read", Rules: []rule.Rule{read}}}, Injected: []string{"Authorization: Bearer …"}},
			{Name: "mail", BaseURL: "https://mail.example.org"},
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return open(t, func(o *api.Options) {
		o.Passes = manager
		if edit != nil {
			edit(o)
		}
	}), issuer
}

func (f *fixture) postJSON(t testing.TB, path, body string, lines ...string) answer {
	t.Helper()
	return f.send(t, "POST", path, body, append(lines, "Content-Type", "application/json")...)
}

type madePass struct {
	ID, Pass, Address, Service string
	Expires                    time.Time
	Warnings                   []string
}

func readMade(t testing.TB, a answer) (made madePass) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &made); a.status != 201 || err != nil {
		t.Fatalf("got %d %s, %v", a.status, a.body, err)
	}
	return made
}

func TestProgramMakesPass(t *testing.T) {
	f, issuer := openPasses(t, nil)
	key := f.add(func(k *check.Key) { k.Person, k.Grants, k.Apps = 0, []string{"mint:notes"}, []string{"maps"} })
	made := readMade(t, f.postJSON(t, "/passes", `{"service":"notes","scopes":["read"],"rules":["* .*"],"ttl":"1h","networks":["192.0.2.0/24"]}`, bearer(key)...))
	p, err := issuer.Verify(made.Pass, "notes")
	if err != nil || p.Subject != "key:"+key[4:14] || made.Address != passIssuer+"/s/notes/" || len(made.Warnings) != 1 || len(p.Networks) != 1 {
		t.Errorf("got %+v, %+v, %v", made, p, err)
	}
	if f.uses.Load() != 1 {
		t.Errorf("got %d uses counted, want 1", f.uses.Load())
	}
	if output := f.output.String(); !strings.Contains(output, `"action":"make_pass"`) || strings.Contains(output, made.Pass) {
		t.Errorf("the log: %s", output)
	}
	for _, test := range []struct {
		name, body string
		lines      []string
		status     int
		kind       string
	}{
		{"no key", `{"service":"notes","scopes":["read"],"ttl":"1h"}`, nil, 401, "no_credential"},
		{"another service", `{"service":"mail","rules":["GET /"],"ttl":"1h"}`, bearer(key), 403, "grant_missing"},
		{"a service that does not exist", `{"service":"none","rules":["GET /"],"ttl":"1h"}`, bearer(key), 403, "grant_missing"},
		{"a person's key", `{"service":"notes","scopes":["read"],"ttl":"1h"}`, bearer(f.add(nil)), 403, "grant_missing"},
		{"a revoked key", `{"service":"notes","scopes":["read"],"ttl":"1h"}`, bearer(f.add(func(k *check.Key) { k.Revoked = true })), 401, "invalid_key"},
		{"a key for another network", `{"service":"notes","scopes":["read"],"ttl":"1h"}`, bearer(f.add(inNetwork)), 403, "address_not_allowed"},
		{"a pass for a key", `{"service":"notes","scopes":["read"],"ttl":"1h"}`, bearer(made.Pass), 401, "no_credential"},
		{"nothing allowed", `{"service":"notes","ttl":"1h"}`, bearer(key), 400, "invalid_request"},
		{"an unknown scope", `{"service":"notes","scopes":["x"],"ttl":"1h"}`, bearer(key), 400, "invalid_request"},
		{"a wrong rule", `{"service":"notes","rules":["GET ("],"ttl":"1h"}`, bearer(key), 400, "invalid_request"},
		{"for ever", `{"service":"notes","scopes":["read"],"ttl":"91d"}`, bearer(key), 400, "invalid_request"},
		{"a member that is not known", `{"service":"notes","scope":["read"],"ttl":"1h"}`, bearer(key), 400, "invalid_request"},
		{"no JSON", `service=notes`, bearer(key), 400, "invalid_request"},
		{"two objects", `{"service":"notes","scopes":["read"],"ttl":"1h"} {}`, bearer(key), 400, "invalid_request"},
		{"too large", `{"name":"` + strings.Repeat("a", 40<<10) + `"}`, bearer(key), 413, "body_too_large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f.postJSON(t, "/passes", test.body, test.lines...).refused(t, test.status, test.kind)
		})
	}
	f.send(t, "POST", "/passes", "{}", append(bearer(key), "Content-Type", "text/plain")...).refused(t, 400, "invalid_request")
	f.get(t, "/passes").refused(t, 405, "method_not_allowed")
}

func TestHolderAttenuatesPass(t *testing.T) {
	f, issuer := openPasses(t, nil)
	parent, text, err := issuer.Mint(pass.Request{Service: "notes", Subject: "person:7", TTL: time.Hour, Limit: pass.Limit{Scopes: []string{"read"}}})
	if err != nil {
		t.Fatal(err)
	}
	made := readMade(t, f.postJSON(t, "/passes/attenuate", `{"rules":["GET /notes/7"],"ttl":"10m","networks":["192.0.2.0/24"]}`, bearer(text.Reveal())...))
	child, err := issuer.Verify(made.Pass, "notes")
	if err != nil || len(child.Ancestors) != 1 || child.Ancestors[0].ID != parent.ID || child.Expires.After(time.Now().Add(10*time.Minute)) || child.AllowsAddress(netip.MustParseAddr("198.51.100.1")) {
		t.Errorf("got %+v, %v", child, err)
	}
	readMade(t, f.postJSON(t, "/passes/attenuate", `{}`, bearer(made.Pass)...))
	f.postJSON(t, "/passes/attenuate", `{"networks":["198.51.100.0/24"]}`, bearer(made.Pass)...).refused(t, 400, "invalid_request")
	f.postJSON(t, "/passes/attenuate", `{"service":"mail"}`, bearer(text.Reveal())...).refused(t, 400, "invalid_request")
	f.postJSON(t, "/passes/attenuate", `{}`).refused(t, 400, "invalid_request")
	f.postJSON(t, "/passes/attenuate", `{}`, bearer(f.add(nil))...).refused(t, 400, "invalid_request")
	f.postJSON(t, "/passes/attenuate", `{}`, bearer("a.b.c")...).refused(t, 401, "invalid_pass")
}

func TestExplainPass(t *testing.T) {
	f, issuer := openPasses(t, nil)
	_, text, err := issuer.Mint(pass.Request{Service: "notes", Subject: "person:7", TTL: time.Hour, Limit: pass.Limit{Scopes: []string{"read"}}})
	if err != nil {
		t.Fatal(err)
	}
	key := bearer(f.add(func(k *check.Key) { k.Person, k.Grants = 0, []string{"mint:notes"} }))
	question := `{"pass":"` + text.Reveal() + `","method":"GET","url":"/notes/7?a=1"}`
	f.postJSON(t, "/passes/explain", question).has(t, 200, `"allowed":true`, `"sent":"GET https://notes.example.org/notes/7?a=1"`, `"rule":"GET /notes/.*"`, `Bearer …`)
	f.postJSON(t, "/passes/explain", strings.Replace(question, "/notes/7", "/admin", 1)).has(t, 200, `"allowed":false`, "no rule of the pass allows it")
	f.postJSON(t, "/passes/explain", `{"service":"notes","rules":["GET /x"],"method":"GET","url":"/x"}`, key...).has(t, 200, `"allowed":true`)
	f.postJSON(t, "/passes/explain", `{"service":"mail","rules":["GET /x"],"method":"GET","url":"/x"}`, key...).refused(t, 403, "grant_missing")
	f.postJSON(t, "/passes/explain", `{"service":"notes","rules":["GET /x"],"method":"GET","url":"/x"}`).refused(t, 401, "no_credential")
	f.postJSON(t, "/passes/explain", `{"pass":"a.b.c","method":"GET","url":"/x"}`).refused(t, 401, "invalid_pass")
	f.postJSON(t, "/passes/explain", `{"pass":"a.b.c","method":"GET"}`).refused(t, 400, "invalid_request")
}

func TestPassesWithoutKeys(t *testing.T) {
	f, issuer := openPasses(t, func(o *api.Options) { o.Checker, o.Prefix, o.Uses = nil, "", nil })
	_, text, err := issuer.Mint(pass.Request{Service: "notes", Subject: pass.Operator, TTL: time.Hour, Limit: pass.Limit{Scopes: []string{"read"}}})
	if err != nil {
		t.Fatal(err)
	}
	readMade(t, f.postJSON(t, "/passes/attenuate", `{}`, bearer(text.Reveal())...))
	f.postJSON(t, "/passes", `{"service":"notes","scopes":["read"],"ttl":"1h"}`, bearer(text.Reveal())...).refused(t, 403, "grant_missing")
}

package pass_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/rule"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/signing"
)

const (
	address = "https://t2g.example.org"
	origin  = "https://api.example.org"
)

// fixture is an issuer with a clock of its own.
type fixture struct {
	*pass.Issuer
	ring        *signing.Ring
	revocations *pass.Revocations
	now         time.Time
}

func newFixture(t testing.TB, change ...func(*pass.Options)) *fixture {
	t.Helper()
	f := &fixture{now: time.Date(2026, 11, 30, 12, 0, 0, 500e6, time.UTC), revocations: new(pass.Revocations)}
	ring, sealer, created, err := pass.ReadKeyFile(filepath.Join(t.TempDir(), "pass.pem"), f.now)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	f.ring = ring
	o := pass.Options{Ring: ring, Issuer: address, Sealer: sealer, Revocations: f.revocations, Now: func() time.Time { return f.now }}
	for _, c := range change {
		c(&o)
	}
	if f.Issuer, err = pass.New(o); err != nil {
		t.Fatal(err)
	}
	return f
}

func rules(t testing.TB, texts ...string) (parsed []rule.Rule) {
	t.Helper()
	for _, text := range texts {
		encoded, err := json.Marshal(text)
		if strings.HasPrefix(text, "{") {
			encoded = []byte(text)
		}
		var r rule.Rule
		if err = errors.Join(err, json.Unmarshal(encoded, &r)); err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, r)
	}
	return parsed
}

func request(t testing.TB, texts ...string) pass.Request {
	t.Helper()
	return pass.Request{Service: "notes", Subject: pass.PersonSubject("7"), TTL: time.Hour, Limit: pass.Limit{Rules: rules(t, texts...)}}
}

func (f *fixture) mint(t testing.TB, r pass.Request) (pass.Pass, string) {
	t.Helper()
	p, text, err := f.Mint(r)
	if err != nil {
		t.Fatal(err)
	}
	return p, text.Reveal()
}

func (f *fixture) attenuate(t testing.TB, parent pass.Pass, r pass.Request) (pass.Pass, string) {
	t.Helper()
	p, text, err := f.Attenuate(parent, r)
	if err != nil {
		t.Fatal(err)
	}
	return p, text.Reveal()
}

// allows reports whether every set of the pass allows a call.
func allows(t testing.TB, p pass.Pass, scopes map[string][]rule.Rule, method, path string) bool {
	t.Helper()
	examined, err := rule.Examine(path, rule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sets := p.Sets(scopes)
	if len(sets) == 0 {
		t.Error("no set limits the pass")
	}
	return !slices.ContainsFunc(sets, func(s rule.Set) bool { return !s.Decide(rule.Call{Method: method, Path: examined}).Allowed })
}

func TestVerifyReturnsWhatWasMinted(t *testing.T) {
	f := newFixture(t)
	r := request(t, "GET /notes/.*", `{"methods":["POST"], "path":"/notes/*", "query":{"a&b":["<1>"]}}`)
	r.Scopes, r.Networks, r.Rate = []string{"read"}, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, apikey.Rate{Requests: 5, Per: time.Minute}
	r.Secret, r.Origin = secret.New("held"), origin
	minted, text := f.mint(t, r)
	for range 2 { // the second time it is remembered
		got, err := f.Verify(text, "notes")
		if err != nil {
			t.Fatal(err)
		}
		if asJSON(t, got) != asJSON(t, minted) {
			t.Errorf("got  %s\nwant %s", asJSON(t, got), asJSON(t, minted))
		}
		held, err := f.Secret(got, origin)
		if err != nil || held.Reveal() != "held" {
			t.Errorf("secret %q, %v", held.Reveal(), err)
		}
	}
	for address, want := range map[string]bool{"192.0.2.9": true, "::ffff:192.0.2.9": true, "198.51.100.1": false} {
		if minted.AllowsAddress(netip.MustParseAddr(address)) != want {
			t.Errorf("%s: want %v", address, want)
		}
	}
	if minted.Rates()[minted.ID] != r.Rate {
		t.Errorf("rates %v", minted.Rates())
	}
}

// asJSON is a value in a form in which the spaces of a rule do not count.
func asJSON(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestClaimsHoldWhatIsDocumented(t *testing.T) {
	f := newFixture(t)
	_, text := f.mint(t, request(t, "GET /a"))
	var header, claims map[string]any
	for i, part := range []*map[string]any{&header, &claims} {
		decoded, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[i])
		if err = errors.Join(err, json.Unmarshal(decoded, part)); err != nil {
			t.Fatal(err)
		}
	}
	if header["typ"] != "t2g-pass+jwt" || header["alg"] != "EdDSA" || header["kid"] == nil {
		t.Errorf("header %v", header)
	}
	delete(claims, "jti")
	want := map[string]any{
		"iss": address, "aud": "notes", "sub": "person:7", "iat": float64(f.now.Unix()), "nbf": float64(f.now.Unix()),
		"exp": float64(f.now.Unix() + 3600), "rules": []any{"GET /a"},
	}
	if fmt.Sprint(claims) != fmt.Sprint(want) {
		t.Errorf("got %v\nwant %v", claims, want)
	}
}

func TestVerifyRefuses(t *testing.T) {
	f := newFixture(t)
	_, good := f.mint(t, request(t, "GET /a"))
	other := newFixture(t)
	_, foreign := other.mint(t, request(t, "GET /a"))
	elsewhere := newFixture(t, func(o *pass.Options) { o.Ring, o.Issuer = f.ring, "https://other.example.org" })
	_, otherIssuer := elsewhere.mint(t, request(t, "GET /a"))
	for _, test := range []struct {
		name, text, service string
		after               time.Duration
		want                error
	}{
		{"good", good, "notes", 0, nil},
		{"another service", good, "mail", 0, pass.ErrService},
		{"no service", good, "", 0, pass.ErrService},
		{"in the last moment", good, "notes", time.Hour - 501*time.Millisecond, nil},
		{"expired", good, "notes", time.Hour - 500*time.Millisecond, pass.ErrExpired},
		{"a clock some seconds behind", good, "notes", -5 * time.Second, nil},
		{"not valid yet", good, "notes", -6 * time.Second, pass.ErrNotYet},
		{"another server's", foreign, "notes", 0, pass.ErrInvalid},
		{"another issuer with the same key", otherIssuer, "notes", 0, pass.ErrInvalid},
		{"empty", "", "notes", 0, pass.ErrInvalid},
		{"cut off", good[:len(good)-1], "notes", 0, pass.ErrInvalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			start := f.now
			defer func() { f.now = start }()
			f.now = f.now.Add(test.after)
			if _, err := f.Verify(test.text, test.service); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// Claims that an issuer never makes are refused even with a good signature.
func TestVerifyRefusesSignedClaims(t *testing.T) {
	f := newFixture(t)
	for name, change := range map[string]func(map[string]any){
		"nothing limits it":        func(c map[string]any) { delete(c, "rules") },
		"no ID":                    func(c map[string]any) { delete(c, "jti") },
		"no subject":               func(c map[string]any) { delete(c, "sub") },
		"no end":                   func(c map[string]any) { delete(c, "exp") },
		"no beginning":             func(c map[string]any) { delete(c, "iat") },
		"a list of audiences":      func(c map[string]any) { c["aud"] = []string{"notes"} },
		"a rule that is no rule":   func(c map[string]any) { c["rules"] = []string{"GET ("} },
		"an ancestor without rule": func(c map[string]any) { c["par"] = []string{"x"} },
		"nine ancestors": func(c map[string]any) {
			c["par"], c["within"] = make([]string, 9), make([]struct{}, 9)
		},
	} {
		claims := map[string]any{
			"iss": address, "aud": "notes", "sub": "person:7", "jti": "1", "iat": f.now.Unix(), "nbf": f.now.Unix(),
			"exp": f.now.Unix() + 60, "rules": []string{"GET /a"},
		}
		sign := func() string {
			text, err := f.ring.Sign(claims)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		if _, err := f.Verify(sign(), "notes"); err != nil {
			t.Fatal(err)
		}
		change(claims)
		if _, err := f.Verify(sign(), "notes"); !errors.Is(err, pass.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestVerifyForgetsRevokedSigningKey(t *testing.T) {
	f := newFixture(t)
	_, text := f.mint(t, request(t, "GET /a"))
	if _, err := f.Verify(text, "notes"); err != nil {
		t.Fatal(err)
	}
	if err := f.ring.Set(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Verify(text, "notes"); !errors.Is(err, pass.ErrInvalid) {
		t.Errorf("got %v, want %v", err, pass.ErrInvalid)
	}
}

func TestLowerMaxTTLEndsOldPasses(t *testing.T) {
	f := newFixture(t)
	_, text := f.mint(t, request(t, "GET /a"))
	strict := newFixture(t, func(o *pass.Options) {
		o.Ring, o.MaxTTL, o.Now = f.ring, 10*time.Minute, func() time.Time { return f.now }
	})
	if _, err := strict.Verify(text, "notes"); err != nil {
		t.Fatal(err)
	}
	f.now = f.now.Add(10 * time.Minute)
	if _, err := strict.Verify(text, "notes"); !errors.Is(err, pass.ErrExpired) {
		t.Errorf("got %v, want %v", err, pass.ErrExpired)
	}
}

func TestMintRefuses(t *testing.T) {
	f := newFixture(t)
	for name, test := range map[string]struct {
		change func(*pass.Request)
		want   error
	}{
		"no rule":       {func(r *pass.Request) { r.Rules = nil }, pass.ErrNoRules},
		"no life":       {func(r *pass.Request) { r.TTL = 0 }, pass.ErrTTL},
		"too long":      {func(r *pass.Request) { r.TTL = pass.DefaultMaxTTL + time.Second }, pass.ErrTTL},
		"a huge secret": {func(r *pass.Request) { r.Secret, r.Origin = secret.New(strings.Repeat("a", 8<<10)), origin }, pass.ErrTooLong},
	} {
		r := request(t, "GET /a")
		test.change(&r)
		if _, _, err := f.Mint(r); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
	for name, change := range map[string]func(*pass.Request){
		"no service":             func(r *pass.Request) { r.Service = "" },
		"no subject":             func(r *pass.Request) { r.Subject = "" },
		"a secret for no origin": func(r *pass.Request) { r.Secret = secret.New("held") },
	} {
		r := request(t, "GET /a")
		change(&r)
		if _, _, err := f.Mint(r); err == nil {
			t.Errorf("%s: minted", name)
		}
	}
}

func TestAttenuatedPassAllowsWhatBothAllow(t *testing.T) {
	f := newFixture(t)
	scopes := map[string][]rule.Rule{"read": rules(t, "GET /.*")}
	parent, _ := f.mint(t, request(t, "* /notes/.*"))
	child, text := f.attenuate(t, parent, pass.Request{Limit: pass.Limit{Scopes: []string{"read"}}, Subject: "key:other", Service: "other"})
	verified, err := f.Verify(text, "notes")
	if err != nil || verified.Subject != parent.Subject || fmt.Sprint(verified) != fmt.Sprint(child) {
		t.Fatalf("got %v, %v", verified, err)
	}
	for call, want := range map[string]bool{"GET /notes/1": true, "DELETE /notes/1": false, "GET /admin": false} {
		method, path, _ := strings.Cut(call, " ")
		if allows(t, verified, scopes, method, path) != want {
			t.Errorf("%s: want %v", call, want)
		}
	}
	if allows(t, verified, nil, "GET", "/notes/1") {
		t.Error("a scope that is no longer configured allows something")
	}
	if unchanged, _ := f.attenuate(t, parent, pass.Request{TTL: time.Minute}); !allows(t, unchanged, nil, "DELETE", "/notes/1") || !unchanged.Expires.Equal(parent.Issued.Add(time.Minute)) {
		t.Errorf("without rules of its own: %v", unchanged)
	}
}

func TestAttenuateEndsNoLater(t *testing.T) {
	f := newFixture(t)
	parent, _ := f.mint(t, request(t, "* /.*"))
	f.now = f.now.Add(20 * time.Minute)
	for _, ttl := range []time.Duration{0, time.Hour, 40 * time.Minute} {
		if child, _ := f.attenuate(t, parent, pass.Request{TTL: ttl}); child.Expires.After(parent.Expires) || child.Expires.Before(parent.Expires.Add(-time.Second)) {
			t.Errorf("%s: ends %s, the parent %s", ttl, child.Expires, parent.Expires)
		}
	}
	f.now = parent.Expires
	if _, _, err := f.Attenuate(parent, pass.Request{}); !errors.Is(err, pass.ErrTTL) {
		t.Errorf("of one that has ended: got %v", err)
	}
}

func TestAttenuateNarrowsNetworksAndKeepsRates(t *testing.T) {
	f := newFixture(t)
	r := request(t, "* /.*")
	r.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	r.Rate = apikey.Rate{Requests: 10, Per: time.Minute}
	parent, _ := f.mint(t, r)
	child, _ := f.attenuate(t, parent, pass.Request{
		Networks: []netip.Prefix{netip.MustParsePrefix("192.0.0.0/16"), netip.MustParsePrefix("2001:db8:1::/48"), netip.MustParsePrefix("10.0.0.0/8")},
		Limit:    pass.Limit{Rate: apikey.Rate{Requests: 2, Per: time.Minute}},
	})
	if got, want := fmt.Sprint(child.Networks), "[192.0.2.0/24 2001:db8:1::/48]"; got != want {
		t.Errorf("networks %s, want %s", got, want)
	}
	if rates := child.Rates(); rates[parent.ID].Requests != 10 || rates[child.ID].Requests != 2 {
		t.Errorf("rates %v", rates)
	}
	if same, _ := f.attenuate(t, parent, pass.Request{}); fmt.Sprint(same.Networks) != fmt.Sprint(parent.Networks) {
		t.Errorf("without networks: %v", same.Networks)
	}
	_, _, err := f.Attenuate(parent, pass.Request{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	if !errors.Is(err, pass.ErrNetworks) {
		t.Errorf("other networks: got %v", err)
	}
}

func TestAttenuateHasADepth(t *testing.T) {
	f := newFixture(t)
	p, _ := f.mint(t, request(t, "* /.*"))
	for range 8 {
		p, _ = f.attenuate(t, p, pass.Request{})
	}
	if _, _, err := f.Attenuate(p, pass.Request{}); !errors.Is(err, pass.ErrTooDeep) {
		t.Errorf("got %v, want %v", err, pass.ErrTooDeep)
	}
}

func TestSecretIsBound(t *testing.T) {
	f := newFixture(t)
	r := request(t, "GET /a")
	r.Secret, r.Origin = secret.New("held"), origin
	parent, text := f.mint(t, r)
	if strings.Contains(text, "held") || strings.Contains(text, base64.RawURLEncoding.EncodeToString([]byte("held"))) {
		t.Error("the secret is in the pass in clear")
	}
	child, _ := f.attenuate(t, parent, pass.Request{Origin: origin, Limit: pass.Limit{Rules: rules(t, "GET /.*")}})
	if held, err := f.Secret(child, origin); err != nil || held.Reveal() != "held" {
		t.Errorf("of a child: got %q, %v", held.Reveal(), err)
	}
	if _, _, err := f.Attenuate(parent, pass.Request{Origin: "https://evil.example.org"}); !errors.Is(err, pass.ErrSealed) {
		t.Errorf("attenuated for another origin: got %v", err)
	}
	for name, change := range map[string]func(*pass.Pass){
		"rules":    func(p *pass.Pass) { p.Rules = rules(t, "* /.*") },
		"scopes":   func(p *pass.Pass) { p.Scopes = []string{"all"} },
		"service":  func(p *pass.Pass) { p.Service = "other" },
		"ID":       func(p *pass.Pass) { p.ID = "other" },
		"issuer":   func(p *pass.Pass) { p.Issuer = "other" },
		"ancestor": func(p *pass.Pass) { p.Ancestors = []pass.Ancestor{{}} },
	} {
		moved := parent
		change(&moved)
		if _, err := f.Secret(moved, origin); !errors.Is(err, pass.ErrSealed) {
			t.Errorf("with another %s: got %v", name, err)
		}
	}
	if _, err := f.Secret(parent, "https://evil.example.org"); !errors.Is(err, pass.ErrSealed) {
		t.Errorf("for another origin: got %v", err)
	}
	if _, err := newFixture(t).Secret(parent, origin); !errors.Is(err, pass.ErrSealed) {
		t.Errorf("under another key: got %v", err)
	}
}

func TestRevocations(t *testing.T) {
	f := newFixture(t)
	parent, parentText := f.mint(t, request(t, "* /.*"))
	f.now = f.now.Add(time.Minute)
	child, childText := f.attenuate(t, parent, pass.Request{})
	_, otherText := f.mint(t, request(t, "* /.*"))
	between := parent.Issued.Add(30 * time.Second)
	for _, test := range []struct {
		name                 string
		revocation           pass.Revocation
		parent, child, other bool // whether each is revoked
	}{
		{"a child", pass.Revocation{ID: child.ID}, false, true, false},
		{"a parent with its child", pass.Revocation{ID: parent.ID}, true, true, false},
		{"an unknown one", pass.Revocation{ID: "x"}, false, false, false},
		{"all issued before", pass.Revocation{Before: between}, true, true, false},
		{"of the service", pass.Revocation{Service: "notes", Before: between}, true, true, false},
		{"of another service", pass.Revocation{Service: "mail", Before: pass.EndAll(f.now)}, false, false, false},
		{"of the person", pass.Revocation{Subject: "person:7", Before: pass.EndAll(f.now)}, true, true, true},
		{"of another person", pass.Revocation{Subject: "person:8", Before: pass.EndAll(f.now)}, false, false, false},
		{"of the person at the service", pass.Revocation{Service: "notes", Subject: "person:7", Before: between}, true, true, false},
		{"of the person at another service", pass.Revocation{Service: "mail", Subject: "person:7", Before: between}, false, false, false},
		{"everything that exists", pass.Revocation{Before: pass.EndAll(f.now)}, true, true, true},
	} {
		for _, set := range []func(){
			func() { f.revocations.Set([]pass.Revocation{test.revocation}) },
			func() { f.revocations.Set(nil); f.revocations.Add(pass.Revocation{ID: "y"}, test.revocation) },
		} {
			set()
			for text, revoked := range map[string]bool{parentText: test.parent, childText: test.child, otherText: test.other} {
				if _, err := f.Verify(text, "notes"); errors.Is(err, pass.ErrRevoked) != revoked {
					t.Errorf("%s: got %v, want revoked %v", test.name, err, revoked)
				}
			}
		}
	}
	if p, err := f.Inspect(parentText); !errors.Is(err, pass.ErrRevoked) || p.ID != parent.ID {
		t.Errorf("inspected: %v, %v", p.ID, err)
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pass.pem")
	now := time.Now()
	var group sync.WaitGroup
	rings := make([]*signing.Ring, 8)
	for i := range rings {
		group.Go(func() { // servers that start together use one key
			var err error
			if rings[i], _, _, err = pass.ReadKeyFile(path, now); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, ring := range rings {
		if ring == nil || string(ring.JWKS()) != string(rings[0].JWKS()) {
			t.Fatal("not all have the same key")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}

	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old := issuer(t, path)
	r := request(t, "GET /a")
	r.Secret, r.Origin = secret.New("held"), origin
	_, text, err := old.Mint(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	issuer(t, path) // makes another one
	second, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, slices.Concat(second, first), 0o600); err != nil {
		t.Fatal(err)
	}
	rotated := issuer(t, path)
	p, err := rotated.Verify(text.Reveal(), "notes")
	if err != nil {
		t.Fatalf("after a rotation: %v", err)
	}
	if held, err := rotated.Secret(p, origin); err != nil || held.Reveal() != "held" {
		t.Errorf("after a rotation: got %q, %v", held.Reveal(), err)
	}
	_, renewed, err := rotated.Mint(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Verify(renewed.Reveal(), "notes"); err == nil {
		t.Error("signed with the old key after a rotation")
	}

	for name, text := range map[string]string{"empty": "", "no PEM": "x", "another kind": "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := pass.ReadKeyFile(path, now); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, _, _, err := pass.ReadKeyFile(filepath.Join(path, "in", "nowhere"), now); err == nil {
		t.Error("made in a folder that does not exist")
	}
}

func TestDeriveKeys(t *testing.T) {
	one, two := []byte(strings.Repeat("1", 32)), []byte(strings.Repeat("2", 32))
	derived := func(keys ...[]byte) *pass.Issuer {
		t.Helper()
		ring, sealer, err := pass.DeriveKeys(time.Now(), keys...)
		if err != nil {
			t.Fatal(err)
		}
		i, err := pass.New(pass.Options{Ring: ring, Sealer: sealer, Issuer: address})
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	r := request(t, "GET /a")
	r.Secret, r.Origin = secret.New("held"), origin
	_, text, err := derived(one).Mint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		issuer *pass.Issuer
		want   error
	}{{"another replica", derived(one), nil}, {"after a rotation", derived(two, one), nil}, {"another database key", derived(two), pass.ErrInvalid}} {
		p, err := test.issuer.Verify(text.Reveal(), "notes")
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v", test.name, err)
		}
		if held, err := test.issuer.Secret(p, origin); test.want == nil && (err != nil || held.Reveal() != "held") {
			t.Errorf("%s: got %q, %v", test.name, held.Reveal(), err)
		}
	}
	if _, _, err := pass.DeriveKeys(time.Now()); err == nil {
		t.Error("derived from nothing")
	}
}

func issuer(t *testing.T, path string) *pass.Issuer {
	t.Helper()
	ring, sealer, _, err := pass.ReadKeyFile(path, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	i, err := pass.New(pass.Options{Ring: ring, Sealer: sealer, Issuer: address})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func FuzzVerify(f *testing.F) {
	x := newFixture(f)
	parent, text := x.mint(f, request(f, "GET /a"))
	_, child := x.attenuate(f, parent, pass.Request{})
	f.Add(text)
	f.Add(child)
	f.Add(strings.ReplaceAll(text, ".", ".."))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, altered string) {
		// Base64 has spare bits at the end, so another text may be the same pass.
		if p, err := x.Verify(altered, "notes"); err == nil && p.ID != parent.ID && (len(p.Ancestors) != 1 || p.Ancestors[0].ID != parent.ID) {
			t.Errorf("verified %q as %v", altered, p)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	f := newFixture(b)
	_, text := f.mint(b, request(b, "GET /notes/.*", "POST /notes"))
	b.Run("remembered", func(b *testing.B) {
		for b.Loop() {
			if _, err := f.Verify(text, "notes"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

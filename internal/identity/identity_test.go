package identity_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/token2go/token2go/internal/identity"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/token"
)

// provider is an identity provider whose keys and answers the test chooses.
type provider struct {
	*httptest.Server
	mu       sync.Mutex
	keys     []any // JWKs, or raw JSON
	down     bool
	userinfo map[string]string // token to answer
	fetches  atomic.Int64      // of keys
	asked    atomic.Int64      // of userinfo
}

func startProvider(t testing.TB) *provider {
	p := &provider{userinfo: map[string]string{}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/keys", "userinfo_endpoint": p.URL + "/userinfo",
			"authorization_endpoint": p.URL, "token_endpoint": p.URL})
	case "/keys":
		p.fetches.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": p.keys})
	case "/userinfo":
		p.asked.Add(1)
		answer, found := p.userinfo[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		if !found {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = w.Write([]byte(answer))
	}
}

func (p *provider) publish(keys ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = keys
}

func (p *provider) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

func public(id string, key any) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key, KeyID: id, Use: "sig"}
}

// sign makes a JWT.
func sign(t testing.TB, algorithm jose.SignatureAlgorithm, key any, id, kind string, claims any) token.Found {
	t.Helper()
	options := new(jose.SignerOptions)
	if kind != "" {
		options.WithType(jose.ContentType(kind))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: id}}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return found(t, compact)
}

func found(t testing.TB, text string) token.Found {
	t.Helper()
	f, err := token.NewExtractor([]string{"X-Token"}, secret.Value{}).Extract(http.Header{"X-Token": {text}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func claims(p *provider, changes map[string]any) map[string]any {
	c := map[string]any{
		"iss": p.URL, "sub": "7", "aud": []string{"account", "token2go"}, "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(),
		"preferred_username": "ada", "email": "ada@example.org", "realm_access": map[string]any{"roles": []string{"reader", "writer"}},
		"groups": []string{"staff"}, "auth_time": 1700000000, "azp": "gateway", "typ": "Bearer",
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, value any) bool { return value == nil })
	return c
}

func paths() identity.Claims {
	return identity.Claims{
		Subject: "sub", Login: "preferred_username", Email: "email", Roles: "realm_access.roles", Groups: "groups",
		Admin: "groups", AdminValue: "admins",
	}
}

func newToken(t testing.TB, p *provider, edit func(*identity.TokenOptions)) *identity.Token {
	t.Helper()
	options := identity.TokenOptions{Issuer: p.URL, Audiences: []string{"token2go"}, Claims: paths(), Log: slog.New(slog.DiscardHandler)}
	if edit != nil {
		edit(&options)
	}
	v, err := identity.NewToken(options)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func ed25519Key(t testing.TB) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	published, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return published, private
}

func TestTokenIdentifiesByEveryAlgorithm(t *testing.T) {
	p := startProvider(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edPrivate := ed25519Key(t)
	odd := json.RawMessage(`{"kty":"unheard of","kid":"odd"}`)
	p.publish(odd, public("rsa", rsaKey.Public()), public("ec", ecKey.Public()), public("ed", edPublic))
	v := newToken(t, p, nil)
	v.Run(t.Context())
	for _, f := range []token.Found{
		sign(t, jose.RS256, rsaKey, "rsa", "JWT", claims(p, nil)), sign(t, jose.PS256, rsaKey, "rsa", "at+jwt", claims(p, nil)),
		sign(t, jose.ES256, ecKey, "ec", "", claims(p, nil)), sign(t, jose.EdDSA, edPrivate, "ed", "application/at+jwt", claims(p, nil)),
		sign(t, jose.EdDSA, edPrivate, "", "JWT", claims(p, nil)),
	} {
		person, err := v.Identify(t.Context(), nil, f)
		if err != nil || person.Issuer != p.URL || person.Subject != "7" || person.Login != "ada" || person.Email != "ada@example.org" ||
			!slices.Equal(person.Roles, []string{"reader", "writer"}) || !slices.Equal(person.Groups, []string{"staff"}) ||
			person.Admin || person.AuthTime.Unix() != 1700000000 {
			t.Errorf("got %+v, %v", person, err)
		}
	}
}

func TestTokenRefuses(t *testing.T) {
	p := startProvider(t)
	published, private := ed25519Key(t)
	_, other := ed25519Key(t)
	p.publish(public("ed", published))
	v := newToken(t, p, func(o *identity.TokenOptions) { o.Clients = []string{"gateway"} })
	v.Run(t.Context())
	with := func(changes map[string]any) token.Found {
		return sign(t, jose.EdDSA, private, "ed", "JWT", claims(p, changes))
	}
	good := with(nil).Secret.Reveal()
	parts := strings.Split(good, ".")
	for _, test := range []struct {
		name string
		f    token.Found
		want string
	}{
		{"another issuer", with(map[string]any{"iss": "https://evil.example"}), "another issuer"},
		{"an issuer with a slash more", with(map[string]any{"iss": p.URL + "/"}), "another issuer"},
		{"another audience", with(map[string]any{"aud": "account"}), "another audience"},
		{"no audience", with(map[string]any{"aud": nil}), "another audience"},
		{"an audience that begins so", with(map[string]any{"aud": "token2go-2"}), "another audience"},
		{"expired", with(map[string]any{"exp": time.Now().Add(-time.Second).Unix()}), "expired"},
		{"no expiry", with(map[string]any{"exp": nil}), "expired"},
		{"not valid yet", with(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), "not valid yet"},
		{"no subject", with(map[string]any{"sub": nil}), "claim sub"},
		{"a number as subject", with(map[string]any{"sub": 7}), "usual types"},
		{"a subject with a line break", with(map[string]any{"sub": "7\n8"}), "claim sub"},
		{"a refresh token", with(map[string]any{"typ": "Refresh"}), "neither an access nor an ID token"},
		{"an ID token of Keycloak", with(map[string]any{"typ": "ID"}), "ID token"},
		{"an ID token", with(map[string]any{"typ": nil, "nonce": "x"}), "ID token"},
		{"another client", with(map[string]any{"azp": "evil"}), "another client"},
		{"no client", with(map[string]any{"azp": nil}), "another client"},
		{"an ID token of a hybrid flow", with(map[string]any{"typ": nil, "c_hash": "x"}), "ID token"},
		{"a logout token without a type of its own", with(map[string]any{"typ": nil, "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}), "event"},
		{"a logout token", sign(t, jose.EdDSA, private, "ed", "logout+jwt", claims(p, nil)), "type"},
		{"another key under the same ID", sign(t, jose.EdDSA, other, "ed", "JWT", claims(p, nil)), "signed by no key"},
		{"the public key as a shared secret", sign(t, jose.HS256, []byte(published), "ed", "JWT", claims(p, nil)), "no signed JWT"},
		{"no signature", found(t, "eyJhbGciOiJub25lIn0."+parts[1]+"."), "no signed JWT"},
		{"an altered payload", found(t, parts[0]+"."+parts[1][:len(parts[1])-2]+"AA."+parts[2]), "signed by no key"},
		{"an opaque token", found(t, "opaque"), "no signed JWT"},
	} {
		_, err := v.Identify(t.Context(), nil, test.f)
		if !errors.Is(err, identity.ErrUnproven) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), parts[2]) {
			t.Errorf("%s: the error quotes the token", test.name)
		}
	}
	if _, err := v.Identify(t.Context(), nil, found(t, good)); err != nil {
		t.Error(err)
	}
}

func TestTokenAdministrators(t *testing.T) {
	p := startProvider(t)
	published, private := ed25519Key(t)
	p.publish(public("ed", published))
	for _, test := range []struct {
		groups any
		want   bool
	}{
		{[]string{"staff", "admins"}, true}, {"admins", true}, {[]string{"Admins"}, false}, {[]string{"admins-2"}, false}, {[]any{1, nil}, false}, {nil, false},
	} {
		v := newToken(t, p, nil)
		v.Run(t.Context())
		person, err := v.Identify(t.Context(), nil, sign(t, jose.EdDSA, private, "ed", "JWT", claims(p, map[string]any{"groups": test.groups})))
		if err != nil || person.Admin != test.want {
			t.Errorf("%v: got %v, %v, want %v", test.groups, person.Admin, err, test.want)
		}
	}
}

func TestClaimsWithDotsInTheirNames(t *testing.T) {
	p := startProvider(t)
	published, private := ed25519Key(t)
	p.publish(public("ed", published))
	for path, extra := range map[string]any{
		"https://example.org/roles":       []string{"x"},
		"https://example.org/roles.inner": map[string]any{"inner": []string{"x"}},
		"resource_access.my.client.roles": map[string]any{"my.client": map[string]any{"roles": []string{"x"}}},
	} {
		v := newToken(t, p, func(o *identity.TokenOptions) { o.Claims.Roles = path })
		v.Run(t.Context())
		name := map[bool]string{true: "resource_access", false: "https://example.org/roles"}[strings.HasPrefix(path, "resource")]
		person, err := v.Identify(t.Context(), nil, sign(t, jose.EdDSA, private, "ed", "JWT", claims(p, map[string]any{name: extra})))
		if err != nil || !slices.Equal(person.Roles, []string{"x"}) {
			t.Errorf("%s: got %v, %v", path, person.Roles, err)
		}
	}
}

func TestTokenSurvivesOutagesAndRotation(t *testing.T) {
	p := startProvider(t)
	first, firstPrivate := ed25519Key(t)
	second, secondPrivate := ed25519Key(t)
	p.publish(public("1", first))
	now := time.Now()
	v := newToken(t, p, func(o *identity.TokenOptions) { o.Now = func() time.Time { return now } })
	old := sign(t, jose.EdDSA, firstPrivate, "1", "JWT", claims(p, map[string]any{"exp": now.Add(24 * time.Hour).Unix()}))
	if _, err := v.Identify(t.Context(), nil, old); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("before discovery: got %v, want %v", err, identity.ErrUnavailable)
	}
	v.Run(t.Context())
	p.setDown(true)
	now = now.Add(3 * time.Hour)
	if _, err := v.Identify(t.Context(), nil, old); err != nil {
		t.Errorf("with the provider down for hours: %v", err)
	}
	p.setDown(false)
	p.publish(public("1", first), public("2", second))
	next := sign(t, jose.EdDSA, secondPrivate, "2", "JWT", claims(p, map[string]any{"exp": now.Add(time.Hour).Unix()}))
	now = now.Add(time.Minute)
	if _, err := v.Identify(t.Context(), nil, next); err != nil {
		t.Errorf("with a new key: %v", err)
	}
	before := p.fetches.Load()
	for range 50 {
		_, forged := ed25519Key(t)
		if _, err := v.Identify(t.Context(), nil, sign(t, jose.EdDSA, forged, "3", "JWT", claims(p, nil))); err == nil {
			t.Error("a forged token is good")
		}
	}
	if fetched := p.fetches.Load() - before; fetched > 1 {
		t.Errorf("50 tokens of unknown keys made %d fetches, want at most 1", fetched)
	}
}

func TestUserinfo(t *testing.T) {
	p := startProvider(t)
	p.userinfo["opaque-1"] = `{"sub":"7","preferred_username":"ada","groups":["staff"]}`
	p.userinfo["opaque-2"] = `{"preferred_username":"ada"}`
	now := time.Now()
	v, err := identity.NewUserinfo(identity.UserinfoOptions{Issuer: p.URL, Claims: paths(), Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Identify(t.Context(), nil, found(t, "opaque-1")); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("before discovery: got %v", err)
	}
	v.Run(t.Context())
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if person, err := v.Identify(t.Context(), nil, found(t, "opaque-1")); err != nil || person.Subject != "7" || person.Login != "ada" {
				t.Errorf("got %+v, %v", person, err)
			}
			if _, err := v.Identify(t.Context(), nil, found(t, "revoked")); !errors.Is(err, identity.ErrUnproven) {
				t.Errorf("got %v, want %v", err, identity.ErrUnproven)
			}
		})
	}
	group.Wait()
	if asked := p.asked.Load(); asked != 2 {
		t.Errorf("asked %d times, want once for each token", asked)
	}
	if _, err := v.Identify(t.Context(), nil, found(t, "opaque-2")); !errors.Is(err, identity.ErrUnproven) {
		t.Errorf("without a subject: got %v", err)
	}
	now = now.Add(2 * time.Minute)
	p.setDown(true)
	if _, err := v.Identify(t.Context(), nil, found(t, "opaque-1")); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("with the provider down: got %v", err)
	}
}

func TestHeaders(t *testing.T) {
	options := identity.HeaderOptions{
		Issuer: "https://gateway.example.org", Subject: "X-Forwarded-User", Login: "X-Forwarded-Preferred-Username",
		Email: "X-Forwarded-Email", Groups: "X-Forwarded-Groups", SecretHeader: "X-Gateway-Secret", Secret: secret.New("s3cret"), Admin: "admins",
	}
	v, err := identity.NewHeaders(options)
	if err != nil {
		t.Fatal(err)
	}
	good := func(changes http.Header) http.Header {
		h := http.Header{
			"X-Forwarded-User": {"7"}, "X-Forwarded-Preferred-Username": {"ada"}, "X-Forwarded-Email": {"ada@example.org"},
			"X-Forwarded-Groups": {"staff, admins"}, "X-Gateway-Secret": {"s3cret"},
		}
		maps.Copy(h, changes)
		return h
	}
	person, err := v.Identify(t.Context(), good(nil), token.Found{})
	if err != nil || person.Subject != "7" || person.Login != "ada" || person.Email != "ada@example.org" || !person.Admin ||
		!slices.Equal(person.Groups, []string{"staff", "admins"}) || person.Issuer != options.Issuer {
		t.Errorf("got %+v, %v", person, err)
	}
	for name, changes := range map[string]http.Header{
		"no secret":                   {"X-Gateway-Secret": nil},
		"another secret":              {"X-Gateway-Secret": {"s3cre"}},
		"the secret twice":            {"X-Gateway-Secret": {"s3cret", "s3cret"}},
		"no subject":                  {"X-Forwarded-User": nil},
		"an empty subject":            {"X-Forwarded-User": {" "}},
		"two subjects":                {"X-Forwarded-User": {"7", "8"}},
		"a twin with underscores":     {"X_forwarded_user": {"8"}},
		"a twin of the e-mail":        {"X-Forwarded_email": {"8"}},
		"two values of the groups":    {"X-Forwarded-Groups": {"staff", "admins"}},
		"a control character":         {"X-Forwarded-User": {"7\x00"}},
		"a twin of the secret header": {"X_gateway_secret": {"s3cret"}},
	} {
		if _, err := v.Identify(t.Context(), good(changes), token.Found{}); !errors.Is(err, identity.ErrUnproven) {
			t.Errorf("%s: got %v, want %v", name, err, identity.ErrUnproven)
		}
	}
	options.Secret = secret.Value{}
	if _, err := identity.NewHeaders(options); err == nil {
		t.Error("headers without proof are accepted")
	}
	options.Socket, options.Admin = true, ""
	v, err = identity.NewHeaders(options)
	if err != nil {
		t.Fatal(err)
	}
	if person, err := v.Identify(t.Context(), good(http.Header{"X-Gateway-Secret": nil}), token.Found{}); err != nil || person.Admin {
		t.Errorf("by a socket: got %+v, %v", person, err)
	}
}

func TestRememberedTokenExpires(t *testing.T) {
	p := startProvider(t)
	key, private := ed25519Key(t)
	p.publish(public("1", key))
	now := time.Now()
	v := newToken(t, p, func(o *identity.TokenOptions) { o.Now = func() time.Time { return now } })
	v.Run(t.Context())
	short := sign(t, jose.EdDSA, private, "1", "JWT", claims(p, map[string]any{"exp": now.Add(10 * time.Second).Unix()}))
	for range 2 {
		if person, err := v.Identify(t.Context(), nil, short); err != nil || person.Subject != "7" {
			t.Fatalf("got %+v, %v", person, err)
		}
	}
	now = now.Add(11 * time.Second)
	if _, err := v.Identify(t.Context(), nil, short); !errors.Is(err, identity.ErrUnproven) {
		t.Errorf("got %v for a token that has expired meanwhile, want %v", err, identity.ErrUnproven)
	}
	if _, err := v.Identify(t.Context(), nil, token.Found{}); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("got %v without a token, want %v", err, token.ErrNotFound)
	}
}

// TestCallerNeedNotWaitForProvider stalls the provider, which holds a lock while it answers.
func TestCallerNeedNotWaitForProvider(t *testing.T) {
	p := startProvider(t)
	key, _ := ed25519Key(t)
	_, unknown := ed25519Key(t)
	p.publish(public("1", key))
	now := time.Now()
	byToken := newToken(t, p, func(o *identity.TokenOptions) { o.Now = func() time.Time { return now } })
	byToken.Run(t.Context())
	byUserinfo, err := identity.NewUserinfo(identity.UserinfoOptions{Issuer: p.URL, Claims: paths(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	byUserinfo.Run(t.Context())
	now = now.Add(time.Minute) // keys may be fetched again
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, identify := range map[string]func(context.Context) error{
		"token of an unknown key": func(ctx context.Context) error {
			_, err := byToken.Identify(ctx, nil, sign(t, jose.EdDSA, unknown, "2", "JWT", claims(p, map[string]any{"exp": now.Add(time.Hour).Unix()})))
			return err
		},
		"userinfo": func(ctx context.Context) error {
			_, err := byUserinfo.Identify(ctx, nil, found(t, "opaque"))
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		begin := time.Now()
		if err := identify(ctx); !errors.Is(err, identity.ErrUnavailable) || time.Since(begin) > 3*time.Second {
			t.Errorf("%s: got %v after %v, want %v at once", name, err, time.Since(begin), identity.ErrUnavailable)
		}
	}
}

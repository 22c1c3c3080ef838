package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/api"
	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/passes"
	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/signing"
)

// everything switches on all that the listener can serve.
func everything(t *testing.T) func(*api.Options) {
	t.Helper()
	ring := func(purpose signing.Purpose) *signing.Ring {
		key, err := signing.New(purpose, signing.Active, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r := signing.NewRing(purpose)
		if err := r.Set([]signing.Key{key}); err != nil {
			t.Fatal(err)
		}
		return r
	}
	return func(o *api.Options) {
		fromLoopback(o)
		o.Issuer = "https://api.example.org"
		o.Rings = api.Rings{
			APIKeys: ring(signing.APIKeys), Statuses: ring(signing.Statuses), Passes: ring(signing.Passes), Assertions: ring(signing.Assertions),
		}
		o.JWTs = versioned{o.Rings.APIKeys}
		o.Passes = new(passes.Manager)
		o.Assertions = []string{"signed"}
		o.Services = noServices{}
		o.Revoke = func(context.Context, apikey.ID) error { return nil }
		o.StatusLists = func(_ context.Context, n int) (string, time.Duration, error) {
			if n != 0 {
				return "", 0, api.ErrNoList
			}
			return "signed.list", time.Minute, nil
		}
	}
}

type noServices struct{}

func (noServices) Serve(http.ResponseWriter, *http.Request, string, bool) error {
	return &problem.Problem{Kind: problem.UnknownService, Detail: "there is no service of this name"}
}
func (noServices) ForHost(string) string  { return "" }
func (noServices) DefaultService() string { return "" }

type versioned struct{ *signing.Ring }

func (versioned) Version() uint64 { return 1 }

func TestRoutesEqualDocumentedOperations(t *testing.T) {
	f := open(t, everything(t))
	want := f.contract.Operations()
	slices.Sort(want)
	if got := f.Routes(); !slices.Equal(got, want) {
		t.Errorf("got routes     %v\nwant operations %v", got, want)
	}
}

func TestVerifyTellsTheApplicationWhoseKeyItWas(t *testing.T) {
	f := open(t, everything(t))
	key := f.add(func(k *check.Key) { k.Apps = []string{"maps"} })
	for _, path := range []string{"/verify?app=maps", "/verify/nginx?app=maps", "/verify/envoy/maps/tiles/1?app=other"} {
		for _, method := range []string{http.MethodGet, http.MethodOptions, http.MethodDelete} {
			got := f.send(t, method, path, "", bearer(key)...)
			got.has(t, 200)
			for name, want := range map[string]string{
				"X-Token2go-Subject": "248289761001", "X-Auth-Request-User": "248289761001", "X-Token2go-Login": "ada",
				"X-Auth-Request-Preferred-Username": "ada", "X-Auth-Request-Email": "ada@example.org", "X-Token2go-Roles": "reader,writer",
				"X-Token2go-Groups": "/engines", "X-Token2go-Key": key[4:14],
			} {
				if got.header.Get(name) != want {
					t.Errorf("%s %s: got %s: %q, want %q", method, path, name, got.header.Get(name), want)
				}
			}
			f.send(t, method, path, "").refused(t, 401, "no_credential")
		}
	}
	f.get(t, "/verify?app=other", bearer(key)...).refused(t, 403, "application_not_allowed")
	f.get(t, "/verify?app=maps&app=other", bearer(key)...).refused(t, 400, "invalid_request")
	f.get(t, "/verify/other?app=maps", bearer(key)...).refused(t, 404, "not_found")
}

func TestVerifyForNginxAnswersWhatNginxPassesOn(t *testing.T) {
	f := open(t, everything(t))
	key := f.add(func(k *check.Key) { k.Rate = apikey.Rate{Requests: 1, Per: time.Hour} })
	f.get(t, "/verify/nginx", bearer(key)...).has(t, 200)
	got := f.get(t, "/verify/nginx", bearer(key)...)
	got.refused(t, 403, "rate_exceeded")
	if got.header.Get("X-Token2go-Reason") != "rate_exceeded" || got.header.Get("Retry-After") == "" {
		t.Errorf("got %v", got.header)
	}
	f.get(t, "/verify", bearer(key)...).refused(t, 429, "rate_exceeded")
}

func TestVerifyFindsTheKeyInTheRequestThatIsAskedAbout(t *testing.T) {
	f := open(t, everything(t))
	key := f.add(func(k *check.Key) { k.AllowInURL = true })
	strict := f.add(nil)
	f.get(t, "/verify", "X-Forwarded-Uri", "/tiles?api-key="+key).has(t, 200)
	f.get(t, "/verify/nginx", "X-Original-Uri", "/tiles?api_key="+key).has(t, 200)
	f.get(t, "/verify/envoy/maps/tiles?x-api-key="+key).has(t, 200)
	f.get(t, "/verify", "X-Forwarded-Uri", "/tiles?api-key="+strict).refused(t, 403, "not_in_url")
	f.get(t, "/verify", "X-Original-Uri", "/tiles?api-key="+key).refused(t, 401, "no_credential")
	outside := open(t, func(o *api.Options) {
		everything(t)(o)
		o.Proxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	own := outside.add(func(k *check.Key) { k.AllowInURL = true })
	outside.get(t, "/verify", "X-Forwarded-Uri", "/tiles?api-key="+own).refused(t, 401, "no_credential")
}

func TestVerifyBelievesTheAddressOfTrustedProxiesAlone(t *testing.T) {
	f := open(t, everything(t))
	key := f.add(func(k *check.Key) { k.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	for _, test := range []struct {
		path, header, value string
		status              int
	}{
		{"/verify", "X-Forwarded-For", "192.0.2.9", 200},
		{"/verify", "X-Forwarded-For", "192.0.2.9, 127.0.0.3", 200},
		{"/verify", "X-Forwarded-For", "192.0.2.9, 198.51.100.1", 403},
		{"/verify", "X-Forwarded-For", "nonsense", 403},
		{"/verify", "X-Real-Ip", "192.0.2.9", 403},
		{"/verify", "Forwarded", "for=192.0.2.9", 403},
		{"/verify", "X_Forwarded_For", "192.0.2.9", 403},
		{"/verify/nginx", "X-Real-Ip", "192.0.2.9", 200},
		{"/verify/nginx", "X-Forwarded-For", "192.0.2.9", 403},
		{"/verify/envoy/maps/", "X-Real-Ip", "192.0.2.9", 200},
		{"/verify/envoy/maps/", "X-Forwarded-For", "192.0.2.9", 403},
	} {
		if got := f.get(t, test.path, append(bearer(key), test.header, test.value)...); got.status != test.status {
			t.Errorf("%s with %s: %s: got %d, want %d", test.path, test.header, test.value, got.status, test.status)
		}
	}
}

func TestVerifySignsAnAssertionWhereTheApplicationWantsOne(t *testing.T) {
	var ring *signing.Ring
	f := open(t, func(o *api.Options) { everything(t)(o); ring = o.Rings.Assertions })
	got := f.get(t, "/verify?app=signed", bearer(f.add(nil))...)
	var claims struct {
		Audience string   `json:"aud"`
		Subject  string   `json:"sub"`
		Roles    []string `json:"roles"`
		Expires  int64    `json:"exp"`
	}
	if err := ring.Verify(got.header.Get("X-Token2go-Token"), &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Audience != "signed" || claims.Subject != "248289761001" || len(claims.Roles) != 2 || time.Until(time.Unix(claims.Expires, 0)) > time.Minute {
		t.Errorf("claims %+v", claims)
	}
	if f.get(t, "/verify?app=maps", bearer(f.add(nil))...).header.Get("X-Token2go-Token") != "" {
		t.Error("an assertion for an application that wants none")
	}
}

func TestIntrospectAnswersForTheCallersApplication(t *testing.T) {
	f := open(t, everything(t))
	caller := f.add(func(k *check.Key) { k.Person, k.Grants = 0, []string{"introspect:maps"} })
	other := f.add(nil)
	key := f.add(func(k *check.Key) { k.Apps, k.Expires = []string{"maps"}, time.Date(2099, 1, 2, 3, 4, 5, 0, time.UTC) })
	elsewhere := f.add(func(k *check.Key) { k.Apps = []string{"tiles"} })
	ask := func(token string, lines ...string) answer {
		form := url.Values{"token": {token}}.Encode()
		return f.send(t, http.MethodPost, "/introspect", form, append(lines, "Content-Type", "application/x-www-form-urlencoded")...)
	}
	ask(key, bearer(caller)...).has(t, 200, `"active":true`, `"sub":"248289761001"`, `"username":"ada"`, `"scope":"reader writer"`, `"exp":4071006245`)
	for _, text := range []string{elsewhere, "t2g_nonsense", "", key[:len(key)-1] + "_"} {
		got := ask(text, bearer(caller)...)
		if text != "" && got.body != `{"active":false}` {
			t.Errorf("%q: got %s", text, got.body)
		}
	}
	ask(key).refused(t, 401, "caller_invalid")
	ask(key, bearer(other)...).refused(t, 403, "grant_missing")
}

func TestCheckOfAnotherKey(t *testing.T) {
	f := open(t, everything(t))
	caller := f.add(func(k *check.Key) { k.Person, k.Grants = 0, []string{"introspect:maps", "introspect:tiles"} })
	key := f.add(func(k *check.Key) {
		k.Apps, k.Networks = []string{"maps"}, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	ask := func(body map[string]string) answer {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		return f.send(t, http.MethodPost, "/check", string(text), append(bearer(caller), "Content-Type", "application/json")...)
	}
	ask(map[string]string{"key": key, "app": "maps", "ip": "192.0.2.1"}).has(t, 200, `"login":"ada"`)
	ask(map[string]string{"key": key, "app": "maps", "ip": "198.51.100.1"}).refused(t, 403, "address_not_allowed")
	ask(map[string]string{"key": key, "app": "tiles", "ip": "192.0.2.1"}).refused(t, 403, "application_not_allowed")
	ask(map[string]string{"key": key, "app": "maps", "ip": "192.0.2.1", "uri": "/x?k=" + key}).refused(t, 403, "not_in_url")
	ask(map[string]string{"key": key, "app": "other"}).refused(t, 403, "grant_missing")
	ask(map[string]string{"key": key}).refused(t, 400, "invalid_request")
	ask(map[string]string{"app": "maps"}).refused(t, 400, "invalid_request")
	ask(map[string]string{"key": key, "app": "maps", "ip": "x"}).refused(t, 400, "invalid_request")
	ask(map[string]string{"key": key, "other": "x"}).refused(t, 400, "invalid_request")
}

func TestRevokeEndsTheKeyThatIsShown(t *testing.T) {
	var ended []string
	f := open(t, func(o *api.Options) {
		everything(t)(o)
		o.Revoke = func(_ context.Context, id apikey.ID) error {
			ended = append(ended, id.String())
			if len(ended) > 2 {
				return errors.New("the database is gone")
			}
			return nil
		}
	})
	key := f.add(nil)
	f.send(t, http.MethodPost, "/revoke", "", bearer(key)...).has(t, 200)
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	f.send(t, http.MethodPost, "/revoke", "token="+key, form...).has(t, 200)
	f.send(t, http.MethodPost, "/revoke", "token=t2g_unknown", form...).has(t, 200)
	if want := []string{key[4:14], key[4:14]}; !slices.Equal(ended, want) {
		t.Errorf("got %v, want %v", ended, want)
	}
	f.send(t, http.MethodPost, "/revoke", "token="+key, form...).refused(t, 500, "internal_error")
	f.send(t, http.MethodPost, "/revoke", "").refused(t, 401, "no_credential")
}

func TestSignedKeysAreVerified(t *testing.T) {
	var ring *signing.Ring
	f := open(t, func(o *api.Options) { everything(t)(o); ring = o.Rings.APIKeys })
	id := prefix.Mint().ID
	f.set.Put(check.Key{ID: id, Kind: apikey.JWT, Person: 1, Name: "offline"})
	sign := func(issuer string, expires time.Time) string {
		text, err := ring.Sign(map[string]any{"iss": issuer, "sub": "1", "jti": id.String(), "exp": expires.Unix()})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good := sign("https://api.example.org", time.Now().Add(time.Hour))
	for range 2 { // the second is remembered
		f.get(t, "/check", bearer(good)...).has(t, 200, `"kind":"jwt"`)
	}
	f.get(t, "/check", bearer(sign("https://api.example.org", time.Now().Add(-time.Hour)))...).refused(t, 401, "invalid_key")
	f.get(t, "/check", bearer(sign("https://id.example.org", time.Now().Add(time.Hour)))...).refused(t, 401, "no_credential")
	tampered := strings.Split(good, ".")
	tampered[2] = strings.Repeat("A", len(tampered[2]))
	f.get(t, "/check", bearer(strings.Join(tampered, "."))...).refused(t, 401, "invalid_key")
	f.set.Put(check.Key{ID: id, Kind: apikey.JWT, Person: 1, Name: "offline", Revoked: true})
	f.get(t, "/check", bearer(good)...).refused(t, 401, "invalid_key")
}

func TestPublicKeysAndStatusListsMayBeKept(t *testing.T) {
	f := open(t, everything(t))
	for _, path := range []string{"/jwks.json", "/.well-known/token2go/status.json", "/.well-known/token2go/pass.json", "/.well-known/token2go/assertion.json", "/status-lists/0"} {
		got := f.get(t, path)
		got.has(t, 200)
		if !strings.HasPrefix(got.header.Get("Cache-Control"), "public, max-age=") {
			t.Errorf("%s: got %v", path, got.header)
		}
		f.get(t, path, "If-None-Match", got.header.Get("ETag")).has(t, 304)
	}
	f.get(t, "/status-lists/1").refused(t, 404, "not_found")
	f.get(t, "/status-lists/x").refused(t, 404, "not_found")
}

func TestCrossOriginReadsAreForListedOrigins(t *testing.T) {
	f := open(t, func(o *api.Options) { everything(t)(o); o.Origins = []string{"https://maps.example.org"} })
	key := f.add(nil)
	preflight := []string{"Origin", "https://maps.example.org", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization"}
	got := f.send(t, http.MethodOptions, "/check", "", preflight...)
	got.has(t, 204)
	if got.header.Get("Access-Control-Allow-Origin") != "https://maps.example.org" || got.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("got %v", got.header)
	}
	other := f.get(t, "/check", append(bearer(key), "Origin", "https://evil.example")...)
	if other.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("got %v", other.header)
	}
	f.send(t, http.MethodOptions, "/verify", "", preflight...).refused(t, 401, "no_credential")
}

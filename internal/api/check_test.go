package api_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/api"
	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
)

func TestHealth(t *testing.T) {
	f := open(t, func(o *api.Options) { o.Hosts = []string{"api.example.org"} })
	f.get(t, "/health").has(t, 200, "OK.")
	f.get(t, "/check").refused(t, 421, "host_not_allowed")
}

func TestCheckAnswersVerdict(t *testing.T) {
	f := open(t, nil)
	key := f.add(func(k *check.Key) {
		k.Apps, k.Config, k.Roles = []string{"maps"}, []byte(`{"quota":5}`), []string{"reader", "admin"}
		k.Expires = time.Date(2099, 1, 2, 3, 4, 5, 0, time.UTC)
	})
	want := `{"subject":"248289761001","login":"ada","email":"ada@example.org","roles":["reader"],"groups":["/engines"],` +
		`"apps":["maps"],"config":{"quota":5},"key":{"id":"` + key[4:14] + `","name":"nightly job","kind":"opaque","expires":"2099-01-02T03:04:05Z"}}`
	got := f.get(t, "/check?app=maps", bearer(key)...)
	if got.status != 200 || got.body != want {
		t.Errorf("got  %d %s\nwant 200 %s", got.status, got.body, want)
	}
	if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("got %v, want an answer that no one keeps", got.header)
	}
	if f.uses.Load() != 1 {
		t.Errorf("got %d uses counted, want 1", f.uses.Load())
	}
	f.send(t, http.MethodHead, "/check?app=maps", "", bearer(key)...).has(t, 200)
}

func TestMachineKeyHasNoSubject(t *testing.T) {
	f := open(t, nil)
	key := f.add(func(k *check.Key) { k.Person, k.Roles = 0, []string{"job"} })
	got := f.get(t, "/check", bearer(key)...)
	got.has(t, 200, `"roles":["job"],"groups":[],"apps":["*"]`)
	if strings.Contains(got.body, "subject") {
		t.Errorf("got %s, want no subject", got.body)
	}
}

func TestCheckFindsCredential(t *testing.T) {
	f := open(t, nil)
	key := f.add(func(k *check.Key) { k.AllowInURL = true })
	other := f.add(nil)
	foreign := "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIn0.c2lnbmF0dXJl"
	for _, test := range []struct {
		name, path string
		lines      []string
		status     int
		kind       string
	}{
		{"nothing", "/check", nil, 401, "no_credential"},
		{"Bearer", "/check", bearer(key), 200, ""},
		{"Bearer in other letters, with more spaces", "/check", []string{"Authorization", "bEARER   " + key}, 200, ""},
		{"X-Api-Key", "/check", []string{"X-Api-Key", key}, 200, ""},
		{"Basic password", "/check", basic("anyone", key), 200, ""},
		{"Basic password of no user", "/check", basic("", key), 200, ""},
		{"Basic user name", "/check", basic(key, ""), 401, "no_credential"},
		{"Basic that is no base64", "/check", []string{"Authorization", "Basic " + key}, 401, "no_credential"},
		{"Authorization without scheme", "/check", []string{"Authorization", key}, 401, "no_credential"},
		{"another scheme", "/check", []string{"Authorization", "Token " + key}, 401, "no_credential"},
		{"query", "/check?api-key=" + key, nil, 200, ""},
		{"query, other names", "/check?api_key=" + key + "&x-api-key=" + key, nil, 200, ""},
		{"query, escaped name", "/check?api%2Dkey=" + key, nil, 200, ""},
		{"query, name in other letters", "/check?API-KEY=" + key, nil, 401, "no_credential"},
		{"path", "/k/" + key + "/check", nil, 200, ""},
		{"path of something else", "/k/" + key + "/elsewhere", nil, 404, "not_found"},
		{"the same twice", "/check?api-key=" + key, append(bearer(key), "X-Api-Key", key), 200, ""},
		{"two", "/check", append(bearer(key), "X-Api-Key", other), 401, "ambiguous_credential"},
		{"two, one in the URL", "/check?api-key=" + key, bearer(other), 401, "ambiguous_credential"},
		{"a foreign token beside it", "/check", append(bearer(foreign), "X-Api-Key", key), 200, ""},
		{"a foreign token alone", "/check", bearer(foreign), 401, "no_credential"},
		{"a key in two fields of Authorization", "/check", append(bearer(key), bearer(other)...), 401, "ambiguous_credential"},
		{"cut off", "/check", bearer(key[:30]), 401, "invalid_key"},
		{"mistyped", "/check", bearer(key[:51] + "xx"), 401, "invalid_key"},
		{"followed by something", "/check", bearer(key + ","), 401, "invalid_key"},
		{"two in one", "/check", []string{"X-Api-Key", key + "," + other}, 401, "invalid_key"},
		{"app twice", "/check?app=a&app=b", bearer(key), 400, "invalid_request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := f.get(t, test.path, test.lines...)
			if test.kind == "" {
				got.has(t, test.status)
				return
			}
			got.refused(t, test.status, test.kind)
		})
	}
}

func basic(user, password string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}
}

func TestCheckRefuses(t *testing.T) {
	f := openChecker(t, nil, fromLoopback)
	for _, test := range []struct {
		name   string
		edit   func(*check.Key)
		path   string
		lines  []string
		status int
		kind   string
	}{
		{"revoked", func(k *check.Key) { k.Revoked = true }, "/check", nil, 401, "invalid_key"},
		{"another network", inNetwork, "/check", []string{"X-Forwarded-For", "198.51.100.1"}, 403, "address_not_allowed"},
		{"its network", inNetwork, "/check", []string{"X-Forwarded-For", "192.0.2.1"}, 200, ""},
		{"its network, behind two proxies", inNetwork, "/check", []string{"X-Forwarded-For", "9.9.9.9, 192.0.2.1, 127.0.0.3"}, 200, ""},
		{"its network, written by the client", inNetwork, "/check", []string{"X-Forwarded-For", "192.0.2.1, 9.9.9.9"}, 403, "address_not_allowed"},
		{"its network, in another header", inNetwork, "/check", []string{"X-Real-IP", "192.0.2.1", "Forwarded", "for=192.0.2.1"}, 403, "address_not_allowed"},
		{"no page", forHost, "/check", nil, 403, "page_not_allowed"},
		{"another page", forHost, "/check", []string{"Origin", "https://evil.example"}, 403, "page_not_allowed"},
		{"its page", forHost, "/check", []string{"Origin", "https://maps.example.org:8443"}, 200, ""},
		{"its page, by Referer", forHost, "/check", []string{"Referer", "https://MAPS.example.org/a"}, 200, ""},
		{"its page in Referer, another in Origin", forHost, "/check", []string{"Origin", "https://evil.example", "Referer", "https://maps.example.org/"}, 403, "page_not_allowed"},
		{"another application", func(k *check.Key) { k.Apps = []string{"maps"} }, "/check?app=tiles", nil, 403, "application_not_allowed"},
		{"no application", func(k *check.Key) { k.Apps = []string{"maps"} }, "/check", nil, 403, "application_not_allowed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := f.get(t, test.path, append(test.lines, bearer(f.add(test.edit))...)...)
			if test.kind == "" {
				got.has(t, test.status)
				return
			}
			got.refused(t, test.status, test.kind)
		})
	}
	f.get(t, "/check?api-key="+f.add(nil)).refused(t, 403, "not_in_url")
	key := f.add(nil)
	f.get(t, "/check?api-key="+key, bearer(key)...).refused(t, 403, "not_in_url")
}

func inNetwork(k *check.Key) { k.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }
func forHost(k *check.Key)   { k.Hosts = []apikey.HostPattern{"*.example.org"} }

func TestForwardedFactsOfOthersAreIgnored(t *testing.T) {
	f := open(t, nil)
	f.get(t, "/check", append(bearer(f.add(inNetwork)), "X-Forwarded-For", "192.0.2.1")...).refused(t, 403, "address_not_allowed")
}

func TestChallenges(t *testing.T) {
	for _, test := range []struct {
		name  string
		ask   bool
		lines []string
		want  []string
	}{
		{"a program without key", false, nil, []string{`Bearer realm="token2go"`, `Basic realm="token2go"`}},
		{"a program with a wrong key", false, bearer("t2g_wrong"), []string{`Bearer realm="token2go", error="invalid_token"`, `Basic realm="token2go"`}},
		{"a browser", false, []string{"Sec-Fetch-Mode", "navigate"}, []string{`Bearer realm="token2go"`}},
		{"an old browser", false, []string{"User-Agent", "Mozilla/5.0"}, []string{`Bearer realm="token2go"`}},
		{"a browser that is to ask", true, []string{"User-Agent", "Mozilla/5.0"}, []string{`Bearer realm="token2go"`, `Basic realm="token2go"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := open(t, func(o *api.Options) { o.AskBrowsers = test.ask })
			got := f.get(t, "/check", test.lines...)
			if challenges := got.header["Www-Authenticate"]; got.status != 401 || !slices.Equal(challenges, test.want) {
				t.Errorf("got %d %q, want 401 %q", got.status, challenges, test.want)
			}
		})
	}
}

func TestRateIsToldAndEnforced(t *testing.T) {
	f := open(t, nil)
	key := f.add(func(k *check.Key) { k.Rate = apikey.Rate{Requests: 2, Per: time.Hour} })
	first := f.get(t, "/check", bearer(key)...)
	if got, want := first.header.Get("RateLimit-Policy"), `"key";q=2;w=3600`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := first.header.Get("RateLimit"), `"key";r=1;t=1800`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	f.get(t, "/check", bearer(key)...).has(t, 200)
	third := f.get(t, "/check", bearer(key)...)
	third.refused(t, 429, "rate_exceeded")
	if got := third.header.Get("Retry-After"); got != "1800" || !strings.HasPrefix(third.header.Get("RateLimit"), `"key";r=0;`) {
		t.Errorf("got Retry-After %q, RateLimit %q", got, third.header.Get("RateLimit"))
	}
}

func TestFailuresLimitNoGoodKey(t *testing.T) {
	f := openChecker(t, func(o *check.Options) { o.Failures = apikey.Rate{Requests: 2, Per: time.Hour} }, nil)
	good := f.add(nil)
	for range 2 {
		f.get(t, "/check", bearer("t2g_wrong")...).refused(t, 401, "invalid_key")
	}
	got := f.get(t, "/check", bearer("t2g_wrong")...)
	got.refused(t, 429, "too_many_failures")
	if got.header.Get("Retry-After") == "" {
		t.Error("got no Retry-After")
	}
	f.get(t, "/check", bearer(good)...).has(t, 200)
}

func TestUnknownKeyAsksDatabase(t *testing.T) {
	f := open(t, nil)
	minted := prefix.Mint()
	f.refresh = func(context.Context) error {
		f.set.Put(check.Key{ID: minted.ID, Pepper: f.pepper.ID, Hash: f.pepper.Hash(minted), Person: 1})
		return nil
	}
	f.get(t, "/check", bearer(minted.Secret().Reveal())...).has(t, 200)
	f.refresh = func(context.Context) error { return errors.New("connection refused") }
	got := f.get(t, "/check", bearer(prefix.Mint().Secret().Reveal())...)
	got.refused(t, 503, "database_unavailable")
	if got.header.Get("Retry-After") != "1" {
		t.Errorf("got Retry-After %q, want 1", got.header.Get("Retry-After"))
	}
}

func TestRefusalIsRecorded(t *testing.T) {
	f := open(t, nil)
	key := f.add(func(k *check.Key) { k.Revoked, k.AllowInURL = true, true })
	f.get(t, "/check?app=maps&api-key="+key)
	want := `"msg":"audit","decision":"refused","listener":"api","action":"check","reason":"invalid_key","key":"` + key[4:14] +
		`","address":"127.0.0.1","arrived":"in the URL","cause":"revoked"`
	if output := f.output.String(); !strings.Contains(output, want) || strings.Contains(output, key) {
		t.Errorf("got %s\nwant %s", output, want)
	}
}

func TestGoodKeyIsRecordedOnlyWhereWanted(t *testing.T) {
	f := open(t, nil)
	f.get(t, "/check", bearer(f.add(nil))...).has(t, 200)
	if strings.Contains(f.output.String(), `"msg":"audit"`) {
		t.Errorf("got %s, want no event", f.output)
	}
	f = open(t, func(o *api.Options) { o.AuditGood = true })
	f.get(t, "/check", bearer(f.add(nil))...).has(t, 200)
	if !strings.Contains(f.output.String(), `"decision":"allowed"`) {
		t.Errorf("got %s, want an event", f.output)
	}
}

func TestHeaderLimit(t *testing.T) {
	f := open(t, func(o *api.Options) { o.MaxHeaderBytes = 1000 })
	f.get(t, "/check", "X-Long", strings.Repeat("x", 1000)).refused(t, 431, "headers_too_large")
}

func TestPeerLimit(t *testing.T) {
	f := open(t, func(o *api.Options) { o.Peers = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	f.get(t, "/health").refused(t, 403, "peer_not_allowed")
}

func TestOtherMethodsAreRefused(t *testing.T) {
	f := open(t, nil)
	for _, method := range []string{"PUT", "DELETE", "OPTIONS", "BREW"} {
		got := f.send(t, method, "/health", "")
		got.refused(t, 405, "method_not_allowed")
		if got.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("got Allow %q", got.header.Get("Allow"))
		}
	}
}

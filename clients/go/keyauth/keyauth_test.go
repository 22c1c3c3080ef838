package keyauth_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/token2go/token2go/clients/go/keyauth"
	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/signing"
)

const issuer = "https://keys.example.org"

// fixture is a server that answers as told, an application with a Checker in front, and a
// clock for both.
type fixture struct {
	mu       sync.Mutex
	now      time.Time
	answer   http.HandlerFunc // for /check
	requests []string         // "METHOD target"
	down     bool

	keys, statuses *signing.Ring
	list           *signing.StatusList

	url string // of the server
	app http.Handler
	got *http.Request // as the application saw the last one
	key keyauth.Key
}

const listAddress = issuer + "/status-lists/3"

func newFixture(t *testing.T, change func(*keyauth.Options)) *fixture {
	t.Helper()
	f := &fixture{now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), list: signing.NewStatusList(64)}
	f.answer = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, verdict) }
	f.keys, f.statuses = newRing(t, signing.APIKeys), newRing(t, signing.Statuses)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	o := keyauth.Options{Server: server.URL + "/", Issuer: issuer, App: "maps", Now: f.clock}
	if change != nil {
		change(&o)
	}
	checker, err := keyauth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	f.app = checker.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.got = r
		f.key, _ = keyauth.FromContext(r.Context())
	}))
	return f
}

const verdict = `{"subject":"7","login":"ada","email":"ada@example.org","roles":["reader"],"groups":["/engines"],"apps":["maps"],` +
	`"config":{"quota":5},"key":{"id":"0123456789","name":"nightly","kind":"opaque","expires":"2026-11-30T13:00:00Z"}}`

func newRing(t *testing.T, purpose signing.Purpose) *signing.Ring {
	t.Helper()
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

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// wait turns the clock.
func (f *fixture) wait(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// set changes how the server answers.
func (f *fixture) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fixture) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r.Method+" "+r.URL.RequestURI())
	if f.down {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	switch r.URL.Path {
	case "/check":
		f.answer(w, r)
	case "/jwks.json":
		_, _ = w.Write(f.keys.JWKS())
	case "/.well-known/token2go/status.json":
		_, _ = w.Write(f.statuses.JWKS())
	case "/status-lists/3":
		text, err := signing.SignStatusList(f.statuses, f.list, listAddress, f.now, time.Minute)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprintln(w, text)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (f *fixture) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests)
}

// call sends a request with header lines to the application.
func (f *fixture) call(t *testing.T, target string, lines ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.RemoteAddr = "192.0.2.7:1234"
	for i := 0; i < len(lines); i += 2 {
		r.Header.Add(lines[i], lines[i+1])
	}
	f.set(func() { f.got, f.key = nil, keyauth.Key{} })
	w := httptest.NewRecorder()
	f.app.ServeHTTP(w, r)
	return w
}

// has wants a status and, where it is no 200, the kind in the problem document.
func has(t *testing.T, w *httptest.ResponseRecorder, status int, kind string) {
	t.Helper()
	var problem struct{ Kind string }
	if status != http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil {
			t.Errorf("%v: %s", err, w.Body)
		}
	}
	if w.Code != status || problem.Kind != kind {
		t.Errorf("got %d %s, want %d %s", w.Code, w.Body, status, kind)
	}
	if status == http.StatusUnauthorized && len(w.Header()["Www-Authenticate"]) != 2 {
		t.Errorf("challenges %q", w.Header()["Www-Authenticate"])
	}
}

func opaque() string { return apikey.Prefix("t2g").Mint().Secret().Reveal() }

func refuse(status int, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"kind":%q,"detail":"because"}`, kind)
	}
}

func TestHandlerReturnsOwner(t *testing.T) {
	f := newFixture(t, nil)
	key := opaque()
	has(t, f.call(t, "/tiles?z=1", "Authorization", "Bearer "+key), 200, "")
	want := keyauth.Key{
		ID: "0123456789", Name: "nightly", Kind: "opaque", Expires: time.Date(2026, 11, 30, 13, 0, 0, 0, time.UTC), Subject: "7", Login: "ada",
		Email: "ada@example.org", Roles: []string{"reader"}, Groups: []string{"/engines"}, Apps: []string{"maps"}, Config: json.RawMessage(`{"quota":5}`),
	}
	if fmt.Sprint(f.key) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", f.key, want)
	}
	if got := fmt.Sprint(f.requests); got != "[GET /check?app=maps]" {
		t.Errorf("asked %s", got)
	}
}

func TestHandlerFindsKeyAndTakesItOut(t *testing.T) {
	f := newFixture(t, func(o *keyauth.Options) { o.AllowQuery = true })
	key, other := opaque(), opaque()
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	const foreign = "Bearer eyJhbGciOiJSUzI1NiJ9.e30.AA"
	for _, test := range []struct {
		name, target string
		lines        []string
		kind         string
		after        string // target and headers as the application sees them
	}{
		{"Bearer", "/a?b=%2F", []string{"Authorization", "Bearer " + key}, "", "/a?b=%2F map[]"},
		{"bearer in other letters", "/a", []string{"Authorization", "bEARER  " + key}, "", "/a map[]"},
		{"X-Api-Key", "/a", []string{"X-Api-Key", key}, "", "/a map[]"},
		{"Basic", "/a", []string{"Authorization", basic("x", key)}, "", "/a map[]"},
		{"query", "/a?b=1&api-key=" + key + "&c=%20", nil, "", "/a?b=1&c=%20 map[]"},
		{"the same twice", "/a?api_key=" + key, []string{"X-Api-Key", key}, "", "/a map[]"},
		{"beside a foreign token", "/a", []string{"Authorization", foreign, "X-Api-Key", key}, "", "/a map[Authorization:[" + foreign + "]]"},
		{"two", "/a", []string{"Authorization", "Bearer " + other, "X-Api-Key", key}, "ambiguous_credential", ""},
		{"none", "/a", nil, "no_credential", ""},
		{"a foreign token", "/a", []string{"Authorization", foreign}, "no_credential", ""},
		{"a user name", "/a", []string{"Authorization", basic(key, "")}, "no_credential", ""},
	} {
		w := f.call(t, test.target, test.lines...)
		if test.kind != "" {
			has(t, w, 401, test.kind)
			continue
		}
		has(t, w, 200, "")
		if got := fmt.Sprint(f.got.URL.RequestURI(), " ", f.got.Header); got != test.after || f.got.RequestURI != f.got.URL.RequestURI() {
			t.Errorf("%s: the application sees %s, want %s", test.name, got, test.after)
		}
	}
	strict := newFixture(t, nil)
	has(t, strict.call(t, "/a?api-key="+key), 401, "no_credential")
}

func TestAnswersAreUsedAgainForAWhile(t *testing.T) {
	f := newFixture(t, nil)
	key := "Bearer " + opaque()
	for range 3 {
		has(t, f.call(t, "/", "Authorization", key), 200, "")
	}
	if f.asked() != 1 {
		t.Errorf("asked %d times, want once", f.asked())
	}
	has(t, f.call(t, "/", "Authorization", key, "Origin", "https://other.example"), 200, "")
	if f.asked() != 2 {
		t.Error("not asked again for another page")
	}
	f.set(func() { f.answer = refuse(401, "invalid_key") }) // revoked
	f.wait(5*time.Second - 1)
	has(t, f.call(t, "/", "Authorization", key), 200, "")
	f.wait(1)
	has(t, f.call(t, "/", "Authorization", key), 401, "invalid_key")
	f.set(func() { f.down = true }) // and is not believed again
	has(t, f.call(t, "/", "Authorization", key), 503, "check_unavailable")
}

func TestUnreachableServer(t *testing.T) {
	f := newFixture(t, nil)
	key := "Bearer " + opaque()
	has(t, f.call(t, "/", "Authorization", key), 200, "")
	f.set(func() { f.down = true })
	f.wait(time.Minute - 1)
	has(t, f.call(t, "/", "Authorization", key), 200, "")
	has(t, f.call(t, "/", "Authorization", "Bearer "+opaque()), 503, "check_unavailable")
	f.wait(1)
	has(t, f.call(t, "/", "Authorization", key), 503, "check_unavailable")
	for name, answer := range map[string]http.HandlerFunc{
		"a page":         func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"an empty one":   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") },
		"a plain 401":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"about this one": refuse(403, "peer_not_allowed"),
		"a redirect":     func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/jwks.json", http.StatusFound) },
	} {
		f.set(func() { f.down, f.answer = false, answer })
		if w := f.call(t, "/", "Authorization", "Bearer "+opaque()); w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
	}
}

func TestRefusalsArePassedOn(t *testing.T) {
	f := newFixture(t, nil)
	for status, kind := range map[int]string{401: "invalid_key", 403: "application_not_allowed", 429: "rate_exceeded"} {
		f.set(func() { f.answer = refuse(status, kind) })
		w := f.call(t, "/", "Authorization", "Bearer "+opaque())
		has(t, w, status, kind)
		if w.Header().Get("Retry-After") != "7" || !strings.Contains(w.Body.String(), "because") || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %v %s", kind, w.Header(), w.Body)
		}
	}
}

func TestKeyThatExpiresIsNotUsedAgain(t *testing.T) {
	f := newFixture(t, func(o *keyauth.Options) { o.MaxAge = 2 * time.Hour })
	key := "Bearer " + opaque()
	has(t, f.call(t, "/", "Authorization", key), 200, "")
	f.wait(time.Hour)
	has(t, f.call(t, "/", "Authorization", key), 401, "invalid_key")
}

func TestSecretTellsServerOfCaller(t *testing.T) {
	own, key := opaque(), opaque()
	f := newFixture(t, func(o *keyauth.Options) {
		o.Secret = own
		o.Address = func(*http.Request) netip.Addr { return netip.MustParseAddr("203.0.113.9") }
	})
	var got map[string]string
	f.answer = func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.Header.Get("Authorization") != "Bearer "+own || r.Method != http.MethodPost {
			t.Errorf("%s with %v, %v", r.Method, r.Header, err)
		}
		fmt.Fprint(w, verdict)
	}
	has(t, f.call(t, "/a?b=1&api-key="+key, "X-Api-Key", key, "Referer", "https://page.example/x"), 200, "")
	want := map[string]string{"key": key, "app": "maps", "ip": "203.0.113.9", "referer": "https://page.example/x", "method": "GET", "uri": "/a?b=1"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestCallersWhoAskAtOnceShareARequest(t *testing.T) {
	f := newFixture(t, nil)
	key := "Bearer " + opaque()
	var group sync.WaitGroup
	f.mu.Lock() // no answer until all have asked
	for range 50 {
		group.Go(func() {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Authorization", key)
			w := httptest.NewRecorder()
			f.app.ServeHTTP(w, r)
			if w.Code != 200 {
				t.Errorf("got %d", w.Code)
			}
		})
	}
	f.mu.Unlock()
	group.Wait()
	if f.asked() > 5 {
		t.Errorf("asked %d times for one key", f.asked())
	}
}

// signedKey is a key as the server signs it.
func (f *fixture) signedKey(t *testing.T, change map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": issuer, "sub": "4711", "jti": "0123456789", "iat": f.now.Unix() - 1, "exp": f.now.Add(time.Hour).Unix(),
		"status": map[string]any{"status_list": map[string]any{"idx": 5, "uri": listAddress}},
	}
	for name, value := range change {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	text, err := f.keys.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + text
}

func offline(o *keyauth.Options) { o.Offline = true }

func TestOffline(t *testing.T) {
	f := newFixture(t, offline)
	status := func(index any, uri string) map[string]any {
		return map[string]any{"status": map[string]any{"status_list": map[string]any{"idx": index, "uri": uri}}}
	}
	for _, test := range []struct {
		name   string
		change map[string]any
		kind   string
	}{
		{"good", nil, ""},
		{"without end", map[string]any{"exp": nil}, ""},
		{"expired", map[string]any{"exp": f.now.Unix()}, "invalid_key"},
		{"expired since 1970", map[string]any{"exp": 0}, "invalid_key"},
		{"another issuer", map[string]any{"iss": "https://other.example.org"}, "no_credential"},
		{"no subject", map[string]any{"sub": nil}, "invalid_key"},
		{"no status", map[string]any{"status": nil}, "invalid_key"},
		{"outside the list", status(64, listAddress), "invalid_key"},
		{"before the list", status(-1, listAddress), "invalid_key"},
		{"a list elsewhere", status(5, "https://evil.example/status-lists/3"), "invalid_key"},
		{"a list at a host that begins alike", status(5, issuer+".evil.example/status-lists/3"), "invalid_key"},
		{"a list in another place", status(5, issuer+"/jwks.json"), "invalid_key"},
		{"a list on a way out", status(5, issuer+"/status-lists/../3"), "invalid_key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := f.call(t, "/", "Authorization", f.signedKey(t, test.change))
			if test.kind != "" {
				has(t, w, 401, test.kind)
				return
			}
			has(t, w, 200, "")
			if f.key.Subject != "4711" || f.key.ID != "0123456789" || f.key.Kind != "jwt" {
				t.Errorf("got %+v", f.key)
			}
		})
	}
	has(t, f.call(t, "/", "Authorization", "Bearer "+opaque()), 401, "invalid_key")
	asked := f.asked()
	has(t, f.call(t, "/", "Authorization", f.signedKey(t, nil)), 200, "")
	if f.asked() != asked {
		t.Errorf("asked the server for a key that can be verified: %v", f.requests)
	}
}

func TestOfflineRefusesOtherKinds(t *testing.T) {
	f := newFixture(t, offline)
	other := newRing(t, signing.Passes)
	claims := map[string]any{"iss": issuer, "sub": "1", "status": map[string]any{"status_list": map[string]any{"idx": 1, "uri": listAddress}}}
	for name, ring := range map[string]*signing.Ring{"a pass": other, "another server's key": newRing(t, signing.APIKeys), "a list": f.statuses} {
		text, err := ring.Sign(claims)
		if err != nil {
			t.Fatal(err)
		}
		if w := f.call(t, "/", "Authorization", "Bearer "+text); w.Code != 401 {
			t.Errorf("%s: got %d", name, w.Code)
		}
	}
}

func TestOfflineSeesRevocation(t *testing.T) {
	f := newFixture(t, offline)
	key := f.signedKey(t, nil)
	has(t, f.call(t, "/", "Authorization", key), 200, "")
	f.set(func() {
		if err := f.list.Revoke(5); err != nil {
			t.Error(err)
		}
	})
	f.wait(time.Minute - 1)
	has(t, f.call(t, "/", "Authorization", key), 200, "") // the server lets lists be kept for so long
	f.wait(1)
	has(t, f.call(t, "/", "Authorization", key), 401, "invalid_key")
}

func TestOfflineWithoutServer(t *testing.T) {
	f := newFixture(t, offline)
	f.set(func() { f.down = true })
	key := f.signedKey(t, map[string]any{"exp": nil})
	has(t, f.call(t, "/", "Authorization", key), 503, "check_unavailable")
	f.set(func() { f.down = false })
	f.wait(10 * time.Second) // not asked more often
	has(t, f.call(t, "/", "Authorization", key), 200, "")
	f.set(func() { f.down = true })
	f.wait(15*time.Minute - 1)
	has(t, f.call(t, "/", "Authorization", key), 200, "")
	f.wait(1)
	has(t, f.call(t, "/", "Authorization", key), 503, "check_unavailable")
}

func TestOfflineReadsKeysOfAnUnknownSigner(t *testing.T) {
	f := newFixture(t, offline)
	has(t, f.call(t, "/", "Authorization", f.signedKey(t, nil)), 200, "")
	f.set(func() { f.keys = newRing(t, signing.APIKeys) }) // rotated
	key := f.signedKey(t, nil)
	has(t, f.call(t, "/", "Authorization", key), 401, "invalid_key")
	f.wait(10 * time.Second)
	has(t, f.call(t, "/", "Authorization", key), 200, "")
}

func TestNewRefuses(t *testing.T) {
	for _, o := range []keyauth.Options{
		{}, {Server: "keys.example.org"}, {Server: "ftp://keys.example.org"}, {Server: "https://u:p@keys.example.org"},
		{Server: "https://keys.example.org/?a"}, {Server: "http://keys.example.org"}, {Server: "https://keys.example.org", Prefix: "T2G"},
	} {
		if _, err := keyauth.New(o); err == nil || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%+v: got %v", o, err)
		}
	}
	for _, o := range []keyauth.Options{
		{Server: "https://keys.example.org"}, {Server: "http://localhost:8081"}, {Server: "http://token2go:8081", AllowHTTP: true},
	} {
		if _, err := keyauth.New(o); err != nil {
			t.Errorf("%+v: got %v", o, err)
		}
	}
}

func FuzzHandler(f *testing.F) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }))
	f.Cleanup(server.Close)
	checker, err := keyauth.New(keyauth.Options{Server: server.URL, Issuer: issuer, Offline: true})
	if err != nil {
		f.Fatal(err)
	}
	app := checker.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { f.Error("let through") }))
	f.Add("Bearer a.b.c", "api-key=t2g_", "t2g_")
	f.Add("Basic Og==", "&;=", "")
	f.Fuzz(func(t *testing.T, authorization, query, key string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = query
		r.Header["Authorization"], r.Header["X-Api-Key"] = []string{authorization}, []string{key}
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		if w.Code != 401 && w.Code != 503 {
			t.Errorf("got %d", w.Code)
		}
	})
}

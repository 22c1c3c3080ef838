package demo_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/demo"
)

// received is a request as the upstream received it.
type received struct {
	Method, URI, Host, Body string
	Header                  http.Header
}

// fixture is a gateway with a server behind it.
type fixture struct {
	t       *testing.T
	gateway *demo.Gateway
	front   *httptest.Server
}

func upstream(t *testing.T) *url.URL {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode(received{r.Method, r.RequestURI, r.Host, string(body), r.Header})
	}))
	t.Cleanup(server.Close)
	return parse(t, server.URL)
}

func open(t *testing.T, options demo.Options) *fixture {
	t.Helper()
	if options.Upstream == nil {
		options.Upstream = upstream(t)
	}
	gateway, err := demo.New(options)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(gateway)
	t.Cleanup(front.Close)
	return &fixture{t: t, gateway: gateway, front: front}
}

// client keeps cookies and does not follow redirects.
func (s *fixture) client() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	client := *s.front.Client()
	client.Jar = jar
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// signedIn is a client with a session.
func (s *fixture) signedIn(username string) *http.Client {
	s.t.Helper()
	cookie, err := s.gateway.SignIn(s.front.URL, username)
	if err != nil {
		s.t.Fatal(err)
	}
	client := s.client()
	client.Jar.SetCookies(parse(s.t, s.front.URL), []*http.Cookie{cookie})
	return client
}

// do sends a request after edit has changed it.
func (s *fixture) do(client *http.Client, method, target string, body io.Reader, edit func(*http.Request)) (*http.Response, string) {
	s.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = s.front.URL + target
	}
	request, err := http.NewRequest(method, target, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if edit != nil {
		edit(request)
	}
	response, err := client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response, string(text)
}

func (s *fixture) get(client *http.Client, target string) (*http.Response, string) {
	s.t.Helper()
	return s.do(client, "GET", target, nil, nil)
}

// post sends a form as a browser would from a page of the same origin.
func (s *fixture) post(client *http.Client, target string, form url.Values) (*http.Response, string) {
	s.t.Helper()
	return s.do(client, "POST", target, strings.NewReader(form.Encode()), func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	})
}

// see sends a request and returns what the upstream received.
func (s *fixture) see(client *http.Client, target string, edit func(*http.Request)) received {
	s.t.Helper()
	response, text := s.do(client, "GET", target, nil, edit)
	if response.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %.80s: got %d, want 200", target, response.StatusCode)
	}
	var seen received
	if err := json.Unmarshal([]byte(text), &seen); err != nil {
		s.t.Fatal(err)
	}
	return seen
}

// signIn goes through the pages of a sign-in and returns the target of the last redirect.
func (s *fixture) signIn(client *http.Client, back, username string) string {
	s.t.Helper()
	begun, _ := s.post(client, "/oauth2/start", url.Values{"rd": {back}})
	return s.finish(client, begun, username)
}

// finish chooses a person at the provider to which a redirect led.
func (s *fixture) finish(client *http.Client, begun *http.Response, username string) string {
	s.t.Helper()
	where := location(s.t, begun)
	s.get(client, where)
	chosen, _ := s.post(client, where, url.Values{
		"state": {parse(s.t, where).Query().Get("state")}, "person": {username},
	})
	done, _ := s.get(client, location(s.t, chosen))
	if done.StatusCode != http.StatusFound {
		s.t.Fatalf("callback: got %d, want 302", done.StatusCode)
	}
	return done.Header.Get("Location")
}

func location(t *testing.T, response *http.Response) string {
	t.Helper()
	if response.StatusCode/100 != 3 {
		t.Fatalf("got %d, want a redirect", response.StatusCode)
	}
	where, err := response.Location()
	if err != nil {
		t.Fatal(err)
	}
	return where.String()
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

var hidden = regexp.MustCompile(`name="rd" value="([^"]*)"`)

func TestNewNamesTheInvalidOption(t *testing.T) {
	good := parse(t, "http://127.0.0.1:1")
	for _, test := range []struct {
		name    string
		options demo.Options
		want    string
	}{
		{"no upstream", demo.Options{}, "upstream"},
		{"a path in the upstream", demo.Options{Upstream: parse(t, "http://127.0.0.1:1/app")}, "upstream"},
		{"an upstream that is not http", demo.Options{Upstream: parse(t, "ftp://127.0.0.1")}, "upstream"},
		{"a provider without a host", demo.Options{Upstream: good, Provider: parse(t, "/login")}, "provider"},
		{"a negative lifetime", demo.Options{Upstream: good, Lifetime: -time.Second}, "lifetime"},
		{"a lifetime of fractional seconds", demo.Options{Upstream: good, Lifetime: 1500 * time.Millisecond}, "lifetime"},
		{"a token of a megabyte", demo.Options{Upstream: good, TokenBytes: 1 << 20}, "token bytes"},
		{"no people", demo.Options{Upstream: good, People: []demo.Person{}}, "people"},
		{"two of the same name", demo.Options{Upstream: good, People: append(demo.People(), demo.People()...)}, "people"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := demo.New(test.options)
			if err == nil || !strings.HasPrefix(err.Error(), test.want+":") {
				t.Errorf("got %v, want an error about %s", err, test.want)
			}
		})
	}
}

func TestPagesHaveTheDemoBanner(t *testing.T) {
	s := open(t, demo.Options{Upstream: parse(t, "http://127.0.0.1:1")})
	client := s.client()
	begun, _ := s.get(client, "/oauth2/start")
	for name, visit := range map[string]func() (*http.Response, string){
		"before sign-in":       func() (*http.Response, string) { return s.get(client, "/anything") },
		"sign-in":              func() (*http.Response, string) { return s.get(client, "/oauth2/sign_in") },
		"people":               func() (*http.Response, string) { return s.get(client, location(t, begun)) },
		"stale sign-in":        func() (*http.Response, string) { return s.get(client, "/oauth2/callback") },
		"upstream unreachable": func() (*http.Response, string) { return s.get(s.signedIn("ada.analyst"), "/") },
	} {
		t.Run(name, func(t *testing.T) {
			response, text := visit()
			if !strings.Contains(text, "<strong>Demo</strong> Pretend people, pretend tokens") {
				t.Errorf("got a page without the banner: %s", text)
			}
			checkPage(t, response, text)
		})
	}
}

func checkPage(t *testing.T, response *http.Response, text string) {
	t.Helper()
	policy := response.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") {
		t.Errorf("got policy %q, want nothing but what is named, and nothing unsafe", policy)
	}
	if got := response.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("got Cache-Control %q, want no-store", got)
	}
	for _, never := range []string{"<script", "<style", " style=", " onclick="} {
		if strings.Contains(text, never) {
			t.Errorf("got %q in the page, which its policy would block", never)
		}
	}
	for _, always := range []string{`<html lang="en">`, "<title>", "<main>", "<h1"} {
		if !strings.Contains(text, always) {
			t.Errorf("got a page without %q", always)
		}
	}
}

func TestStaticFilesAreServed(t *testing.T) {
	s := open(t, demo.Options{})
	for path, want := range map[string]string{
		"/oauth2/static/demo.css": "text/css; charset=utf-8",
		"/oauth2/static/demo.svg": "image/svg+xml",
	} {
		response, text := s.get(s.client(), path)
		if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != want || text == "" {
			t.Errorf("%s: got %d %q, want 200 %q", path, response.StatusCode, got, want)
		}
	}
}

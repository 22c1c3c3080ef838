package demo_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/demo"
)

func TestSignInReturnsToTheRequestedPage(t *testing.T) {
	s := open(t, demo.Options{})
	client := s.client()
	const asked = "/flow/redirect/token?target=http%3A%2F%2F127.0.0.1%3A1%2Fcb&state=a%2Bb;c&x"
	response, text := s.get(client, asked)
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("got %d, want 403", response.StatusCode)
	}
	back := hidden.FindStringSubmatch(text)
	if back == nil {
		t.Fatalf("got no way back in %s", text)
	}
	if got := s.signIn(client, html.UnescapeString(back[1]), "omar.operator"); got != asked {
		t.Errorf("got back to %s, want %s", got, asked)
	}
	if got := s.see(client, asked, nil).Header.Get("X-Forwarded-Preferred-Username"); got != "omar.operator" {
		t.Errorf("got %q, want omar.operator", got)
	}
}

func TestSignInListsPeopleWithGroups(t *testing.T) {
	s := open(t, demo.Options{})
	client := s.client()
	begun, _ := s.get(client, "/oauth2/start")
	_, text := s.get(client, location(t, begun))
	if len(demo.People()) == 0 {
		t.Fatal("no people to sign in")
	}
	for _, person := range demo.People() {
		for _, want := range append(person.Groups, person.Name, person.Email, `value="`+person.Username+`"`) {
			if !strings.Contains(text, want) {
				t.Errorf("got a page without %s", want)
			}
		}
	}
}

func TestEndedSessionIsAnsweredAsByOauth2Proxy(t *testing.T) {
	for _, test := range []struct {
		name, accept string
		skip         bool
		status       int
		media        string
	}{
		{"a script", "application/json", false, 401, "application/json"},
		{"a script of several tastes", "text/plain, application/json , */*", false, 401, "application/json"},
		{"a script, no button", "application/json", true, 401, "application/json"},
		{"a script with a parameter is no script", "application/json;q=1", false, 403, "text/html; charset=utf-8"},
		{"a browser", "text/html", false, 403, "text/html; charset=utf-8"},
		{"a browser, no button", "text/html", true, 302, ""},
		{"anything", "*/*", false, 403, "text/html; charset=utf-8"},
		{"anything, no button", "*/*", true, 302, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, demo.Options{Flags: demo.Flags{SkipProviderButton: test.skip}})
			response, text := s.do(s.client(), "GET", "/token", nil, func(r *http.Request) {
				r.Header.Set("Accept", test.accept)
			})
			if got := response.Header.Get("Content-Type"); response.StatusCode != test.status || got != test.media {
				t.Errorf("got %d %q, want %d %q", response.StatusCode, got, test.status, test.media)
			}
			if test.status == 401 && strings.TrimSpace(text) != "{}" {
				t.Errorf("got %q, want an empty object", text)
			}
		})
	}
}

func TestSkipProviderButtonKeepsReturnPath(t *testing.T) {
	s := open(t, demo.Options{Flags: demo.Flags{SkipProviderButton: true}})
	client := s.client()
	long := "/flow?x=" + strings.Repeat("y", 300<<10)
	begun, _ := s.get(client, long)
	if got := s.finish(client, begun, "ada.analyst"); got != long {
		t.Errorf("got back to %.40s (%d bytes), want all %d bytes of it", got, len(got), len(long))
	}
	begun, _ = s.get(client, "/oauth2/sign_in?rd=/here")
	if got := s.finish(client, begun, "ada.analyst"); got != "/here" {
		t.Errorf("got back to %s, want /here", got)
	}
}

func TestReturnPathRejectsOtherOrigins(t *testing.T) {
	s := open(t, demo.Options{})
	for _, test := range []struct{ name, back, want string }{
		{"a path", "/echo", "/echo"},
		{"a path and a query", "/a%2Fb/?c=d&e=%2F%2Fevil.example", "/a%2Fb/?c=d&e=%2F%2Fevil.example"},
		{"a URL in the query", "/a?to=https://evil.example//", "/a?to=https://evil.example//"},
		{"dots that stay here", "/a/../b", "/a/../b"},
		{"nothing", "", "/"},
		{"another site", "https://evil.example/", "/"},
		{"another site without a scheme", "//evil.example/", "/"},
		{"three slashes", "///evil.example/", "/"},
		{"a backslash", `/\evil.example/`, "/"},
		{"two backslashes", `\\evil.example/`, "/"},
		{"a backslash later", `/a/..\\evil.example/`, "/"},
		{"a tab that browsers drop", "/\t/evil.example/", "/"},
		{"a line break that browsers drop", "/\r\n/evil.example/", "/"},
		{"a space before", " //evil.example/", "/"},
		{"a NUL", "/\x00/evil.example/", "/"},
		{"a header of its own", "/\r\nSet-Cookie: a=b", "/"},
		{"a script", "javascript:alert(1)", "/"},
		{"a name without a slash", "evil.example", "/"},
		{"a question mark first", "?//evil.example", "/"},
		{"full-width slashes", "/／evil.example", "/"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := s.signIn(s.client(), test.back, "ada.analyst"); got != test.want {
				t.Errorf("after sign-in: got %q, want %q", got, test.want)
			}
			response, _ := s.get(s.client(), "/oauth2/sign_out?rd="+url.QueryEscape(test.back))
			if got := response.Header.Get("Location"); got != test.want {
				t.Errorf("after sign-out: got %q, want %q", got, test.want)
			}
			_, text := s.get(s.client(), "/oauth2/sign_in?rd="+url.QueryEscape(test.back))
			if got := hidden.FindStringSubmatch(text); got == nil || html.UnescapeString(got[1]) != test.want {
				t.Errorf("on the page: got %q, want %q", got, test.want)
			}
		})
	}
}

func TestReturnPathRejectsTwoSlashes(t *testing.T) {
	s := open(t, demo.Options{})
	_, text := s.get(s.client(), s.front.URL+"//evil.example/")
	if got := hidden.FindStringSubmatch(text); got == nil || got[1] != "/" {
		t.Errorf("got %q, want /", got)
	}
}

func TestReturnPathMayComeInNginxHeader(t *testing.T) {
	s := open(t, demo.Options{})
	for back, want := range map[string]string{"/deep?q": "/deep?q", "https://evil.example/": "/"} {
		_, text := s.do(s.client(), "GET", "/oauth2/sign_in", nil, func(r *http.Request) {
			r.Header.Set("X-Auth-Request-Redirect", back)
		})
		if got := hidden.FindStringSubmatch(text); got == nil || got[1] != want {
			t.Errorf("got %q, want %s", got, want)
		}
	}
}

func TestReverseProxyReturnsToForwardedURI(t *testing.T) {
	for _, test := range []struct {
		name          string
		believed      bool
		back, address string
	}{
		{"behind it", true, "/deep?q", "https://token.example.org/oauth2/callback?"},
		{"in front itself", false, "/", "http://127.0.0.1:"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, demo.Options{
				Provider: parse(t, "http://id.example.org"),
				Flags:    demo.Flags{SkipProviderButton: true, ReverseProxy: test.believed},
			})
			client := s.client()
			begun, _ := s.do(client, "GET", "/", nil, func(r *http.Request) {
				r.Header.Set("X-Forwarded-Proto", "https")
				r.Header.Set("X-Forwarded-Host", "token.example.org")
				r.Header.Set("X-Forwarded-Uri", "/deep?q")
			})
			state := parse(t, location(t, begun)).Query().Get("state")
			chosen, _ := s.post(client, "/provider/sign_in", url.Values{"state": {state}, "person": {"ada.analyst"}})
			address := location(t, chosen)
			if !strings.HasPrefix(address, test.address) {
				t.Errorf("got back to the gateway at %s, want %s", address, test.address)
			}
			done, _ := s.get(client, "/oauth2/callback?"+parse(t, address).RawQuery)
			if got := parse(t, location(t, done)).RequestURI(); got != test.back {
				t.Errorf("got back to %s, want %s", got, test.back)
			}
		})
	}
}

func TestSignOutDeletesTheSession(t *testing.T) {
	s := open(t, demo.Options{})
	client := s.signedIn("ada.analyst")
	kept := client.Jar.Cookies(parse(t, s.front.URL))
	s.see(client, "/", nil)
	response, _ := s.get(client, "/oauth2/sign_out?rd=/bye?a=b")
	if got := response.Header.Get("Location"); response.StatusCode != http.StatusFound || got != "/bye?a=b" {
		t.Errorf("got %d to %q, want 302 to /bye?a=b", response.StatusCode, got)
	}
	if left := client.Jar.Cookies(parse(t, s.front.URL)); len(left) != 0 {
		t.Errorf("got cookies %v, want none", left)
	}
	client.Jar.SetCookies(parse(t, s.front.URL), kept)
	if response, _ := s.get(client, "/"); response.StatusCode != http.StatusForbidden {
		t.Errorf("got %d with the old cookie, want 403", response.StatusCode)
	}
}

func TestSessionsOfTwoPeopleAreSeparate(t *testing.T) {
	s := open(t, demo.Options{})
	ada, nora := s.client(), s.client()
	s.signIn(ada, "/", "ada.analyst")
	s.signIn(nora, "/", "nora.newcomer")
	for client, want := range map[*http.Client]string{ada: "ada.analyst", nora: "nora.newcomer"} {
		if got := s.see(client, "/", nil).Header.Get("X-Forwarded-Preferred-Username"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSecondSignInReplacesTheSession(t *testing.T) {
	s := open(t, demo.Options{})
	client := s.signedIn("ada.analyst")
	old := client.Jar.Cookies(parse(t, s.front.URL))
	s.signIn(client, "/", "nora.newcomer")
	if got := s.see(client, "/", nil).Header.Get("X-Forwarded-Preferred-Username"); got != "nora.newcomer" {
		t.Errorf("got %q, want nora.newcomer", got)
	}
	client.Jar.SetCookies(parse(t, s.front.URL), old)
	if response, _ := s.get(client, "/"); response.StatusCode != http.StatusForbidden {
		t.Errorf("got %d with the replaced session, want 403", response.StatusCode)
	}
}

func TestSignInFinishesInTwoTabs(t *testing.T) {
	s := open(t, demo.Options{})
	client := s.client()
	first, _ := s.get(client, "/oauth2/start?rd=/first")
	second, _ := s.get(client, "/oauth2/start?rd=/second")
	if got := s.finish(client, first, "ada.analyst"); got != "/first" {
		t.Errorf("got %s, want /first", got)
	}
	if got := s.finish(client, second, "ada.analyst"); got != "/second" {
		t.Errorf("got %s, want /second", got)
	}
}

// chosen signs in up to the callback's address.
func chosen(s *fixture, client *http.Client) string {
	s.t.Helper()
	begun, _ := s.get(client, "/oauth2/start")
	state := parse(s.t, location(s.t, begun)).Query().Get("state")
	answer, _ := s.post(client, "/provider/sign_in", url.Values{"state": {state}, "person": {"ada.analyst"}})
	return location(s.t, answer)
}

func TestCallbackIsBoundToBrowserAndValidOnce(t *testing.T) {
	s := open(t, demo.Options{})
	client, other := s.client(), s.client()
	s.get(other, "/oauth2/start")
	for _, test := range []struct {
		name string
		by   *http.Client
		edit func(callback string) string
		want int
	}{
		{"as it should be", client, func(c string) string { return c }, 302},
		{"from a browser that never began", s.client(), func(c string) string { return c }, 403},
		{"from a browser that began its own", other, func(c string) string { return c }, 403},
		{"with another code", client, func(c string) string { return strings.Replace(c, "code=", "code=x", 1) }, 403},
		{"with an unknown state", client, func(c string) string { return c + "x" }, 403},
		{"with nothing", client, func(string) string { return "/oauth2/callback" }, 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			response, _ := s.get(test.by, test.edit(chosen(s, client)))
			if response.StatusCode != test.want {
				t.Errorf("got %d, want %d", response.StatusCode, test.want)
			}
		})
	}
	callback := chosen(s, client)
	s.get(client, callback)
	if response, _ := s.get(client, callback); response.StatusCode != http.StatusForbidden {
		t.Errorf("the second time: got %d, want 403", response.StatusCode)
	}
}

func TestCallbackRejectsSignInWithoutPerson(t *testing.T) {
	s := open(t, demo.Options{})
	client := s.client()
	begun, _ := s.get(client, "/oauth2/start")
	state := parse(t, location(t, begun)).Query().Get("state")
	if response, _ := s.get(client, "/oauth2/callback?code=&state="+state); response.StatusCode != http.StatusForbidden {
		t.Errorf("got %d, want 403", response.StatusCode)
	}
}

func TestProviderRejectsForeignForms(t *testing.T) {
	s := open(t, demo.Options{})
	client := s.client()
	begun, _ := s.get(client, "/oauth2/start")
	state := parse(t, location(t, begun)).Query().Get("state")
	good := url.Values{"state": {state}, "person": {"ada.analyst"}}
	for _, test := range []struct {
		name, method, site string
		form               url.Values
		want               int
	}{
		{"another site", "POST", "cross-site", good, 403},
		{"another port of this host", "POST", "same-site", good, 403},
		{"an unknown person", "POST", "same-origin", url.Values{"state": {state}, "person": {"eve"}}, 400},
		{"an unknown state", "POST", "same-origin", url.Values{"state": {"x"}, "person": {"ada.analyst"}}, 400},
		{"another method", "PUT", "same-origin", good, 405},
		{"its own form", "POST", "same-origin", good, 303},
	} {
		t.Run(test.name, func(t *testing.T) {
			response, _ := s.do(client, test.method, "/provider/sign_in", strings.NewReader(test.form.Encode()), func(r *http.Request) {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set("Sec-Fetch-Site", test.site)
			})
			if response.StatusCode != test.want {
				t.Errorf("got %d, want %d", response.StatusCode, test.want)
			}
		})
	}
	if response, _ := s.get(client, "/provider/sign_in?state=unknown"); response.StatusCode != http.StatusBadRequest {
		t.Errorf("unknown state: got %d, want 400", response.StatusCode)
	}
}

func TestSessionCookieHasAttributesOfOauth2Proxy(t *testing.T) {
	for _, test := range []struct {
		name    string
		options demo.Options
		want    string
	}{
		{"default", demo.Options{}, "; Path=/; HttpOnly"},
		{"https in front", demo.Options{Secure: true}, "; Path=/; HttpOnly; Secure"},
		{"lax", demo.Options{Flags: demo.Flags{CookieSameSite: http.SameSiteLaxMode}}, "; Path=/; HttpOnly; SameSite=Lax"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, test.options)
			// The jar would keep a Secure cookie from plain http, so this client has none.
			client := *s.front.Client()
			client.CheckRedirect = s.client().CheckRedirect
			begun, _ := s.get(&client, "/oauth2/start")
			state := parse(t, location(t, begun)).Query().Get("state")
			answer, _ := s.post(&client, "/provider/sign_in", url.Values{"state": {state}, "person": {"ada.analyst"}})
			done, _ := s.do(&client, "GET", location(t, answer), nil, func(r *http.Request) {
				r.AddCookie(begun.Cookies()[0])
			})
			name, rest, _ := strings.Cut(done.Header.Get("Set-Cookie"), "=")
			value, attributes, _ := strings.Cut(rest, ";")
			if name != "_demo_session" || len(value) != 43 || ";"+attributes != test.want {
				t.Errorf("got %s of %d characters with %q, want _demo_session of 43 with %q", name, len(value), attributes, test.want)
			}
		})
	}
}

func TestOldestSessionIsDroppedAtTheLimit(t *testing.T) {
	s := open(t, demo.Options{})
	first, second := s.signedIn("ada.analyst"), s.signedIn("ada.analyst")
	for range 999 {
		s.signedIn("nora.newcomer")
	}
	for client, want := range map[*http.Client]int{first: 403, second: 200} {
		if response, _ := s.get(client, "/"); response.StatusCode != want {
			t.Errorf("got %d, want %d", response.StatusCode, want)
		}
	}
}

func TestOldestSignInIsDroppedAtTheLimit(t *testing.T) {
	s := open(t, demo.Options{})
	client := s.client()
	first, _ := s.get(client, "/oauth2/start")
	second, _ := s.get(client, "/oauth2/start")
	for range 63 {
		s.get(client, "/oauth2/start")
	}
	for begun, want := range map[*http.Response]int{first: 400, second: 200} {
		if response, _ := s.get(client, location(t, begun)); response.StatusCode != want {
			t.Errorf("got %d, want %d", response.StatusCode, want)
		}
	}
}

func TestSignInRejectsUnknownPerson(t *testing.T) {
	s := open(t, demo.Options{})
	if _, err := s.gateway.SignIn(s.front.URL, "eve"); err == nil {
		t.Error("got a session, want an error")
	}
}

func TestAuthAnswersOtherGateways(t *testing.T) {
	s := open(t, demo.Options{})
	client := s.signedIn("ada.analyst")
	for _, path := range []string{"/oauth2/auth", "/oauth2/userinfo"} {
		if response, _ := s.get(s.client(), path); response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a session: got %d, want 401", path, response.StatusCode)
		}
	}
	response, _ := s.get(client, "/oauth2/auth")
	for name, want := range map[string]string{
		"X-Auth-Request-User":               "5f0c4a52-0a6e-4f0e-9d53-0000000000a1",
		"X-Auth-Request-Email":              "ada.analyst@example.org",
		"X-Auth-Request-Preferred-Username": "ada.analyst",
		"X-Auth-Request-Groups":             "analysts,staff",
		"X-Auth-Request-Access-Token":       s.see(client, "/", nil).Header.Get("X-Forwarded-Access-Token"),
		"Authorization":                     "",
	} {
		if got := response.Header.Get(name); response.StatusCode != http.StatusAccepted || got != want {
			t.Errorf("got %d with %s %q, want 202 with %q", response.StatusCode, name, got, want)
		}
	}
}

func TestUserinfoMatchesOauth2Proxy(t *testing.T) {
	s := open(t, demo.Options{})
	for username, want := range map[string]string{
		"ada.analyst":   `{"user":"5f0c4a52-0a6e-4f0e-9d53-0000000000a1","email":"ada.analyst@example.org","groups":["analysts","staff"],"preferredUsername":"ada.analyst"}`,
		"nora.newcomer": `{"user":"5f0c4a52-0a6e-4f0e-9d53-0000000000a3","email":"nora.newcomer@example.org","preferredUsername":"nora.newcomer"}`,
	} {
		_, text := s.get(s.signedIn(username), "/oauth2/userinfo")
		if got := strings.TrimSpace(text); got != want || !json.Valid([]byte(got)) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

package gateway_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/token"
)

func TestTokenAnswersSignedInPerson(t *testing.T) {
	t.Parallel()
	server := open(t)
	answer, body := get(t, server.SignedIn(t, ""), server.Gateway+"/token")
	got := read[document](t, body)
	if answer.status != http.StatusOK || got.Secret == "" || got.Expires == "" || got.Header != "X-Forwarded-Access-Token" || got.TokenType != "Bearer" {
		t.Errorf("got %d with a secret of %d bytes from %q until %q, want the token", answer.status, len(got.Secret), got.Header, got.Expires)
	}
}

// TestTokenHasMembersOfVersion1 reads the members by the names that programs
// written for 1.0.3 know, and checks the fingerprint that 1.0.3 gives.
func TestTokenHasMembersOfVersion1(t *testing.T) {
	t.Parallel()
	server := open(t, func(o *gateway.Options) {
		o.Now = func() time.Time { return time.Date(2026, 1, 15, 10, 30, 0, 0, time.FixedZone("CET", 3600)) }
	})
	answer, body := get(t, server.Client(), server.Direct+"/token", with("example-access-token")...)
	got := read[map[string]any](t, body)
	want := map[string]any{
		"timestamp":   "2026-01-15T09:30:00Z",
		"fingerprint": "c9e25bd1df1d42c51e2e727227c1a2b4c4d0158df0ee193d327d0e5323f5a607",
		"secret":      "example-access-token",
		"header":      "X-Forwarded-Access-Token",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if kind := answer.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("got %s, want application/json", kind)
	}
}

func TestTokenComesFromFirstHeader(t *testing.T) {
	t.Parallel()
	server := open(t)
	for _, test := range []struct {
		name           string
		lines          []string
		secret, header string
	}{
		{"the gateway's own", []string{"X-Forwarded-Access-Token", "a"}, "a", "X-Forwarded-Access-Token"},
		{"that of auth_request", []string{"X-Auth-Request-Access-Token", "a"}, "a", "X-Auth-Request-Access-Token"},
		{"that of nginx", []string{"X-Access-Token", "a"}, "a", "X-Access-Token"},
		{"that of Apache, with underscores", []string{"OIDC_access_token", "a"}, "a", "OIDC_access_token"},
		{"a short name", []string{"Access-Token", "a"}, "a", "Access-Token"},
		{"a shorter one", []string{"Token", "a"}, "a", "Token"},
		{"a bearer", []string{"Authorization", "Bearer a"}, "a", "Authorization"},
		{"an access token before an ID token", []string{"Authorization", "Bearer id", "X-Forwarded-Access-Token", "access"}, "access", "X-Forwarded-Access-Token"},
		{"the order is ours and not that of arrival", []string{"Token", "late", "X-Access-Token", "early"}, "early", "X-Access-Token"},
		{"letter case says nothing", []string{"x-fOrWaRdEd-access-TOKEN", "a"}, "a", "X-Forwarded-Access-Token"},
		{"the scheme in any case", []string{"Authorization", "bEaReR a"}, "a", "Authorization"},
		{"space around and in between", []string{"Authorization", "  Bearer \t  a  "}, "a", "Authorization"},
		{"the scheme in another header", []string{"Token", "Bearer a"}, "a", "Token"},
		{"a token that begins with the scheme's letters", []string{"Token", "bearerish"}, "bearerish", "Token"},
		{"an empty value falls through", []string{"X-Forwarded-Access-Token", "", "Token", "a"}, "a", "Token"},
		{"a blank value falls through", []string{"X-Forwarded-Access-Token", " \t ", "Token", "a"}, "a", "Token"},
		{"a scheme alone falls through", []string{"X-Forwarded-Access-Token", "Bearer ", "Token", "a"}, "a", "Token"},
		{"the same twice is one", []string{"Token", "a", "Token", "Bearer a"}, "a", "Token"},
		{"an empty one beside it", []string{"Token", "", "Token", "a"}, "a", "Token"},
		{"a password falls through", []string{"Authorization", "Basic dXNlcjpwYXNz", "Authorization", "Bearer a"}, "a", "Authorization"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answer, body := get(t, server.Client(), server.Direct+"/token", test.lines...)
			if answer.status != http.StatusOK {
				t.Fatalf("got %d: %s", answer.status, body)
			}
			if got := read[document](t, body); got.Secret != test.secret || got.Header != test.header {
				t.Errorf("got %q from %s, want %q from %s", got.Secret, got.Header, test.secret, test.header)
			}
		})
	}
}

func TestTokenRejectsUnusableValues(t *testing.T) {
	t.Parallel()
	server := open(t)
	for _, test := range []struct {
		name   string
		lines  []string
		kind   string
		detail string
	}{
		{"nothing", nil, "token_not_found", "None of the headers"},
		{"a password", []string{"Authorization", "Basic dXNlcjpwYXNz"}, "token_not_found", "Basic"},
		{"a ticket", []string{"Authorization", "Negotiate YII="}, "token_not_found", "Negotiate"},
		{"a digest", []string{"Authorization", `Digest username="u"`}, "token_not_found", "Digest"},
		{"an unknown scheme", []string{"Authorization", "Fancy a"}, "token_not_found", ""},
		{"a value without a scheme", []string{"Authorization", "a"}, "token_not_found", ""},
		{"a scheme without a value", []string{"Authorization", "Bearer"}, "token_not_found", ""},
		{"a hyphen for an underscore", []string{"OIDC-Access-Token", "a"}, "token_not_found", "OIDC_access_token"},
		{"two different ones", []string{"Token", "a", "Token", "b"}, "token_unusable", "twice"},
		{"two in one line", []string{"Token", "a,b"}, "token_unusable", "comma"},
		{"the same two in one line", []string{"Token", "a, a"}, "token_unusable", "comma"},
		{"a space inside", []string{"Token", "a b"}, "token_unusable", "space"},
		{"two bearers in one", []string{"Authorization", "Bearer a b"}, "token_unusable", "space"},
		{"a control character", []string{"Token", "a\u0085b"}, "token_unusable", ""},
		{"not UTF-8", []string{"Token", "a\xffb"}, "token_unusable", "UTF-8"},
		{"a bad one before a good one", []string{"X-Forwarded-Access-Token", "a,b", "Token", "c"}, "token_unusable", "X-Forwarded-Access-Token"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answer, body := get(t, server.Client(), server.Direct+"/token", test.lines...)
			got := refused(t, answer, body, http.StatusUnauthorized, test.kind)
			if !strings.Contains(got.Detail, test.detail) {
				t.Errorf("got %q, want it to say %q", got.Detail, test.detail)
			}
			if got.Fix == "" {
				t.Error("nothing is said of what to do about it")
			}
		})
	}
}

func TestTokenExplainsMissingHeader(t *testing.T) {
	t.Parallel()
	server := open(t)
	answer, body := get(t, server.Client(), server.Direct+"/token", "X-Forwarded-User", "ada-s-value", "Authorization", "Basic dXNlcjpwYXNz")
	got := refused(t, answer, body, http.StatusUnauthorized, "token_not_found")
	if want := `Bearer realm="token2go"`; answer.header.Get("WWW-Authenticate") != want {
		t.Errorf("got %q, want %q", answer.header.Get("WWW-Authenticate"), want)
	}
	if !slices.Equal(got.Wanted, t2gtest.Names()) {
		t.Errorf("got %v looked for, want %v", got.Wanted, t2gtest.Names())
	}
	if !slices.Contains(got.Arrived, "X-Forwarded-User") || !slices.Contains(got.Arrived, "Authorization") {
		t.Errorf("got %v arrived, want the names of what was sent", got.Arrived)
	}
	if !strings.Contains(got.Fix, "--pass-access-token") {
		t.Errorf("got %q, want the flag of oauth2-proxy", got.Fix)
	}
	for _, value := range []string{"ada-s-value", "dXNlcjpwYXNz"} {
		if strings.Contains(body, value) {
			t.Errorf("the answer holds the value %s: %s", value, body)
		}
	}
	answer, page := get(t, server.Client(), server.Direct+"/token", "X-Forwarded-User", "ada-s-value", "Accept", "text/html")
	for _, part := range []string{"X-Forwarded-Access-Token", "X-Forwarded-User", "--pass-access-token"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page does not say %s", part)
		}
	}
	if answer.status != http.StatusUnauthorized || answer.header.Get("WWW-Authenticate") == "" {
		t.Errorf("got %d, want the page with 401 and a challenge", answer.status)
	}
}

func TestPagesExplainMissingTokenWithoutSignIn(t *testing.T) {
	t.Parallel()
	server := open(t)
	for _, path := range []string{"/", "/index.html", "/echo"} {
		answer, page := get(t, server.Client(), server.Direct+path, "Accept", "text/html")
		if answer.status != http.StatusOK || !strings.Contains(page, "X-Forwarded-Access-Token") {
			t.Errorf("%s: got %d, want 200 and the names that are looked for", path, answer.status)
		}
	}
	if answer, _ := get(t, server.Client(), server.Direct+"/echo"); answer.status != http.StatusOK {
		t.Errorf("got %d from /echo for a program, want 200", answer.status)
	}
}

func TestTokenRejectsOtherSites(t *testing.T) {
	t.Parallel()
	server := open(t)
	for _, test := range []struct {
		name   string
		lines  []string
		status int
	}{
		{"a program without a browser", nil, 200},
		{"our own page's script", fetched("same-origin", "cors", "empty"), 200},
		{"the address bar", byProgram(), 200},
		{"a link on another site, or the way back from a sign-in there", inBrowser(), 200},
		{"the way back from a sign-in on another port", fetched("same-site", "navigate", "document"), 200},
		{"another site's fetch", fetched("cross-site", "cors", "empty"), 403},
		{"another site's blind fetch", fetched("cross-site", "no-cors", "empty"), 403},
		{"another port's fetch", fetched("same-site", "cors", "empty"), 403},
		{"another site's script", fetched("cross-site", "no-cors", "script"), 403},
		{"another site's image", fetched("cross-site", "no-cors", "image"), 403},
		{"another site's style", fetched("cross-site", "no-cors", "style"), 403},
		{"another site's frame", fetched("cross-site", "navigate", "iframe"), 403},
		{"another port's frame", fetched("same-site", "navigate", "iframe"), 403},
		{"a frame of our own", fetched("same-origin", "navigate", "iframe"), 403},
		{"an object", fetched("cross-site", "navigate", "object"), 403},
		{"an embed", fetched("cross-site", "navigate", "embed"), 403},
		{"a script of our own origin", fetched("same-origin", "no-cors", "script"), 403},
		{"a worker", fetched("cross-site", "same-origin", "worker"), 403},
		{"a prefetch", fetched("none", "navigate", "document", "Sec-Purpose", "prefetch"), 503},
		{"a prerender", fetched("none", "navigate", "document", "Sec-Purpose", "prefetch;prerender"), 503},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, path := range []string{"/token", "/echo"} {
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					answer, body := send(t, server.Client(), method, server.Direct+path, "", with("t0ken-of-ada", test.lines...)...)
					if answer.status != test.status {
						t.Errorf("%s %s: got %d, want %d", method, path, answer.status, test.status)
					}
					if test.status != 200 && strings.Contains(body, "t0ken-of-ada") {
						t.Errorf("the refusal holds the token")
					}
				}
			}
		})
	}
}

func TestTokenAnswerIsNotCachedCompressedOrEmbedded(t *testing.T) {
	t.Parallel()
	server := open(t)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		answer, body := send(t, server.Client(), method, server.Direct+"/token", "",
			with(strings.Repeat("a", 20000), "Accept-Encoding", "gzip, deflate, br, zstd")...)
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "Content-Encoding": "", "Cross-Origin-Resource-Policy": "same-origin",
			"Access-Control-Allow-Origin": "", "Content-Type": "application/json",
		} {
			if got := answer.header.Get(name); got != want {
				t.Errorf("%s: got %s %q, want %q", method, name, got, want)
			}
		}
		if answer.length < 20000 || (method == http.MethodHead) != (body == "") {
			t.Errorf("%s: got a length of %d and a body of %d bytes", method, answer.length, len(body))
		}
	}
}

func TestTokenUsesFallbackWithoutHeader(t *testing.T) {
	t.Parallel()
	server := open(t, func(o *gateway.Options) {
		o.Tokens = token.NewExtractor(t2gtest.Names(), secret.New("fallback"))
	})
	_, body := get(t, server.Client(), server.Direct+"/token")
	if got := read[document](t, body); got.Secret != "fallback" || got.Header != "" {
		t.Errorf("got %q from %q, want the fallback from nowhere", got.Secret, got.Header)
	}
	_, body = get(t, server.Client(), server.Direct+"/token", with("real")...)
	if got := read[document](t, body); got.Secret != "real" {
		t.Errorf("got %q, want the gateway's token", got.Secret)
	}
	answer, body := get(t, server.Client(), server.Direct+"/token", with("two,values")...)
	refused(t, answer, body, http.StatusUnauthorized, "token_unusable")
}

func TestTokenHeadIsNotAuditedAsHandOver(t *testing.T) {
	server := open(t)
	if answer, body := send(t, server.Client(), http.MethodHead, server.Direct+"/token", "", with("t0ken")...); answer.status != http.StatusOK || body != "" {
		t.Fatalf("got %d and %q, want 200 and no body", answer.status, body)
	}
	if lines := server.Output.String(); strings.Contains(lines, "handed_over") {
		t.Errorf("got a hand-over on record: %s", lines)
	}
	get(t, server.Client(), server.Direct+"/token", with("t0ken")...)
	if lines := server.Output.String(); strings.Count(lines, "handed_over") != 1 {
		t.Errorf("got %s, want one hand-over on record", lines)
	}
}

package gateway_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/token"
)

// ofAda is the token that tests hand over where its content does not matter.
const ofAda = "t0ken-of-ada"

func TestFlowHandsOverThroughGateway(t *testing.T) {
	t.Parallel()
	server := open(t)
	k := tripleClient(t)
	answer, body := get(t, server.SignedIn(t, ""), server.Gateway+k.path(), byProgram()...)
	got := k.opens(t, redirected(t, answer, body, loopback))
	_, body = get(t, server.SignedIn(t, ""), server.Gateway+"/token")
	want := read[document](t, body)
	if strings.Count(got.Secret, ".") != 2 || got.Header != want.Header || got.TokenType != "Bearer" || got.Expires == "" {
		t.Errorf("got %+v, want a token like that of /token", got)
	}
}

// TestFlowSealsForEveryKindOfKey walks every kind of key with every format. The
// fields are those of docs/protocol.md and no others.
func TestFlowSealsForEveryKindOfKey(t *testing.T) {
	t.Parallel()
	server := open(t)
	for _, k := range flowClients(t) {
		for _, format := range []string{"", "triple", "jwe"} {
			t.Run(k.name+", format "+format, func(t *testing.T) {
				t.Parallel()
				answer, body := get(t, server.Client(), server.Direct+k.path("format="+format), with(ofAda)...)
				if format == "triple" && strings.Contains(k.key, `"EC"`) {
					if why := refusedAtTarget(t, answer, body, loopback, "invalid_request"); !strings.Contains(why, "RSA") {
						t.Errorf("got %q, want it to say that a triple needs an RSA key", why)
					}
					return
				}
				want := []string{"response", "state"}
				if format == "triple" || format == "" && k.kind != "jwk" {
					want = []string{"key", "nonce", "payload", "state"}
				}
				fields := redirected(t, answer, body, loopback)
				if got := slices.Sorted(maps.Keys(fields)); !slices.Equal(got, want) {
					t.Errorf("got fields %v, want %v", got, want)
				}
				got := k.opens(t, fields)
				if got.Secret != ofAda || got.Header != "X-Forwarded-Access-Token" || len(got.Fingerprint) != 64 {
					t.Errorf("got %+v, want the token, where it came from and its fingerprint", got)
				}
				if at, err := time.Parse(time.RFC3339, got.Timestamp); err != nil || time.Since(at).Abs() > time.Minute {
					t.Errorf("got the timestamp %s (%v), want now", got.Timestamp, err)
				}
			})
		}
	}
}

// TestFlowModeFollowsFormat: programs of version one take nothing but a
// redirect, however long.
func TestFlowModeFollowsFormat(t *testing.T) {
	t.Parallel()
	server := open(t)
	long := strings.Repeat("a", 8000)
	for _, test := range []struct {
		name, format, mode, secret string
		posted                     bool
	}{
		{"a triple of a short token", "triple", "", ofAda, false},
		{"a triple of a long token", "triple", "", long, false},
		{"a triple that may be posted", "triple", "auto", long, true},
		{"a short JWE", "jwe", "", ofAda, false},
		{"a long JWE", "jwe", "", long, true},
		{"a long JWE by redirect", "jwe", "query", long, false},
		{"a short JWE by form", "jwe", "form_post", ofAda, true},
		{"a short triple by form", "triple", "form_post", ofAda, true},
		{"a short JWE, whichever way", "jwe", "auto", ofAda, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			k := tripleClient(t)
			answer, body := get(t, server.Client(), server.Direct+k.path("format="+test.format, "responseMode="+test.mode), with(test.secret)...)
			var fields url.Values
			if test.posted {
				fields = posted(t, answer, body, loopback, "http://127.0.0.1:41234")
			} else {
				fields = redirected(t, answer, body, loopback)
			}
			if got := k.opens(t, fields); got.Secret != test.secret {
				t.Errorf("got a secret of %d bytes, want %d", len(got.Secret), len(test.secret))
			}
		})
	}
}

// posted wants a page that posts the answer to the target, and nowhere else, and
// returns what it posts.
func posted(t testing.TB, answer reply, body, target, source string) url.Values {
	t.Helper()
	if answer.status != http.StatusOK || answer.header.Get("Cache-Control") != "no-store" || answer.header.Get("Referrer-Policy") != "no-referrer" {
		t.Fatalf("got %d, %q, %q, want a page that is not stored: %s", answer.status, answer.header.Get("Cache-Control"), answer.header.Get("Referrer-Policy"), body)
	}
	if policy := answer.header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "; form-action "+source) {
		t.Errorf("got the policy %q, want its form to lead to %s alone", policy, source)
	}
	action, fields := pageIn(t, body).form(t)
	if action != target {
		t.Errorf("the form leads to %q, want %s", action, target)
	}
	return fields
}

func TestFlowPageShowsSealedTextAndWords(t *testing.T) {
	t.Parallel()
	server := open(t)
	k := jweClient(t)
	address := server.Direct + k.path("target=", "responseMode=page", "client=my tool")
	answer, body := get(t, server.Client(), address, with(ofAda)...)
	asked := pageIn(t, body)
	if answer.status != http.StatusOK || asked.text("next-page") == "" || strings.Contains(body, "eyJ") {
		t.Fatalf("got %d, want to be asked first: %s", answer.status, body)
	}
	answer, body = decide(t, server.Client(), server.Direct, body, "allow", with(ofAda, fetched("same-origin", "navigate", "document")...)...)
	shown := pageIn(t, body)
	if got := k.unseals(t, shown.text("sealed")); answer.status != http.StatusOK || got.Secret != ofAda {
		t.Errorf("got %d with %+v, want the sealed token to copy", answer.status, got)
	}
	if got, want := shown.text("words"), asked.text("words"); got != want || got == "" {
		t.Errorf("got words %q, want those of the question %q", got, want)
	}
	if got := shown.text("client"); got != "my tool" {
		t.Errorf("got client %q, want my tool", got)
	}
	// The words agree even where a website chose the key and asks for the text.
	if got := shown.text("unasked"); !strings.Contains(got, "do not paste it anywhere") {
		t.Errorf("got the warning %q, want one for who did not start this", got)
	}
}

// decide answers the question on a page with its own form.
func decide(t testing.TB, client *http.Client, origin, body, decision string, lines ...string) (reply, string) {
	t.Helper()
	action, fields := pageIn(t, body).form(t)
	fields.Set("decision", decision)
	return send(t, client, http.MethodPost, origin+action, fields.Encode(),
		append([]string{"Content-Type", "application/x-www-form-urlencoded"}, lines...)...)
}

// TestFlowReportsErrorsToClient has the refusals that go to an allowed target.
func TestFlowReportsErrorsToClient(t *testing.T) {
	t.Parallel()
	server := open(t)
	for _, test := range []struct{ name, change, detail string }{
		{"no key", "publicKey=", "publicKey is missing"},
		{"no type", "publicKeyType=", "publicKeyType is missing"},
		{"a key that is none", "publicKey=x", "publicKey: "},
		{"an unknown type", "publicKeyType=pem", "publicKeyType: "},
		{"a key of another type", "publicKeyType=rsa2048-rfc8017-pksc1-pem", "publicKey: "},
		{"an unknown format", "format=jws", "format must be triple or jwe"},
		{"an unknown mode", "responseMode=fragment", "responseMode must be"},
		{"a name with a line end", "client=a\nb", "client holds a character"},
		{"a lifetime in words", "minTTL=soon", "minTTL must be"},
		{"a lifetime of more than a day", "minTTL=86401", "86400"},
		{"a state that is too long", "state=" + strings.Repeat("s", 1025), "1025 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answer, body := get(t, server.Client(), server.Direct+tripleClient(t).path(test.change), with(ofAda)...)
			if why := refusedAtTarget(t, answer, body, loopback, "invalid_request"); !strings.Contains(why, test.detail) {
				t.Errorf("got %q, want it to say %q", why, test.detail)
			}
		})
	}
}

func TestFlowRejectsDisabledModes(t *testing.T) {
	t.Parallel()
	server := open(t, func(o *gateway.Options) { o.Rules.Modes = flow.Modes{flow.ModeQuery} })
	k := tripleClient(t)
	answer, body := get(t, server.Client(), server.Direct+k.path("responseMode=form_post"), with(ofAda)...)
	refusedAtTarget(t, answer, body, loopback, "invalid_request")
	answer, body = get(t, server.Client(), server.Direct+k.path("target=", "responseMode=page"), with(ofAda)...)
	refused(t, answer, body, http.StatusBadRequest, "invalid_request")
	answer, body = get(t, server.Client(), server.Direct+k.path("format=jwe"), with(strings.Repeat("a", 8000))...)
	k.opens(t, redirected(t, answer, body, loopback)) // auto has nothing else to choose
}

// clock makes the server's time one that a test chooses.
func clock(now func() time.Time) func(*gateway.Options) {
	return func(o *gateway.Options) { o.Now = now }
}

func at(when time.Time) func() time.Time { return func() time.Time { return when } }

// noon is when tests happen that look at lifetimes.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// jwtUntil is a token that is a JWT and expires then.
func jwtUntil(expires time.Time) string {
	return encodedJWT(fmt.Sprintf(`{"iss":"https://id.example.org","sub":"ada","typ":"Bearer","exp":%d}`, expires.Unix()))
}

func encodedJWT(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode([]byte(claims)) + ".c2lnbmF0dXJl"
}

// TestFlowAcceptsLargestKeys makes a key of a size that the vectors do not have.
func TestFlowAcceptsLargestKeys(t *testing.T) {
	t.Parallel()
	server := open(t)
	private, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		t.Fatal(err)
	}
	public, err := seal.NewKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	k := flowClient{private: private, kind: "jwk", key: public.JWK()}
	for _, format := range []string{"triple", "jwe"} {
		answer, body := get(t, server.Client(), server.Direct+k.path("format="+format), with(ofAda)...)
		if got := k.opens(t, redirected(t, answer, body, loopback)); got.Secret != ofAda {
			t.Errorf("%s: got %q, want the token", format, got.Secret)
		}
	}
}

func TestEnvelopeHasIssuerAndExpiry(t *testing.T) {
	t.Parallel()
	server := open(t, clock(at(noon)), func(o *gateway.Options) { o.Rules.Issuer = "https://t2g.example.org" })
	k, text := jweClient(t), jwtUntil(noon.Add(time.Hour))
	answer, body := get(t, server.Client(), server.Direct+k.path(), "Authorization", "Bearer "+text)
	opened, err := seal.OpenJWE(k.private, redirected(t, answer, body, loopback).Get("response"), someState)
	if err != nil {
		t.Fatal(err)
	}
	if opened.Issuer != "https://t2g.example.org" || !opened.IssuedAt.Equal(noon) {
		t.Errorf("got it from %q at %v, want the public URL and now", opened.Issuer, opened.IssuedAt)
	}
	got := read[map[string]string](t, opened.Plaintext.Reveal())
	fingerprint := token.Fingerprint(secret.New(text))
	want := map[string]string{
		"timestamp": "2026-03-01T12:00:00Z", "fingerprint": fingerprint, "secret": text,
		"expires": "2026-03-01T13:00:00Z", "header": "Authorization", "tokenType": "Bearer",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFlowKeepsTargetAddress(t *testing.T) {
	t.Parallel()
	server := open(t)
	for _, test := range []struct{ name, change, target string }{
		{"no path", "target=http://127.0.0.1:41234", "http://127.0.0.1:41234/"},
		{"no port", "target=http://127.0.0.1/cb", "http://127.0.0.1/cb"},
		{"localhost", "target=http://localhost:41234/cb", "http://localhost:41234/cb"},
		{"IPv6", "target=http://[::1]:41234/cb", "http://[::1]:41234/cb"},
		{"a query of its own", "target=http://127.0.0.1:41234/cb?b=2&a=%31&c", "http://127.0.0.1:41234/cb?b=2&a=%31&c"},
		{"a query with every punctuation character", "target=http://127.0.0.1:41234/-._~!$&'()*+,=:@/?x=-._~!$'()*+,=:@/?", "http://127.0.0.1:41234/-._~!$&'()*+,=:@/?x=-._~!$'()*+,=:@/?"},
		{"percent signs stay as they are", "target=http://127.0.0.1:41234/%7Ea%2fb", "http://127.0.0.1:41234/%7Ea%2fb"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			k := tripleClient(t)
			answer, body := get(t, server.Client(), server.Direct+k.path(test.change), with(ofAda)...)
			if got := k.opens(t, redirected(t, answer, body, test.target)); got.Secret != ofAda {
				t.Errorf("got %q, want the token", got.Secret)
			}
			answer, body = get(t, server.Client(), server.Direct+k.path(test.change, "state="), with(ofAda)...)
			refusedAtTarget(t, answer, body, test.target, "invalid_request")
		})
	}
}

func TestFlowAcceptsPortAndPath(t *testing.T) {
	t.Parallel()
	server := open(t)
	k := jweClient(t)
	for _, test := range []struct{ port, path, target string }{
		{"41234", "", "http://127.0.0.1:41234/"},
		{"41234", "cb", "http://127.0.0.1:41234/cb"},
		{"41234", "/cb", "http://127.0.0.1:41234/cb"},
		{"1", "/a/b%2Fc", "http://127.0.0.1:1/a/b%2Fc"},
		{"65535", "//evil.example", "http://127.0.0.1:65535//evil.example"},
		{"80", "@evil.example/", "http://127.0.0.1:80/@evil.example/"},
	} {
		answer, body := get(t, server.Client(), server.Direct+k.path("target=", "port="+test.port, "path="+test.path), with(ofAda)...)
		if got := k.opens(t, redirected(t, answer, body, test.target)); got.Secret != ofAda {
			t.Errorf("%v: got %q, want the token", test, got.Secret)
		}
	}
}

// TestFormPostsOnlyToTarget: a policy cannot name [::1], so it names the port.
func TestFormPostsOnlyToTarget(t *testing.T) {
	t.Parallel()
	server := open(t)
	for target, source := range map[string]string{
		"http://127.0.0.1:41234/cb?a=%31&b": "http://127.0.0.1:41234",
		"http://localhost:41234/cb":         "http://localhost:41234",
		"http://localhost/cb":               "http://localhost",
		"http://[::1]:41234/cb":             "http://*:41234",
		"http://[::1]/cb":                   "http://*:80",
	} {
		for _, k := range []flowClient{tripleClient(t), jweClient(t)} {
			answer, body := get(t, server.Client(), server.Direct+k.path("target="+target, "responseMode=form_post", "client=my <b>tool</b>"), with(ofAda)...)
			if got := k.opens(t, posted(t, answer, body, target, source)); got.Secret != ofAda {
				t.Errorf("%s: got %q, want the token", target, got.Secret)
			}
			if got := pageIn(t, body).text("client"); got != "my <b>tool</b>" {
				t.Errorf("%s: got client %q, want it as text", target, got)
			}
		}
	}
}

// TestAutoModeSwitchesAtMaxURL finds the byte at which the redirect becomes a
// form. A JWE of one token for one key has the same length each time.
func TestAutoModeSwitchesAtMaxURL(t *testing.T) {
	t.Parallel()
	k := jweClient(t)
	limited := func(limit int) (reply, string) {
		server := open(t, func(o *gateway.Options) { o.Rules.MaxURL = limit })
		return get(t, server.Client(), server.Direct+k.path(), with(ofAda)...)
	}
	answer, body := limited(3072)
	redirected(t, answer, body, loopback)
	length := len(answer.header.Get("Location"))
	answer, body = limited(length)
	redirected(t, answer, body, loopback)
	answer, body = limited(length - 1)
	k.opens(t, posted(t, answer, body, loopback, "http://127.0.0.1:41234"))
}

func TestFlowEnforcesMinTTL(t *testing.T) {
	t.Parallel()
	server := open(t, clock(at(noon)))
	for _, test := range []struct {
		name, secret, minTTL string
		fits                 bool
	}{
		{"nothing asked", jwtUntil(noon.Add(time.Second)), "", true},
		{"just enough", jwtUntil(noon.Add(time.Minute)), "60", true},
		{"a second too little", jwtUntil(noon.Add(59 * time.Second)), "60", false},
		{"a day", jwtUntil(noon.Add(24 * time.Hour)), "86400", true},
		{"nothing asked of one that expired", jwtUntil(noon), "", false},
		{"zero asked of one that expired", jwtUntil(noon.Add(-time.Hour)), "0", false},
		{"one whose lifetime is not known", ofAda, "86400", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			k := jweClient(t)
			answer, body := get(t, server.Client(), server.Direct+k.path("minTTL="+test.minTTL), with(test.secret)...)
			if !test.fits {
				refusedAtTarget(t, answer, body, loopback, "token_expiring")
				return
			}
			if got := k.opens(t, redirected(t, answer, body, loopback)); got.Secret != test.secret {
				t.Errorf("got %q, want the token", got.Secret)
			}
		})
	}
}

func TestFlowReturnsStateUnchanged(t *testing.T) {
	t.Parallel()
	server := open(t)
	k := tripleClient(t)
	for _, state := range []string{"s", strings.Repeat("s", 1024), strings.Repeat("ä", 512), " &=#%+;\"\\<>", "\u2028😀"} {
		answer, body := get(t, server.Client(), server.Direct+k.path("state="+state), with(ofAda)...)
		if got := redirected(t, answer, body, loopback).Get("state"); got != state {
			t.Errorf("got state %q, want %q", got, state)
		}
		answer, body = get(t, server.Client(), server.Direct+k.path("state="+state, "format=x"), with(ofAda)...)
		if got := redirected(t, answer, body, loopback).Get("state"); got != state {
			t.Errorf("got state %q with the error, want %q", got, state)
		}
	}
	answer, body := get(t, server.Client(), server.Direct+k.path("state=a\nb"), with(ofAda)...)
	if fields := redirected(t, answer, body, loopback); fields.Has("state") || fields.Get("error") != "invalid_request" {
		t.Errorf("got %v, want a refusal that does not repeat the state", fields)
	}
}

// TestFlowAnswersBadTargetsWithoutRedirect: the target may belong to the author of the link.
func TestFlowAnswersBadTargetsWithoutRedirect(t *testing.T) {
	t.Parallel()
	server := open(t)
	for _, test := range []struct {
		name, query  string
		status       int
		kind, detail string
	}{
		{"no target", tripleClient(t).query("target="), 400, "invalid_request", "target is missing"},
		{"another's name for it", tripleClient(t).query("target=", "redirect_uri="+loopback), 400, "invalid_request", "redirect_uri"},
		{"two targets", tripleClient(t).query() + "&target=" + loopback, 400, "invalid_request", "target is given more than once"},
		{"a target and an empty one", tripleClient(t).query() + "&target=", 400, "invalid_request", "target is given more than once"},
		{"a target and a port", tripleClient(t).query("port=41234"), 400, "invalid_request", "give one of them"},
		{"a path without a port", tripleClient(t).query("target=", "path=cb"), 400, "invalid_request", "port is missing"},
		{"two ports", tripleClient(t).query("target=", "port=1") + "&port=2", 400, "invalid_request", "port is given more than once"},
		{"a target elsewhere", tripleClient(t).query("target=http://evil.example/"), 403, "target_not_allowed", "target not allowed"},
		{"a target with a fragment", tripleClient(t).query("target=" + loopback + "#"), 403, "target_not_allowed", "fragment"},
		{"a target with a user", tripleClient(t).query("target=http://127.0.0.1@evil.example/"), 403, "target_not_allowed", "user name"},
		{"a target elsewhere, and all else wrong", "target=https://evil.example/", 403, "target_not_allowed", "T2G_FLOW_TARGETS"},
		{"no port at all", tripleClient(t).query("target=", "port=0"), 403, "target_not_allowed", "port must be"},
		{"a path that leaves the path", tripleClient(t).query("target=", "port=80", "path=a?b"), 403, "target_not_allowed", "path holds"},
		{"a page with a target", tripleClient(t).query("responseMode=page"), 400, "invalid_request", "takes no target"},
		{"a page without a key", tripleClient(t).query("responseMode=page", "target=", "publicKey="), 400, "invalid_request", "publicKey is missing"},
		{"a page in three parts", tripleClient(t).query("responseMode=page", "target=", "format=triple"), 400, "invalid_request", "must be jwe"},
		{"a broken percent sign", tripleClient(t).query() + "&x=%", 400, "invalid_request", "two hexadecimal digits"},
		{"a raw semicolon", tripleClient(t).query() + ";x=1", 400, "invalid_request", "semicolon"},
		{"a NUL", tripleClient(t).query() + "&x=%00", 400, "invalid_request", "NUL"},
		{"what is not UTF-8", tripleClient(t).query() + "&x=%ff", 400, "invalid_request", "UTF-8"},
		{"nothing", "", 400, "invalid_request", "target is missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			address := server.Direct + flowPath + "?" + test.query
			answer, body := get(t, server.Client(), address, with(ofAda)...)
			if got := refused(t, answer, body, test.status, test.kind); !strings.Contains(strings.ReplaceAll(got.Detail, "`", ""), test.detail) {
				t.Errorf("got %q, want it to say %q", got.Detail, test.detail)
			}
			answer, body = get(t, server.Client(), address, with(ofAda, byProgram()...)...)
			if answer.status != test.status || answer.header.Get("Location") != "" || len(pageIn(t, body).with("form")) > 0 {
				t.Errorf("a browser got %d to %q, want the page of a refusal", answer.status, answer.header.Get("Location"))
			}
		})
	}
}

func TestFlowNamesDoubledAndUnknownParameters(t *testing.T) {
	t.Parallel()
	server := open(t)
	k := tripleClient(t)
	for _, test := range []struct{ query, detail string }{
		{k.query() + "&state=x", "state is given more than once"},
		{k.query() + "&publicKey=x", "publicKey is given more than once"},
		{k.query() + "&publicKeyType=jwk", "publicKeyType is given more than once"},
		{k.query("format=jwe") + "&format=jwe", "format is given more than once"},
		{k.query("responseMode=query") + "&responseMode=page", "responseMode is given more than once"},
		{k.query("client=a") + "&client=a", "client is given more than once"},
		{k.query("minTTL=1") + "&minTTL=", "minTTL is given more than once"},
		{k.query("publicKey=", "publickey=x"), "publickey was given, was that meant?"},
		{k.query("publicKey=", "public_key=x"), "public_key was given, was that meant?"},
		{k.query("publicKeyType=", "public-key-type=x"), "public-key-type was given, was that meant?"},
		{k.query("state=", "State=x"), "State was given, was that meant?"},
	} {
		answer, body := get(t, server.Client(), server.Direct+flowPath+"?"+test.query, with(ofAda)...)
		if why := refusedAtTarget(t, answer, body, loopback, "invalid_request"); !strings.Contains(why, test.detail) {
			t.Errorf("got %q, want it to say %q", why, test.detail)
		}
	}
}

func TestFlowReportsMissingTokenToClient(t *testing.T) {
	t.Parallel()
	server := open(t)
	k := jweClient(t)
	for _, test := range []struct {
		name, detail, kind string
		lines              []string
	}{
		{"none", "X-Forwarded-Access-Token", "token_not_found", nil},
		{"a password", "the gateway sent no token", "token_not_found", []string{"Authorization", "Basic dXNlcjpwYXNz"}},
		{"two in one", "comma", "token_unusable", with("a,b")},
		{"two", "twice", "token_unusable", with("a", with("b")...)},
		{"a space", "space", "token_unusable", with("a b")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answer, body := get(t, server.Client(), server.Direct+k.path(), test.lines...)
			if why := refusedAtTarget(t, answer, body, loopback, "token_not_found"); !strings.Contains(why, test.detail) || strings.Contains(why, "dXNlcjpwYXNz") {
				t.Errorf("got %q, want it to say %q", why, test.detail)
			}
			answer, body = get(t, server.Client(), server.Direct+k.path("target=", "responseMode=page"), test.lines...)
			refused(t, answer, body, http.StatusUnauthorized, test.kind)
			if want := `Bearer realm="token2go"`; answer.header.Get("WWW-Authenticate") != want {
				t.Errorf("got the challenge %q, want %q", answer.header.Get("WWW-Authenticate"), want)
			}
		})
	}
}

// A refusal is on record for the reason that it was answered with, in the words of the
// metrics. Those of what no person opened once had no line, and an edited answer that of
// a mistake.
func TestFlowAuditsEachRefusal(t *testing.T) {
	t.Parallel()
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	prefetch := fetched("none", "navigate", "document", "Sec-Purpose", "prefetch")
	frame := fetched("cross-site", "navigate", "iframe")
	for _, test := range []struct {
		name, method, path, body string
		lines                    []string
		reason                   string
	}{
		{"a prefetch of the flow", http.MethodGet, jweClient(t).path(), "", prefetch, "prefetch_refused"},
		{"a frame with the flow", http.MethodGet, jweClient(t).path(), "", frame, "cross_site"},
		{"a frame's answer", http.MethodPost, jweClient(t).path(), "decision=allow", append(frame, form...), "cross_site"},
		{"another site's answer", http.MethodPost, jweClient(t).path(), "decision=allow", append(fetched("cross-site", "navigate", "document"), form...), "cross_site"},
		{"an answer without a decision", http.MethodPost, jweClient(t).path(), "x=y", append(fromOurPage(), form...), "invalid_request"},
		{"an answer beyond measure", http.MethodPost, jweClient(t).path(), strings.Repeat("x", 17<<10), append(fromOurPage(), form...), "body_too_large"},
		{"an answer to no question", http.MethodPost, jweClient(t).path(), "decision=allow", append(fromOurPage(), form...), "answer_refused"},
		{"a target elsewhere", http.MethodGet, jweClient(t).path("target=http://evil.example/"), "", nil, "target_not_allowed"},
		{"two tokens", http.MethodGet, jweClient(t).path(), "", with("another"), "token_unusable"},
		{"a prefetch of the token", http.MethodGet, "/token", "", prefetch, "prefetch_refused"},
		{"a frame with the token", http.MethodGet, "/token", "", frame, "cross_site"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := open(t)
			send(t, server.Client(), test.method, server.Direct+test.path, test.body, with(ofAda, test.lines...)...)
			output := server.Output.String()
			if want := `"decision":"refused"`; strings.Count(output, want) != 1 || !strings.Contains(output, `"reason":"`+test.reason+`"`) {
				t.Errorf("got %s, want one refusal for %s", output, test.reason)
			}
		})
	}
}

func TestFlowRejectsRequestsThatAreNoNavigation(t *testing.T) {
	t.Parallel()
	server := open(t, func(o *gateway.Options) { o.Rules.Consent = flow.ConsentNever })
	for _, test := range []struct {
		name   string
		lines  []string
		status int
		kind   string
	}{
		{"a prefetch", fetched("none", "navigate", "document", "Sec-Purpose", "prefetch"), 503, "prefetch_refused"},
		{"a prerender", fetched("none", "navigate", "document", "Sec-Purpose", "prefetch;prerender"), 503, "prefetch_refused"},
		{"a frame", fetched("cross-site", "navigate", "iframe"), 403, "cross_site"},
		{"a frame of our own", fetched("same-origin", "navigate", "iframe"), 403, "cross_site"},
		{"an image", fetched("cross-site", "no-cors", "image"), 403, "cross_site"},
		{"a script", fetched("cross-site", "no-cors", "script"), 403, "cross_site"},
		{"a fetch", fetched("same-origin", "cors", "empty"), 403, "cross_site"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			lines := with(ofAda, append(test.lines, "Content-Type", "application/x-www-form-urlencoded")...)
			lines[slices.Index(lines, "Accept")+1] = "*/*"
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				answer, body := send(t, server.Client(), method, server.Direct+jweClient(t).path(), "decision=allow", lines...)
				refused(t, answer, body, test.status, test.kind)
				if answer.status == 503 && answer.header.Get("Retry-After") == "" {
					t.Error("the answer has no Retry-After")
				}
			}
		})
	}
}

// broken is a log whose disk is full.
type broken struct{ slog.Handler }

func (broken) Handle(context.Context, slog.Record) error {
	return errors.New("no space left on device")
}

// TestFlowHandsNothingOverWithoutRecord: neither is the person asked.
func TestFlowHandsNothingOverWithoutRecord(t *testing.T) {
	t.Parallel()
	server := open(t, func(o *gateway.Options) { o.Audit = audit.New(broken{o.Access}) })
	k := jweClient(t)
	for _, address := range []string{"/token", k.path(), k.path("format=jwe", "responseMode=form_post"), k.path("target=", "responseMode=page")} {
		answer, body := get(t, server.Client(), server.Direct+address, with(ofAda)...)
		refused(t, answer, body, http.StatusInternalServerError, "internal_error")
		if strings.Contains(body, ofAda) || strings.Contains(body, "space left") {
			t.Errorf("%s: the answer contains too much: %s", address, body)
		}
	}
	if !strings.Contains(server.Output.String(), "no space left on device") {
		t.Error("the log has no cause")
	}
}

func TestFlowAcceptsConfiguredTargetsOnly(t *testing.T) {
	t.Parallel()
	hub, err := flow.ParsePattern("https://hub.example.org/user/*/token2go/**")
	if err != nil {
		t.Fatal(err)
	}
	server := open(t, func(o *gateway.Options) {
		o.Rules.Targets, o.Rules.Consent = []flow.Pattern{hub}, flow.ConsentNever
	})
	const target = "https://hub.example.org/user/ada/token2go/cb?a=1"
	for _, k := range []flowClient{tripleClient(t), jweClient(t)} {
		answer, body := get(t, server.Client(), server.Direct+k.path("target="+target), with(ofAda)...)
		if got := pageIn(t, body).text("target"); answer.status != http.StatusOK || got != target {
			t.Fatalf("got %d and a question for %q, want to be asked for %s", answer.status, got, target)
		}
		answer, body = decide(t, server.Client(), server.Direct, body, "allow", with(ofAda, fetched("same-origin", "navigate", "document")...)...)
		if got := k.opens(t, redirected(t, answer, body, target)); got.Secret != ofAda {
			t.Errorf("got %q, want the token", got.Secret)
		}
	}
	for _, elsewhere := range []string{
		"https://hub.example.org/user/ada/other/cb", "https://hub.example.org/user/ada/../token2go/cb",
		"https://hub.example.org.evil.example/user/ada/token2go/cb", "http://hub.example.org/user/ada/token2go/cb",
		"https://hub.example.org:8443/user/ada/token2go/cb", "https://hub.example.org/user/a%2Fb/token2go/cb",
	} {
		answer, body := get(t, server.Client(), server.Direct+tripleClient(t).path("target="+elsewhere), with(ofAda)...)
		refused(t, answer, body, http.StatusForbidden, "target_not_allowed")
	}
}

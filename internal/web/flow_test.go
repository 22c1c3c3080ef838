package web_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"token2go/internal/flow"
	"token2go/internal/web"
)

// ofAda is the token that tests hand over where its content does not matter.
const ofAda = "t0ken-of-ada"

func TestAProgramGetsTheTokenThroughTheGateway(t *testing.T) {
	t.Parallel()
	house := open(t)
	k := classic(t)
	answer, body := get(t, house.SignedIn(t, ""), house.Gateway+k.path(), byProgram()...)
	got := k.opens(t, redirected(t, answer, body, loopback))
	_, body = get(t, house.SignedIn(t, ""), house.Gateway+"/token")
	want := read[document](t, body)
	if strings.Count(got.Secret, ".") != 2 || got.Header != want.Header || got.TokenType != "Bearer" || got.Expires == "" {
		t.Errorf("got %+v, want a token like that of /token", got)
	}
}

// TestEveryKindOfKeyGetsTheTokenSealed walks every kind of key with every format. The
// fields are those of docs/protocol.md and no others.
func TestEveryKindOfKeyGetsTheTokenSealed(t *testing.T) {
	t.Parallel()
	house := open(t)
	for _, k := range knockers(t) {
		for _, format := range []string{"", "triple", "jwe"} {
			t.Run(k.name+", format "+format, func(t *testing.T) {
				t.Parallel()
				answer, body := get(t, house.Visitor(), house.Direct+k.path("format="+format), with(ofAda)...)
				if format == "triple" && strings.Contains(k.key, `"EC"`) {
					if why := turnedAway(t, answer, body, loopback, "invalid_request"); !strings.Contains(why, "RSA") {
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

// TestTheAnswersModeFollowsTheFormat: programs of version one take nothing but a
// redirect, however long.
func TestTheAnswersModeFollowsTheFormat(t *testing.T) {
	t.Parallel()
	house := open(t)
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
			k := classic(t)
			answer, body := get(t, house.Visitor(), house.Direct+k.path("format="+test.format, "responseMode="+test.mode), with(test.secret)...)
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
		t.Fatalf("got %d, %q, %q, want a page that nobody keeps: %s", answer.status, answer.header.Get("Cache-Control"), answer.header.Get("Referrer-Policy"), body)
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

func TestAPageToPasteShowsTheSealedTextAndTheWords(t *testing.T) {
	t.Parallel()
	house := open(t)
	k := modern(t)
	address := house.Direct + k.path("target=", "responseMode=page", "client=my tool")
	answer, body := get(t, house.Visitor(), address, with(ofAda)...)
	asked := pageIn(t, body)
	if answer.status != http.StatusOK || asked.text("next-page") == "" || strings.Contains(body, "eyJ") {
		t.Fatalf("got %d, want to be asked first: %s", answer.status, body)
	}
	answer, body = decide(t, house.Visitor(), house.Direct, body, "allow", with(ofAda, fetched("same-origin", "navigate", "document")...)...)
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
}

// decide answers the question on a page with its own form.
func decide(t testing.TB, client *http.Client, origin, body, decision string, lines ...string) (reply, string) {
	t.Helper()
	action, fields := pageIn(t, body).form(t)
	fields.Set("decision", decision)
	return send(t, client, http.MethodPost, origin+action, fields.Encode(),
		append([]string{"Content-Type", "application/x-www-form-urlencoded"}, lines...)...)
}

// TestWhatIsWrongIsToldToTheProgram has the refusals that go to an allowed target.
func TestWhatIsWrongIsToldToTheProgram(t *testing.T) {
	t.Parallel()
	house := open(t)
	for _, test := range []struct{ name, change, says string }{
		{"no key", "publicKey=", "publicKey is missing"},
		{"no type", "publicKeyType=", "publicKeyType is missing"},
		{"a key that is none", "publicKey=x", "publicKey: "},
		{"a type that nobody knows", "publicKeyType=pem", "publicKeyType: "},
		{"a key of another type", "publicKeyType=rsa2048-rfc8017-pksc1-pem", "publicKey: "},
		{"a format that nobody knows", "format=jws", "format must be triple or jwe"},
		{"a mode that nobody knows", "responseMode=fragment", "responseMode must be"},
		{"a name with a line end", "client=a\nb", "client holds a character"},
		{"a lifetime in words", "minTTL=soon", "minTTL must be"},
		{"a lifetime of more than a day", "minTTL=86401", "86400"},
		{"a state that is too long", "state=" + strings.Repeat("s", 1025), "1025 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answer, body := get(t, house.Visitor(), house.Direct+classic(t).path(test.change), with(ofAda)...)
			if why := turnedAway(t, answer, body, loopback, "invalid_request"); !strings.Contains(why, test.says) {
				t.Errorf("got %q, want it to say %q", why, test.says)
			}
		})
	}
}

func TestAModeThatIsSwitchedOffIsRefused(t *testing.T) {
	t.Parallel()
	house := open(t, func(o *web.Options) { o.Rules.Modes = flow.Modes{flow.ModeQuery} })
	k := classic(t)
	answer, body := get(t, house.Visitor(), house.Direct+k.path("responseMode=form_post"), with(ofAda)...)
	turnedAway(t, answer, body, loopback, "invalid_request")
	answer, body = get(t, house.Visitor(), house.Direct+k.path("target=", "responseMode=page"), with(ofAda)...)
	refused(t, answer, body, http.StatusBadRequest, "invalid_request")
	answer, body = get(t, house.Visitor(), house.Direct+k.path("format=jwe"), with(strings.Repeat("a", 8000))...)
	k.opens(t, redirected(t, answer, body, loopback)) // auto has nothing else to choose
}

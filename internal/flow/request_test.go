package flow

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/token"
)

func TestParseReadsEveryParameter(t *testing.T) {
	request, err := newFlow().Rules.parse(ask(t, "format=jwe", "responseMode=form_post", "client=my tool 1.0", "minTTL=90", "unknown=x"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.NewKey(&testRSA(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(request.Target, request.State, request.Key.ID(), request.Format, request.Mode, request.Client, request.MinTTL)
	want := fmt.Sprint(plainTarget, "st4te", key.ID(), FormatJWE, ModeFormPost, "my tool 1.0", 90*time.Second)
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseTreatsEmptyParameterAsAbsent(t *testing.T) {
	request, err := newFlow().Rules.parse(ask(t, "format=", "responseMode=", "client=", "minTTL=", "port=", "path="))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%s %s %q %s", request.Format, request.Mode, request.Client, request.MinTTL); got != `triple query "" 0s` {
		t.Errorf("got %s, want the defaults", got)
	}
}

// keyChanges are what makes each kind of key of a good request.
func keyChanges(t *testing.T) map[string][]string {
	t.Helper()
	rsaJWK, ecJWK := jwkOf(t, &testRSA(t).PublicKey), jwkOf(t, &testEC(t).PublicKey)
	return map[string][]string{
		"X.509 PEM": nil,
		"PKCS1 PEM": {"publicKeyType=" + string(seal.PKCS1PEM), "publicKey=" + pkcs1PEM(&testRSA(t).PublicKey)},
		"RSA JWK":   {"publicKeyType=jwk", "publicKey=" + rsaJWK},
		"EC JWK":    {"publicKeyType=jwk", "publicKey=" + ecJWK},
	}
}

// TestParseDefaultsFormatAndModeByKey walks the whole matrix. A want that begins with an
// exclamation mark is a refusal; one of page is answered here.
func TestParseDefaultsFormatAndModeByKey(t *testing.T) {
	keys := keyChanges(t)
	for _, test := range []struct{ format, mode, pem, rsaJWK, ecJWK string }{
		{"", "", "triple query", "jwe auto", "jwe auto"},
		{"", "query", "triple query", "jwe query", "jwe query"},
		{"", "form_post", "triple form_post", "jwe form_post", "jwe form_post"},
		{"", "auto", "triple auto", "jwe auto", "jwe auto"},
		{"", "page", "jwe page", "jwe page", "jwe page"},
		{"triple", "", "triple query", "triple query", "!RSA key"},
		{"triple", "query", "triple query", "triple query", "!RSA key"},
		{"triple", "form_post", "triple form_post", "triple form_post", "!RSA key"},
		{"triple", "auto", "triple auto", "triple auto", "!RSA key"},
		{"triple", "page", "!must be jwe", "!must be jwe", "!must be jwe"},
		{"jwe", "", "jwe auto", "jwe auto", "jwe auto"},
		{"jwe", "query", "jwe query", "jwe query", "jwe query"},
		{"jwe", "form_post", "jwe form_post", "jwe form_post", "jwe form_post"},
		{"jwe", "auto", "jwe auto", "jwe auto", "jwe auto"},
		{"jwe", "page", "jwe page", "jwe page", "jwe page"},
		{"JWE", "", "!triple or jwe", "!triple or jwe", "!triple or jwe"},
		{"jwt", "page", "!triple or jwe", "!triple or jwe", "!triple or jwe"},
		{"", "fragment", "!query, form_post, auto or page", "!query, form_post, auto or page", "!query, form_post, auto or page"},
		{"", "Page", "!query, form_post, auto or page", "!query, form_post, auto or page", "!query, form_post, auto or page"},
	} {
		for name, want := range map[string]string{"X.509 PEM": test.pem, "PKCS1 PEM": test.pem, "RSA JWK": test.rsaJWK, "EC JWK": test.ecJWK} {
			t.Run(fmt.Sprintf("%s, format %q, mode %q", name, test.format, test.mode), func(t *testing.T) {
				changes := append([]string{"format=" + test.format, "responseMode=" + test.mode}, keys[name]...)
				if test.mode == "page" {
					changes = append(changes, "-target")
				}
				checkChoice(t, ask(t, changes...), want)
			})
		}
	}
}

func checkChoice(t *testing.T, rawQuery, want string) {
	t.Helper()
	request, err := newFlow().Rules.parse(rawQuery)
	if reason, no := strings.CutPrefix(want, "!"); no {
		if refusal := refused(t, err); !strings.Contains(describe(refusal.Detail), reason) {
			t.Errorf("got %q, want a reason with %q", refusal.Detail, reason)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := string(request.Format) + " " + string(request.Mode); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseRefusesModeNotOffered(t *testing.T) {
	const all = "query form_post auto page"
	for _, test := range []struct{ offered, taken string }{
		{"", all},
		{"query form_post page", all},
		{"query", "query auto"},
		{"form_post", "form_post auto"},
		{"page", "page"},
		{"query form_post", "query form_post auto"},
		{"query page", "query auto page"},
		{"form_post page", "form_post auto page"},
	} {
		for mode := range strings.FieldsSeq(all) {
			t.Run(fmt.Sprintf("%s where %q is offered", mode, test.offered), func(t *testing.T) {
				var rules Rules
				for offered := range strings.FieldsSeq(test.offered) {
					rules.Modes = append(rules.Modes, Mode(offered))
				}
				changes := []string{"format=jwe", "responseMode=" + mode}
				if mode == "page" {
					changes = append(changes, "-target")
				}
				_, err := rules.parse(ask(t, changes...))
				if want := strings.Contains(" "+test.taken+" ", " "+mode+" "); (err == nil) != want {
					t.Errorf("got %v, want it taken: %t", err, want)
				}
				if err != nil && refused(t, err).Code != InvalidRequest {
					t.Errorf("got %v, want %s", err, InvalidRequest)
				}
			})
		}
	}
}

func TestParseRefusesDefaultModeNotOffered(t *testing.T) {
	_, err := Rules{Modes: Modes{ModeFormPost}}.parse(ask(t))
	if location, sent := refused(t, err).Location(); !sent || !strings.Contains(location, "responseMode+query+is+not+offered") {
		t.Errorf("got %s, want the client told that a triple's redirect is not offered", location)
	}
}

// TestParseRefusesWithoutRedirect has the refusals without a redirect, since the
// target may belong to the author of the link.
func TestParseRefusesWithoutRedirect(t *testing.T) {
	for _, test := range []struct {
		name, words string
		changes     []string
	}{
		{"no target", "target is missing", []string{"-target"}},
		{"an empty target", "target is missing", []string{"target="}},
		{"two targets", "target is given more than once", []string{"+target=" + plainTarget}},
		{"a target and an empty one", "target is given more than once", []string{"+target="}},
		{"a forbidden target", "target not allowed", []string{"target=http://evil.example/"}},
		{"a target and a port", "give one of them", []string{"port=80"}},
		{"a target and a path", "give one of them", []string{"path=/cb"}},
		{"two ports", "port is given more than once", []string{"-target", "port=80", "+port=81"}},
		{"two paths", "path is given more than once", []string{"-target", "port=80", "path=a", "+path=b"}},
		{"a target and two paths", "path is given more than once", []string{"path=a", "+path=b"}},
		{"a path without a port", "port is missing", []string{"-target", "path=cb"}},
		{"a port that is none", "port must be a number", []string{"-target", "port=0"}},
		{"a path that is none", "path holds a character", []string{"-target", "port=80", "path=a?b"}},
		{"page with a target", "takes no target", []string{"responseMode=page"}},
		{"page with a port", "takes no target", []string{"-target", "port=80", "responseMode=page"}},
		{"page with a path", "takes no target", []string{"-target", "path=cb", "responseMode=page"}},
		{"page with a forbidden target", "takes no target", []string{"target=http://evil.example/", "responseMode=page"}},
		{"page without a state", "state is missing", []string{"-target", "responseMode=page", "-state"}},
		{"page without a key", "publicKey is missing", []string{"-target", "responseMode=page", "-publicKey"}},
		{"page twice", "responseMode is given more than once", []string{"-target", "responseMode=page", "+responseMode=page"}},
		{"a mode in another letter case", "target is missing", []string{"-target", "responseMode=PAGE"}},
		{"a forbidden target and nothing else", "target not allowed", []string{"target=http://evil.example/", "-state", "-publicKey"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := newFlow().Begin(ask(t, test.changes...), headers("t0ken"))
			checkRefused(t, err, test.words)
			if code := refused(t, err).Code; code != InvalidRequest {
				t.Errorf("got %s, want %s", code, InvalidRequest)
			}
		})
	}
}

func TestParseWrapsErrTarget(t *testing.T) {
	for _, change := range []string{"target=http://evil.example/", "target=http://127.0.0.1/#"} {
		if _, err := newFlow().Begin(ask(t, change), headers("t0ken")); !errors.Is(err, ErrTarget) {
			t.Errorf("%s: got %v, want %v", change, err, ErrTarget)
		}
	}
	if _, err := newFlow().Begin(ask(t, "-target", "port=0"), headers("t0ken")); !errors.Is(err, ErrTarget) {
		t.Errorf("port=0: got %v, want %v", err, ErrTarget)
	}
}

// TestParseRefusesByRedirect has the refusals that are sent to the client, so that it
// does not wait in vain.
func TestParseRefusesByRedirect(t *testing.T) {
	const state = "st4te"
	for _, test := range []struct {
		name, words, state string
		changes            []string
	}{
		{"no state", "state is missing", "", []string{"-state"}},
		{"an empty state", "state is missing", "", []string{"state="}},
		{"two states", "state is given more than once", "", []string{"+state=" + state}},
		{"a state and an empty one", "state is given more than once", "", []string{"+state="}},
		{"a state too long", "1025 bytes", "", []string{"state=" + strings.Repeat("x", 1025)}},
		{"a state too long in bytes", "1026 bytes", "", []string{"state=" + strings.Repeat("ä", 513)}},
		{"a state with a line end", "control character", "", []string{"state=a\nb"}},
		{"a state with a C1 control", "control character", "", []string{"state=a\u0085b"}},
		{"a state with a delete character", "control character", "", []string{"state=\x7f"}},
		{"no state and no key", "state is missing", "", []string{"-state", "-publicKey"}},
		{"two states and two keys", "state is given more than once", "", []string{"+state=x", "+publicKey=x"}},
		{"no key type", "publicKeyType is missing", state, []string{"-publicKeyType"}},
		{"no key", "publicKey is missing", state, []string{"-publicKey"}},
		{"an unknown key type", "publicKeyType: unknown public key type", state, []string{"publicKeyType=pem"}},
		{"a key type in another letter case", "publicKeyType: ", state, []string{"publicKeyType=JWK"}},
		{"a key that is none", "publicKey: unusable public key", state, []string{"publicKey=x"}},
		{"a key of another type", "publicKey: ", state, []string{"publicKeyType=" + string(seal.PKCS1PEM)}},
		{"two keys", "publicKey is given more than once", state, []string{"+publicKey=x"}},
		{"two key types", "publicKeyType is given more than once", state, []string{"+publicKeyType=jwk"}},
		{"two formats", "format is given more than once", state, []string{"format=jwe", "+format=jwe"}},
		{"two modes", "responseMode is given more than once", state, []string{"responseMode=query", "+responseMode=query"}},
		{"page and another mode", "responseMode is given more than once", state, []string{"responseMode=page", "+responseMode=query"}},
		{"two clients", "client is given more than once", state, []string{"client=a", "+client=b"}},
		{"two lifetimes", "minTTL is given more than once", state, []string{"minTTL=1", "+minTTL=1"}},
		{"an unknown format", "format must be", state, []string{"format=jws"}},
		{"an unknown mode", "responseMode must be", state, []string{"responseMode=fragment"}},
		{"a client too long", "more than 64", state, []string{"client=" + strings.Repeat("x", 65)}},
		{"a lifetime that is none", "minTTL must be", state, []string{"minTTL=soon"}},
		{"the port form hears it too", "publicKey is missing", state, []string{"-target", "port=41234", "path=cb", "-publicKey"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := newFlow().Begin(ask(t, test.changes...), headers("t0ken"))
			checkSent(t, refused(t, err), InvalidRequest, test.words, test.state)
		})
	}
}

func checkSent(t *testing.T, refusal *Refusal, code Code, words, state string) {
	t.Helper()
	location, sent := refusal.Location()
	if !sent {
		t.Fatalf("got %v answered here, want it sent to the target", refusal)
	}
	values := added(t, location, plainTarget)
	if got := values.Get("error"); got != string(code) {
		t.Errorf("got error %s, want %s", got, code)
	}
	if got := values.Get("error_description"); !strings.Contains(got, words) {
		t.Errorf("got error_description %q, want %q in it", got, words)
	}
	if values.Has("state") != (state != "") || values.Get("state") != state {
		t.Errorf("got state %q, want %q or none at all", values.Get("state"), state)
	}
	for name := range values {
		if name != "error" && name != "error_description" && name != "state" {
			t.Errorf("got the parameter %s, want none beyond error, error_description and state", name)
		}
	}
}

func TestRefusalKeepsTheTargetsQuery(t *testing.T) {
	const target = "http://localhost:41234/cb?a=b%20c&d"
	_, err := newFlow().Begin(ask(t, "target="+target, "-publicKey"), headers("t0ken"))
	location, _ := refused(t, err).Location()
	if want := target + "&error=invalid_request&error_description=publicKey+is+missing&state=st4te"; location != want {
		t.Errorf("got %s, want %s", location, want)
	}
}

func TestParseAcceptsStates(t *testing.T) {
	for _, state := range []string{
		"x", strings.Repeat("x", 1024), strings.Repeat("ä", 512), " ", "a b", "&=#%+;", "\"\\<>", "\u2028", "\u202e", "😀", "\ufeff",
	} {
		if location := answered(t, newFlow(), ask(t, "state="+state)).Location; added(t, location, plainTarget).Get("state") != state {
			t.Errorf("got %s, want state %q in it", location, state)
		}
	}
}

func TestRefusalNamesNearMisses(t *testing.T) {
	for _, test := range []struct {
		name, want string
		changes    []string
	}{
		{"another letter case", "publicKey is missing; publickey was given", []string{"-publicKey", "publickey=x"}},
		{"an underscore", "publicKey is missing; public_key was given", []string{"-publicKey", "public_key=x"}},
		{"a hyphen", "publicKeyType is missing; public-key-type was given", []string{"-publicKeyType", "public-key-type=x"}},
		{"a letter less", "publicKey is missing; pubicKey was given", []string{"-publicKey", "pubicKey=x"}},
		{"a letter more", "state is missing; states was given", []string{"-state", "states=x"}},
		{"another letter", "state is missing; stata was given", []string{"-state", "stata=x"}},
		{"the short name", "publicKey is missing; pubKey was given", []string{"-publicKey", "pubKey=x"}},
		{"OAuth's name of the target", "target is missing; redirect_uri was given", []string{"-target", "redirect_uri=x"}},
		{"a target in another letter case", "target is missing; Target was given", []string{"-target", "Target=x"}},
		{"a port in another letter case", "target is missing; Port was given", []string{"-target", "Port=80"}},
		{"a port's near miss beside a path", "port is missing; prt was given", []string{"-target", "path=cb", "prt=80"}},
		{"nothing near", "state is missing", []string{"-state", "session=x", "status=y"}},
		{"what is not missing is not named", "publicKey is missing", []string{"-publicKey", "State=x", "Target=y"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := newFlow().Begin(ask(t, test.changes...), headers("t0ken"))
			got := describe(refused(t, err).Detail)
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if !strings.Contains(test.want, "was given") && strings.Contains(got, "was given") {
				t.Errorf("got %q, want no name in it", got)
			}
		})
	}
}

func TestRefusalOmitsLongNames(t *testing.T) {
	for _, name := range []string{strings.Repeat("_", 5000) + "publicKey", "public\nKey", "public\u212aey", "publicKey\x1b"} {
		_, err := newFlow().Begin(ask(t, "-publicKey", name+"=x"), headers("t0ken"))
		detail := refused(t, err).Detail
		if len(detail) > 200 || describe(detail) != strings.ReplaceAll(detail, "`", "") {
			t.Errorf("got %d bytes, %.80q, want a short text of plain characters", len(detail), detail)
		}
	}
}

func TestErrorDescriptionHoldsOnlyAllowedCharacters(t *testing.T) {
	for detail, want := range map[string]string{
		"plain text; it's (fine)!": "plain text; it's (fine)!",
		`a "quoted" word`:          "a 'quoted' word",
		`back\slash`:               "back?slash",
		"line\r\nend":              "line??end",
		"tab\tand\x00nul\x7f":      "tab?and?nul?",
		"tökén 😀":                  "t?k?n ?",
		"\xff\xfe":                 "??",
	} {
		location, _ := Request{Target: Target{scheme: "http", host: "localhost", path: "/"}}.Refuse(ServerError, detail).Location()
		if got := added(t, location, "http://localhost/").Get("error_description"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestParseChecksClientName(t *testing.T) {
	for _, test := range []struct {
		name, client string
		taken        bool
	}{
		{"letters and digits", "tool 2", true},
		{"punctuation and symbols", "a-tool_v1.0 (beta) + <b>&\"'", true},
		{"another script", "инструмент", true},
		{"marks", "नमस्ते", true},
		{"an emoji", "🚀", true},
		{"64 characters", strings.Repeat("ä", 64), true},
		{"65 characters", strings.Repeat("x", 65), false},
		{"a space before", " a", false},
		{"a space behind", "a ", false},
		{"two spaces", "a  b", false},
		{"only a space", " ", false},
		{"a tab", "a\tb", false},
		{"a line end", "a\nb", false},
		{"an escape", "a\x1b[31mb", false},
		{"a delete character", "a\x7f", false},
		{"a C1 control", "a\u0085b", false},
		{"a no-break space", "a\u00a0b", false},
		{"an ideographic space", "a\u3000b", false},
		{"a line separator", "a\u2028b", false},
		{"right-to-left override", "a\u202eb", false},
		{"a right-to-left isolate", "a\u2067b", false},
		{"a right-to-left mark", "a\u200fb", false},
		{"a zero-width space", "a\u200bb", false},
		{"a zero-width joiner", "a\u200db", false},
		{"a byte order mark", "\ufeffa", false},
		{"a soft hyphen", "a\u00adb", false},
		{"a tag character", "a\U000e0041", false},
		{"private use", "a\ue000", false},
		{"an unassigned code point", "a\u0378", false},
		{"a non-character", "a\uffff", false},
		{"an emoji with its selector", "⚙\ufe0f tool", true},
		{"a key with two marks", "1\ufe0f\u20e3", true},
		{"six marks on a letter", "a" + strings.Repeat("\u0301", 6) + "b" + strings.Repeat("\u0301", 6), true},
		{"marks that pile up", "a" + strings.Repeat("\u0301", 7), false},
		{"a mark on nothing", "\u0301a", false},
		{"a mark on a space", "a \u0301", false},
		{"a selector alone", "\ufe0f", false},
		{"a letter that shows nothing", "\u3164", false},
		{"another such letter", "a\u115fb", false},
		{"a mark that shows nothing", "a\u034f", false},
		{"a symbol that shows nothing", "\u2800", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			request, err := newFlow().Rules.parse(ask(t, "client="+test.client))
			if (err == nil) != test.taken {
				t.Fatalf("got %v, want it taken: %t", err, test.taken)
			}
			if test.taken && request.Client != test.client {
				t.Errorf("got %q, want %q", request.Client, test.client)
			}
		})
	}
}

func TestParseChecksMinTTL(t *testing.T) {
	for given, want := range map[string]time.Duration{"0": 0, "1": time.Second, "86400": 24 * time.Hour, "007": 7 * time.Second} {
		request, err := newFlow().Rules.parse(ask(t, "minTTL="+given))
		if err != nil || request.MinTTL != want {
			t.Errorf("%s: got %v (%v), want %v", given, request.MinTTL, err, want)
		}
	}
	for _, given := range []string{"86401", "-1", "+1", "1.5", "1e3", " 1", "1s", "0x10", "99999999999999999999", "１", "1_000"} {
		if _, err := newFlow().Rules.parse(ask(t, "minTTL="+given)); err == nil {
			t.Errorf("%s: taken, want it refused", given)
		}
	}
}

func TestBeginRefusesTokenThatExpiresTooSoon(t *testing.T) {
	for _, test := range []struct {
		name, minTTL, words string
		expires             time.Time
	}{
		{"no lifetime is known", "86400", "", time.Time{}},
		{"it expires in a second", "", "", now.Add(time.Second)},
		{"it expires now", "", "the token expired", now},
		{"it expired a second ago", "", "the token expired", now.Add(-time.Second)},
		{"it expired, and a client wants little", "0", "the token expired", now.Add(-time.Second)},
		{"it lives exactly as long as wanted", "60", "", now.Add(time.Minute)},
		{"it lives a second less", "60", "59 more seconds, want 60", now.Add(59 * time.Second)},
		{"it lives a day", "86400", "", now.Add(24 * time.Hour)},
	} {
		t.Run(test.name, func(t *testing.T) {
			outcome, err := newFlow().Begin(ask(t, "minTTL="+test.minTTL), headers(jwt(t, test.expires, 0)))
			if test.words == "" {
				if err != nil || outcome.Answer == nil {
					t.Errorf("got %v, want it handed over", err)
				}
				return
			}
			checkSent(t, refused(t, err), TokenExpiring, test.words, "st4te")
		})
	}
}

func TestBeginReportsMissingTokenToTheClient(t *testing.T) {
	for _, test := range []struct {
		name, words string
		cause       error
		header      http.Header
	}{
		{"none", "looked for X-Forwarded-Access-Token, Authorization", token.ErrNotFound, headers("")},
		{"Basic only", "looked for", token.ErrNotFound, headers("", "Authorization: Basic eDp5")},
		{"two in one", "X-Forwarded-Access-Token: it holds a comma", token.ErrUnusable, headers("spoof,real")},
		{"two", "it came twice", token.ErrUnusable, headers("real", "X-Forwarded-Access-Token: spoof")},
		{"a space inside", "it has a space inside", token.ErrUnusable, headers("a b", "Authorization: Bearer good")},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := newFlow().Begin(ask(t), test.header)
			checkSent(t, refused(t, err), TokenNotFound, test.words, "st4te")
			if !errors.Is(err, test.cause) {
				t.Errorf("got %v, want %v behind it", err, test.cause)
			}
			for _, value := range []string{"spoof", "real", "a b", "eDp5"} {
				if strings.Contains(err.Error(), value) {
					t.Errorf("%q contains the value", err)
				}
			}
		})
	}
}

func TestBeginHandsOverFallbackToken(t *testing.T) {
	f := newFlow()
	f.Tokens = token.NewExtractor([]string{"X-Forwarded-Access-Token"}, secret.New("fallback"))
	outcome, err := f.Begin(ask(t), headers(""))
	if err != nil || outcome.Answer == nil || outcome.Found.Secret.Reveal() != "fallback" {
		t.Errorf("got %v and token from %q, want the fallback handed over", err, outcome.Found.Header)
	}
}

func TestBeginRefusesPageModeWithoutRedirect(t *testing.T) {
	_, err := newFlow().Begin(ask(t, "-target", "responseMode=page"), headers(""))
	if location, sent := refused(t, err).Location(); sent {
		t.Errorf("got %s, want no redirect", location)
	}
}

// TestRefusalKeepsTheRequest: the audit line of a refusal names the target.
func TestRefusalKeepsTheRequest(t *testing.T) {
	for _, change := range []string{"publicKey=x", "minTTL=soon", "+publicKey=x", "state=a\nb"} {
		outcome, err := newFlow().Begin(ask(t, change), headers("t0ken"))
		if err == nil || outcome.Request.Target.Host() != "127.0.0.1:41234" {
			t.Errorf("%s: got target %q beside %v, want 127.0.0.1:41234", change, outcome.Request.Target.Host(), err)
		}
	}
}

package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

const (
	usePage = "docs/using-the-token.md"
	things  = "https://app.example.org/things" // of an app behind a gateway
)

const besidePassage = "The same gateway, beside the cookie"

// block is one that a page shows between fences, under a heading.
type block struct{ heading, language, text string }

var headingOrBlock = regexp.MustCompile("(?ms)^#+ ([^\n]+)$|^```([a-z]+)\n(.*?)^```$")

func blocks(t testing.TB) (found []block) {
	t.Helper()
	heading := ""
	for _, match := range headingOrBlock.FindAllStringSubmatch(read(t, usePage), -1) {
		if match[1] != "" {
			heading = match[1]
			continue
		}
		found = append(found, block{heading, match[2], match[3]})
	}
	return found
}

// under is the text of the one block of a language under a heading.
func under(t testing.TB, heading, language string) string {
	t.Helper()
	found := slices.DeleteFunc(blocks(t), func(b block) bool { return b.heading != heading || b.language != language })
	if len(found) != 1 {
		t.Fatalf("%s has %d blocks of %s under %q, want one", usePage, len(found), language, heading)
	}
	return found[0].text
}

func TestDocsBlocksAreListed(t *testing.T) {
	run := []block{
		{heading: apiPassage, language: "json"},
		{heading: apiPassage, language: "sh"},
		{heading: besidePassage, language: "sh"},
		{heading: "oauth2-proxy", language: "sh"},
		{heading: "Apache", language: "apache"},
		{heading: "Only a session cookie counts", language: "apache"},
	}
	shown := blocks(t)
	for i := range shown {
		shown[i].text = ""
	}
	if !slices.Equal(shown, run) {
		t.Errorf("%s shows the blocks %v; tests run %v", usePage, shown, run)
	}
}

// shell runs commands of the page unchanged, for a person who has the client and is
// signed in in the browser. It returns what they print.
func (b *tab) shell(commands string) string {
	b.t.Helper()
	p := client{name: "sh", command: func(t testing.TB) *exec.Cmd {
		need(t, "T2G_TEST_CURL", "curl")
		return exec.Command("sh", "-euc", "PATH="+filepath.Dir(built(t, "token2go"))+":$PATH\n"+commands)
	}}.start(b.t)
	b.visit(p.address())
	return p.token()
}

// answered is the answer that curl got.
type answered struct {
	status int
	header http.Header
	body   string
}

func curl(t testing.TB, arguments ...string) answered {
	t.Helper()
	c := exec.Command(need(t, "T2G_TEST_CURL", "curl"),
		append([]string{"-sS", "-i", "--raw", "--http1.1", "--suppress-connect-headers"}, arguments...)...)
	c.Env = recipeNames(t).environment()
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		t.Fatalf("curl %s: %v: %s", arguments, err, &said)
	}
	answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{answer.StatusCode, answer.Header, string(body)}
}

// bearer are curl's arguments for sending a token.
func bearer(token string) []string { return []string{"-H", "Authorization: Bearer " + token} }

// grant are the tokens that Keycloak gives for a grant: in pairs, names and values.
func grant(t testing.TB, pairs ...string) (tokens struct {
	Access string `json:"access_token"`
	ID     string `json:"id_token"`
}) {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	got := curl(t, "--data", form.Encode(), provider+"/protocol/openid-connect/token")
	if got.status != http.StatusOK {
		t.Fatalf("Keycloak answers %d: %s", got.status, got.body)
	}
	decode(t, got.body, &tokens)
	return tokens
}

// ofAda are the parameters of a grant to a client to which Ada gives her password.
func ofAda(client string) []string {
	return []string{
		"grant_type", "password", "username", ada.name, "password", ada.name,
		"client_id", client, "client_secret", "for-tests-only", "scope", "openid",
	}
}

// badToken is a token that nothing should take.
type badToken struct{ name, token string }

func badTokens(t testing.TB, good string) []badToken {
	t.Helper()
	return []badToken{
		{"of another audience", grant(t, ofAda("elsewhere")...).Access},
		{"that has ended", expiredToken(t)},
		{"that was changed", alteredToken(t, good)},
		{"that no one signed", unsignedToken(good)},
		{"that is no JWT", "opaque"},
	}
}

// expiredToken is a token that has ended, the same for all tests.
func expiredToken(t testing.TB) string {
	t.Helper()
	endedOnce.Do(func() { endedOnce.token = grant(t, ofAda("brief")...).Access })
	time.Sleep(time.Until(time.Unix(claimsIn(t, endedOnce.token).Expires+1, 0)))
	return endedOnce.token
}

var endedOnce struct {
	sync.Once
	token string
}

// alteredToken is a token that says something else than what was signed.
func alteredToken(t testing.TB, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(claims), ada.name, "eve", 1)))
	return strings.Join(parts, ".")
}

// unsignedToken is a token that says itself that it has no signature.
func unsignedToken(token string) string {
	parts := strings.Split(token, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
}

// ofNightly is a token of an account that is no person's.
func ofNightly(t testing.TB, scope string) string {
	t.Helper()
	return grant(t, "grant_type", "client_credentials", "client_id", "nightly", "client_secret", "for-tests-only", "scope", scope).Access
}

// app trusts its gateway. It answers with the headers that it was sent.
func app(t testing.TB) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(r.Header)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// headersIn are the headers that the app was sent, by its answer.
func headersIn(t testing.TB, body string) (header http.Header) {
	t.Helper()
	decode(t, body, &header)
	return header
}

// appAccess is what an app behind a gateway gets when a caller brings a token.
type appAccess struct {
	name     string // header that says who it is
	mail     string // header that says their address, where there is one
	token    string // header that holds the token
	refuses  int    // status for a token that is not good, unless the caller wants JSON
	passes   bool   // whether it sees what comes in Authorization beside a session
	strict   bool   // whether who comes with a bad token is refused, session or not
	explains bool   // whether that comes with the header that RFC 6750 asks for
	idTokens bool   // whether an ID token of the gateway's own client gets in
}

// suite is what every gateway is asked that lets tokens in beside its cookie.
func (e appAccess) suite(t *testing.T) {
	b := signedIn(t, ada)
	good := b.token().Secret
	t.Run("curl gets in with the token of token2go get", func(t *testing.T) {
		e.mustIdentify(t, ada, headersIn(t, b.shell(under(t, besidePassage, "sh"))))
	})
	t.Run("a browser gets in with its cookie", func(t *testing.T) {
		b.visit(things)
		e.mustIdentify(t, ada, headersIn(t, eval[string](b, "document.body.innerText")))
	})
	e.tokens(t, good)
	t.Run("a session does not vouch for a token that is sent beside it", func(t *testing.T) {
		got := curl(t, slices.Concat(bearer("made-up"), asScript(), b.cookies(things), []string{things})...)
		if e.strict {
			if got.status != http.StatusUnauthorized {
				t.Errorf("got %d, want 401", got.status)
			}
			return
		}
		header := headersIn(t, got.body)
		e.mustIdentify(t, ada, header)
		if saw := header.Get("Authorization") == "Bearer made-up"; saw != e.passes {
			t.Errorf("the app sees Authorization %q", header.Get("Authorization"))
		}
	})
}

// tokens is what can be asked without a session.
func (e appAccess) tokens(t *testing.T, good string) {
	t.Run("no client forges a name", func(t *testing.T) {
		made := []string{"-H", e.name + ": eve", "-H", e.mail + ": eve@example.org", things}
		if e.token != "Authorization" {
			made = append(made, "-H", e.token+": made-up")
		}
		e.mustIdentify(t, ada, headersIn(t, curl(t, append(bearer(good), made...)...).body))
		if got := curl(t, append(asScript(), made...)...); got.status != http.StatusUnauthorized {
			t.Errorf("got %d without a token, want 401", got.status)
		}
	})
	for _, m := range badTokens(t, good) {
		t.Run("a token "+m.name+" is refused", func(t *testing.T) { e.mustRefuse(t, m.token) })
	}
	id := grant(t, ofAda("token2go")...).ID
	if e.idTokens {
		t.Run("an ID token of the gateway's client gets in, too", func(t *testing.T) {
			if got := curl(t, append(bearer(id), things)...); got.status != http.StatusOK {
				t.Errorf("got %d, want 200", got.status)
			}
		})
	} else {
		t.Run("an ID token is refused", func(t *testing.T) { e.mustRefuse(t, id) })
	}
	t.Run("a program gets in with an account of its own", func(t *testing.T) {
		got := headersIn(t, curl(t, append(bearer(ofNightly(t, "profile")), things)...).body)
		if who := got.Get(e.name); who != "service-account-nightly" {
			t.Errorf("the app gets the name %q: %v", who, got)
		}
	})
	t.Run("who has neither is led to the sign-in", func(t *testing.T) {
		for _, accept := range []string{"*/*", "text/html"} {
			if got := curl(t, "-H", "Accept: "+accept, things); got.status != http.StatusFound {
				t.Errorf("%s: got %d, want 302", accept, got.status)
			}
		}
	})
}

// mustRefuse sends a token as curl does by itself, and as a script that asks for 401.
func (e appAccess) mustRefuse(t *testing.T, token string) {
	t.Helper()
	got := curl(t, append(bearer(token), things)...)
	if got.status != e.refuses {
		t.Errorf("got %d, want %d: %s", got.status, e.refuses, got.body)
	}
	if said := got.header.Get("WWW-Authenticate"); strings.HasPrefix(said, `Bearer error="invalid_token"`) != e.explains {
		t.Errorf("got WWW-Authenticate %q", said)
	}
	if got := curl(t, slices.Concat(bearer(token), asScript(), []string{things})...); got.status != http.StatusUnauthorized {
		t.Errorf("got %d, want 401: %s", got.status, got.body)
	}
}

// mustIdentify asks the provider about the token that the app was sent.
func (e appAccess) mustIdentify(t *testing.T, who person, header http.Header) {
	t.Helper()
	if got := header.Values(e.name); len(got) != 1 || got[0] != who.name {
		t.Errorf("the app gets the name %q: %v", got, header)
	}
	if got := header.Get(e.mail); e.mail != "" && got != who.email {
		t.Errorf("the app gets the address %q", got)
	}
	token := strings.TrimPrefix(header.Get(e.token), "Bearer ")
	if token == "" || accepts(t, token) != who.name {
		t.Errorf("the app is not sent the token: %v", header)
	}
}

// asScript are curl's arguments for an error rather than a page.
func asScript() []string { return []string{"-H", "Accept: application/json"} }

// cookies are curl's arguments for sending the cookies that the browser would send.
func (b *tab) cookies(where string) []string {
	b.t.Helper()
	var pairs []string
	for _, c := range b.jar(where) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return []string{"--cookie", strings.Join(pairs, "; ")}
}

func (b *tab) jar(where string) (found []*network.Cookie) {
	b.t.Helper()
	b.Do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		got, err := cdp.Call(ctx, target, network.GetCookies, network.GetCookiesParams{URLs: []string{where}})
		found = got.Cookies
		return chromedp.Void{}, err
	})
	if len(found) == 0 {
		b.t.Fatalf("the browser has no cookies for %s", where)
	}
	return found
}

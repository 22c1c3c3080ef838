package gateways_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest"
)

// browser is a person's browser that has never been here. It follows no redirect by
// itself, and finds the names of the recipe at the chain's addresses.
func (s *chain) browser() *http.Client {
	jar, _ := cookiejar.New(nil) // fails only with options
	return &http.Client{
		Jar: jar,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: s.roots},
			DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
				found := map[string]string{"token.example.org:443": s.front, "id.example.org:80": s.authority}[to]
				return new(net.Dialer).DialContext(ctx, network, found)
			},
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       soon,
	}
}

// get asks for an address, with headers in pairs.
func get(t testing.TB, client *http.Client, where string, headers ...string) (*http.Response, string) {
	t.Helper()
	if strings.HasPrefix(where, "/") {
		where = address + where
	}
	request, err := http.NewRequest(http.MethodGet, where, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header[headers[i]] = []string{headers[i+1]} // as written, also in lower case and with underscores
	}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return answer, body(t, answer)
}

// navigation is what Chromium sends when a program opens an address.
func navigation() []string {
	return []string{
		"Accept", "text/html,application/xhtml+xml,*/*;q=0.8", "User-Agent", "Mozilla/5.0",
		"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-User", "?1", "Sec-Fetch-Dest", "document",
	}
}

// visit opens an address as a person does who signs in where they are asked to, and
// returns the answer at the end of the way, which is no redirect to this host.
func (s *chain) visit(t testing.TB, client *http.Client, where, person string) (*http.Response, string) {
	t.Helper()
	at := parse(t, address).ResolveReference(parse(t, where))
	for range 10 {
		answer, content := get(t, client, at.String(), navigation()...)
		if at.Path == "/provider/sign_in" {
			answer = s.choose(t, client, at, person)
		}
		next, err := answer.Location()
		if err != nil || next.Host != "token.example.org" && next.Host != "id.example.org" {
			return answer, content
		}
		at = next
	}
	t.Fatalf("led in circles: %s\n%s", at, s.lines)
	return nil, ""
}

func (s *chain) choose(t testing.TB, client *http.Client, at *url.URL, person string) *http.Response {
	t.Helper()
	answer, err := client.PostForm(at.String(), url.Values{"state": {at.Query().Get("state")}, "person": {person}})
	if err != nil {
		t.Fatal(err)
	}
	body(t, answer)
	return answer
}

func (s *chain) signedIn(t testing.TB) *http.Client {
	t.Helper()
	client := s.browser()
	if answer, content := s.visit(t, client, "/", "ada.analyst"); answer.StatusCode != http.StatusOK {
		t.Fatalf("got %d after signing in: %.300s", answer.StatusCode, content)
	}
	return client
}

// tokenAnswer is what /token and the flow hand over.
type tokenAnswer struct{ Secret, Header string }

func (h tokenAnswer) person(t testing.TB) string {
	t.Helper()
	parts := strings.Split(h.Secret, ".")
	if len(parts) != 3 {
		t.Fatalf("got %.40q, want a JWT", h.Secret)
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Name string `json:"preferred_username"`
	}
	decode(t, claims, &parsed)
	return parsed.Name
}

func decode(t testing.TB, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%v in %.200s", err, text)
	}
}

func TestRecipesWork(t *testing.T) {
	for _, g := range gateways() {
		t.Run(g.name, func(t *testing.T) {
			s := open(t, g)
			t.Run("a person signs in and is back where they were", s.signsIn)
			t.Run("a script without a session gets 401", s.refusesScripts)
			t.Run("the token is the person's", s.handsOver)
			t.Run("a program gets it sealed, sign-in on the way", s.seals)
			t.Run("echo names the header", s.echoNamesHeader)
			t.Run("after signing out nothing is left", s.signsOut)

			// All the names that the server looks for by default, so that it is the
			// gateway which removes them.
			s = open(t, g, "T2G_TOKEN_HEADER_NAMES="+strings.Join(t2gtest.Names(), ","))
			t.Run("no client hands in a token of its own", s.ignoresClientTokens)
		})
	}
}

func (s *chain) signsIn(t *testing.T) {
	client := s.browser()
	first, _ := get(t, client, "/echo?pretty&a=b%26c", navigation()...)
	if first.StatusCode != http.StatusFound {
		t.Fatalf("got %d without a session, want 302", first.StatusCode)
	}
	answer, content := s.visit(t, client, "/echo?pretty&a=b%26c", "omar.operator")
	if answer.StatusCode != http.StatusOK || answer.Request.URL.String() != address+"/echo?pretty&a=b%26c" {
		t.Errorf("got %d at %s: %.200s", answer.StatusCode, answer.Request.URL, content)
	}
	if page, content := get(t, client, "/", navigation()...); page.StatusCode != http.StatusOK || !strings.Contains(content, "omar.operator") {
		t.Errorf("got %d, want the page to know omar.operator: %.300s", page.StatusCode, content)
	}
}

func (s *chain) refusesScripts(t *testing.T) {
	if answer, _ := get(t, s.browser(), "/token", "Accept", "application/json"); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("got %d, want 401", answer.StatusCode)
	}
}

func (s *chain) token(t testing.TB, client *http.Client, headers ...string) tokenAnswer {
	t.Helper()
	answer, content := get(t, client, "/token", append([]string{"Accept", "application/json"}, headers...)...)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("got %d: %.300s", answer.StatusCode, content)
	}
	var h tokenAnswer
	decode(t, []byte(content), &h)
	return h
}

func (s *chain) handsOver(t *testing.T) {
	got := s.token(t, s.signedIn(t))
	if person := got.person(t); person != "ada.analyst" || len(got.Secret) < 8<<10 {
		t.Errorf("got a token of %d bytes for %s, want one of 8 kB for ada.analyst", len(got.Secret), person)
	}
	if got.Header != s.header {
		t.Errorf("the token came in %s, want %s", got.Header, s.header)
	}
}

// ignoresClientTokens sends every header in which the server looks for a token by default,
// in every spelling that some program takes for the same.
func (s *chain) ignoresClientTokens(t *testing.T) {
	client := s.signedIn(t)
	want := s.token(t, client)
	for _, name := range t2gtest.Names() {
		for _, sent := range []string{name, strings.ToLower(name), strings.ReplaceAll(name, "-", "_"), strings.ReplaceAll(name, "_", "-")} {
			value := "spoof"
			if name == "Authorization" {
				value = "Bearer spoof"
			}
			if got := s.token(t, client, sent, value); got != want {
				t.Errorf("%s: got %.20s… from %s", sent, got.Secret, got.Header)
			}
			if answer, _ := get(t, s.browser(), "/token", "Accept", "application/json", sent, value); answer.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: got %d without a session, want 401", sent, answer.StatusCode)
			}
		}
	}
}

func (s *chain) seals(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	query := url.Values{
		"target": {"http://127.0.0.1:41234/callback"}, "state": {"a state & more"},
		"publicKeyType": {"rsa2048-rfc5280-x509-pem"},
		"publicKey":     {string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))},
	}
	flow := "/flow/redirect/token?" + query.Encode()
	for name, client := range map[string]*http.Client{"fresh": s.browser(), "signed in": s.signedIn(t)} {
		answer, content := s.visit(t, client, flow, "ada.analyst")
		location, err := answer.Location()
		if err != nil || answer.StatusCode != http.StatusSeeOther || location.Host != "127.0.0.1:41234" {
			t.Fatalf("%s: got %d to %v, want 303 to the program: %.300s", name, answer.StatusCode, location, content)
		}
		if got := location.Query().Get("state"); got != query.Get("state") {
			t.Errorf("%s: got state %q", name, got)
		}
		if got := unseal(t, key, location.Query()).person(t); got != "ada.analyst" {
			t.Errorf("%s: got the token of %s", name, got)
		}
	}
}

// unseal opens a triple.
func unseal(t testing.TB, key *rsa.PrivateKey, answer url.Values) (h tokenAnswer) {
	t.Helper()
	field := func(name string) []byte {
		value, err := base64.StdEncoding.DecodeString(answer.Get(name))
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	secret, err := rsa.DecryptOAEP(sha256.New(), nil, key, field("key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	opener, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := opener.Open(nil, field("nonce"), field("payload"), nil)
	if err != nil {
		t.Fatal(err)
	}
	decode(t, plain, &h)
	return h
}

func (s *chain) echoNamesHeader(t *testing.T) {
	_, content := get(t, s.signedIn(t), "/echo", "Accept", "application/json")
	var report struct {
		Headers  map[string][]string
		Token    struct{ Header string }
		Verdicts []struct{ Level, Title string }
	}
	decode(t, []byte(content), &report)
	if report.Token.Header != s.header {
		t.Errorf("got %s, want %s", report.Token.Header, s.header)
	}
	if cookie, there := report.Headers["Cookie"]; there {
		t.Errorf("got cookies %v, want none to arrive", cookie)
	}
	for _, verdict := range report.Verdicts {
		if verdict.Level == "bad" {
			t.Errorf("the doctor says: %s", verdict.Title)
		}
	}
}

func (s *chain) signsOut(t *testing.T) {
	client := s.signedIn(t)
	if answer, _ := get(t, client, "/oauth2/sign_out?rd=/"); answer.StatusCode != http.StatusFound {
		t.Errorf("got %d for signing out, want 302", answer.StatusCode)
	}
	if answer, _ := get(t, client, "/token", "Accept", "application/json"); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("got %d, want 401", answer.StatusCode)
	}
}

func TestRecipesSetTokenHeader(t *testing.T) {
	for _, g := range gateways() {
		recipe, err := os.ReadFile(g.recipe)
		if err != nil {
			t.Fatal(err)
		}
		if want := "\n#   T2G_TOKEN_HEADER_NAMES=" + g.header + "\n"; !strings.Contains(string(recipe), want) {
			t.Errorf("%s does not say %q", g.recipe, want)
		}
	}
}

func TestRecipesSetKnownVariables(t *testing.T) {
	line := regexp.MustCompile(`(?m)^(?:#   )?(T2G_[A-Z_]+=.*)$`)
	recipes := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) == ".go" {
			return err
		}
		recipe, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		config := exec.Command(server(t), "config")
		config.Env = []string{}
		for _, found := range line.FindAllSubmatch(recipe, -1) {
			config.Env = append(config.Env, string(found[1]))
		}
		if len(config.Env) > 0 {
			recipes++
		}
		if out, err := config.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", path, err, out)
		}
		return nil
	})
	if err != nil || recipes < len(gateways()) {
		t.Errorf("got %d recipes with variables: %v", recipes, err)
	}
}

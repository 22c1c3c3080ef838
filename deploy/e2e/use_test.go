package e2e_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

const usePage = "docs/using-the-token.md"

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

func TestEveryBlockOfThePageIsRun(t *testing.T) {
	run := []block{
		{heading: apiPassage, language: "json"},
		{heading: apiPassage, language: "go"},
		{heading: apiPassage, language: "sh"},
	}
	shown := blocks(t)
	for i := range shown {
		shown[i].text = ""
	}
	if !slices.Equal(shown, run) {
		t.Errorf("%s shows the blocks %v; tests run %v", usePage, shown, run)
	}
}

// shell runs commands of the page as they stand, for somebody who has the client and is
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
	c.Env = world(t).environment()
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

// granted are the tokens that Keycloak gives for a grant: in pairs, names and values.
func granted(t testing.TB, pairs ...string) (tokens struct {
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

package gateways_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestRecipesProtectTokenAndIdentity(t *testing.T) {
	for _, g := range gateways() {
		t.Run(g.name, func(t *testing.T) {
			s := open(t, g)
			t.Run("no client chooses the name that is logged", s.ignoresClientIdentity)
			t.Run("the sign-in's answers hold no token", s.hidesToken)
		})
	}
}

// A recipe that names the header of the token names those of the person, too: of the
// default ones, most can be sent by any client.
func TestRecipesSetIdentityHeaders(t *testing.T) {
	recipes := 0
	for _, pattern := range []string{"*/*.md", "*/*.conf", "*/*.yaml", "*/Caddyfile"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			recipe, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(recipe, []byte("T2G_TOKEN_HEADER_NAMES=")) {
				continue
			}
			recipes++
			if !bytes.Contains(recipe, []byte("T2G_IDENTITY_HEADER_NAMES=")) {
				t.Errorf("%s leaves T2G_IDENTITY_HEADER_NAMES at its default", path)
			}
		}
	}
	if recipes < 9 {
		t.Errorf("got %d recipes that name a header, want one for each gateway", recipes)
	}
}

// ignoresClientIdentity sends a made-up name in every header in which the server looks for one
// by default, in every spelling that some program takes for the same.
func (s *chain) ignoresClientIdentity(t *testing.T) {
	client := s.signedIn(t)
	for _, name := range identityHeaders(t) {
		for _, sent := range []string{name, strings.ReplaceAll(name, "-", "_"), strings.ReplaceAll(name, "_", "-")} {
			made := "spoof-by-" + sent
			s.token(t, client, sent, made)
			page, content := get(t, client, "/", append(navigation(), sent, made)...)
			if page.StatusCode != http.StatusOK || !strings.Contains(content, "ada.analyst") {
				t.Errorf("%s: got %d, want the page to know ada.analyst", sent, page.StatusCode)
			}
		}
	}
	if _, after, found := strings.Cut(s.lines.String(), "spoof-by-"); found {
		t.Errorf("the record names someone by %.40q", after)
	}
}

// identityHeaders are those that a server looks at by default.
func identityHeaders(t *testing.T) []string {
	t.Helper()
	config := exec.Command(server(t), "config")
	config.Env = []string{}
	out, err := config.Output()
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(out), " T2G_IDENTITY_HEADER_NAMES=")
	names, _, _ := strings.Cut(after, "\n")
	if !found || names == "" {
		t.Fatalf("the server names no header:\n%s", out)
	}
	return strings.Split(names, ",")
}

// hidesToken asks the authority's own addresses, as anyone with the session can: what
// they tell the gateway of the token is not for them.
func (s *chain) hidesToken(t *testing.T) {
	client := s.signedIn(t)
	token := s.token(t, client).Secret
	for _, path := range []string{"/oauth2/auth", "/oauth2/userinfo", "/oauth2/static/demo.css", "/oauth2/of-nothing"} {
		answer, content := get(t, client, path)
		for name, values := range answer.Header {
			if strings.Contains(strings.Join(values, "\n"), token) {
				t.Errorf("%s answers %d with the token in %s", path, answer.StatusCode, name)
			}
		}
		if strings.Contains(content, token) {
			t.Errorf("%s answers with the token", path)
		}
	}
}

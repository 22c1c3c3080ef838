package e2e_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const oauth2ProxyRecipe = "deploy/gateways/oauth2-proxy/README.md"

// oauth2Proxy is the program that OAUTH2_PROXY names, or one on PATH.
func oauth2Proxy(t testing.TB) string { return need(t, "OAUTH2_PROXY", "oauth2-proxy") }

// direct is oauth2-proxy with the flags of our recipe, in which strings are replaced, in
// pairs. It passes requests on to the server by itself.
func direct(pairs ...string) gateway {
	return gateway{header: "X-Forwarded-Access-Token", alone: true, start: func(t testing.TB, s *chain) {
		s.ready = func() bool { return s.answers(t) }
		s.oauth2 = s.run(t, s.oauth2Proxy(t, command(t, read(t, oauth2ProxyRecipe)), append(s.frontOptions(t), pairs...)...), s.ready)
	}}
}

// frontOptions makes oauth2-proxy the gateway, with TLS, in pairs.
func (s *chain) frontOptions(t testing.TB) []string {
	n := recipeNames(t)
	return []string{
		"--http-address=127.0.0.1:4180",
		"--http-address=- --https-address=" + s.front + " --tls-cert-file=" + n.certificate + " --tls-key-file=" + n.key,
		"--upstream=http://127.0.0.1:8080/", "--upstream=http://" + s.server + "/",
	}
}

// oauth2Proxy is a command of a recipe, adapted. The files of the recipe are in the
// chain's folder.
func (s *chain) oauth2Proxy(t testing.TB, flags string, pairs ...string) *exec.Cmd {
	t.Helper()
	write(t, s.folder, "client-secret", "for-tests-only")
	write(t, s.folder, "cookie-secret", "for-tests-only-0123456789abcdefg")
	flags = adaptRecipe(t, flags, append(pairs, "/etc/oauth2-proxy/", s.folder+"/")...)
	c := exec.Command(oauth2Proxy(t), strings.Fields(flags)...)
	c.Env = slices.Concat(slices.DeleteFunc(os.Environ(), isFlag), recipeNames(t).environment())
	return c
}

// isFlag reports whether oauth2-proxy takes a variable for one of its flags.
func isFlag(variable string) bool { return strings.HasPrefix(variable, "OAUTH2_PROXY_") }

var commands = regexp.MustCompile(`(?m)^(?:#   )?oauth2-proxy (\\\n(?:.*\\\n)*.*|--(?:.*\\\n)*.*)$`)

// command is the first command for oauth2-proxy in a recipe: its flags in one line. What
// some leave to the reader, as …, is the part that they share with the recipe for oauth2-proxy alone.
func command(t testing.TB, recipe string) string {
	t.Helper()
	found := commands.FindStringSubmatch(recipe)
	if found == nil {
		t.Fatal("the recipe has no command for oauth2-proxy")
	}
	flags := strings.Join(strings.Fields(strings.NewReplacer("\\\n", " ", "#", " ", "'", "").Replace(found[1])), " ")
	if before, is := strings.CutSuffix(flags, "…"); is {
		_, shared, _ := strings.Cut(command(t, read(t, oauth2ProxyRecipe)), "--provider=")
		shared, _, _ = strings.Cut(shared, "--skip-provider-button")
		flags = before + "--provider=" + shared
	}
	return flags
}

func TestOAuth2Proxy(t *testing.T) {
	oauth2Proxy(t)
	recipe := read(t, oauth2ProxyRecipe)
	startChain(t, direct(), recipe).suite(t)
}

// What a client sends in the header that the recipe names is not used; other headers
// pass, and the doctor says so.
func TestOAuth2ProxyGuardsOneHeader(t *testing.T) {
	oauth2Proxy(t)
	startChain(t, direct(), read(t, oauth2ProxyRecipe), "T2G_TOKEN_HEADER_NAMES=X-Access-Token,X-Forwarded-Access-Token")
	b := signedIn(t, ada)
	want := b.token()
	if got := b.token("X-Forwarded-Access-Token", "spoof"); got != want {
		t.Errorf("got %.20s… from %s, want the person's token", got.Secret, got.Header)
	}
	if got := b.token("X-Access-Token", "spoof"); got.Secret != "spoof" {
		t.Fatalf("got %.20s… from %s: this gateway does not let the header through", got.Secret, got.Header)
	}
	if got := b.echo("X-Access-Token", "spoof"); !got.hasVerdict("warn", madeUp) {
		t.Errorf("the doctor does not warn: %+v", got.Verdicts)
	}
}

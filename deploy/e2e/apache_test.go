package e2e_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const apacheRecipe = "deploy/gateways/apache/token2go.conf"

// apache is mod_auth_openidc with our recipe, in which strings are replaced, in pairs.
func apache(pairs ...string) gateway {
	return gateway{header: "OIDC_access_token", start: func(t testing.TB, s *chain) {
		startApache(t, s, apacheHost(t, s, apacheRecipe, append(pairs, "http://127.0.0.1:8080/", "http://"+s.server+"/")))
	}}
}

// apacheHost writes a recipe for this computer, and returns where.
func apacheHost(t testing.TB, s *chain, recipe string, pairs []string) string {
	t.Helper()
	n, name := recipeNames(t), filepath.Base(recipe)
	host := strings.TrimSuffix(strings.Replace(name, "token2go", "token", 1), ".conf") + ".example.org"
	pairs = append(pairs,
		"<VirtualHost *:443>", "<VirtualHost "+s.front+">",
		"/etc/ssl/"+host+".pem", n.certificate,
		"/etc/ssl/"+host+".key", n.key,
		"/etc/apache2/oidc-client-secret.conf", write(t, s.folder, "oidc-client-secret.conf", "OIDCClientSecret for-tests-only\n"),
		"/etc/apache2/oidc-crypto-passphrase", write(t, s.folder, "oidc-crypto-passphrase", "for-tests-only"))
	return write(t, s.folder, name, adaptRecipe(t, read(t, recipe), pairs...))
}

// startApache starts it with hosts that are written down in files.
func startApache(t testing.TB, s *chain, hosts ...string) {
	t.Helper()
	program := need(t, "T2G_TEST_APACHE", "apache2", "/usr/sbin/apache2")
	n := recipeNames(t)

	// What Debian's own files set, and where this computer has the names.
	config := "ServerRoot /usr/lib/apache2\n"
	for _, module := range []string{
		"mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "proxy", "proxy_http", "headers", "ssl",
	} {
		config += "LoadModule " + module + "_module modules/mod_" + module + ".so\n"
	}
	config += "ServerName token.example.org\nListen " + s.front + "\nErrorLog /dev/stderr\nLogLevel warn\n" +
		"DefaultRuntimeDir " + s.folder + "\nPidFile " + s.folder + "/pid\nUser www-data\nGroup www-data\n" +
		// To the browser, the port is 443.
		"OIDCXForwardedHeaders X-Forwarded-Port\nRequestHeader set X-Forwarded-Port 443 early\n" +
		"OIDCCABundlePath " + n.certificate + "\nOIDCOutgoingProxy " + strings.TrimPrefix(n.proxy, "http://") + "\n"
	main := write(t, s.folder, "apache.conf", config+"Include "+strings.Join(hosts, "\nInclude ")+"\n")
	// One process, which can be ended.
	s.run(t, exec.Command(program, "-X", "-f", main), func() bool { return s.answers(t) })
}

func TestApache(t *testing.T) {
	recipe := read(t, apacheRecipe)
	startChain(t, apache(), recipe).suite(t)
	s := startChain(t, apache(), recipe, everyHeader())
	t.Run("no client hands in a token of its own", s.ignoresClientTokens)
}

// A triple comes in the address of a redirect, and Apache refuses response headers of more
// than 8 KB unless responsefieldsize is raised.
func TestApachePassesTripleOfLongToken(t *testing.T) {
	triple := client{"token2go get --format triple", false, func(t testing.TB) *exec.Cmd {
		return exec.Command(built(t, "token2go"), "get", "--format", "triple", address)
	}}
	t.Run("as the recipe has it", func(t *testing.T) {
		startChain(t, apache(), read(t, apacheRecipe))
		b, p := signedIn(t, grace), triple.start(t)
		b.visit(p.address())
		if token := p.token(); len(token) <= 8<<10 || accepts(t, token) != grace.name {
			t.Errorf("the program got a token of %d bytes, want more than 8 KB of %s", len(token), grace.name)
		}
	})
	t.Run("not without responsefieldsize", func(t *testing.T) {
		startChain(t, apache(" responsefieldsize=32768", ""), read(t, apacheRecipe))
		b, p := signedIn(t, grace), triple.start(t)
		b.visit(p.address())
		b.until("document.title.startsWith('502')")
	})
}

func TestApacheRenewsTheToken(t *testing.T) {
	startChain(t, apache("OIDCClientID            token2go", "OIDCClientID            hasty"), read(t, apacheRecipe)).renewal(t)
}

// A server that reads a header which the gateway does not guard hands out a forged token.
func TestDoctorFindsUnguardedApache(t *testing.T) {
	recipe := read(t, apacheRecipe)
	startChain(t, apache("RequestHeader unset X-Forwarded-Access-Token early\n", ""), recipe,
		"T2G_TOKEN_HEADER_NAMES=X-Forwarded-Access-Token,OIDC_access_token")
	b := signedIn(t, ada)
	if got := b.token("X-Forwarded-Access-Token", "spoof"); got.Secret != "spoof" {
		t.Fatalf("got %.20s… from %s: this gateway does not let the header through", got.Secret, got.Header)
	}
	if got := b.echo("X-Forwarded-Access-Token", "spoof"); !got.hasVerdict("warn", madeUp) {
		t.Errorf("the doctor does not warn: %+v", got.Verdicts)
	}
	if got := b.echo(); got.hasVerdict("warn", madeUp) {
		t.Error("the doctor warns of the header that the gateway sets")
	}
}

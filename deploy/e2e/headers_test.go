package e2e_test

import (
	"net/http"
	"strings"
	"testing"
)

const (
	madeUp  = "A client could have sent this header itself"
	useless = "The token cannot be used"
)

// alpha is oauth2-proxy with the alpha configuration of our recipe, in which strings are
// replaced, in pairs.
func alpha(pairs ...string) gateway {
	return gateway{header: "X-Forwarded-Access-Token", alone: true, start: func(t testing.TB, s *chain) {
		n := recipeNames(t)
		_, recipe, _ := strings.Cut(read(t, oauth2ProxyRecipe), "\n## With the alpha configuration\n")
		_, config, _ := strings.Cut(recipe, "```yaml\n")
		config, _, _ = strings.Cut(config, "```")
		write(t, s.folder, "alpha.yaml", adaptRecipe(t, config, append(pairs,
			"bindAddress: 127.0.0.1:4180", "secureBindAddress: "+s.front+
				"\n  tls: {cert: {fromFile: "+n.certificate+"}, key: {fromFile: "+n.key+"}}",
			"http://127.0.0.1:8080/", "http://"+s.server+"/",
			"/etc/oauth2-proxy/", s.folder+"/",
		)...))
		s.run(t, s.oauth2Proxy(t, command(t, recipe)), func() bool { return s.answers(t) })
	}}
}

func TestOAuth2ProxyAlphaConfiguration(t *testing.T) {
	oauth2Proxy(t)
	recipe := read(t, oauth2ProxyRecipe)
	s := startChain(t, alpha(), recipe)
	s.suite(t)
	t.Run("no client hands in what the recipe names", func(t *testing.T) {
		b := signedIn(t, ada)
		want := b.token()
		for _, name := range []string{"X-Forwarded-Access-Token", "X_Forwarded_Access_Token"} {
			if got := b.token(name, "spoof"); got != want {
				t.Errorf("%s: got %.20s… from %s, want the person's token", name, got.Secret, got.Header)
			}
		}
		got := b.echo("X-Forwarded-Preferred-Username", "mallory", "X-Forwarded-Email", "mallory@example.org")
		for _, name := range []string{"X-Forwarded-Preferred-Username", "X-Forwarded-Email"} {
			if values := got.Headers[name]; len(values) != 1 || strings.Contains(values[0], "mallory") {
				t.Errorf("%s arrives as %q", name, values)
			}
		}
	})
}

// A client's own value, joined to the token, makes neither of them a token.
func TestDoctorFindsOAuth2ProxyKeepingClientHeaders(t *testing.T) {
	oauth2Proxy(t)
	for _, test := range []struct {
		name string
		gateway
	}{
		{"preserveRequestValue", alpha("- name: X-Forwarded-Access-Token", "- name: X-Forwarded-Access-Token\n    preserveRequestValue: true")},
		{"--skip-auth-strip-headers=false", direct("--pass-access-token", "--pass-access-token --skip-auth-strip-headers=false")},
	} {
		t.Run(test.name, func(t *testing.T) {
			startChain(t, test.gateway, read(t, oauth2ProxyRecipe))
			b := signedIn(t, ada)
			b.token()
			if got := b.fetch("/token", "X-Forwarded-Access-Token", "spoof"); !strings.Contains(got.Body, `"token_unusable"`) {
				t.Errorf("got %d: %.300s", got.Status, got.Body)
			}
			if got := b.echo("X-Forwarded-Access-Token", "spoof"); !got.hasVerdict("bad", useless) {
				t.Errorf("the doctor does not tell: %+v", got.Verdicts)
			}
		})
	}
}

// The ID token arrives where the access token is wanted.
func TestDoctorFindsOAuth2ProxyPassingIDToken(t *testing.T) {
	oauth2Proxy(t)
	recipe := read(t, oauth2ProxyRecipe)
	const title = "An ID token is handed out"
	t.Run("and nothing else, to a server that looks at every header", func(t *testing.T) {
		startChain(t, direct("--pass-access-token", "--pass-authorization-header"), recipe, everyHeader())
		b := signedIn(t, ada)
		got := b.token("Authorization", "Bearer spoof")
		if said := claimsIn(t, got.Secret); said.Type != "ID" || got.Header != "Authorization" {
			t.Fatalf("got a token of type %q in %s, want the ID token in Authorization", said.Type, got.Header)
		}
		if status, body := ask(t, userinfo, "Authorization", "Bearer "+got.Secret); status != http.StatusUnauthorized {
			t.Errorf("Keycloak answers %d to an ID token, want 401: %s", status, body)
		}
		r := b.echo()
		if !r.hasVerdict("warn", title) {
			t.Errorf("the doctor does not tell: %+v", r.Verdicts)
		}
		if code := r.fix(title, "oauth2-proxy"); !strings.Contains(code, "--pass-access-token\n") {
			t.Errorf("the doctor advises %q, want --pass-access-token", code)
		}
	})
	t.Run("and nothing else, to a server that our recipe sets up", func(t *testing.T) {
		startChain(t, direct("--pass-access-token", "--pass-authorization-header"), recipe)
		b := open(t)
		b.visit(address + "/echo")
		b.signIn(ada)
		b.until(there("#headers"))
		if got := b.fetch("/token"); got.Status == http.StatusOK {
			t.Errorf("a token is handed out: %.300s", got.Body)
		}
		const title = "No token arrives"
		r := b.echo()
		if !r.hasVerdict("bad", title) || r.fix(title, "oauth2-proxy") != "--pass-access-token" {
			t.Errorf("the doctor does not tell: %+v", r.Verdicts)
		}
	})
	t.Run("beside the access token, which goes before it", func(t *testing.T) {
		s := startChain(t, direct("--pass-access-token", "--pass-access-token --pass-authorization-header"), recipe, everyHeader())
		s.handsOver(t)
		b := signedIn(t, ada)
		if got := b.token("Authorization", "Bearer spoof"); got.Header != s.header {
			t.Errorf("the token came in %s, want %s", got.Header, s.header)
		}
		if r := b.echo(); !r.hasVerdict("note", "An ID token comes, too") {
			t.Errorf("the doctor does not tell: %+v", r.Verdicts)
		}
	})
}

// Where a route needs no session, everybody may send what the flags do not strip.
func TestDoctorFindsOAuth2ProxySkippingRoute(t *testing.T) {
	oauth2Proxy(t)
	startChain(t, direct("--pass-access-token", "--pass-access-token --skip-auth-route=^/(token|echo)"), read(t, oauth2ProxyRecipe),
		"T2G_TOKEN_HEADER_NAMES=X-Access-Token,X-Forwarded-Access-Token")
	if status, body := ask(t, "/token", "X-Forwarded-Access-Token", "spoof"); strings.Contains(body, "spoof") {
		t.Errorf("got %d with what a client sent: %.300s", status, body)
	}
	if status, body := ask(t, "/token", "X-Access-Token", "spoof"); status != http.StatusOK || !strings.Contains(body, "spoof") {
		t.Fatalf("got %d: this gateway does not let the header through: %.300s", status, body)
	}
	// Without a session the doctor cannot recognise the gateway; with one it does.
	if got := signedIn(t, ada).echo("X-Access-Token", "spoof"); !got.hasVerdict("warn", madeUp) {
		t.Errorf("the doctor does not warn: %+v", got.Verdicts)
	}
}

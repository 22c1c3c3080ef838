package e2e_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// appRecipe is the one for an app behind a gateway of that name.
func appRecipe(name string) string {
	return "deploy/gateways/" + map[string]string{"nginx": "nginx/app.conf", "Traefik": "traefik/app.yaml", "Caddy": "caddy/app.Caddyfile"}[name]
}

// withApp is that gateway in front of Token2go and of an app, and one authority for both.
func (a forwardAuth) withApp(authority func(t testing.TB, s *chain, at string)) gateway {
	return gateway{header: a.header, alone: true, start: func(t testing.TB, s *chain) {
		n, program, at := recipeNames(t), need(t, a.variable, a.program), free(t)
		n.route("app.example.org", s.front)
		authority(t, s, at)
		host := adaptRecipe(t, read(t, appRecipe(a.name)), "127.0.0.1:4180", at, "127.0.0.1:9000", app(t))
		whole := adaptRecipe(t, read(t, a.recipe), "127.0.0.1:4180", at, "127.0.0.1:8080", s.server)
		switch a.name {
		case "nginx":
			whole += adaptRecipe(t, host, "/etc/ssl/app.example.org.pem", n.certificate, "/etc/ssl/app.example.org.key", n.key)
		case "Traefik":
			if err := os.MkdirAll(filepath.Join(s.folder, "dynamic"), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, s.folder, "dynamic/app.yaml", host)
		case "Caddy":
			whole += adaptRecipe(t, host, "\napp.example.org {", "\napp.example.org {\n\tbind 127.0.0.1\n\ttls "+n.certificate+" "+n.key)
		}
		s.run(t, a.command(t, s, program, whole), func() bool { return s.answers(t) })
	}}
}

// appAccess is what the app gets behind that gateway.
func (a forwardAuth) appAccess() appAccess {
	if a.name == "nginx" {
		return appAccess{name: "X-User", mail: "X-Email", token: "Authorization", refuses: http.StatusUnauthorized, explains: true, idTokens: true}
	}
	return appAccess{
		name: "X-Auth-Request-Preferred-Username", mail: "X-Auth-Request-Email", token: "X-Auth-Request-Access-Token",
		refuses: http.StatusUnauthorized, idTokens: true,
	}
}

// asked is oauth2-proxy with the flags of an app's recipe, in which strings are replaced,
// in pairs.
func (a forwardAuth) asked(pairs ...string) func(testing.TB, *chain, string) {
	return func(t testing.TB, s *chain, at string) {
		pairs := append(pairs, "127.0.0.1:4180", at, "--redirect-url="+address+"/oauth2/callback", "")
		s.run(t, s.oauth2Proxy(t, command(t, read(t, appRecipe(a.name))), pairs...), func() bool { return answersPing(t, at) })
	}
}

func TestForwardAuthGatewaysAcceptBearerTokens(t *testing.T) {
	oauth2Proxy(t)
	for _, a := range forwardAuths() {
		t.Run(a.name, func(t *testing.T) {
			startChain(t, a.withApp(a.asked()), read(t, a.recipe))
			a.appAccess().suite(t)
			t.Run("Token2go returns the token that a caller brings and no other", func(t *testing.T) {
				var got tokenAnswer
				token := grant(t, ofAda("token2go")...).Access
				decode(t, curl(t, append(bearer(token), address+"/token")...).body, &got)
				if got.Secret != token {
					t.Errorf("got %.20s…", got.Secret)
				}
			})
		})
	}
}

// tokenAuthority is an authority in oauth2-proxy's place where that is not to be had: it
// answers to tokens at the same path with the same headers, and has no sessions.
func tokenAuthority(t testing.TB, _ *chain, at string) {
	t.Helper()
	client := recipeNames(t).script()
	issuer, err := oidc.NewProvider(oidc.ClientContext(context.Background(), client), provider)
	if err != nil {
		t.Fatal(err)
	}
	verifier := issuer.Verifier(&oidc.Config{SkipClientIDCheck: true})
	listener, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: soon, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		token, err := verifier.Verify(r.Context(), raw)
		var said struct {
			Name  string `json:"preferred_username"`
			Email string `json:"email"`
		}
		if err == nil {
			err = token.Claims(&said)
		}
		if err == nil && (slices.Contains(token.Audience, "token2go") || slices.Contains(token.Audience, "https://app.example.org")) {
			w.Header().Set("X-Auth-Request-Access-Token", raw)
			w.Header().Set("X-Auth-Request-Preferred-Username", said.Name)
			w.Header().Set("X-Auth-Request-Email", said.Email)
			w.WriteHeader(http.StatusAccepted)
			return
		}
		if r.URL.Path == "/oauth2/auth" || r.Header.Get("Accept") == "application/json" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.Redirect(w, r, provider, http.StatusFound)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
}

func TestForwardAuthRecipesAcceptBearerTokens(t *testing.T) {
	for _, a := range forwardAuths() {
		t.Run(a.name, func(t *testing.T) {
			startChain(t, a.withApp(tokenAuthority), read(t, a.recipe))
			a.appAccess().tokens(t, grant(t, ofAda("token2go")...).Access)
		})
	}
}

// directWithApp is one oauth2-proxy in front of Token2go and another in front of an app,
// with the flags that the page shows, and more.
func directWithApp(more ...string) gateway {
	return gateway{header: "X-Forwarded-Access-Token", alone: true, start: func(t testing.TB, s *chain) {
		direct().start(t, s)
		n, front := recipeNames(t), free(t)
		n.route("app.example.org", front)
		flags := adaptRecipe(t, command(t, read(t, oauth2ProxyRecipe)),
			"--http-address=127.0.0.1:4180", "--http-address=- --https-address="+front+" --tls-cert-file="+n.certificate+" --tls-key-file="+n.key,
			"--upstream=http://127.0.0.1:8080/", "", "--redirect-url="+address+"/oauth2/callback", "")
		_, shown, _ := strings.Cut(under(t, "oauth2-proxy", "sh"), "…")
		flags += " " + adaptRecipe(t, strings.ReplaceAll(shown, "\\\n", " "), "127.0.0.1:9000", app(t)) + " " + strings.Join(more, " ")
		s.run(t, s.oauth2Proxy(t, flags), func() bool {
			answer, err := n.script().Get(things)
			if err != nil {
				return false
			}
			_ = answer.Body.Close()
			return answer.StatusCode == http.StatusFound
		})
	}}
}

func TestOAuth2ProxyAcceptsBearerTokens(t *testing.T) {
	oauth2Proxy(t)
	startChain(t, directWithApp(), read(t, oauth2ProxyRecipe))
	appAccess{
		name: "X-Forwarded-Preferred-Username", mail: "X-Forwarded-Email", token: "X-Forwarded-Access-Token",
		passes: true, refuses: http.StatusFound, idTokens: true,
	}.suite(t)
	t.Run("without a rule for tokens, one is not looked at", notLookedAt)
	t.Run("an account without an address is refused where its token has email_verified", func(t *testing.T) {
		if got := curl(t, slices.Concat(bearer(ofNightly(t, "email")), asScript(), []string{things})...); got.status != http.StatusUnauthorized {
			t.Errorf("got %d, want 401", got.status)
		}
	})
	t.Run("a copied cookie outlives signing out here and at Keycloak until it is to be renewed", func(t *testing.T) {
		b := signedIn(t, ada)
		cookie := b.cookies(address)
		b.fetch("/oauth2/sign_out")
		b.leavesKeycloak()
		if got := curl(t, append(cookie, address+"/token")...); got.status != http.StatusOK {
			t.Errorf("got %d, want 200", got.status)
		}
	})
}

func TestOAuth2ProxyRejectsBadTokens(t *testing.T) {
	oauth2Proxy(t)
	startChain(t, directWithApp("--bearer-token-login-fallback=false"), read(t, oauth2ProxyRecipe))
	if got := curl(t, append(bearer(expiredToken(t)), things)...); got.status != http.StatusForbidden {
		t.Errorf("got %d, want 403", got.status)
	}
}

// leavesKeycloak signs the person out of Keycloak.
func (b *tab) leavesKeycloak() {
	b.t.Helper()
	b.visit(provider + "/protocol/openid-connect/logout")
	b.click("#kc-logout")
	b.until(there("#kc-info-message"))
}

// oauth2-proxy keeps a session nowhere but in the cookie, so that signing out
// takes it from the browser and from no one with a copy.
func TestOAuth2ProxyCookieCopyOutlivesSignOut(t *testing.T) {
	oauth2Proxy(t)
	a := forwardAuths()[0]
	startChain(t, a.withApp(a.asked("--cookie-refresh=4m", "--cookie-refresh=1s")), read(t, a.recipe))
	b := signedIn(t, ada)
	cookie := slices.Concat(b.cookies(address), asScript())
	t.Run("the browser keeps it for a week", func(t *testing.T) {
		for _, c := range b.jar(address) {
			if left := time.Until(time.Unix(int64(c.Expires), 0)); left < 167*time.Hour || left > 169*time.Hour {
				t.Errorf("%s ends in %s", c.Name, left)
			}
		}
	})
	hand := func(t *testing.T) (h tokenAnswer) {
		t.Helper()
		got := curl(t, append(cookie, address+"/token")...)
		if got.status != http.StatusOK {
			t.Fatalf("got %d: %s", got.status, got.body)
		}
		decode(t, got.body, &h)
		return h
	}
	first := hand(t)
	t.Run("it opens every app that asks the same oauth2-proxy", func(t *testing.T) {
		if got := curl(t, append(cookie, things)...); got.status != http.StatusOK || headersIn(t, got.body).Get("X-User") != ada.name {
			t.Errorf("got %d: %s", got.status, got.body)
		}
	})
	b.fetch("/oauth2/sign_out")
	if got := b.fetch("/token"); got.Status != http.StatusUnauthorized {
		t.Fatalf("got %d in the browser that has signed out, want 401", got.Status)
	}
	t.Run("after signing out it gets new tokens", func(t *testing.T) {
		time.Sleep(2 * time.Second)
		if next := hand(t); next.Secret == first.Secret || claimsIn(t, next.Secret).Issued <= claimsIn(t, first.Secret).Issued || accepts(t, next.Secret) != ada.name {
			t.Errorf("got %+v, want a new token", next)
		}
	})
	b.leavesKeycloak()
	t.Run("after signing out of Keycloak, too, it ends when it is to be renewed", func(t *testing.T) {
		time.Sleep(2 * time.Second)
		if got := curl(t, append(cookie, address+"/token")...); got.status != http.StatusUnauthorized {
			t.Errorf("got %d, want 401", got.status)
		}
	})
}

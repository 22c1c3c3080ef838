package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// forwardAuth is a gateway that asks oauth2-proxy who is signed in.
type forwardAuth struct {
	name, program string
	variable      string // of the environment, which may name the program
	recipe        string
	header        string // in which the token arrives
	command       func(t testing.TB, s *chain, program, recipe string) *exec.Cmd
}

func forwardAuths() []forwardAuth {
	const folder = "deploy/gateways/"
	return []forwardAuth{
		{"nginx", "nginx", "T2G_TEST_NGINX", folder + "nginx/token2go.conf", "X-Access-Token", nginx},
		{"Traefik", "traefik", "T2G_TEST_TRAEFIK", folder + "traefik/token2go.yaml", "X-Auth-Request-Access-Token", traefik},
		{"Caddy", "caddy", "T2G_TEST_CADDY", folder + "caddy/Caddyfile", "X-Auth-Request-Access-Token", caddy},
	}
}

// with is that gateway with our recipe, and the authority with the flags that are in the
// recipe's comment, in which strings are replaced, in pairs.
func (a forwardAuth) with(pairs ...string) gateway {
	return gateway{header: a.header, alone: true, start: func(t testing.TB, s *chain) {
		program, recipe, authority := need(t, a.variable, a.program), read(t, a.recipe), free(t)
		s.ready = func() bool { return answersPing(t, authority) }
		s.oauth2 = s.run(t, s.oauth2Proxy(t, command(t, recipe), append(pairs, "127.0.0.1:4180", authority)...), s.ready)
		recipe = adaptRecipe(t, recipe, "127.0.0.1:4180", authority, "127.0.0.1:8080", s.server)
		s.run(t, a.command(t, s, program, recipe), func() bool { return s.answers(t) })
	}}
}

func nginx(t testing.TB, s *chain, program, recipe string) *exec.Cmd {
	n := recipeNames(t)
	recipe = write(t, s.folder, "token2go.conf", adaptRecipe(t, recipe,
		"listen 443 ssl;", "listen "+s.front+" ssl;",
		"/etc/ssl/token.example.org.pem", n.certificate, "/etc/ssl/token.example.org.key", n.key))
	return exec.Command(program, "-e", "stderr", "-p", s.folder, "-c", s.fillTestdata(t, "nginx.conf", "RECIPE", recipe))
}

func traefik(t testing.TB, s *chain, program, recipe string) *exec.Cmd {
	n := recipeNames(t)
	dynamic := filepath.Join(s.folder, "dynamic")
	if err := os.MkdirAll(dynamic, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dynamic, "token2go.yaml", recipe)
	s.fillTestdata(t, "dynamic/certificate.yaml", "CERTIFICATE", n.certificate, "KEY", n.key)
	return exec.Command(program, "--configFile="+s.fillTestdata(t, "traefik.yaml", "FRONT", s.front, "FOLDER", dynamic))
}

func caddy(t testing.TB, s *chain, program, recipe string) *exec.Cmd {
	n := recipeNames(t)
	_, port, _ := net.SplitHostPort(s.front)
	recipe = write(t, s.folder, "token2go.caddy", adaptRecipe(t, recipe,
		"\ntoken.example.org {", "\ntoken.example.org {\n\tbind 127.0.0.1\n\ttls "+n.certificate+" "+n.key))
	config := s.fillTestdata(t, "Caddyfile", "RECIPE", recipe, "PORT", port)
	c := exec.Command(program, "run", "--adapter", "caddyfile", "--config", config)
	c.Env = append(os.Environ(), "XDG_DATA_HOME="+s.folder, "XDG_CONFIG_HOME="+s.folder)
	return c
}

// fillTestdata returns a file that a recipe needs around it to run here, filled in.
func (s *chain) fillTestdata(t testing.TB, name string, pairs ...string) string {
	t.Helper()
	return write(t, s.folder, name, adaptRecipe(t, read(t, "deploy/gateways/testdata/"+name), pairs...))
}

// answersPing reports whether oauth2-proxy is there.
func answersPing(t testing.TB, at string) bool {
	t.Helper()
	answer, err := http.Get("http://" + at + "/ping")
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// The whole suite behind each of them takes a quarter of a minute.
func TestForwardAuthGateways(t *testing.T) {
	oauth2Proxy(t)
	for _, a := range forwardAuths() {
		t.Run(a.name, func(t *testing.T) {
			recipe := read(t, a.recipe)
			startChain(t, a.with(), recipe).suite(t)
			s := startChain(t, a.with(), recipe, everyHeader())
			t.Run("no client hands in a token of its own", s.ignoresClientTokens)
			t.Run("the sign-in's answers hold no token", s.hidesToken)
		})
	}
}

// hidesToken asks the authority's own addresses as a script of the page can: what it
// tells the gateway of the token is not for them.
func (s *chain) hidesToken(t *testing.T) {
	b := signedIn(t, ada)
	token := b.token().Secret
	for _, path := range []string{"/oauth2/auth", "/oauth2/userinfo", "/oauth2/of-nothing"} {
		script := fmt.Sprintf(`fetch(%q).then(async r => JSON.stringify([...r.headers]) + await r.text())`, path)
		if strings.Contains(eval[string](b, script), token) {
			t.Errorf("%s answers with the token", path)
		}
	}
}

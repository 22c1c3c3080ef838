package e2e_test

import (
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"
)

// A program waits, and its person sees Keycloak's form, when oauth2-proxy goes
// down. It forgets nothing: what it has to know is in the browser's cookies.
func TestFlowSurvivesOAuth2ProxyRestart(t *testing.T) {
	oauth2Proxy(t)
	t.Run("oauth2-proxy alone", func(t *testing.T) { survivesRestart(t, startChain(t, direct(), read(t, oauth2ProxyRecipe))) })
	for _, a := range forwardAuths() {
		t.Run(a.name, func(t *testing.T) { survivesRestart(t, startChain(t, a.with(), read(t, a.recipe))) })
	}
}

func survivesRestart(t *testing.T, s *chain) {
	p := clients()[0].start(t)
	b := open(t)
	b.visit(p.address())
	b.until(there(form))
	s.oauth2.Kill()
	b.signIn(ada)
	b.until("location.origin !== 'https://id.example.org'") // what comes instead is the gateway's, or the browser's own
	if !p.Running() {
		t.Fatalf("the program has given up: %s", p.stderr)
	}
	again := exec.Command(s.oauth2.Path, s.oauth2.Args[1:]...)
	again.Env = s.oauth2.Env
	s.oauth2 = s.run(t, again, s.ready)
	b.Do(chromedp.Reload())
	b.allow(p)
	s.mustGetToken(t, b, p)
}

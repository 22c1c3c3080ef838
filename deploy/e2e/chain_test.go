package e2e_test

import (
	"encoding/base64"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// gateway is what is known of a gateway before it is started.
type gateway struct {
	header string // in which the token arrives
	start  func(t testing.TB, s *chain)

	// alone says that signing out ends the gateway's session and leaves Keycloak's, so
	// that the next visit is signed in without a form.
	alone bool
}

// chain is a gateway in front of a server, under the recipe's name.
type chain struct {
	gateway
	names  []string // of the headers in which the server looks for a person's name
	front  string   // host:port of the gateway
	server string   // host:port of the server
	folder string
	lines  *text

	// oauth2 is oauth2-proxy, where it is part of the chain, and ready says when it is.
	oauth2 *process.Process
	ready  func() bool
}

// startChain starts authority, gateway and server: the server as the recipe says, but for what the
// environment says otherwise.
func startChain(t testing.TB, g gateway, recipe string, environment ...string) *chain {
	t.Helper()
	keycloak(t)
	s := &chain{gateway: g, folder: t.TempDir(), front: free(t), lines: new(text)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the gateway and the server wrote:\n%s", s.lines)
		}
	})
	s.serve(t, append(variables(t, recipe), environment...))
	g.start(t, s)
	recipeNames(t).route("token.example.org", s.front)
	return s
}

// variable is one of the server's, in a recipe's comment or text.
var variable = regexp.MustCompile(`(?m)^(?:#   )?(T2G_[A-Z_]+=.*)$`)

// variables are those of the server that a recipe names.
func variables(t testing.TB, recipe string) []string {
	t.Helper()
	var found []string
	for _, line := range variable.FindAllStringSubmatch(recipe, -1) {
		found = append(found, line[1])
	}
	if len(found) < 4 {
		t.Fatalf("the recipe names the variables %v, want more", found)
	}
	return found
}

func (s *chain) serve(t testing.TB, environment []string) {
	t.Helper()
	s.server = free(t)
	_, port, _ := strings.Cut(s.server, ":")
	for _, variable := range environment {
		if names, is := strings.CutPrefix(variable, "T2G_IDENTITY_HEADER_NAMES="); is {
			s.names = strings.Split(names, ",")
		}
	}
	c := exec.Command(built(t, "token2go-server"))
	c.Env = append([]string{"T2G_SERVER_PORT=" + port, "T2G_OPS_PORT=0"}, environment...) // the last one of a name counts
	s.run(t, c, func() bool {
		answer, err := http.Get("http://" + s.server + "/health")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// run starts a part of the chain and waits until it is ready.
func (s *chain) run(t testing.TB, c *exec.Cmd, ready func() bool) *process.Process {
	t.Helper()
	c.Dir = s.folder
	p := start(t, s.lines, c)
	if err := p.Await(soon, ready); err != nil {
		t.Fatal(err)
	}
	return p
}

// answers reports whether the gateway leads a person without a session to Keycloak, in
// two steps at most.
func (s *chain) answers(t testing.TB) bool {
	recipeNames(t).route("token.example.org", s.front)
	at := address + "/"
	for range 2 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		answer, err := recipeNames(t).script().Do(r)
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		next, err := answer.Location()
		if err != nil {
			return false
		}
		if at = next.String(); strings.HasPrefix(at, provider) {
			return true
		}
	}
	return false
}

// adaptRecipe returns a recipe with addresses of this computer in place of its own, in pairs.
func adaptRecipe(t testing.TB, recipe string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(recipe, pairs[i]) {
			t.Fatalf("the recipe does not hold %q", pairs[i])
		}
	}
	return strings.NewReplacer(pairs...).Replace(recipe)
}

// tokenAnswer is what /token hands over.
type tokenAnswer struct{ Secret, Header, Expires string }

// token gets the token as the page's script does.
func (b *tab) token(headers ...string) tokenAnswer {
	b.t.Helper()
	answer := b.fetch("/token", headers...)
	if answer.Status != http.StatusOK {
		b.t.Fatalf("got %d: %.500s", answer.Status, answer.Body)
	}
	var h tokenAnswer
	decode(b.t, answer.Body, &h)
	return h
}

// report is what /echo says.
type report struct {
	Headers map[string][]string
	Token   struct{ Header string }

	Verdicts []struct {
		Level, Title, Text string

		Fixes []struct{ Gateway, Text, Code string }
	}
}

func (b *tab) echo(headers ...string) (r report) {
	b.t.Helper()
	answer := b.fetch("/echo", headers...)
	if answer.Status != http.StatusOK {
		b.t.Fatalf("got %d: %.500s", answer.Status, answer.Body)
	}
	decode(b.t, answer.Body, &r)
	return r
}

// fix is what a verdict of that title has to be done at a gateway; empty if there is none.
func (r report) fix(title, gateway string) (code string) {
	for _, verdict := range r.Verdicts {
		for _, one := range verdict.Fixes {
			if verdict.Title == title && one.Gateway == gateway {
				return one.Code
			}
		}
	}
	return ""
}

// hasVerdict reports whether a verdict of that level has that title.
func (r report) hasVerdict(level, title string) bool {
	for _, verdict := range r.Verdicts {
		if verdict.Level == level && verdict.Title == title {
			return true
		}
	}
	return false
}

// claimsIn reads the claims of a JWT, without checking anything: Keycloak does that.
func claimsIn(t testing.TB, token string) (c claims) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("got %.40q, want a JWT", token)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	decode(t, string(text), &c)
	return c
}

// signedIn is a browser in which a person has signed in and sees the page.
func signedIn(t testing.TB, who person) *tab {
	t.Helper()
	b := open(t)
	b.visit(address + "/")
	b.signIn(who)
	b.ready()
	return b
}

// ready waits until the page shows a token.
func (b *tab) ready() {
	b.t.Helper()
	b.until("location.origin === '" + address + "' && document.getElementById('app')?.dataset.state === 'ready'")
}

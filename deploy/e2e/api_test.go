package e2e_test

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const apiPassage = "An API that checks the token itself"

// api starts the program that the page shows, at api.example.org.
func api(t testing.TB) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "api")
	if out, err := exec.Command("go", "build", "-o", program, "./api").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	n, at := recipeNames(t), free(t)
	c := exec.Command(program)
	c.Env = slices.Concat(os.Environ(), n.environment(), []string{"LISTEN=" + at})
	err := start(t, new(text), c).Await(soon, func() bool {
		answer, err := http.Get("http://" + at + "/things")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	host(t, "api.example.org", httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: at}))
}

func TestDocsMapperIsInRealm(t *testing.T) {
	var shown any
	decode(t, under(t, apiPassage, "json"), &shown)
	var realm struct {
		Clients []struct{ ProtocolMappers []any }
	}
	decode(t, read(t, "deploy/e2e/testdata/realm.json"), &realm)
	gateway := realm.Clients[0]
	if !slices.ContainsFunc(gateway.ProtocolMappers, func(m any) bool { return reflect.DeepEqual(m, shown) }) {
		t.Errorf("%s shows a mapper that the realm of these tests does not have: %v", usePage, shown)
	}
}

func TestAPIVerifiesToken(t *testing.T) {
	startChain(t, apache(), read(t, apacheRecipe))
	api(t)
	b := signedIn(t, ada)
	good := b.token().Secret

	t.Run("curl gets in with the token of token2go get", func(t *testing.T) {
		if got := b.shell(under(t, apiPassage, "sh")); !strings.HasPrefix(got, "things of ") {
			t.Errorf("got %q", got)
		}
	})
	reasons := map[string]string{
		"of another audience": "expected audience", "that has ended": "token is expired", "that was changed": "failed to verify signature",
		"that no one signed": "unexpected signature algorithm", "that is no JWT": "malformed jwt", "that is an ID token": "expected audience",
	}
	for _, m := range append(badTokens(t, good), badToken{"that is an ID token", grant(t, ofAda("token2go")...).ID}) {
		t.Run("a token "+m.name+" is refused", func(t *testing.T) {
			got := curl(t, append(bearer(m.token), "https://api.example.org/things")...)
			said := got.header.Get("WWW-Authenticate")
			if got.status != http.StatusUnauthorized || !strings.HasPrefix(said, `Bearer error="invalid_token", error_description="`) ||
				reasons[m.name] == "" || !strings.Contains(said, reasons[m.name]) {
				t.Errorf("got %d, %q: %s", got.status, said, got.body)
			}
		})
	}
	t.Run("no more is answered without a token", func(t *testing.T) {
		if got := curl(t, "https://api.example.org/things"); got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("got %d, %q", got.status, got.header)
		}
	})
}

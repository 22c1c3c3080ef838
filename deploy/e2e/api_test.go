package e2e_test

import (
	"encoding/base64"
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
	"time"
)

const apiPassage = "An API that checks the token itself"

// api starts the program that the page shows, at api.example.org.
func api(t testing.TB) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "api")
	if out, err := exec.Command("go", "build", "-o", program, "./api").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	n, at := world(t), free(t)
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

func TestThePageShowsTheAPIThatIsTested(t *testing.T) {
	if under(t, apiPassage, "go") != read(t, "deploy/e2e/api/main.go") {
		t.Errorf("%s shows another program than deploy/e2e/api/main.go", usePage)
	}
}

func TestThePageShowsTheMapperOfTheRealm(t *testing.T) {
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

func TestAnAPIChecksTheTokenItself(t *testing.T) {
	stands(t, apache(), read(t, apacheRecipe))
	api(t)
	short := granted(t, ofAda("brief")...).Access
	b := signedIn(t, ada)
	good := b.token().Secret

	t.Run("curl gets in with the token of token2go get", func(t *testing.T) {
		if got := b.shell(under(t, apiPassage, "sh")); !strings.HasPrefix(got, "things of ") {
			t.Errorf("got %q", got)
		}
	})
	time.Sleep(time.Until(time.Unix(inside(t, short).Expires+1, 0)))
	for _, test := range []struct{ name, token, reason string }{
		{"of another audience", granted(t, ofAda("elsewhere")...).Access, "expected audience"},
		{"that has ended", short, "token is expired"},
		{"that was changed", changed(t, good), "failed to verify signature"},
		{"that nobody signed", unsigned(good), "unexpected signature algorithm"},
		{"that is no JWT", "opaque", "malformed jwt"},
		{"that is an ID token", granted(t, ofAda("token2go")...).ID, "expected audience"},
	} {
		t.Run("a token "+test.name+" is refused", func(t *testing.T) {
			got := curl(t, append(bearer(test.token), "https://api.example.org/things")...)
			said := got.header.Get("WWW-Authenticate")
			if got.status != http.StatusUnauthorized || !strings.HasPrefix(said, `Bearer error="invalid_token", error_description="`) ||
				!strings.Contains(said, test.reason) {
				t.Errorf("got %d, %q: %s", got.status, said, got.body)
			}
		})
	}
	t.Run("nobody is told more without a token", func(t *testing.T) {
		if got := curl(t, "https://api.example.org/things"); got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("got %d, %q", got.status, got.header)
		}
	})
}

// changed is a token that says something else than what was signed.
func changed(t testing.TB, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(claims), ada.name, "eve", 1)))
	return strings.Join(parts, ".")
}

// unsigned is a token that says itself that it has no signature.
func unsigned(token string) string {
	parts := strings.Split(token, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
}

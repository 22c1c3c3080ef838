package e2e_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// entitlements is what the realm file leaves out of Grace's account: it makes her access
// token longer than 8 KB. No two are alike, or a gateway that packs its sessions would not
// notice how long they are.
var entitlements = sync.OnceValue(func() string {
	var list []string
	for i := range 80 {
		list = append(list, fmt.Sprintf("may-read-%x", sha256.Sum256([]byte{byte(i)})))
	}
	return strings.Join(list, " ")
})

// keycloak starts the identity provider, once for all tests, and makes it known by its
// name. T2G_TEST_KEYCLOAK names the folder of an unpacked distribution;
// T2G_TEST_KEYCLOAK_URL one that runs already, with the same realm.
func keycloak(t testing.TB) {
	t.Helper()
	running := os.Getenv("T2G_TEST_KEYCLOAK_URL")
	if running == "" {
		home := filepath.Dir(filepath.Dir(need(t, "T2G_TEST_KEYCLOAK", "kc.sh")))
		need(t, "T2G_TEST_JAVA", "java")
		result := startKeycloak(home, process.Port(t))
		if result.err != nil {
			t.Fatal(result.err)
		}
		running = result.at
	}
	if err := introduce(running); err != nil {
		t.Fatal(err)
	}
}

type started struct {
	at  string
	err error
}

var keycloakOnce struct {
	sync.Once
	started
}

func startKeycloak(home, port string) started {
	keycloakOnce.Do(func() { keycloakOnce.at, keycloakOnce.err = runKeycloak(home, port) })
	return keycloakOnce.started
}

// runKeycloak runs a copy: Keycloak reads realms from its own folder and writes there.
func runKeycloak(home, port string) (string, error) {
	folder := filepath.Join(scratch, "keycloak")
	if err := os.CopyFS(folder, os.DirFS(home)); err != nil {
		return "", err
	}
	realm, err := os.ReadFile("testdata/realm.json")
	if err != nil {
		return "", err
	}
	imports := filepath.Join(folder, "data", "import")
	if err := os.MkdirAll(imports, 0o700); err != nil {
		return "", err
	}
	filled := strings.ReplaceAll(string(realm), "ENTITLEMENTS", entitlements())
	if err := os.WriteFile(filepath.Join(imports, "realm.json"), []byte(filled), 0o600); err != nil {
		return "", err
	}
	c := exec.Command(filepath.Join(folder, "bin", "kc.sh"), "start", "--import-realm", "--db=dev-mem", "--cache=local",
		"--http-enabled=true", "--http-host=127.0.0.1", "--http-port="+port, "--hostname=https://id.example.org", "--proxy-headers=xforwarded")
	// No more than the tests need: other things run on this computer.
	c.Env = append(os.Environ(), "JAVA_OPTS_KC_HEAP=-Xms128m -Xmx768m")
	p, err := process.Launch(collected(new(text), c))
	if err != nil {
		return "", err
	}
	endings = append(endings, p.Kill)
	at := "http://127.0.0.1:" + port
	return at, p.Await(8*time.Minute, func() bool {
		r, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, at+"/realms/main", nil)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// introduced is the address of the Keycloak that its name leads to.
var introduced string

// introduce puts TLS in front of Keycloak, under its name.
func introduce(at string) error {
	if introduced == at {
		return nil
	}
	n, err := known()
	if err != nil {
		return err
	}
	to, err := url.Parse(at)
	if err != nil {
		return err
	}
	listener, err := listen()
	if err != nil {
		return err
	}
	server := &http.Server{
		ReadHeaderTimeout: soon,
		Handler: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		}},
	}
	go func() { _ = server.ServeTLS(listener, n.certificate, n.key) }()
	endings = append(endings, func() { _ = server.Close() })
	n.route("id.example.org", listener.Addr().String())
	introduced = at
	return nil
}

// person is an account of the realm; its password is its name.
type person struct{ name, email string }

var (
	ada   = person{"ada", "ada@example.org"}
	grace = person{"grace", "grace@example.org"}
)

const userinfo = provider + "/protocol/openid-connect/userinfo"

// accepts asks the provider's userinfo endpoint whose the token is.
func accepts(t testing.TB, token string) string {
	t.Helper()
	status, body := ask(t, userinfo, "Authorization", "Bearer "+token)
	if status != http.StatusOK {
		t.Fatalf("Keycloak answers %d to a token of %d bytes: %s", status, len(token), body)
	}
	var said struct {
		Name string `json:"preferred_username"`
	}
	decode(t, body, &said)
	return said.Name
}

func decode(t testing.TB, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %.300s", err, text)
	}
}

// claims are what is looked at in a token.
type claims struct {
	Type     string `json:"typ"`
	Name     string `json:"preferred_username"`
	Issuer   string `json:"iss"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	Audience any    `json:"aud"`
}

func (c claims) life() time.Duration { return time.Duration(c.Expires-c.Issued) * time.Second }

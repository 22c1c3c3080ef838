package gateways_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// keyed is an app that takes a session or a key, behind one of the gateways.
type keyed struct {
	*chain
	api  string // host:port of the server's API listener
	app  string // host:port of the app
	data string // folder of the database
}

// TestAppTakesSessionOrKey runs each recipe for an app that people reach with a session and
// programs with a key, at the same paths.
func TestAppTakesSessionOrKey(t *testing.T) {
	t.Parallel()
	for _, g := range []struct {
		name, program, scheme string
		start                 func(testing.TB, *keyed, string) *exec.Cmd
	}{
		{"nginx", "nginx", "https", keyNginx},
		{"Traefik", "traefik", "https", keyTraefik},
		{"Caddy", "caddy", "https", keyCaddy},
		{"Envoy", "envoy", "http", keyEnvoy},
	} {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			program := need(t, g.program)
			k := newKeyed(t)
			c := g.start(t, k, program)
			c.Env = append(os.Environ(), "XDG_DATA_HOME="+k.folder, "XDG_CONFIG_HOME="+k.folder)
			at := g.scheme + "://app.example.org"
			k.await(t, k.run(t, c, k.output), func() bool {
				answer, err := k.client().Get(at + "/")
				if err != nil {
					return false
				}
				_ = answer.Body.Close()
				return answer.StatusCode == http.StatusFound || answer.StatusCode == http.StatusUnauthorized
			})
			k.letsIn(t, at)
			k.keepsOut(t, at)
		})
	}
}

func newKeyed(t *testing.T) *keyed {
	t.Helper()
	k := &keyed{chain: &chain{
		folder: t.TempDir(), front: "127.0.0.1:" + process.Port(t),
		lines: t2gtest.NewRecord(failure), output: t2gtest.NewRecord(),
	}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the gateway wrote, at last:\n%s\nand the server:\n%s", k.output, k.lines)
		}
	})
	k.authority = listen(t, sessions)
	k.app = listen(t, func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"method": r.Method, "uri": r.RequestURI, "headers": r.Header})
	})
	k.writeCertificate(t)
	port := process.Port(t)
	k.api, k.data = "127.0.0.1:"+port, t.TempDir()
	k.environment = []string{
		"T2G_SERVER_PORT=off", "T2G_OPS_PORT=0", "T2G_API_PORT=" + port, "T2G_API_TRUSTED_PROXIES=127.0.0.1",
		"T2G_DATABASE_URL=sqlite:" + filepath.Join(k.data, "token2go.db"),
	}
	k.server = k.api
	k.serve(t)
	return k
}

func listen(t *testing.T, handle http.HandlerFunc) string {
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// sessions answers as oauth2-proxy does, for the session of ada.
func sessions(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie("_oauth2_proxy")
	switch {
	case err == nil && cookie.Value == "of-ada":
		w.Header().Set("X-Auth-Request-User", "248289761001")
		w.Header().Set("X-Auth-Request-Preferred-Username", "ada")
		w.WriteHeader(http.StatusOK)
	case r.URL.Path == "/oauth2/auth" || strings.Contains(r.Header.Get("Accept"), "json"):
		w.WriteHeader(http.StatusUnauthorized)
	default:
		http.Redirect(w, r, "https://id.example.org/", http.StatusFound)
	}
}

// key makes a key on the command line, as an administrator does.
func (k *keyed) key(t testing.TB, flags ...string) string {
	t.Helper()
	c := exec.Command(server(t), append([]string{"keys", "make", "--name", "nightly", "--owner", "data-team", "--role", "reader"}, flags...)...)
	c.Env = k.environment
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for field := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(field, "t2g_") && len(field) > 40 {
			return field
		}
	}
	t.Fatalf("got %s, want a key in it", out)
	return ""
}

func (k *keyed) client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the certificate is for another name
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, k.front)
			},
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       soon,
	}
}

// ask sends a request with these headers; what the app received is nil where it was not
// reached.
func (k *keyed) ask(t testing.TB, method, where string, lines ...string) (status int, header http.Header, app http.Header) {
	t.Helper()
	r, err := http.NewRequest(method, where, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(lines); i += 2 {
		r.Header.Add(lines[i], lines[i+1])
	}
	answer, err := k.client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var seen struct {
		Method, URI string
		Headers     http.Header
	}
	if json.Unmarshal(body, &seen) == nil && seen.Method != "" {
		app = seen.Headers
	}
	return answer.StatusCode, answer.Header, app
}

// forged are headers that no client may make the app believe.
func forged() []string {
	var lines []string
	for _, name := range []string{
		"X-Token2go-Subject", "X-Token2go-Login", "X-Token2go-Email", "X-Token2go-Roles", "X-Token2go-Groups", "X-Token2go-Key",
		"X-Token2go-Config", "X-Token2go-Token", "X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups",
		"X-Auth-Request-Preferred-Username",
	} {
		lines = append(lines, name, "forged")
	}
	return lines
}

func (k *keyed) letsIn(t *testing.T, at string) {
	t.Helper()
	key := k.key(t, "--app", "app")
	session := []string{"Cookie", "_oauth2_proxy=of-ada"}
	for _, path := range []string{"/", "/tiles/1?a=b", "/deep/er/path"} {
		for _, way := range [][]string{{"Authorization", "Bearer " + key}, {"X-Api-Key", key}} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions, http.MethodDelete} {
				status, _, app := k.ask(t, method, at+path, append(forged(), way...)...)
				if status != http.StatusOK || app.Get("X-Token2go-Key") != key[4:14] || app.Get("X-Token2go-Roles") != "reader" {
					t.Fatalf("%s %s by %s: got %d, the app %v; want the key's ID and role", method, path, way[0], status, app)
				}
				k.hides(t, app, key)
			}
		}
		status, _, app := k.ask(t, http.MethodGet, at+path, append(forged(), session...)...)
		if status != http.StatusOK || app.Get("X-Auth-Request-User") != "248289761001" || app.Get("X-Token2go-Key") != "" {
			t.Fatalf("%s with a session: got %d, the app %v", path, status, app)
		}
		k.hides(t, app, "of-ada")
	}
}

// hides wants neither the credential nor what a client made up in what the app received.
func (k *keyed) hides(t *testing.T, app http.Header, credential string) {
	t.Helper()
	for name, values := range app {
		for _, value := range values {
			if value == "forged" || strings.Contains(value, credential) {
				t.Errorf("the app received %s: %s", name, value)
			}
		}
	}
}

func (k *keyed) keepsOut(t *testing.T, at string) {
	t.Helper()
	other := k.key(t, "--app", "other")
	elsewhere := k.key(t, "--app", "app", "--network", "198.51.100.0/24")
	session := []string{"Cookie", "_oauth2_proxy=of-ada"}
	for _, test := range []struct {
		name, method string
		lines        []string
		status       int
	}{
		{"a program without key", http.MethodGet, []string{"Accept", "application/json"}, 401},
		{"a wrong key", http.MethodGet, []string{"Authorization", "Bearer t2g_wrong"}, 401},
		{"a wrong key beside a session", http.MethodGet, append(session, "X-Api-Key", "t2g_wrong"), 401},
		{"a key of another application", http.MethodGet, []string{"X-Api-Key", other}, 403},
		{"a key of another network", http.MethodGet, []string{"X-Api-Key", elsewhere}, 403},
		{"a key of another network, forged", http.MethodGet, []string{"X-Api-Key", elsewhere, "X-Forwarded-For", "198.51.100.1", "X-Real-Ip", "198.51.100.1"}, 403},
		{"a preflight without key", http.MethodOptions, []string{"X-Api-Key", "t2g_wrong", "Origin", "https://x.example", "Access-Control-Request-Method", "GET"}, 401},
	} {
		status, header, app := k.ask(t, test.method, at+"/tiles", test.lines...)
		if status != test.status || app != nil {
			t.Errorf("%s: got %d, the app %v; want %d and the app not asked", test.name, status, app, test.status)
		}
		if strings.Contains(test.name, "wrong key") && !strings.HasPrefix(header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: got the challenge %q", test.name, header.Get("WWW-Authenticate"))
		}
	}
	status, _, app := k.ask(t, http.MethodGet, at+"/tiles", "Accept", "text/html")
	if status != http.StatusFound || app != nil {
		t.Errorf("a person without session: got %d, the app %v; want the way to the sign-in", status, app)
	}
	revoked := k.key(t, "--app", "app")
	if status, _, _ := k.ask(t, http.MethodGet, at+"/", "X-Api-Key", revoked); status != http.StatusOK {
		t.Errorf("a new key: got %d", status)
	}
	answer, err := http.PostForm("http://"+k.api+"/revoke", map[string][]string{"token": {revoked}})
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	time.Sleep(time.Second)
	if status, _, _ := k.ask(t, http.MethodGet, at+"/", "X-Api-Key", revoked); status != http.StatusUnauthorized {
		t.Errorf("a key that was revoked a second ago: got %d, want 401", status)
	}
}

// recipeText is a recipe with the addresses of this chain, and other pairs of old and new
// texts, each of which must be there.
func (k *keyed) recipeText(t testing.TB, path string, pairs ...string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(string(content), pairs[i]) {
			t.Fatalf("%s does not hold %q", path, pairs[i])
		}
	}
	pairs = append(pairs, "127.0.0.1:4180", k.authority, "127.0.0.1:8081", k.api, "127.0.0.1:9000", k.app)
	return strings.NewReplacer(pairs...).Replace(string(content))
}

func keyNginx(t testing.TB, k *keyed, program string) *exec.Cmd {
	recipe := k.write(t, "key.conf", k.recipeText(t, "nginx/key.conf",
		"listen 443 ssl;", "listen "+k.front+" ssl;",
		"/etc/ssl/app.example.org.pem", k.folder+"/tls.pem", "/etc/ssl/app.example.org.key", k.folder+"/tls.key"))
	return exec.Command(program, "-e", "stderr", "-p", k.folder, "-c", k.fillTestdata(t, "nginx.conf", "RECIPE", recipe))
}

func keyTraefik(t testing.TB, k *keyed, program string) *exec.Cmd {
	dynamic := filepath.Join(k.folder, "dynamic")
	if err := os.MkdirAll(dynamic, 0o700); err != nil {
		t.Fatal(err)
	}
	k.write(t, "dynamic/token2go.yaml", k.recipeText(t, "traefik/token2go.yaml"))
	k.write(t, "dynamic/key.yaml", k.recipeText(t, "traefik/key.yaml"))
	k.fillTestdata(t, "dynamic/certificate.yaml", "CERTIFICATE", k.folder+"/tls.pem", "KEY", k.folder+"/tls.key")
	return exec.Command(program, "--configFile="+k.fillTestdata(t, "traefik.yaml", "FRONT", k.front, "FOLDER", dynamic))
}

func keyCaddy(t testing.TB, k *keyed, program string) *exec.Cmd {
	_, port, _ := net.SplitHostPort(k.front)
	recipe := k.write(t, "key.caddy", k.recipeText(t, "caddy/key.Caddyfile",
		"\napp.example.org {", "\napp.example.org {\n\tbind 127.0.0.1\n\ttls "+k.folder+"/tls.pem "+k.folder+"/tls.key"))
	return exec.Command(program, "run", "--adapter", "caddyfile", "--config", k.fillTestdata(t, "Caddyfile", "RECIPE", recipe, "PORT", port))
}

func keyEnvoy(t testing.TB, k *keyed, program string) *exec.Cmd {
	port := func(address string) string { _, port, _ := net.SplitHostPort(address); return port }
	recipe := k.recipeText(t, "envoy/key.yaml",
		"address: 0.0.0.0, port_value: 8443", "address: 127.0.0.1, port_value: "+port(k.front),
		"port_value: 9000", "port_value: "+port(k.app), "port_value: 8081", "port_value: "+port(k.api),
		"port_value: 4180", "port_value: "+port(k.authority))
	return exec.Command(program, "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning", "-c", k.write(t, "key.yaml", recipe))
}

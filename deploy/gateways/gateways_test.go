// Package gateways_test runs the recipes: each gateway that can be had is started with
// its recipe, in front of a server and with the pretend gateway as the authority that it
// asks, and is used as people and programs use it.
package gateways_test

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/demo"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// The names in the recipes, and the identity provider's.
const (
	address  = "https://token.example.org"
	provider = "http://id.example.org"
)

// soon is far longer than anything here takes on a machine with nothing else to do.
const soon = process.Soon

// gateway is a recipe, and how to start the program that it is for.
type gateway struct {
	name, program, recipe string
	header                string // in which the token arrives
	start                 func(testing.TB, *chain, string) *exec.Cmd
	ask                   func(*chain, testing.TB) (authority string)
}

func gateways() []gateway {
	return []gateway{
		{"nginx", "nginx", "nginx/token2go.conf", "X-Access-Token", nginx, (*chain).demoAuthority},
		{"Traefik", "traefik", "traefik/token2go.yaml", "X-Auth-Request-Access-Token", traefik, (*chain).demoAuthority},
		{"Caddy", "caddy", "caddy/Caddyfile", "X-Auth-Request-Access-Token", caddy, (*chain).demoAuthority},
	}
}

// chain is an authority, a gateway and a server.
type chain struct {
	gateway
	server    string // host:port of the server
	authority string // host:port of whom the gateway asks
	front     string // host:port of the gateway under test
	folder    string // of its files
	roots     *x509.CertPool
	lines     *t2gtest.Record // of the server
	output    *t2gtest.Record // by the gateway

	environment []string // of the server
	descriptors int      // that the server may have; 0 is no limit of ours
	variant     string   // path of another server than the one that is delivered
	running     struct{ server, gateway *exec.Cmd }
	// ahead is by how much the authority's clock is ahead of the server's, in nanoseconds.
	ahead atomic.Int64
}

// open starts the whole chain: the server as the recipe configures it, but for what the
// environment says otherwise.
func open(t testing.TB, g gateway, environment ...string) *chain {
	t.Helper()
	need(t, g.program)
	s := newChain(t, g)
	s.complete(t, environment...)
	return s
}

// complete starts server and gateway.
func (s *chain) complete(t testing.TB, environment ...string) {
	t.Helper()
	s.server = "127.0.0.1:" + process.Port(t)
	s.configure(t, environment)
	s.serve(t)
	s.startGateway(t)
}

// What is counted of what a server writes.
const (
	handedOver   = `"decision":"handed_over"`
	failure      = `"level":"ERROR"`
	notAccepting = `"msg":"connections are not accepted"`
)

// newChain starts only the authority.
func newChain(t testing.TB, g gateway) *chain {
	t.Helper()
	s := &chain{
		gateway: g, folder: t.TempDir(), front: "127.0.0.1:" + process.Port(t),
		lines: t2gtest.NewRecord(handedOver, failure, notAccepting), output: t2gtest.NewRecord(),
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the gateway wrote, at last:\n%s\nand the server:\n%s", s.output, s.lines)
		}
	})
	s.authority = s.ask(s, t)
	s.writeCertificate(t)
	return s
}

// startGateway starts the gateway and waits until it serves.
func (s *chain) startGateway(t testing.TB) {
	t.Helper()
	c := s.start(t, s, need(t, s.program))
	c.Env = slices.Concat(os.Environ(), c.Env, []string{"XDG_DATA_HOME=" + s.folder, "XDG_CONFIG_HOME=" + s.folder})
	s.running.gateway = c
	s.await(t, s.run(t, c, s.output), s.answers)
}

// run starts a process that ends with the test at the latest.
func (s *chain) run(t testing.TB, c *exec.Cmd, record *t2gtest.Record) *process.Process {
	t.Helper()
	c.Dir, c.Stderr = s.folder, record
	if c.Stdout == nil {
		c.Stdout = record
	}
	return process.Start(t, c)
}

// variable is one of the server's, in a recipe's comment or text.
var variable = regexp.MustCompile(`(?m)^(?:#   )?(T2G_[A-Z_]+=.*)$`)

// configure takes the variables that the recipe names.
func (s *chain) configure(t testing.TB, environment []string) {
	t.Helper()
	recipe, err := os.ReadFile(s.recipe)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.server)
	s.environment = []string{"T2G_SERVER_PORT=" + port, "T2G_OPS_PORT=0"}
	for _, line := range variable.FindAllSubmatch(recipe, -1) {
		s.environment = append(s.environment, string(line[1]))
	}
	if len(s.environment) < 4 {
		t.Fatalf("%s names the variables %v, want more", s.recipe, s.environment[2:])
	}
	s.environment = append(s.environment, environment...) // the last one of a name counts
}

// serve starts the server and waits until it serves.
func (s *chain) serve(t testing.TB) {
	t.Helper()
	program := s.variant
	if program == "" {
		program = server(t)
	}
	c := exec.Command(program)
	if s.descriptors > 0 {
		c = exec.Command("sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0"`, s.descriptors), program)
	}
	c.Env = s.environment
	s.running.server = c
	s.await(t, s.run(t, c, s.lines), s.serves)
}

// server is the path of the program, built once.
func server(t testing.TB) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var built = sync.OnceValues(func() (string, error) {
	return filepath.Join(scratch, "token2go-server"), process.Build("../..", scratch, "./cmd/token2go-server")
})

// scratch is a folder for what is built once and serves several tests.
var scratch string

func TestMain(m *testing.M) {
	if folder := os.Getenv(asBare); folder != "" {
		fmt.Fprintln(os.Stderr, serveBare(folder))
		os.Exit(1)
	}
	var err error
	if scratch, err = os.MkdirTemp("", "token2go-gateways-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

// await polls until what was started is ready.
func (s *chain) await(t testing.TB, p *process.Process, ready func() bool) {
	t.Helper()
	if err := p.Await(soon, ready); err != nil {
		t.Fatal(err) // what else was written is logged at the end
	}
}

// answers reports whether the gateway serves the name of the recipe: its sign-in leads to
// the identity provider.
func (s *chain) answers() bool {
	answer, err := s.browser().Get(address + "/oauth2/sign_in")
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusFound
}

func (s *chain) serves() bool {
	connection, err := net.Dial("tcp", s.server)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}

// demoAuthority starts an authority, the pretend gateway: oauth2-proxy as the recipes start it, with --upstream=static://202. Its
// tokens are of 8 kB, as those of people with many groups are.
func (s *chain) demoAuthority(t testing.TB) (authority string) {
	t.Helper()
	static := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(static.Close)
	demoAuthority, err := demo.New(demo.Options{
		Upstream:   parse(t, static.URL),
		Provider:   parse(t, provider),
		Secure:     true,
		TokenBytes: 8 << 10,
		Now:        func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) },
		Flags:      demo.Flags{SkipProviderButton: true, SetXAuthRequest: true, ReverseProxy: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(demoAuthority)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// writeCertificate makes the certificate that the gateway shows, in two files.
func (s *chain) writeCertificate(t testing.TB) {
	t.Helper()
	certificate, roots, err := demo.Certificate("token.example.org")
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalECPrivateKey(certificate.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	s.roots = roots
	s.write(t, "tls.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})))
	s.write(t, "tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key})))
}

// write puts a file into the chain's folder and returns its path.
func (s *chain) write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(s.folder, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// adaptRecipe returns the recipe with the addresses of this chain, and other pairs of old and new
// texts. Each old one must be there: a recipe that changes is not tested by its former self.
func (s *chain) adaptRecipe(t testing.TB, pairs ...string) string {
	t.Helper()
	content, err := os.ReadFile(s.recipe)
	if err != nil {
		t.Fatal(err)
	}
	pairs = append(pairs, "127.0.0.1:4180", s.authority, "127.0.0.1:8080", s.server)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(string(content), pairs[i]) {
			t.Fatalf("%s does not hold %q", s.recipe, pairs[i])
		}
	}
	return strings.NewReplacer(pairs...).Replace(string(content))
}

// fillTestdata returns a file of testdata, which is what a recipe needs to run here, filled in.
func (s *chain) fillTestdata(t testing.TB, name string, pairs ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return s.write(t, name, strings.NewReplacer(pairs...).Replace(string(content)))
}

func nginx(t testing.TB, s *chain, program string) *exec.Cmd {
	recipe := s.write(t, "token2go.conf", s.adaptRecipe(t,
		"listen 443 ssl;", "listen "+s.front+" ssl;",
		"/etc/ssl/token.example.org.pem", s.folder+"/tls.pem",
		"/etc/ssl/token.example.org.key", s.folder+"/tls.key"))
	return exec.Command(program, "-e", "stderr", "-p", s.folder, "-c", s.fillTestdata(t, "nginx.conf", "RECIPE", recipe))
}

func traefik(t testing.TB, s *chain, program string) *exec.Cmd {
	dynamic := filepath.Join(s.folder, "dynamic")
	if err := os.MkdirAll(dynamic, 0o700); err != nil {
		t.Fatal(err)
	}
	s.write(t, "dynamic/token2go.yaml", s.adaptRecipe(t))
	s.fillTestdata(t, "dynamic/certificate.yaml", "CERTIFICATE", s.folder+"/tls.pem", "KEY", s.folder+"/tls.key")
	return exec.Command(program, "--configFile="+s.fillTestdata(t, "traefik.yaml", "FRONT", s.front, "FOLDER", dynamic))
}

func caddy(t testing.TB, s *chain, program string) *exec.Cmd {
	_, port, _ := net.SplitHostPort(s.front)
	recipe := s.write(t, "token2go.caddy", s.adaptRecipe(t,
		"\ntoken.example.org {", "\ntoken.example.org {\n\tbind 127.0.0.1\n\ttls "+s.folder+"/tls.pem "+s.folder+"/tls.key"))
	config := s.fillTestdata(t, "Caddyfile", "RECIPE", recipe, "PORT", port)
	return exec.Command(program, "run", "--adapter", "caddyfile", "--config", config)
}

// need returns the path of a program, from the variable that names it or from PATH.
func need(t testing.TB, program string) string {
	t.Helper()
	process.Slow(t)
	return process.Need(t, "T2G_TEST_"+strings.ToUpper(program), program)
}

func parse(t testing.TB, address string) *url.URL {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func body(t testing.TB, answer *http.Response) string {
	t.Helper()
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

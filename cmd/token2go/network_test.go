package main

import (
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/token2go/token2go/clients/go/token2go"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// A server with a certificate of an authority that the system does not know, reached
// through a proxy alone: what offices are like.
func TestGetUsesCAFileAndProxy(t *testing.T) {
	t.Parallel()
	upstream := t2gtest.Start(t, t2gtest.Options{})
	gateway, err := url.Parse(upstream.Gateway)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(gateway))
	t.Cleanup(server.Close)
	proxy, passed := newProxy(t, server.Listener.Addr().String())
	s := newShell(t)
	s.environment = append(s.environment, "HTTPS_PROXY="+strings.Replace(proxy, "://", "://ada:pass@", 1), "DECISION=never")
	const address = "https://example.com" // a name of the certificate, which only the proxy reaches

	out, err := s.try("token2go get --timeout 1s " + address)
	if code := exitCode(err); code != 9 || !strings.Contains(out, "certificate not trusted") || passed() == 0 {
		t.Errorf("got exit code %d with %d connections through the proxy, want 9: %s", code, passed(), out)
	}
	s.mustHaveTabs(t, 0)

	authority := filepath.Join(s.home, "authority.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = s.try("token2go get --timeout 1s --ca-file " + authority + " " + address)
	if code := exitCode(err); code != 4 {
		t.Errorf("got exit code %d, want the browser opened and 4: %s", code, out)
	}
	s.mustHaveTabs(t, 1)

	// The profile says it as well.
	s.run(t, "token2go config set office server "+address)
	s.run(t, "token2go config set office ca-file "+authority)
	out = s.run(t, "token2go doctor office")
	if strings.Contains(out, "ada") {
		t.Errorf("got the proxy's user in %s, want it left out", out)
	}
	for _, want := range []string{"ok     certificate  is trusted", "note   proxy        goes through " + proxy, "ok     gateway      answers"} {
		if !strings.Contains(out, want) {
			t.Errorf("got %s\nwant %s", out, want)
		}
	}
}

// What answers at an address that was mistyped is not to be trusted with the terminal.
func TestDoctorPrintsNoEscapeSequences(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte("HTTP/1.1 418 \x1b]0;mine\a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
		_ = conn.Close()
	}))
	t.Cleanup(server.Close)
	out, err := newShell(t).try("token2go doctor " + server.URL)
	if exitCode(err) != 12 || !strings.Contains(out, "the answer is 418 ?]0;mine?") || strings.ContainsAny(out, "\x1b\a") {
		t.Errorf("got %v and %q, want the escape sequence taken apart", err, out)
	}
}

func TestDoctorRecognisesTheOldServer(t *testing.T) {
	t.Parallel()
	old := http.NewServeMux()
	old.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{\"status\": \"OK.\"}\n") })
	old.HandleFunc("/flow/redirect/token", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Bad Request. Missing query parameters: target, state, publicKeyType, publicKey", http.StatusBadRequest)
	})
	alone := httptest.NewServer(old)
	t.Cleanup(alone.Close)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" { // which gateways often let through
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		old.ServeHTTP(w, r)
	}))
	t.Cleanup(gateway.Close)
	s := newShell(t)
	for _, address := range []string{alone.URL, gateway.URL} {
		out, err := s.try("token2go doctor " + address)
		if exitCode(err) != 12 || strings.Count(out, "is a token2go-server 1.0.3") != 1 || !strings.Contains(out, "--format triple") {
			t.Errorf("%s: got %v and %s, want it recognised once", address, err, out)
		}
	}
	s.run(t, "token2go config set old server "+gateway.URL)
	s.run(t, "token2go config set old format triple")
	if out := s.run(t, "token2go doctor old"); strings.Contains(out, "1.0.3") {
		t.Errorf("got %s, want no fault where the profile has the format", out)
	}
}

// The flow seals the token, so plain http does not show it; neither may the doctor.
func TestDoctorSendsNoTokenUnencrypted(t *testing.T) {
	t.Parallel()
	asked, shown := new(process.Output), new(process.Output)
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = asked.Write([]byte(r.URL.String() + "\n"))
		_, _ = shown.Write([]byte(r.Header.Get("Authorization")))
	}))
	t.Cleanup(proxy.Close)
	s := newShell(t)
	s.environment = append(s.environment, "HTTP_PROXY="+proxy.URL)
	const address = "http://t2g.example.org"
	if err := (token2go.Cache{Dir: filepath.Join(s.home, "runtime", "token2go")}).Store(address, token2go.NewToken("secret")); err != nil {
		t.Fatal(err)
	}
	out, _ := s.try("token2go doctor --allow-http " + address)
	if !strings.Contains(out, "holds a token") || !strings.Contains(asked.String(), address+"/health") || shown.String() != "" {
		t.Errorf("got %q in the clear at %s, want nothing: %s", shown, asked, out)
	}
}

// newProxy passes every connection on to one address, and counts them.
func newProxy(t *testing.T, to string) (address string, passed func() int) {
	t.Helper()
	count := new(process.Output)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		far, err := net.Dial("tcp", to)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = count.Write([]byte("."))
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			_ = far.Close()
			return
		}
		_, _ = near.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
		go func() { _, _ = io.Copy(near, far); _ = near.Close() }()
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL, func() int { return strings.Count(count.String(), ".") }
}

func exitCode(err error) int {
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return failed.ExitCode()
	}
	return 0
}

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

func TestHealthcheckAsksEveryKindOfListener(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	cert, key := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	certify(t, cert, key, "token.example.org")
	socket := filepath.Join(folder, "gateway.sock")
	port, ops := process.Port(t), process.Port(t)
	for _, test := range []struct {
		name        string
		environment []string
	}{
		{"the ops listener", []string{"T2G_SERVER_PORT=0", "T2G_OPS_PORT=" + ops}},
		{"the ops listener on every interface", []string{"T2G_SERVER_PORT=0", "T2G_OPS_HOST=0.0.0.0", "T2G_OPS_PORT=" + ops}},
		{"the gateway listener", []string{"T2G_SERVER_PORT=" + port, "T2G_OPS_PORT=0"}},
		{"the gateway listener, for certain host names only", []string{"T2G_SERVER_PORT=" + port, "T2G_OPS_PORT=0", "T2G_ALLOWED_HOSTS=token.example.org"}},
		{"the gateway listener, for certain peers only", []string{"T2G_SERVER_PORT=" + port, "T2G_OPS_PORT=0", "T2G_GATEWAY_CIDRS=192.0.2.1"}},
		{"the gateway listener under a prefix", []string{"T2G_SERVER_PORT=" + port, "T2G_OPS_PORT=0", "T2G_BASE_PATH=/t2g"}},
		{"the gateway listener by TLS", []string{"T2G_SERVER_PORT=" + port, "T2G_OPS_PORT=0", "T2G_TLS_CERT_FILE=" + cert, "T2G_TLS_KEY_FILE=" + key}},
		{"a Unix socket", []string{"T2G_SERVER_SOCKET=" + socket, "T2G_OPS_PORT=0"}},
		{"the API listener", storing(t, "T2G_SERVER_PORT=off", "T2G_OPS_PORT=0", "T2G_API_PORT="+port)},
		{"the API listener, for certain peers only", storing(t, "T2G_SERVER_PORT=off", "T2G_OPS_PORT=0", "T2G_API_PORT="+port, "T2G_API_CIDRS=192.0.2.1")},
		{"the API listener by TLS", storing(t, "T2G_SERVER_PORT=off", "T2G_OPS_PORT=0", "T2G_API_PORT="+port, "T2G_API_TLS_CERT_FILE="+cert, "T2G_API_TLS_KEY_FILE="+key)},
		{"the API listener's socket", storing(t, "T2G_SERVER_PORT=off", "T2G_OPS_PORT=0", "T2G_API_SOCKET="+socket)},
	} {
		check := func() (int, string) {
			p := launch(t, []string{"healthcheck"}, test.environment...)
			return p.Code(t), p.stderr.String()
		}
		h := &instance{program: launch(t, nil, test.environment...)}
		h.readAddresses(t)
		if code, stderr := check(); code != 0 {
			t.Errorf("%s: got exit code %d, want 0: %s", test.name, code, stderr)
		}
		h.Signal(t, syscall.SIGTERM)
		if code := h.Code(t); code != 0 {
			t.Errorf("%s: the server ended with %d, want 0: %s", test.name, code, h.stderr)
		}
		if code, stderr := check(); code != 1 || !strings.HasPrefix(stderr, "not healthy: ") {
			t.Errorf("%s: got exit code %d without a server, want 1: %s", test.name, code, stderr)
		}
	}
}

// Another server on the port is not healthy.
func TestHealthcheckRejectsOtherServers(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	other := &http.Server{Handler: http.NotFoundHandler()}
	go func() { _ = other.Serve(listener) }()
	defer other.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	p := launch(t, []string{"healthcheck"}, "T2G_OPS_PORT="+port)
	if code := p.Code(t); code != 1 || !strings.Contains(p.stderr.String(), "got status 404") {
		t.Errorf("got exit code %d and %q, want 1 and the status", code, p.stderr)
	}
}

func TestSocketHasModeAndIsRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gateway.sock")
	h := &instance{program: launch(t, nil, "T2G_SERVER_SOCKET="+path, "T2G_OPS_PORT=0")}
	h.readAddresses(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o660 {
		t.Errorf("got mode %o, want 660", got)
	}
	if got := askSocket(t, path); got != http.StatusOK {
		t.Errorf("got %d by the socket, want 200", got)
	}
	second := launch(t, nil, "T2G_SERVER_SOCKET="+path, "T2G_OPS_PORT=0")
	if code := second.Code(t); code != 1 || !strings.Contains(second.stderr.String(), "is in use by another process") {
		t.Errorf("a second server: got exit code %d and %q, want it refused", code, second.stderr)
	}
	h.Signal(t, syscall.SIGTERM)
	h.Code(t)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("got %v, want the socket gone with the server", err)
	}
}

func TestLeftOverSocketIsReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gateway.sock")
	first := &instance{program: launch(t, nil, "T2G_SERVER_SOCKET="+path, "T2G_OPS_PORT=0")}
	first.readAddresses(t)
	first.Signal(t, syscall.SIGKILL)
	first.Code(t)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the test leaves no socket behind: %v", err)
	}
	second := &instance{program: launch(t, nil, "T2G_SERVER_SOCKET="+path, "T2G_OPS_PORT=0")}
	second.readAddresses(t)
	if got := askSocket(t, path); got != http.StatusOK {
		t.Errorf("got %d by the socket, want 200", got)
	}
}

// Each of these finds no listener, and that the file may be removed.
func TestLeftOverSocketIsTakenOnce(t *testing.T) {
	t.Parallel()
	for range 5 {
		path := filepath.Join(t.TempDir(), "gateway.sock")
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		if err != nil {
			t.Fatal(err)
		}
		listener.SetUnlinkOnClose(false)
		_ = listener.Close()
		var several []*program
		for range 6 {
			several = append(several, launch(t, nil, "T2G_SERVER_SOCKET="+path, "T2G_OPS_PORT=0"))
		}
		running := func() int {
			return len(slices.DeleteFunc(slices.Clone(several), func(p *program) bool { return !p.Running() }))
		}
		process.Until(t, "each server serves or has ended", func() bool {
			return !slices.ContainsFunc(several, func(p *program) bool { return p.Running() && len(p.lines("serving")) == 0 })
		})
		if got := running(); got != 1 {
			t.Errorf("got %d servers at one socket, want 1", got)
		}
		if got := askSocket(t, path); got != http.StatusOK {
			t.Errorf("got %d by the socket, want 200", got)
		}
		for _, p := range several {
			p.Kill()
		}
	}
}

// A process that is too busy to take connections has not left its socket behind.
func TestSocketWithFullQueueIsNotReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gateway.sock")
	descriptor, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(descriptor)
	if err := syscall.Bind(descriptor, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(descriptor, 0); err != nil {
		t.Fatal(err)
	}
	for range 8 { // until nothing more fits, however much more than none the system takes
		connection, err := net.DialTimeout("unix", path, time.Second)
		if err != nil {
			break
		}
		defer connection.Close()
	}
	p := launch(t, nil, "T2G_SERVER_SOCKET="+path, "T2G_OPS_PORT=0")
	if code := p.Code(t); code != 1 || !strings.Contains(p.stderr.String(), "is in use by another process") {
		t.Errorf("got exit code %d and %q, want it refused", code, p.stderr)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the socket is gone: %v", err)
	}
}

func TestFileAtSocketPathIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gateway.sock")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, nil, "T2G_SERVER_SOCKET="+path, "T2G_OPS_PORT=0")
	if code := p.Code(t); code != 2 {
		t.Errorf("got exit code %d, want 2: %s", code, p.stderr)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "precious" {
		t.Errorf("got %q and %v, want the file as it was", content, err)
	}
}

func askSocket(t *testing.T, path string) int {
	t.Helper()
	client := &http.Client{Timeout: soon, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	r, err := http.NewRequest(http.MethodGet, "http://token.example.org/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(tokenHeader, "by-socket")
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

func TestCertificateIsReloaded(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	cert, key := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	certify(t, cert, key, "first.example")
	h := openInstance(t, "T2G_TLS_CERT_FILE="+cert, "T2G_TLS_KEY_FILE="+key)
	if got := h.certificate(t); got != "first.example" {
		t.Fatalf("got the certificate of %s, want first.example", got)
	}
	kept := tlsDial(t, h.gateway)

	// One file alone does not fit the other: the earlier pair stays in use.
	if err := os.WriteFile(cert, []byte("half a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	process.Until(t, "the unreadable pair is logged", func() bool {
		if got := h.certificate(t); got != "first.example" {
			t.Fatalf("got the certificate of %s, want first.example as before", got)
		}
		return len(h.lines("certificate not read again, the earlier one stays")) > 0
	})
	certify(t, cert, key, "second.example")
	process.Until(t, "the second certificate is in use", func() bool { return h.certificate(t) == "second.example" })

	// As restored from a backup: with times before those of the files that they replace.
	certify(t, cert, key, "third.example")
	past := time.Now().Add(-24 * time.Hour)
	for _, path := range []string{cert, key} {
		if err := os.Chtimes(path, past, past); err != nil {
			t.Fatal(err)
		}
	}
	process.Until(t, "the third certificate is in use", func() bool { return h.certificate(t) == "third.example" })

	write(t, kept, "GET /health HTTP/1.1\r\nHost: first.example\r\n\r\n")
	if got := readReply(t, kept); got.status != http.StatusOK {
		t.Errorf("got %d on a connection from before, want 200", got.status)
	}
}

// certificate is the name in the certificate that a new connection is shown.
func (h *instance) certificate(t *testing.T) string {
	t.Helper()
	connection := tlsDial(t, h.gateway)
	defer connection.Close()
	return connection.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func tlsDial(t *testing.T, address string) *tls.Conn {
	t.Helper()
	connection := tls.Client(dial(t, address), &tls.Config{InsecureSkipVerify: true})
	if err := connection.Handshake(); err != nil {
		t.Fatal(err)
	}
	return connection
}

func certify(t *testing.T, certFile, keyFile, name string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert},
		keyFile:  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

package e2e_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// names is where the names of the recipes are to be found on this computer: an HTTP proxy
// that tunnels, and a certificate for all of them.
type names struct {
	proxy       string // its address, as a URL
	certificate string // path of a PEM file, also the only root of everybody here
	key         string // path of the private key's
	roots       *x509.CertPool

	mu    sync.Mutex
	leads map[string]string // from host:port to host:port
}

// known is the one of all tests.
var known = sync.OnceValues(func() (*names, error) {
	n := &names{leads: map[string]string{}}
	if err := n.certify("token.example.org", "id.example.org", "elsewhere.example", "api.example.org", "app.example.org"); err != nil {
		return nil, err
	}
	listener, err := listen()
	if err != nil {
		return nil, err
	}
	n.proxy = "http://" + listener.Addr().String()
	server := &http.Server{Handler: n, ReadHeaderTimeout: soon}
	go func() { _ = server.Serve(listener) }()
	endings = append(endings, func() { _ = server.Close() })
	return n, nil
})

func recipeNames(t testing.TB) *names {
	t.Helper()
	n, err := known()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// route makes a name of https be found at an address.
func (n *names) route(name, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.leads[name+":443"] = to
}

// ServeHTTP tunnels to where a name leads, and nowhere else.
func (n *names) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	to := n.leads[r.Host]
	n.mu.Unlock()
	if r.Method != http.MethodConnect || to == "" {
		http.Error(w, "no such name here: "+r.Host, http.StatusBadGateway)
		return
	}
	there, err := new(net.Dialer).DialContext(r.Context(), "tcp", to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = there.Close()
		return
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	tunnel(here, buffered.Reader, there)
}

// tunnel copies both ways until both sides have ended.
func tunnel(here net.Conn, read *bufio.Reader, there net.Conn) {
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(there, read)
		_ = there.(*net.TCPConn).CloseWrite() //nolint:forcetypeassert // it was dialled as one
	})
	both.Go(func() {
		_, _ = io.Copy(here, there)
		_ = here.Close()
	})
	both.Wait()
	_ = there.Close()
}

// certify makes a certificate that vouches for itself, and writes it down.
func (n *names) certify(hosts ...string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Token2go's tests"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		DNSNames:              hosts,
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	n.certificate, n.key = filepath.Join(scratch, "tls.pem"), filepath.Join(scratch, "tls.key")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	n.roots = x509.NewCertPool()
	n.roots.AppendCertsFromPEM(certificate)
	// Programs that have given up root's rights read it, too.
	if err := os.WriteFile(n.certificate, certificate, 0o644); err != nil {
		return err
	}
	if err := os.Chmod(scratch, 0o755); err != nil {
		return err
	}
	return os.WriteFile(n.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
}

// environment is what makes client programs find the names and trust them.
func (n *names) environment() []string {
	return []string{
		"HTTPS_PROXY=" + n.proxy, "https_proxy=" + n.proxy, "SSL_CERT_FILE=" + n.certificate,
	}
}

// script is a client without a browser: it has no session, and follows no redirect.
func (n *names) script() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:             func(*http.Request) (*url.URL, error) { return url.Parse(n.proxy) },
			TLSClientConfig:   &tls.Config{RootCAs: n.roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       soon,
	}
}

// ask sends a GET as a script does, with headers in pairs.
func ask(t testing.TB, where string, headers ...string) (status int, body string) {
	t.Helper()
	if strings.HasPrefix(where, "/") {
		where = address + where
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, where, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = []string{headers[i+1]} // as written, also with underscores
	}
	client := recipeNames(t).script()
	if strings.HasPrefix(where, "http://") {
		client = http.DefaultClient
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(content)
}

// site serves pages of another site.
func site(t testing.TB, page http.HandlerFunc) {
	t.Helper()
	host(t, "elsewhere.example", page)
}

// host serves a name of https.
func host(t testing.TB, name string, page http.Handler) {
	t.Helper()
	n := recipeNames(t)
	listener, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: page, ReadHeaderTimeout: soon}
	go func() { _ = server.ServeTLS(listener, n.certificate, n.key) }()
	t.Cleanup(func() { _ = server.Close() })
	n.route(name, listener.Addr().String())
}

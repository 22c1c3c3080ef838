package demo_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/demo"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

func TestListenRejectsOtherThanLoopback(t *testing.T) {
	for _, test := range []struct{ name, host, want string }{
		{"loopback", "127.0.0.1", "127.0.0.1"},
		{"its name", "localhost", "127.0.0.1"},
		{"another address of it", "127.0.0.2", "127.0.0.2"},
		{"loopback mapped into IPv6", "::ffff:127.0.0.1", "127.0.0.1"},
		{"every address", "0.0.0.0", ""},
		{"every address of IPv6", "::", ""},
		{"every address by the empty host", "", ""},
		{"a private address", "192.168.1.1", ""},
		{"a public address", "203.0.113.9", ""},
		{"a public address mapped into IPv6", "::ffff:203.0.113.9", ""},
		{"a public name", "demo.example.org", ""},
		{"a name that begins with localhost", "localhost.example.org", ""},
		{"a short form", "127.1", ""},
		{"a port in the host", "127.0.0.1:80", ""},
		{"a zone", "::1%lo", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			listener, err := demo.Listen(test.host, 0)
			if test.want == "" {
				if !errors.Is(err, demo.ErrNotLoopback) {
					t.Errorf("got %v, want ErrNotLoopback", err)
				}
				return
			}
			checkListens(t, listener, err, test.want)
		})
	}
}

func checkListens(t *testing.T, listener net.Listener, err error, want string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if got := listener.Addr().(*net.TCPAddr).IP.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestListenAcceptsIPv6Loopback(t *testing.T) {
	probe, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		process.Missing(t, "no IPv6 here: "+err.Error())
	}
	_ = probe.Close()
	listener, err := demo.Listen("::1", 0)
	checkListens(t, listener, err, "::1")
}

func TestListenReplacesTakenPort(t *testing.T) {
	first, err := demo.Listen("127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	taken := first.Addr().(*net.TCPAddr).Port
	second, err := demo.Listen("127.0.0.1", taken)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if got := second.Addr().(*net.TCPAddr).Port; got == taken || got == 0 {
		t.Errorf("got port %d, want another than %d", got, taken)
	}
}

func TestListenUsesFreePort(t *testing.T) {
	first, err := demo.Listen("127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	port := first.Addr().(*net.TCPAddr).Port
	_ = first.Close()
	second, err := demo.Listen("127.0.0.1", port)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if got := second.Addr().(*net.TCPAddr).Port; got != port {
		t.Errorf("got port %d, want %d", got, port)
	}
}

func TestListenRejectsInvalidPort(t *testing.T) {
	for _, port := range []int{-1, 65536} {
		if listener, err := demo.Listen("127.0.0.1", port); err == nil {
			_ = listener.Close()
			t.Errorf("%d: got a listener, want an error", port)
		}
	}
}

func TestCertificateRejectsNoNames(t *testing.T) {
	if _, _, err := demo.Certificate(); err == nil {
		t.Error("got a certificate, want an error")
	}
}

// overHTTPS serves the gateway by TLS under host names that only this client resolves.
func overHTTPS(t *testing.T, names ...string) (*fixture, *http.Client, string) {
	t.Helper()
	certificate, pool, err := demo.Certificate(append(names, "127.0.0.1")...)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewUnstartedServer(nil)
	_, port, _ := net.SplitHostPort(front.Listener.Addr().String())
	provider := &url.URL{Scheme: "https", Host: net.JoinHostPort(names[1], port)}
	gateway, err := demo.New(demo.Options{Upstream: upstream(t), Provider: provider})
	if err != nil {
		t.Fatal(err)
	}
	front.Config.Handler = gateway
	front.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	front.StartTLS()
	t.Cleanup(front.Close)
	s := &fixture{t: t, gateway: gateway, front: front}
	client := s.client()
	client.Transport = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, front.Listener.Addr().String())
		},
	}
	return s, client, "https://" + net.JoinHostPort(names[0], port)
}

func TestSignInWorksAcrossSitesOverHTTPS(t *testing.T) {
	s, client, gateway := overHTTPS(t, "gateway.example", "login.other.example")
	begun, _ := s.get(client, gateway+"/oauth2/start?rd=/here%3Fq")
	if got := location(t, begun); !strings.HasPrefix(got, "https://login.other.example:") {
		t.Fatalf("got sent to %s, want the provider", got)
	}
	if got := s.finish(client, begun, "ada.analyst"); got != "/here?q" {
		t.Errorf("got back to %s, want /here?q", got)
	}
	seen := s.see(client, gateway+"/here", nil)
	if want := strings.TrimPrefix(gateway, "https://"); seen.Host != want {
		t.Errorf("got host %s, want %s", seen.Host, want)
	}
	for _, cookie := range client.Jar.Cookies(parse(t, strings.Replace(gateway, "https:", "http:", 1))) {
		t.Errorf("got %s sent over plain http, want it Secure", cookie.Name)
	}
	if got := client.Jar.Cookies(parse(t, "https://login.other.example")); len(got) != 0 {
		t.Errorf("got %d cookies at the provider, want none", len(got))
	}
}

func TestIssuerIsTheProvidersOrigin(t *testing.T) {
	s, client, gateway := overHTTPS(t, "gateway.example", "login.other.example")
	_, text := s.get(client, gateway+"/.well-known/openid-configuration")
	if !strings.Contains(text, `"issuer":"https://login.other.example:`) {
		t.Errorf("got %s, want the provider's origin as issuer", text)
	}
}

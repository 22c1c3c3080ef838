package demo_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/token2go/token2go/internal/demo"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

func TestForwardSendsTheHeadersOfOauth2Proxy(t *testing.T) {
	s := open(t, demo.Options{})
	seen := s.see(s.signedIn("ada.analyst"), "/path?q=1", func(r *http.Request) {
		r.Header.Set("User-Agent", "test")
		r.Header.Set("Accept", "text/html")
	})
	token, cookie := seen.Header.Get("X-Forwarded-Access-Token"), seen.Header.Get("Cookie")
	if strings.Count(token, ".") != 2 || !strings.HasPrefix(cookie, "_demo_session=") {
		t.Errorf("got token %q and cookie %q, want a JWT and the session", token, cookie)
	}
	seen.Header.Del("X-Forwarded-Access-Token")
	seen.Header.Del("Cookie")
	want := http.Header{
		"Accept":                         {"text/html"},
		"Accept-Encoding":                {"gzip"},
		"User-Agent":                     {"test"},
		"X-Forwarded-For":                {"127.0.0.1"},
		"X-Forwarded-User":               {"5f0c4a52-0a6e-4f0e-9d53-0000000000a1"},
		"X-Forwarded-Email":              {"ada.analyst@example.org"},
		"X-Forwarded-Preferred-Username": {"ada.analyst"},
		"X-Forwarded-Groups":             {"analysts,staff"},
	}
	if diff := cmp.Diff(seen.Header, want); diff != "" {
		t.Errorf("headers (- got, + want):\n%s", diff)
	}
	if want := strings.TrimPrefix(s.front.URL, "http://"); seen.Host != want || seen.URI != "/path?q=1" {
		t.Errorf("got %s for host %s, want /path?q=1 for host %s", seen.URI, seen.Host, want)
	}
}

func TestFlagsAddTheHeadersOfOauth2Proxy(t *testing.T) {
	const access, authorization = "X-Forwarded-Access-Token", "Authorization"
	for _, test := range []struct {
		name             string
		flags            demo.Flags
		upstream, answer []string
	}{
		{"as they are", demo.Flags{}, []string{access}, nil},
		{"no access token", demo.Flags{NoPassAccessToken: true}, nil, nil},
		{"authorization", demo.Flags{NoPassAccessToken: true, PassAuthorizationHeader: true}, []string{authorization}, nil},
		{"both", demo.Flags{PassAuthorizationHeader: true}, []string{access, authorization}, nil},
		{
			"X-Auth-Request",
			demo.Flags{SetXAuthRequest: true},
			[]string{access},
			[]string{
				"X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Preferred-Username",
				"X-Auth-Request-Groups", "X-Auth-Request-Access-Token",
			},
		},
		{
			"X-Auth-Request and no access token",
			demo.Flags{SetXAuthRequest: true, NoPassAccessToken: true},
			nil,
			[]string{
				"X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Preferred-Username",
				"X-Auth-Request-Groups",
			},
		},
		{"authorization in answers", demo.Flags{SetAuthorizationHeader: true}, []string{access}, []string{authorization}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, demo.Options{Flags: test.flags})
			client := s.signedIn("omar.operator")
			checkPresent(t, "upstream", s.see(client, "/", nil).Header, test.upstream, access, authorization)
			response, _ := s.get(client, "/")
			checkPresent(t, "answer", response.Header, test.answer, authorization,
				"X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Preferred-Username",
				"X-Auth-Request-Groups", "X-Auth-Request-Access-Token")
			if got := response.Header.Get("Gap-Auth"); got != "omar.operator@example.org" {
				t.Errorf("got Gap-Auth %q, want the email", got)
			}
		})
	}
}

// checkPresent reports names that are present but not wanted, or missing.
func checkPresent(t *testing.T, where string, header http.Header, want []string, names ...string) {
	t.Helper()
	for _, name := range names {
		if got, want := header.Get(name) != "", slices.Contains(want, name); got != want {
			t.Errorf("%s: got %s there %v, want %v", where, name, got, want)
		}
	}
}

func TestForwardStripsForgedHeadersAsOauth2Proxy(t *testing.T) {
	all := demo.Flags{PassAuthorizationHeader: true}
	for _, test := range []struct {
		name, header string
		flags        demo.Flags
		arrives      bool
	}{
		{"user", "X-Forwarded-User", demo.Flags{}, false},
		{"email", "X-Forwarded-Email", demo.Flags{}, false},
		{"username", "X-Forwarded-Preferred-Username", demo.Flags{}, false},
		{"groups, which the person has none of", "X-Forwarded-Groups", demo.Flags{}, false},
		{"access token", "X-Forwarded-Access-Token", demo.Flags{}, false},
		{"access token with underscores", "X_Forwarded_Access_Token", demo.Flags{}, false},
		{"access token in lower case and both", "x-forwarded_access-token", demo.Flags{}, false},
		{"authorization that the gateway sets", "Authorization", all, false},
		{"access token that the gateway does not set", "X-Forwarded-Access-Token", demo.Flags{NoPassAccessToken: true}, true},
		{"authorization that the gateway does not set", "Authorization", demo.Flags{}, true},
		{"another token header", "X-Auth-Request-Access-Token", demo.Flags{SetXAuthRequest: true}, true},
		{"one of 1.0.3's names", "Token", demo.Flags{}, true},
		{"one of Apache's names", "OIDC_access_token", demo.Flags{}, true},
		{"forwarded host", "X-Forwarded-Host", demo.Flags{}, true},
		{"forwarded protocol", "X-Forwarded-Proto", demo.Flags{}, true},
		{"forwarded", "Forwarded", demo.Flags{}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, demo.Options{Flags: test.flags})
			seen := s.see(s.signedIn("nora.newcomer"), "/", func(r *http.Request) {
				r.Header[test.header] = []string{"spoof"}
			})
			if got := holds(seen.Header, "spoof"); got != test.arrives {
				t.Errorf("got it behind the gateway %v, want %v: %v", got, test.arrives, seen.Header)
			}
		})
	}
}

func holds(header http.Header, part string) bool {
	for _, values := range header {
		if strings.Contains(strings.Join(values, " "), part) {
			return true
		}
	}
	return false
}

func TestForwardJoinsRepeatedHeadersAndAddsPeer(t *testing.T) {
	s := open(t, demo.Options{})
	seen := s.see(s.signedIn("ada.analyst"), "/", func(r *http.Request) {
		r.Header["Token"] = []string{"one", "two"}
		r.Header.Set("X-Forwarded-For", "192.0.2.7")
	})
	if got := seen.Header["Token"]; !slices.Equal(got, []string{"one,two"}) {
		t.Errorf("got %q, want both joined by a comma", got)
	}
	if got := seen.Header.Get("X-Forwarded-For"); got != "192.0.2.7, 127.0.0.1" {
		t.Errorf("got %q, want the client's own and the peer", got)
	}
}

func TestForwardKeepsHostAndURL(t *testing.T) {
	s := open(t, demo.Options{})
	cookie, err := s.gateway.SignIn(s.front.URL, "ada.analyst")
	if err != nil {
		t.Fatal(err)
	}
	for _, uri := range []string{"/a%2Fb/../c//d?x=1;y=%zz&&", "//double/slash", "/?", "/%E2%82%AC?q=%2B+%20", "/oauth2/../x", "/oauth2/"} {
		seen := raw(s, "GET "+uri+" HTTP/1.1\r\nHost: gateway.example:8443\r\nCookie: "+cookie.Name+"="+cookie.Value+"\r\n\r\n")
		if seen.URI != uri || seen.Host != "gateway.example:8443" {
			t.Errorf("got %s for %s, want %s for gateway.example:8443", seen.URI, seen.Host, uri)
		}
	}
}

// raw sends a request that net/http's client would not write.
func raw(s *fixture, request string) (seen received) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.front.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(request)); err != nil {
		s.t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&seen); err != nil {
		s.t.Fatalf("got %s without the received request: %v", response.Status, err)
	}
	return seen
}

func TestForwardKeepsBodyAndMethod(t *testing.T) {
	s := open(t, demo.Options{})
	client := s.signedIn("ada.analyst")
	response, text := s.do(client, "POST", "/form", strings.NewReader("a=b"), nil)
	if response.StatusCode != http.StatusOK || !strings.Contains(text, `"Method":"POST"`) || !strings.Contains(text, `"Body":"a=b"`) {
		t.Errorf("got %d %s, want the POST with its body behind the gateway", response.StatusCode, text)
	}
	response, text = s.do(client, "HEAD", "/", nil, nil)
	if response.StatusCode != http.StatusOK || text != "" {
		t.Errorf("got %d %q, want 200 without a body", response.StatusCode, text)
	}
}

func TestForwardAcceptsLongURLAndLargeHeaders(t *testing.T) {
	s := open(t, demo.Options{})
	query := strings.Repeat("x", 900<<10)
	seen := s.see(s.signedIn("ada.analyst"), "/?"+query, func(r *http.Request) {
		r.Header.Set("X-Large", strings.Repeat("y", 64<<10))
	})
	if got := len(seen.URI); got != len(query)+2 {
		t.Errorf("got a URI of %d bytes, want %d", got, len(query)+2)
	}
	if got := len(seen.Header.Get("X-Large")); got != 64<<10 {
		t.Errorf("got a header of %d bytes, want 65536", got)
	}
}

func TestForwardExplainsUnreachableUpstream(t *testing.T) {
	listener, err := demo.Listen("127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	s := open(t, demo.Options{Upstream: parse(t, "http://"+address)})
	response, text := s.get(s.signedIn("ada.analyst"), "/")
	if response.StatusCode != http.StatusBadGateway || !strings.Contains(text, address) {
		t.Errorf("got %d %s, want 502 and a page that names %s", response.StatusCode, text, address)
	}
}

func TestForwardReachesUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		process.Missing(t, "no Unix sockets here: "+err.Error())
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }),
	}}
	server.Start()
	t.Cleanup(server.Close)
	s := open(t, demo.Options{
		Upstream: parse(t, "http://token2go"),
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}},
	})
	if response, text := s.get(s.signedIn("ada.analyst"), "/"); response.StatusCode != http.StatusOK || text != "hello" {
		t.Errorf("got %d %q, want the answer of the socket", response.StatusCode, text)
	}
}

package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/t2gtest"
)

// everyRoute calls visit with every operation of the gateway listener, and an address
// that leads nowhere.
func everyRoute(t *testing.T, visit func(method, path string)) {
	t.Helper()
	for _, operation := range append(operations(t), "GET /nothing", "DELETE /token") {
		method, path, _ := strings.Cut(operation, " ")
		visit(method, example(path))
	}
}

func answering(names ...string) func(*gateway.Options) {
	return func(o *gateway.Options) { o.Hosts = names }
}

func TestCheckHostAnswersOnlyListedNames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		served, host string
		answered     bool
	}{
		{"", "anything.example", true},
		{"*", "anything.example", true},
		{"t2g.example.org", "t2g.example.org", true},
		{"t2g.example.org", "T2G.Example.ORG", true},
		{"t2g.example.org", "t2g.example.org:8443", true},
		{"t2g.example.org:8443", "t2g.example.org:8443", true},
		{"localhost,127.0.0.1,::1", "[::1]:8080", true},
		{"localhost,127.0.0.1,[::1]", "[::1]", true},
		{"localhost,127.0.0.1,::1", "127.0.0.1:1", true},
		{"a.example,b.example", "b.example", true},
		{"t2g.example.org:8443", "t2g.example.org", false},
		{"t2g.example.org:8443", "t2g.example.org:443", false},
		{"t2g.example.org", "evil.example", false},
		{"t2g.example.org", "t2g.example.org.evil.example", false},
		{"t2g.example.org", "evil.t2g.example.org", false},
		{"t2g.example.org", "t2g.example.org.", false},
		{"localhost,127.0.0.1,::1", "rebound.evil.example", false},
		{"localhost,127.0.0.1,::1", "localhost.evil.example:8080", false},
		{"localhost,127.0.0.1,::1", "127.0.0.2", false},
	} {
		t.Run(test.host+" of "+test.served, func(t *testing.T) {
			t.Parallel()
			var names []string
			if test.served != "" {
				names = strings.Split(test.served, ",")
			}
			server := open(t, answering(names...))
			answer, body := get(t, server.Client(), server.Direct+"/token", with(ofAda, "Host", test.host)...)
			if test.answered {
				if got := read[document](t, body); answer.status != http.StatusOK || got.Secret != ofAda {
					t.Errorf("got %d: %s, want the token", answer.status, body)
				}
				return
			}
			refused(t, answer, body, http.StatusMisdirectedRequest, "host_not_allowed")
			if strings.Contains(body, ofAda) || strings.Contains(body, test.host) {
				t.Errorf("the refusal repeats what was sent: %s", body)
			}
		})
	}
}

// TestCheckHostRejectsReboundNames: its name leads to our address, so for the browser our
// answers are its own. Only /health, which contains nothing, is for everyone.
func TestCheckHostRejectsReboundNames(t *testing.T) {
	t.Parallel()
	server := open(t, answering("localhost", "127.0.0.1", "::1"))
	everyRoute(t, func(method, path string) {
		answer, body := send(t, server.Client(), method, server.Direct+path, "", with(ofAda, "Host", "rebound.evil.example", "Sec-Fetch-Site", "same-origin")...)
		if path == "/health" {
			if answer.status != http.StatusOK {
				t.Errorf("got %d from %s, want 200", answer.status, path)
			}
			return
		}
		refused(t, answer, body, http.StatusMisdirectedRequest, "host_not_allowed")
	})
}

func TestCheckPeerAnswersOnlyListedNetworks(t *testing.T) {
	t.Parallel()
	contract := t2gtest.NewContract(t)
	for _, test := range []struct {
		peers, from string
		served      bool
	}{
		{"", "203.0.113.9:4711", true},
		{"10.42.0.0/16", "10.42.255.1:4711", true},
		{"192.0.2.7/32,10.42.0.0/16", "10.42.0.1:4711", true},
		{"10.42.0.0/16", "[::ffff:10.42.0.1]:4711", true},
		{"fe80::/10", "[fe80::1%eth0]:4711", true},
		{"10.42.0.0/16", "10.43.0.1:4711", false},
		{"10.42.0.0/16", "[::1]:4711", false},
		{"192.0.2.7/32", "192.0.2.8:4711", false},
		{"10.42.0.0/16", "@", false},
		{"0.0.0.0/0", "", false},
	} {
		var peers []netip.Prefix
		for text := range strings.FieldsFuncSeq(test.peers, func(r rune) bool { return r == ',' }) {
			peers = append(peers, netip.MustParsePrefix(text))
		}
		server := open(t, func(o *gateway.Options) { o.Peers = peers })
		everyRoute(t, func(method, path string) {
			r := httptest.NewRequest(method, path, nil)
			r.RemoteAddr = test.from
			r.Header.Set("X-Forwarded-For", "10.42.0.1")
			r.Header.Set("X-Forwarded-Access-Token", ofAda)
			w := httptest.NewRecorder()
			server.Handler.ServeHTTP(w, r)
			if err := contract.Check(r, w.Result(), w.Body.Bytes()); err != nil {
				t.Errorf("%s of %s: %v", test.from, test.peers, err)
			}
			if !test.served {
				refused(t, reply{status: w.Code, header: w.Header()}, w.Body.String(), http.StatusForbidden, "peer_not_allowed")
			} else if w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), "peer_not_allowed") {
				t.Errorf("%s of %s: %s %s is refused", test.from, test.peers, method, path)
			}
		})
	}
}

// TestCheckSizeExplainsLargeHeaders: net/http's own 431 would be a line of plain
// text, so its limit is above ours.
func TestCheckSizeExplainsLargeHeaders(t *testing.T) {
	t.Parallel()
	server := open(t)
	answer, body := get(t, server.Client(), server.Direct+"/token", with(strings.Repeat("a", 60000))...)
	if got := read[document](t, body); answer.status != http.StatusOK || len(got.Secret) != 60000 {
		t.Errorf("got %d and a secret of %d bytes, want one below the limit", answer.status, len(got.Secret))
	}
	everyRoute(t, func(method, path string) {
		if strings.HasPrefix(path, "/static/") {
			return // what the page that explains is drawn with
		}
		for _, lines := range [][]string{
			with(strings.Repeat("a", 66000)), {"Cookie", strings.Repeat("a=b; ", 20000)},
			with(ofAda, "X-A", strings.Repeat("a", 33000), "X-B", strings.Repeat("b", 33000)),
		} {
			answer, body := send(t, server.Client(), method, server.Direct+path, "", lines...)
			got := refused(t, answer, body, http.StatusRequestHeaderFieldsTooLarge, "headers_too_large")
			if !strings.Contains(got.Detail, "65536") || !strings.Contains(got.Fix, "T2G_MAX_HEADER_BYTES") {
				t.Errorf("got %q and %q, want the limit and what to do", got.Detail, got.Fix)
			}
		}
	})
	answer, body = get(t, server.Client(), server.Direct+"/nothing?"+strings.Repeat("a", 66000))
	refused(t, answer, body, http.StatusRequestHeaderFieldsTooLarge, "headers_too_large")
	answer, body = get(t, server.Client(), server.Direct+"/", with(strings.Repeat("a", 66000), "Accept", "text/html")...)
	if got := pageIn(t, body).text("problem-detail"); answer.status != http.StatusRequestHeaderFieldsTooLarge || !strings.Contains(got, "65536") {
		t.Errorf("got %d and %q, want a page that explains", answer.status, got)
	}
}

// TestCheckSizeExemptsStyles: a browser asks for them with the same headers,
// under a prefix, too.
func TestCheckSizeExemptsStyles(t *testing.T) {
	t.Parallel()
	for _, s := range []site{{}, {prefix: "/t2g"}} {
		s.server = open(t, below(s.prefix))
		large := []string{"Cookie", strings.Repeat("a=b; ", 20000)}
		answer, body := s.get(t, s.prefix+"/", append(large, "Accept", "text/html")...)
		if answer.status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("below %q: got %d, want 431", s.prefix, answer.status)
		}
		s.lines = large
		checkAddresses(t, s, "the page that explains", pageIn(t, body))
	}
}

// TestAnswersHaveSecurityHeaders: the contract looks at each answer of each
// test; this one lists the policies.
func TestAnswersHaveSecurityHeaders(t *testing.T) {
	t.Parallel()
	server := open(t)
	want := map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		"Server": "", "X-Powered-By": "", "Access-Control-Allow-Origin": "", "Set-Cookie": "",
	}
	ofPages := map[string]string{
		"X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin", "Document-Policy": "force-load-at-top",
		"Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=(), clipboard-write=(self)",
	}
	everyRoute(t, func(method, path string) {
		for _, accept := range []string{"text/html", "application/json"} {
			answer, _ := send(t, server.Client(), method, server.Direct+path, "", with(ofAda, "Accept", accept, "Origin", "https://evil.example")...)
			for name, value := range want {
				if got := answer.header.Get(name); got != value {
					t.Errorf("%s %s: got %s %q, want %q", method, path, name, got, value)
				}
			}
			for name, value := range ofPages {
				if got := answer.header.Get(name); strings.HasPrefix(answer.header.Get("Content-Type"), "text/html") && got != value {
					t.Errorf("%s %s: got %s %q, want %q of a page", method, path, name, got, value)
				}
			}
			policy := answer.header.Get("Content-Security-Policy")
			if !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "http") {
				t.Errorf("%s %s: got the policy %q, want nothing but our own", method, path, policy)
			}
		}
	})
}

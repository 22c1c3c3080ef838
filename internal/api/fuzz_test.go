package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzForwardedFor: the client's address is never a trusted proxy's while the header holds
// another, and what stands left of it changes nothing.
func FuzzForwardedFor(f *testing.F) {
	server := open(f, fromLoopback)
	proxies := netip.MustParsePrefix("127.0.0.0/8")
	f.Add("192.0.2.1", "9.9.9.9")
	f.Add("192.0.2.1, 127.0.0.1", "")
	f.Add("[2001:db8::1]:443,::ffff:127.0.0.1", "unknown")
	f.Add("fe80::1%eth0 , ,", "\x00")
	f.Fuzz(func(t *testing.T, value, more string) {
		ask := func(values ...string) netip.Addr {
			r := httptest.NewRequest(http.MethodGet, "/check", nil)
			r.RemoteAddr, r.Header["X-Forwarded-For"] = "127.0.0.9:1", values
			return server.Client(r, "X-Forwarded-For")
		}
		got := ask(value)
		if got.Zone() != "" || got.Is4In6() {
			t.Errorf("got %s, want it without zone and as IPv4", got)
		}
		if !proxies.Contains(got) && ask(more, value) != got {
			t.Errorf("got %s after %q was put before %q, want %s", ask(more, value), more, value, got)
		}
		r := httptest.NewRequest(http.MethodGet, "/check", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = "192.0.2.77:1", []string{value}
		if peer := server.Client(r, "X-Forwarded-For"); peer != netip.MustParseAddr("192.0.2.77") {
			t.Errorf("got %s from a peer that is not trusted", peer)
		}
	})
}

// FuzzFind: what is found was sent, and begins as a key of this server does; a key in a
// header beside anything else is found, or the request is ambiguous.
func FuzzFind(f *testing.F) {
	server := open(f, nil)
	key := server.add(nil)
	f.Add("Bearer "+key, key, "/k/"+key+"/check", "api-key="+key)
	f.Add("Basic YTpi", "", "/check", "api%2Dkey=t2g_&;=%zz&api_key")
	f.Add("bearer  t2g_x y", "t2g_", "/k//", "x-api-key=%74%32%67%5f")
	f.Fuzz(func(t *testing.T, authorization, header, path, query string) {
		r := httptest.NewRequest(http.MethodGet, "/check", nil)
		r.Header["Authorization"], r.Header["X-Api-Key"] = []string{authorization}, []string{header}
		target := &url.URL{Path: path, RawPath: path, RawQuery: query}
		text, _, err := server.Find(r, target)
		if err == nil && !strings.HasPrefix(text, "t2g_") {
			t.Errorf("got %q, want a key of this server or none", text)
		}
		r.Header["X-Api-Key"] = slices.Concat([]string{key}, r.Header["X-Api-Key"])
		if text, _, err := server.Find(r, target); err == nil && text != key {
			t.Errorf("got %q, want the key in the header or a refusal", text)
		}
	})
}

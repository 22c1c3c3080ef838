package apikey_test

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/apikey"
)

const prefix = apikey.Prefix("t2g")

// The pattern is the one that the documentation gives to secret scanners.
var scanned = regexp.MustCompile(`\bt2g_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}\b`)

func TestMintedKeyParses(t *testing.T) {
	seen := map[apikey.ID]bool{}
	for range 10_000 {
		minted := prefix.Mint()
		text := minted.Secret().Reveal()
		if !scanned.MatchString(text) {
			t.Fatalf("%q does not match %s", text, scanned)
		}
		parsed, err := prefix.Parse(text)
		if err != nil || parsed.ID != minted.ID || parsed.Secret().Reveal() != text {
			t.Fatalf("Parse(%q) = ID %s, error %v; want ID %s", text, parsed.ID, err, minted.ID)
		}
		if id := text[4:14]; id != minted.ID.String() {
			t.Fatalf("ID is %s, want %s", minted.ID, id)
		}
		if seen[minted.ID] {
			t.Fatalf("ID %s was minted twice", minted.ID)
		}
		seen[minted.ID] = true
	}
}

// The checksum of this key was computed with Python's zlib.crc32.
const known = "t2g_0000000001_0123456789ABCDEFGHIJKLMNOPQRSTUV3MhsHs"

func TestParseKnownKey(t *testing.T) {
	key, err := prefix.Parse(known)
	if err != nil || key.ID != 1 {
		t.Errorf("got ID %d, error %v, want 1", key.ID, err)
	}
}

func TestParseRefuses(t *testing.T) {
	good := prefix.Mint().Secret().Reveal()
	for _, test := range []struct {
		name, text string
		want       error
	}{
		{"empty", "", apikey.ErrShape},
		{"the prefix alone", "t2g_", apikey.ErrShape},
		{"another prefix", "x" + good, apikey.ErrShape},
		{"upper-case prefix", "T2G" + good[3:], apikey.ErrShape},
		{"a line break after it", good + "\n", apikey.ErrShape},
		{"a space before it", " " + good, apikey.ErrShape},
		{"one character less", good[:len(good)-1], apikey.ErrShape},
		{"one character more", good + "0", apikey.ErrShape},
		{"a hyphen for the underscore", good[:14] + "-" + good[15:], apikey.ErrShape},
		{"an underscore in the secret", good[:20] + "_" + good[21:], apikey.ErrShape},
		{"a NUL in the ID", good[:5] + "\x00" + good[6:], apikey.ErrShape},
		{"a letter beyond ASCII", good[:20] + "é" + good[22:], apikey.ErrShape},
		{"another digit in the ID", replaced(good, 6), apikey.ErrChecksum},
		{"another digit in the secret", replaced(good, 30), apikey.ErrChecksum},
		{"another digit in the checksum", replaced(good, len(good)-1), apikey.ErrChecksum},
		{"two digits exchanged", exchanged(good), apikey.ErrChecksum},
	} {
		_, err := prefix.Parse(test.text)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
		if len(test.text) > 8 && err != nil && strings.Contains(err.Error(), test.text[5:]) {
			t.Errorf("%s: the error quotes the key", test.name)
		}
	}
}

// replaced puts another digit at a position.
func replaced(key string, at int) string {
	digit := "0"
	if key[at] == '0' {
		digit = "1"
	}
	return key[:at] + digit + key[at+1:]
}

// exchanged swaps the first two neighbors of the secret that differ.
func exchanged(key string) string {
	for i := 15; ; i++ {
		if key[i] != key[i+1] {
			return key[:i] + key[i+1:i+2] + key[i:i+1] + key[i+2:]
		}
	}
}

func TestKeyIsNotPrinted(t *testing.T) {
	key := prefix.Mint()
	text := fmt.Sprintf("%v %+v %#v %s", key, key, key, key.Secret())
	if strings.Contains(text, key.Secret().Reveal()[15:]) {
		t.Error("printing a key reveals it")
	}
}

func TestParsePrefix(t *testing.T) {
	for text, good := range map[string]bool{
		"t2g": true, "ab": true, "a23456789012": true,
		"": false, "a": false, "a234567890123": false, "T2G": false, "t_g": false, "t-g": false, "tög": false,
	} {
		if _, err := apikey.ParsePrefix(text); (err == nil) != good {
			t.Errorf("ParsePrefix(%q) = %v, want good %v", text, err, good)
		}
	}
}

func TestPepperHash(t *testing.T) {
	first, second := pepper(t, 1), pepper(t, 2)
	if first.ID == second.ID || first.ID != pepper(t, 1).ID {
		t.Errorf("IDs %s and %s, want two that depend on the database key alone", first.ID, second.ID)
	}
	key := prefix.Mint()
	parsed, err := prefix.Parse(key.Secret().Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if !first.Hash(key).Equal(first.Hash(parsed)) {
		t.Error("one key has two hashes")
	}
	if first.Hash(key).Equal(second.Hash(key)) || first.Hash(key).Equal(first.Hash(prefix.Mint())) {
		t.Error("two hashes are the same")
	}
	for _, length := range []int{0, 16, 31, 33, 64} {
		if _, err := apikey.NewPepper(make([]byte, length)); err == nil {
			t.Errorf("a database key of %d bytes is taken", length)
		}
	}
}

func pepper(t testing.TB, seed byte) apikey.Pepper {
	t.Helper()
	key := make([]byte, apikey.DatabaseKeyLength)
	key[0] = seed
	p, err := apikey.NewPepper(key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHashUUID(t *testing.T) {
	// printf 7e57d004-2b97-4e7a-b45f-5387367791cd | sha256sum
	const want = "423be8cda56a43fc31beff21b42a99f548dde76ce2510eeb816de6a45fe7eb66"
	if got, err := apikey.HashUUID("7e57d004-2b97-4e7a-b45f-5387367791cd"); err != nil || got.String() != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	for _, text := range []string{
		"", "7e57d004-2b97-4e7a-b45f-5387367791c", "7E57D004-2B97-4E7A-B45F-5387367791CD",
		"7e57d004-2b97-1e7a-b45f-5387367791cd", "7e57d004-2b97-4e7a-c45f-5387367791cd",
		"7e57d0042b974e7ab45f5387367791cd", "{7e57d004-2b97-4e7a-b45f-5387367791cd}", "7e57d004-2b97-4e7a-b45f-5387367791cg",
	} {
		if _, err := apikey.HashUUID(text); !errors.Is(err, apikey.ErrUUID) {
			t.Errorf("HashUUID(%q) = %v, want ErrUUID", text, err)
		}
	}
	for range 1000 {
		if _, err := apikey.HashUUID(apikey.MintUUID()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAllowsAddress(t *testing.T) {
	r := apikey.Restrictions{Networks: []netip.Prefix{network(t, "192.0.2.0/24"), network(t, "2001:db8::/32"), network(t, "198.51.100.7")}}
	for address, want := range map[string]bool{
		"192.0.2.1": true, "192.0.3.1": false, "::ffff:192.0.2.1": true, "2001:db8::1": true, "2001:db8::1%eth0": true,
		"2001:db9::1": false, "198.51.100.7": true, "198.51.100.8": false,
	} {
		if got := r.AllowsAddress(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %v, want %v", address, got, want)
		}
	}
	if r.AllowsAddress(netip.Addr{}) {
		t.Error("an unknown address is in the networks")
	}
	if !(apikey.Restrictions{}).AllowsAddress(netip.Addr{}) {
		t.Error("without networks every address is allowed")
	}
}

func TestParseNetwork(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"192.0.2.0/24", "192.0.2.0/24"}, {"192.0.2.7", "192.0.2.7/32"}, {"::1", "::1/128"},
		{"::ffff:192.0.2.0/120", "192.0.2.0/24"}, {"::ffff:192.0.2.7", "192.0.2.7/32"}, {"0.0.0.0/0", "0.0.0.0/0"},
		{"192.0.2.1/24", ""}, {"192.0.2.0/33", ""}, {"192.0.2", ""}, {"", ""}, {"fe80::1%eth0", ""},
		{"192.0.2.0/024", ""}, {"010.0.0.1", ""}, {"::ffff:0:0/90", ""}, {" 192.0.2.7", ""}, {"example.org", ""},
	} {
		got, err := apikey.ParseNetwork(test.text)
		if (err == nil) != (test.want != "") || err == nil && got.String() != test.want {
			t.Errorf("ParseNetwork(%q) = %v, %v, want %q", test.text, got, err, test.want)
		}
	}
}

func TestHostPattern(t *testing.T) {
	for _, test := range []struct {
		pattern, host string
		want          bool
	}{
		{"maps.example.org", "maps.example.org", true},
		{"maps.example.org", "maps.example.org.", true},
		{"maps.example.org", "a.maps.example.org", false},
		{"maps.example.org", "maps.example.org.evil.example", false},
		{"*.example.org", "maps.example.org", true},
		{"*.example.org", "a.b.example.org", true},
		{"*.example.org", "example.org", false},
		{"*.example.org", ".example.org", false},
		{"*.example.org", "evilexample.org", false},
		{"Maps.Example.ORG", "maps.example.org", true},
		{"bücher.example", "xn--bcher-kva.example", true},
		{"*.bücher.example", "a.xn--bcher-kva.example", true},
		{"localhost", "localhost", true},
		{"192.0.2.7", "192.0.2.7", true},
		{"[::1]", "::1", true},
		{"maps.example.org", "", false},
	} {
		pattern, err := apikey.ParseHostPattern(test.pattern)
		if err != nil {
			t.Errorf("ParseHostPattern(%q): %v", test.pattern, err)
			continue
		}
		if got := pattern.Match(test.host); got != test.want {
			t.Errorf("%s with %q: got %v, want %v", test.pattern, test.host, got, test.want)
		}
	}
	for _, text := range []string{
		"", "*", "*.", ".", "a..b", ".example.org", "http://example.org", "example.org:443", "example.org/a", "ex*mple.org",
		"*.*.example.org", "a b", "a\x00b", "example.org,other.org", "*.192.0.2.7/8",
	} {
		if got, err := apikey.ParseHostPattern(text); err == nil {
			t.Errorf("ParseHostPattern(%q) = %q, want an error", text, got)
		}
	}
}

func TestAllowsHost(t *testing.T) {
	listed := apikey.Restrictions{Hosts: []apikey.HostPattern{"*.example.org"}}
	blank := apikey.Restrictions{Hosts: listed.Hosts, AllowBlank: true}
	for _, test := range []struct {
		name string
		r    apikey.Restrictions
		host string
		want bool
	}{
		{"no list", apikey.Restrictions{}, "", true},
		{"no list, any host", apikey.Restrictions{}, "evil.example", true},
		{"listed", listed, "a.example.org", true},
		{"not listed", listed, "evil.example", false},
		{"none sent", listed, "", false},
		{"none sent, allowed", blank, "", true},
		{"not listed, though none may be sent", blank, "evil.example", false},
	} {
		if got := test.r.AllowsHost(test.host); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestAllowsApp(t *testing.T) {
	for _, test := range []struct {
		apps []string
		app  string
		want bool
	}{
		{nil, "maps", true}, {nil, "", true}, {[]string{"maps"}, "maps", true}, {[]string{"maps"}, "tiles", false},
		{[]string{"maps"}, "", false}, {[]string{"*"}, "maps", true}, {[]string{"maps"}, "MAPS", false},
	} {
		if got := (apikey.Restrictions{Apps: test.apps}).AllowsApp(test.app); got != test.want {
			t.Errorf("%v with %q: got %v, want %v", test.apps, test.app, got, test.want)
		}
	}
}

func TestNarrow(t *testing.T) {
	base := apikey.Restrictions{
		Networks: []netip.Prefix{network(t, "10.0.0.0/8")},
		Hosts:    []apikey.HostPattern{"*.example.org", "example.org"},
		Apps:     []string{"maps", "tiles"},
		Roles:    []string{"reader", "writer"},
		Rate:     apikey.Rate{Requests: 100, Per: time.Minute},
	}
	change := func(edit func(*apikey.Restrictions)) apikey.Restrictions {
		next := base
		edit(&next)
		return next
	}
	for _, test := range []struct {
		name string
		next apikey.Restrictions
		good bool
	}{
		{"the same", base, true},
		{"a smaller network", change(func(r *apikey.Restrictions) { r.Networks = []netip.Prefix{network(t, "10.1.0.0/16")} }), true},
		{"a larger network", change(func(r *apikey.Restrictions) { r.Networks = []netip.Prefix{network(t, "10.0.0.0/7")} }), false},
		{"another network", change(func(r *apikey.Restrictions) { r.Networks = append(r.Networks, network(t, "192.0.2.0/24")) }), false},
		{"no network", change(func(r *apikey.Restrictions) { r.Networks = nil }), false},
		{"one host of many", change(func(r *apikey.Restrictions) { r.Hosts = []apikey.HostPattern{"maps.example.org"} }), true},
		{"a deeper wildcard", change(func(r *apikey.Restrictions) { r.Hosts = []apikey.HostPattern{"*.a.example.org"} }), true},
		{"another wildcard", change(func(r *apikey.Restrictions) { r.Hosts = []apikey.HostPattern{"*.org"} }), false},
		{"another host", change(func(r *apikey.Restrictions) { r.Hosts = []apikey.HostPattern{"evil.example"} }), false},
		{"requests without a page", change(func(r *apikey.Restrictions) { r.AllowBlank = true }), false},
		{"fewer apps", change(func(r *apikey.Restrictions) { r.Apps = []string{"maps"} }), true},
		{"every app", change(func(r *apikey.Restrictions) { r.Apps = []string{"*"} }), false},
		{"no list of apps", change(func(r *apikey.Restrictions) { r.Apps = nil }), false},
		{"fewer roles", change(func(r *apikey.Restrictions) { r.Roles = []string{"reader"} }), true},
		{"another role", change(func(r *apikey.Restrictions) { r.Roles = []string{"admin"} }), false},
		{"in URLs", change(func(r *apikey.Restrictions) { r.AllowInURL = true }), false},
		{"a lower rate", change(func(r *apikey.Restrictions) { r.Rate.Requests = 10 }), true},
		{"a higher rate", change(func(r *apikey.Restrictions) { r.Rate.Requests = 101 }), false},
		{"the same number in less time", change(func(r *apikey.Restrictions) { r.Rate.Per = time.Second }), false},
		{"more at once, though fewer in the long run", change(func(r *apikey.Restrictions) { r.Rate = apikey.Rate{Requests: 1000, Per: time.Hour} }), false},
		{"no rate", change(func(r *apikey.Restrictions) { r.Rate = apikey.Rate{} }), false},
	} {
		err := base.Narrow(test.next)
		if (err == nil) != test.good || err != nil && !errors.Is(err, apikey.ErrWider) {
			t.Errorf("%s: got %v, want good %v", test.name, err, test.good)
		}
	}
	if err := (apikey.Restrictions{}).Narrow(base); err != nil {
		t.Errorf("from no restriction to some: %v", err)
	}
}

func TestNarrowGivesNoRolesToKeyWithout(t *testing.T) {
	some, none := []string{"reader"}, []string{}
	for _, test := range []struct {
		name      string
		old, next []string
		good      bool
	}{
		{"none to one", none, some, false},
		{"none to all", none, nil, false},
		{"some to all", some, nil, false},
		{"some to none", some, none, true},
		{"all to none", nil, none, true},
		{"all to some", nil, some, true},
	} {
		err := (apikey.Restrictions{Roles: test.old}).Narrow(apikey.Restrictions{Roles: test.next})
		if (err == nil) != test.good {
			t.Errorf("%s: got %v, want good %v", test.name, err, test.good)
		}
	}
}

func TestNarrowRefusesFasterRateOfLongPeriod(t *testing.T) {
	rate := func(per time.Duration) apikey.Restrictions {
		return apikey.Restrictions{Rate: apikey.Rate{Requests: 1000, Per: per}}
	}
	if err := rate(365 * 24 * time.Hour).Narrow(rate(time.Second)); !errors.Is(err, apikey.ErrWider) {
		t.Errorf("from 1000 a year to 1000 a second: got %v, want %v", err, apikey.ErrWider)
	}
}

func network(t testing.TB, text string) netip.Prefix {
	t.Helper()
	n, err := apikey.ParseNetwork(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func FuzzParse(f *testing.F) {
	f.Add(prefix.Mint().Secret().Reveal())
	f.Add("t2g_0000000000_00000000000000000000000000000000000000")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := prefix.Parse(text)
		if err != nil {
			return
		}
		if key.Secret().Reveal() != text || text[4:14] != key.ID.String() {
			t.Errorf("parsed %q as ID %s", text, key.ID)
		}
	})
}

func FuzzHostPattern(f *testing.F) {
	f.Add("*.example.org", "a.example.org")
	f.Add("bücher.example", "xn--bcher-kva.example")
	f.Fuzz(func(t *testing.T, text, host string) {
		pattern, err := apikey.ParseHostPattern(text)
		if err != nil {
			return
		}
		again, err := apikey.ParseHostPattern(string(pattern))
		if err != nil || again != pattern {
			t.Errorf("%q becomes %q, then %q, %v", text, pattern, again, err)
		}
		name, _ := strings.CutPrefix(string(pattern), "*")
		if pattern.Match(host) && !strings.HasSuffix(strings.TrimSuffix(host, "."), name) {
			t.Errorf("%q matches %q", pattern, host)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := prefix.Mint().Secret().Reveal()
	for b.Loop() {
		if _, err := prefix.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHash(b *testing.B) {
	p, key := pepper(b, 1), prefix.Mint()
	for b.Loop() {
		p.Hash(key)
	}
}

package apikey

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// Restrictions say where a key is good. The zero value of each field restricts nothing,
// URLs aside.
type Restrictions struct {
	Networks   []netip.Prefix `json:"networks,omitempty"`   // of the client's address
	Hosts      []HostPattern  `json:"hosts,omitempty"`      // of the page that calls, from Referer or Origin
	Apps       []string       `json:"apps,omitempty"`       // applications; "*" is every one
	Roles      []string       `json:"roles"`                // of the owner's roles, which the key passes on; nil: all of them, empty: none
	AllowInURL bool           `json:"allowInUrl,omitempty"` // the key may come in a query or a path
	AllowBlank bool           `json:"allowBlank,omitempty"` // with Hosts: a request that names no page is allowed
	Rate       Rate           `json:"rate,omitzero"`
}

// Rate is how often a key may be used; the zero value is without limit.
type Rate struct {
	Requests int           `json:"requests"`
	Per      time.Duration `json:"per"` // in JSON: nanoseconds
}

// EveryApp is the entry of Restrictions.Apps that allows every application.
const EveryApp = "*"

// AllowsAddress reports whether the client's address is in one of the networks. An IPv4
// address mapped into IPv6 counts as IPv4; a zone is ignored.
func (r Restrictions) AllowsAddress(address netip.Addr) bool {
	if len(r.Networks) == 0 {
		return true
	}
	address = address.Unmap().WithZone("")
	return slices.ContainsFunc(r.Networks, func(n netip.Prefix) bool { return n.Contains(address) })
}

// AllowsHost reports whether a page on this host may call; host is in lower case, without
// port, and empty where the request names none.
func (r Restrictions) AllowsHost(host string) bool {
	if len(r.Hosts) == 0 || host == "" && r.AllowBlank {
		return true
	}
	return slices.ContainsFunc(r.Hosts, func(p HostPattern) bool { return p.Match(host) })
}

// AllowsApp reports whether the key is good for the application; empty means that the
// request names none, which only a key without a list allows.
func (r Restrictions) AllowsApp(app string) bool {
	return len(r.Apps) == 0 || slices.Contains(r.Apps, EveryApp) || slices.Contains(r.Apps, app)
}

// ErrWider is returned by Narrow for a change that would allow what was not allowed before.
var ErrWider = errors.New("a key can be restricted further, not widened; make a new key instead")

// Narrow returns an error that wraps ErrWider, with the field and the entry that are to
// blame, unless everything that next allows r allows too.
func (r Restrictions) Narrow(next Restrictions) error {
	wider := func(field string, entry any) error { return fmt.Errorf("%s: %v: %w", field, entry, ErrWider) }
	if entry, found := uncovered(r.Networks, next.Networks, covers); found {
		return wider("networks", entry)
	}
	if entry, found := uncovered(r.Hosts, next.Hosts, HostPattern.covers); found {
		return wider("hosts", entry)
	}
	if entry, found := uncovered(r.Apps, next.Apps, sameOrEvery); found {
		return wider("apps", entry)
	}
	if entry, found := uncoveredRole(r.Roles, next.Roles); found {
		return wider("roles", entry)
	}
	switch {
	case next.AllowInURL && !r.AllowInURL:
		return wider("allowInUrl", true)
	case next.AllowBlank && !r.AllowBlank && len(r.Hosts) > 0:
		return wider("hosts", "requests that name no page")
	case r.Rate.Requests > 0 && (next.Rate.Requests == 0 || next.Rate.faster(r.Rate)):
		return wider("rate", fmt.Sprintf("%d in %s", next.Rate.Requests, next.Rate.Per))
	}
	return nil
}

// uncovered finds an entry of next that no entry of old covers. An empty old list covers
// everything, and an empty next list under one that is not asks for everything.
func uncovered[T any](old, next []T, covers func(old, next T) bool) (entry any, found bool) {
	switch {
	case len(old) == 0:
		return nil, false
	case len(next) == 0:
		return "an empty list", true
	}
	for _, n := range next {
		if !slices.ContainsFunc(old, func(o T) bool { return covers(o, n) }) {
			return n, true
		}
	}
	return nil, false
}

// uncoveredRole is uncovered for roles, where an empty list is none of them and nil all.
func uncoveredRole(old, next []string) (entry any, found bool) {
	switch {
	case old == nil:
		return nil, false
	case next == nil:
		return "all of the owner's", true
	}
	i := slices.IndexFunc(next, func(role string) bool { return !slices.Contains(old, role) })
	if i < 0 {
		return nil, false
	}
	return next[i], true
}

func covers(old, next netip.Prefix) bool {
	return old.Bits() <= next.Bits() && old.Contains(next.Addr())
}

func sameOrEvery(old, next string) bool { return old == EveryApp || old == next }

// faster reports whether r allows more than other, on average or at once.
func (r Rate) faster(other Rate) bool {
	// The products of long periods are too large for an int64.
	return r.Requests > other.Requests || float64(r.Requests)*float64(other.Per) > float64(other.Requests)*float64(r.Per)
}

// ParseNetwork reads a network in CIDR notation, or a single address.
func ParseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("network %q, want an address or a network such as 192.0.2.0/24", text)
	}
	if network.Addr().Is4In6() {
		if network.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("network %q spans IPv4 and IPv6, want one of both", text)
		}
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	if network != network.Masked() {
		return netip.Prefix{}, fmt.Errorf("network %q has bits behind its mask, want %s", text, network.Masked())
	}
	return network, nil
}

// HostPattern is a host name in lower case, or *. and a name, which matches every name
// below it at any depth, but not for the name itself.
type HostPattern string

// ParseHostPattern reads a pattern; names with other letters than ASCII are converted to
// what browsers send (IDNA 2008).
func ParseHostPattern(text string) (HostPattern, error) {
	if len(text) > maxHostLength {
		return "", fmt.Errorf("host of %d bytes, want at most %d", len(text), maxHostLength)
	}
	name, below := strings.CutPrefix(text, "*.")
	if address, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil && !below {
		return HostPattern(address.String()), nil
	}
	ascii, err := hostName(name)
	if err != nil || ascii == "" || strings.Trim(ascii, hostCharacters) != "" || strings.Contains("."+ascii+".", "..") {
		return "", fmt.Errorf("host %q, want a host name such as maps.example.org or *.example.org, without scheme, port or path", text)
	}
	if below {
		ascii = "*." + ascii
	}
	return HostPattern(ascii), nil
}

// hostName is the ASCII form of a name. It is converted twice, since the first conversion
// takes bytes that are not UTF-8 for a letter, which the second refuses.
func hostName(name string) (string, error) {
	ascii, err := idna.Lookup.ToASCII(name)
	if err != nil {
		return "", err
	}
	return idna.Lookup.ToASCII(ascii)
}

// maxHostLength is what DNS allows (RFC 1035, section 2.3.4), with the wildcard.
const maxHostLength = 255

const hostCharacters = "abcdefghijklmnopqrstuvwxyz0123456789.-_"

// Match reports whether host, in lower case and without port, fits the pattern.
func (p HostPattern) Match(host string) bool {
	host = strings.TrimSuffix(host, ".")
	if suffix, below := strings.CutPrefix(string(p), "*"); below {
		return strings.HasSuffix(host, suffix) && len(host) > len(suffix)
	}
	return host == string(p)
}

// covers reports whether every host that fits next fits p.
func (p HostPattern) covers(next HostPattern) bool {
	name, below := strings.CutPrefix(string(next), "*")
	if !below {
		return p.Match(name)
	}
	return p == next || p.Match("x"+name) && strings.HasPrefix(string(p), "*")
}

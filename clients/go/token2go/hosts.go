package token2go

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"golang.org/x/net/idna"

	"github.com/token2go/token2go/internal/loopback"
)

// hostPattern is an entry of Transport.Hosts: a host, or with a leading dot all hosts
// below one.
type hostPattern struct {
	host       string // in ASCII and lower case
	subdomains bool
	port       string // empty: the scheme's
}

// parseHost reads an entry of Transport.Hosts.
func parseHost(text string) (hostPattern, error) {
	unusable := func(why string) (hostPattern, error) {
		return hostPattern{}, &Error{Kind: ErrOptions, Option: "Hosts", Detail: fmt.Sprintf("%q %s", text, why)}
	}
	rest, subdomains := strings.CutPrefix(text, ".")
	address, err := url.Parse("https://" + rest)
	switch {
	case strings.Contains(text, "*"):
		return unusable("has a wildcard, want .example.org for all hosts below example.org")
	case err != nil || rest == "" || address.Host != rest || address.Hostname() == "" || address.Port() == "0" || strings.HasSuffix(rest, ":"):
		return unusable("is no host, want one such as api.example.org or api.example.org:8443")
	}
	p := hostPattern{host: asciiHost(address.Hostname()), subdomains: subdomains, port: address.Port()}
	switch {
	case !isASCII(p.host):
		return unusable("is not a host name that can be looked up")
	case subdomains && (!strings.Contains(p.host, ".") || net.ParseIP(p.host) != nil):
		return unusable("is too wide, want at least two labels after the dot")
	case loopback.Host(p.host) && p.port == "":
		return unusable("has no port, which a host on this computer needs")
	}
	return p, nil
}

// matches reports whether an address is at the host. A user in the address, or a scheme
// that is neither https nor http, is no match.
func (p hostPattern) matches(address *url.URL) bool {
	host, port := asciiHost(address.Hostname()), portOf(address)
	wanted := p.port
	if wanted == "" {
		wanted = defaultPort(address.Scheme)
	}
	below := p.subdomains && strings.HasSuffix(host, "."+p.host) && len(host) > len(p.host)+1
	return address.User == nil && port != "" && port == wanted && (below || !p.subdomains && host == p.host)
}

// authority is the host and the port of an address; empty for none.
func authority(address *url.URL) string {
	if address.Hostname() == "" {
		return ""
	}
	return net.JoinHostPort(asciiHost(address.Hostname()), portOf(address))
}

func portOf(address *url.URL) string {
	if port := address.Port(); port != "" {
		return port
	}
	return defaultPort(address.Scheme)
}

func defaultPort(scheme string) string {
	switch scheme {
	case "https":
		return "443"
	case "http":
		return "80"
	}
	return ""
}

// asciiHost is a host as net/http looks it up: in lower case, with other letters than
// ASCII as IDNA 2008 writes them. A host that cannot be written so stays as it is.
func asciiHost(host string) string {
	if !isASCII(host) {
		if ascii, err := idna.Lookup.ToASCII(host); err == nil {
			return ascii
		}
		return host
	}
	return strings.ToLower(host)
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > '~' })
}

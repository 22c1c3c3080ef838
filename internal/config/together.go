package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// checkTogether applies the rules about more than one variable.
func (r *reader) checkTogether(c Config) {
	r.checkTLS(c)
	r.checkSocket(c)
	r.checkPorts(c)
	r.checkIdentity(c)
}

// checkSocket refuses what only a port can have. The host is let pass, because the
// container image sets it.
func (r *reader) checkSocket(c Config) {
	const name = "T2G_SERVER_SOCKET"
	if c.ServerSocket == "" || !r.sound(name) {
		return
	}
	for _, other := range []string{"T2G_SERVER_PORT", "T2G_GATEWAY_CIDRS", "T2G_TLS_CERT_FILE", "T2G_TLS_KEY_FILE"} {
		if c.given[other] && r.sound(other) {
			r.add(name, shown(r.rows[name], c.ServerSocket)+" together with "+other, r.rows[name].Allowed)
			return
		}
	}
}

// checkPorts refuses two doors on one address.
func (r *reader) checkPorts(c Config) {
	const name = "T2G_OPS_PORT"
	if c.ServerSocket != "" || c.OpsPort == 0 || c.OpsPort != c.ServerPort || !overlap(c.ServerHost, c.OpsHost) {
		return
	}
	if r.sound(name, "T2G_OPS_HOST", "T2G_SERVER_HOST", "T2G_SERVER_PORT", "T2G_SERVER_SOCKET") {
		r.add(name, fmt.Sprintf("%d (the gateway door's)", c.OpsPort), r.rows[name].Allowed)
	}
}

// checkIdentity refuses a header that may hold a credential where one is shown and logged.
func (r *reader) checkIdentity(c Config) {
	const name = "T2G_IDENTITY_HEADER_NAMES"
	credentials := append(c.TokenHeaders(), "Authorization", "Proxy-Authorization", "Cookie")
	for _, shown := range c.IdentityHeaderNames {
		same := func(other string) bool { return strings.EqualFold(shown, other) }
		if slices.ContainsFunc(credentials, same) && r.sound(name) {
			r.add(name, strconv.Quote(shown)+" (it may hold a credential, and a name is shown and logged)", r.rows[name].Allowed)
		}
	}
}

// overlap reports whether a port cannot be had on both hosts at once.
func overlap(one, other string) bool {
	if strings.EqualFold(one, other) || everywhere(one) || everywhere(other) {
		return true
	}
	return one == "localhost" && loopback(other) || other == "localhost" && loopback(one)
}

func everywhere(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsUnspecified()
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
}

func wholeInternet(prefix netip.Prefix) bool { return prefix.Bits() == 0 }

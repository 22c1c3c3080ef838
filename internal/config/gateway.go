package config

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/token2go/token2go/internal/loopback"
)

// Gateway is the listener that the auth gateway forwards people's requests to.
type Gateway struct {
	Host         string         `name:"T2G_SERVER_HOST" is:"address" default:"127.0.0.1" meaning:"Address of the gateway listener. Anyone who can reach it can forge any header; the container image sets 0.0.0.0." example:"0.0.0.0"`
	Port         int            `name:"T2G_SERVER_PORT" min:"0" max:"65535" off:"true" default:"8080" note:"0 takes any free port; off: none, where the API listener is open" meaning:"Port of the gateway listener." example:"9090"`
	Socket       string         `name:"T2G_SERVER_SOCKET" is:"socket" note:"not together with T2G_SERVER_PORT, T2G_GATEWAY_CIDRS or TLS" meaning:"Unix socket for the gateway listener, in place of host and port." example:"/run/token2go/gateway.sock"`
	TLSCertFile  string         `name:"T2G_TLS_CERT_FILE" is:"file" allowed:"path of a readable PEM file; together with T2G_TLS_KEY_FILE, which it must fit" meaning:"Certificate chain for the gateway listener; read again when it changes." example:"/etc/token2go/tls.crt"`
	TLSKeyFile   string         `name:"T2G_TLS_KEY_FILE" is:"private file" allowed:"path of a readable PEM file; together with T2G_TLS_CERT_FILE" meaning:"Private key of the certificate; read again when it changes." example:"/etc/token2go/tls.key"`
	CIDRs        []netip.Prefix `name:"T2G_GATEWAY_CIDRS" otherwise:"every peer" meaning:"Peers that may use the gateway listener; others get 403." example:"10.42.0.0/16,192.0.2.7"`
	BasePath     string         `name:"T2G_BASE_PATH" is:"base path" meaning:"The path prefix, when the gateway does not strip it." example:"/token2go"`
	PublicURL    *url.URL       `name:"T2G_PUBLIC_URL" meaning:"The address that people open; links and the envelope's issuer are made from it." example:"https://token.example.org"`
	AllowedHosts []string       `name:"T2G_ALLOWED_HOSTS" is:"host" otherwise:"every name; with a fallback token only loopback names and that of T2G_PUBLIC_URL" meaning:"Host names that are answered." example:"token.example.org,localhost:8080"`
}

// Off is the value of a port that opens no listener.
const Off = -1

func (g Gateway) check(r *reader, stored bool) {
	checkTLS(r, "T2G_TLS_CERT_FILE", g.TLSCertFile, "T2G_TLS_KEY_FILE", g.TLSKeyFile)
	checkSocket(r, "T2G_SERVER_SOCKET", g.Socket, "T2G_SERVER_PORT", "T2G_GATEWAY_CIDRS", "T2G_TLS_CERT_FILE", "T2G_TLS_KEY_FILE")
	if g.Port == Off && !stored && r.sound("T2G_SERVER_PORT", "T2G_DATABASE_URL", "T2G_SERVICES_FILE") {
		r.add("T2G_SERVER_PORT", "off", "a port, since there is nothing else to serve without T2G_DATABASE_URL or T2G_SERVICES_FILE")
	}
}

// checkTLS requires both files or none, each readable, and a key that fits.
func checkTLS(r *reader, certName, certPath, keyName, keyPath string) {
	if !r.sound(certName, keyName) || certPath == "" && keyPath == "" {
		return
	}
	cert, certRead := r.pem(certName, certPath)
	key, keyRead := r.pem(keyName, keyPath)
	if !certRead || !keyRead {
		return
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		r.refuse(certName, pathShown(certPath, true)+because(err))
	}
}

// checkSocket refuses what only a port can have. The host is accepted, because the
// container image sets it.
func checkSocket(r *reader, name, path string, others ...string) {
	if path == "" || !r.sound(name) {
		return
	}
	for _, other := range others {
		if _, given := r.texts[other]; given && r.sound(other) {
			r.refuse(name, shown(r.row(name), path)+" together with "+other)
			return
		}
	}
}

func (g Gateway) warnings() []string {
	exposed := g.Socket == "" && g.Port != Off && !loopback.Host(g.Host)
	return taken(
		risk{exposed && len(g.CIDRs) == 0, fmt.Sprintf("T2G_SERVER_HOST=%s: anyone who can reach the gateway listener can forge any header and so pass for anyone; name the gateway in T2G_GATEWAY_CIDRS or keep others out by other means", g.Host)},
		risk{exposed && g.TLSCertFile == "", fmt.Sprintf("T2G_SERVER_HOST=%s: tokens cross the network in plain text; set T2G_TLS_CERT_FILE and T2G_TLS_KEY_FILE unless the network itself encrypts", g.Host)},
		risk{nearlyEveryone(g.CIDRs), "T2G_GATEWAY_CIDRS: the networks together hold an eighth or more of all addresses, which keeps hardly anyone out; name those of the gateway"},
		risk{g.Socket != "" && othersMayWrite(g.Socket), "T2G_SERVER_SOCKET: others may write to its directory, and so put a socket of their own in its place; use a directory that only the server and the gateway can open"},
		risk{g.PublicURL != nil && g.PublicURL.Scheme == "http" && !loopback.Host(g.PublicURL.Hostname()), "T2G_PUBLIC_URL: over plain http tokens can be read on the way, and browsers send no fetch metadata"},
		risk{g.PublicURL != nil && g.BasePath != "" && g.PublicURL.Path != g.BasePath, "T2G_BASE_PATH: differs from the path of T2G_PUBLIC_URL, which links are made from"},
	)
}

// nearlyEveryone reports whether the networks together hold at least an eighth of all
// IPv4 or IPv6 addresses. 2000::/3, an eighth, is every public IPv6 address.
func nearlyEveryone(networks []netip.Prefix) bool {
	widestFirst := slices.SortedFunc(slices.Values(networks), func(a, b netip.Prefix) int { return a.Bits() - b.Bits() })
	var share [2]float64 // of all IPv4 and of all IPv6 addresses
	for i, network := range widestFirst {
		within := func(wider netip.Prefix) bool { return wider.Contains(network.Addr()) }
		if slices.ContainsFunc(widestFirst[:i], within) {
			continue
		}
		family := 0
		if network.Addr().Is6() {
			family = 1
		}
		share[family] += 1 / float64(uint64(1)<<min(network.Bits(), 63))
	}
	return share[0] >= 1.0/8 || share[1] >= 1.0/8
}

// overlap reports whether one port cannot be had on both hosts at once.
func overlap(one, other string) bool {
	if strings.EqualFold(one, other) || everywhere(one) || everywhere(other) {
		return true
	}
	return one == "localhost" && loopback.Host(other) || other == "localhost" && loopback.Host(one)
}

func everywhere(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsUnspecified()
}

package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"github.com/token2go/token2go/internal/loopback"
)

// API is the listener that programs call with credentials of this server.
type API struct {
	Host           string         `name:"T2G_API_HOST" is:"address" default:"127.0.0.1" meaning:"Address of the API listener: key checks, JWKS, services." example:"0.0.0.0"`
	Port           int            `name:"T2G_API_PORT" min:"0" max:"65535" default:"8081" note:"0 takes any free port" meaning:"Port of the API listener. It is opened where T2G_DATABASE_URL or T2G_SERVICES_FILE is set." example:"9091"`
	Socket         string         `name:"T2G_API_SOCKET" is:"socket" note:"not together with T2G_API_PORT, T2G_API_CIDRS or TLS" meaning:"Unix socket for the API listener, in place of host and port." example:"/run/token2go/api.sock"`
	TLSCertFile    string         `name:"T2G_API_TLS_CERT_FILE" is:"file" allowed:"path of a readable PEM file; together with T2G_API_TLS_KEY_FILE, which it must fit" meaning:"Certificate chain for the API listener; read again when it changes." example:"/etc/token2go/api.crt"`
	TLSKeyFile     string         `name:"T2G_API_TLS_KEY_FILE" is:"private file" allowed:"path of a readable PEM file; together with T2G_API_TLS_CERT_FILE" meaning:"Private key of the certificate; read again when it changes." example:"/etc/token2go/api.key"`
	CIDRs          []netip.Prefix `name:"T2G_API_CIDRS" otherwise:"every peer" meaning:"Peers that may use the API listener; others get 403." example:"10.42.0.0/16,192.0.2.7"`
	URL            *url.URL       `name:"T2G_API_URL" otherwise:"http and the API listener's address" note:"no path" meaning:"The address at which programs reach the API listener; JWT keys name it as their issuer. Its origin must not be the gateway's." example:"https://api.token.example.org"`
	AllowedHosts   []string       `name:"T2G_API_ALLOWED_HOSTS" is:"host" otherwise:"that of T2G_API_URL, and addresses" meaning:"Host names that the API listener answers." example:"api.token.example.org"`
	CORSOrigins    []string       `name:"T2G_API_CORS_ORIGINS" is:"origin" otherwise:"none" meaning:"Origins whose pages may call the API listener from a browser, without cookies." example:"https://maps.example.org"`
	TrustedProxies []netip.Prefix `name:"T2G_API_TRUSTED_PROXIES" otherwise:"none" meaning:"Peers whose forwarded address, host, method and path are believed: gateways that ask whether a key is good." example:"10.42.0.7"`
	Compatibility  []string       `name:"T2G_COMPATIBILITY" oneof:"apikey-manager,apikeyserv,lockbox,magic-api-proxy" otherwise:"none" meaning:"Older systems whose routes and credentials are served, too." example:"lockbox"`
	ChangesByGET   bool           `name:"T2G_COMPATIBILITY_GET" default:"false" meaning:"Whether apikey-manager's routes make, renew and revoke keys by GET, too, as its programs ask." example:"true"`
	Registration   bool           `name:"T2G_REGISTRATION" default:"false" note:"needs T2G_COMPATIBILITY=apikeyserv" meaning:"Whether anyone who reaches the API listener may register at /apikeys/ and get a signed key for a year, as with apikeyserv. Addresses are not confirmed." example:"true"`
}

// Address is the URL at which programs reach the API listener.
func (a API) Address() *url.URL {
	if a.URL != nil {
		return a.URL
	}
	scheme := "http"
	if a.TLSCertFile != "" {
		scheme = "https"
	}
	return &url.URL{Scheme: scheme, Host: net.JoinHostPort(a.Host, strconv.Itoa(a.Port))}
}

// Hosts lists the Host names to answer besides addresses; nil means every name.
func (a API) Hosts() []string {
	if slices.Contains(a.AllowedHosts, "*") {
		return nil
	}
	if len(a.AllowedHosts) > 0 {
		return slices.Clone(a.AllowedHosts)
	}
	return []string{a.Address().Host, "localhost"}
}

func (a API) check(r *reader, g Gateway, o Ops) {
	checkTLS(r, "T2G_API_TLS_CERT_FILE", a.TLSCertFile, "T2G_API_TLS_KEY_FILE", a.TLSKeyFile)
	checkSocket(r, "T2G_API_SOCKET", a.Socket, "T2G_API_PORT", "T2G_API_CIDRS", "T2G_API_TLS_CERT_FILE", "T2G_API_TLS_KEY_FILE")
	if a.Socket == "" {
		if g.Socket == "" {
			checkPorts(r, "T2G_API", a.Host, a.Port, "T2G_SERVER", g.Host, g.Port, "gateway")
		}
		checkPorts(r, "T2G_API", a.Host, a.Port, "T2G_OPS", o.Host, o.Port, "ops")
	}
	if a.Registration && !slices.Contains(a.Compatibility, "apikeyserv") && r.sound("T2G_COMPATIBILITY") {
		r.refuse("T2G_REGISTRATION", "true, without apikeyserv in T2G_COMPATIBILITY")
	}
	if a.URL == nil || !r.sound("T2G_API_URL", "T2G_PUBLIC_URL") {
		return
	}
	switch {
	case a.URL.Path != "":
		r.refuse("T2G_API_URL", shown(r.row("T2G_API_URL"), a.URL.String())+" (a path)")
	case g.PublicURL != nil && g.PublicURL.Scheme == a.URL.Scheme && g.PublicURL.Host == a.URL.Host:
		r.refuse("T2G_API_URL", shown(r.row("T2G_API_URL"), a.URL.String())+" (the origin of T2G_PUBLIC_URL, whose pages show tokens)")
	}
}

func (a API) warnings() []string {
	exposed := a.Socket == "" && !loopback.Host(a.Host)
	return taken(
		risk{exposed && a.TLSCertFile == "", fmt.Sprintf("T2G_API_HOST=%s: keys cross the network in plain text; set T2G_API_TLS_CERT_FILE and T2G_API_TLS_KEY_FILE unless the network itself encrypts", a.Host)},
		risk{nearlyEveryone(a.TrustedProxies), "T2G_API_TRUSTED_PROXIES: the networks together hold an eighth or more of all addresses, so that hardly any caller's address is its own; name the gateways"},
		risk{slices.Contains(a.AllowedHosts, "*"), "T2G_API_ALLOWED_HOSTS=*: a website that rebinds its name to this address can call the API listener from a browser"},
		risk{a.Registration, "T2G_REGISTRATION: anyone who reaches the API listener gets an API key; no address is confirmed"},
		risk{a.ChangesByGET, "T2G_COMPATIBILITY_GET: whole keys are in URLs, which proxies write to their logs; have programs use POST, and switch it off"},
		risk{a.URL != nil && a.URL.Scheme == "http" && !loopback.Host(a.URL.Hostname()), "T2G_API_URL: over plain http keys can be read on the way"},
	)
}

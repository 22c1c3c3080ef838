package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrAddress is returned for a host whose address may not be called.
var ErrAddress = errors.New("address not allowed")

// Resolver looks names up; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// dialer connects to the one address that was checked: a name that means another address
// a moment later is not asked again.
type dialer struct {
	resolver     Resolver
	own          func() []netip.AddrPort // this server's listeners
	allowPrivate bool
	literal      bool // the base URL's host is an address, which the operator wrote
	host         string
	timeout      time.Duration
}

func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if d.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.timeout)
		defer cancel()
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	addresses, err := d.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, ip := range addresses {
		at := netip.AddrPortFrom(ip, uint16(port))
		if d.isOwn(at) {
			return nil, fmt.Errorf("%w: %s is this server itself", ErrAddress, at)
		}
		connection, err := new(net.Dialer).DialContext(ctx, network, at.String())
		if err == nil {
			return connection, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// addresses are those of the host that may be called, in the order of the resolver.
func (d dialer) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if literal, err := netip.ParseAddr(host); err == nil {
		if !d.allowed(literal, d.literal && host == d.host) {
			return nil, fmt.Errorf("%w: %s", ErrAddress, literal)
		}
		return []netip.Addr{literal}, nil
	}
	found, err := d.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	operators := d.literal && strings.EqualFold(host, "localhost")
	allowed := slices.DeleteFunc(found, func(ip netip.Addr) bool { return !d.allowed(ip, operators) })
	if len(allowed) == 0 {
		return nil, fmt.Errorf("%w: %s means private or reserved addresses alone; the operator may set allow_private", ErrAddress, host)
	}
	return allowed, nil
}

// Unreachable looks the names of all services up and says which calls would be refused for
// their address, or fail.
func (s *Services) Unreachable(ctx context.Context, resolver Resolver) []string {
	var findings []string
	for _, name := range slices.Sorted(maps.Keys(s.ByName)) {
		service := s.ByName[name]
		if service.Proxy != "" {
			continue // the proxy looks the name up
		}
		if _, err := service.dialer(resolver, nil).addresses(ctx, service.Base.Hostname()); err != nil {
			findings = append(findings, "services."+name+".base_url: "+err.Error())
		}
	}
	return findings
}

func (s *Service) dialer(resolver Resolver, own func() []netip.AddrPort) dialer {
	return dialer{
		resolver: resolver, own: own, allowPrivate: s.AllowPrivate, literal: s.literal(), host: s.Base.Hostname(), timeout: s.ConnectTimeout,
	}
}

// allowed reports whether an address may be called. Link-local ones, where clouds have
// their metadata, never may.
func (d dialer) allowed(ip netip.Addr, operators bool) bool {
	ip = embedded(ip)
	switch {
	case ip.IsLinkLocalUnicast(), ip.IsMulticast(), slices.Contains(metadata, ip), broadcast == ip:
		return false
	case ip.IsUnspecified():
		return operators
	case ip.IsLoopback(), ip.IsPrivate(), reserved(ip):
		return operators || d.allowPrivate
	}
	return true
}

// metadata are addresses of clouds' metadata that are not link-local.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16"),
}

var broadcast = netip.MustParseAddr("255.255.255.255")

var reservedNetworks = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("fec0::/10"),
	netip.MustParsePrefix("64:ff9b:1::/48"), // a network's own NAT64 (RFC 8215), whose layout is not known
}

func reserved(ip netip.Addr) bool {
	return slices.ContainsFunc(reservedNetworks, func(n netip.Prefix) bool { return n.Contains(ip) })
}

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour = netip.MustParsePrefix("2002::/16")
	oldMapped = netip.MustParsePrefix("::/96")
)

// embedded is the IPv4 address in an IPv6 one that leads to it: mapped, compatible, NAT64
// (RFC 6052) or 6to4 (RFC 3056).
func embedded(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip
	}
	bytes := ip.As16()
	switch {
	case ip.IsLoopback(), ip.IsUnspecified():
		return ip
	case nat64.Contains(ip), oldMapped.Contains(ip):
		return netip.AddrFrom4([4]byte(bytes[12:16]))
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(bytes[2:6]))
	}
	return ip
}

// isOwn reports whether the address leads to a listener of this server.
func (d dialer) isOwn(at netip.AddrPort) bool {
	if d.own == nil {
		return false
	}
	return slices.ContainsFunc(d.own(), func(own netip.AddrPort) bool {
		return own.Port() == at.Port() && (own.Addr().Unmap() == at.Addr().Unmap() || own.Addr().IsUnspecified() && isLocal(at.Addr()))
	})
}

func isLocal(ip netip.Addr) bool {
	if ip.IsLoopback() {
		return true
	}
	interfaces, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(interfaces, func(a net.Addr) bool {
		network, isNetwork := a.(*net.IPNet)
		return isNetwork && network.IP.Equal(net.IP(ip.Unmap().AsSlice()))
	})
}

// idleConnections is how many connections to one service are kept.
const idleConnections = 512

// newTransport makes what carries the calls of one service.
func (s *Service) newTransport(o Options) (*http.Transport, error) {
	d := s.dialer(o.Resolver, o.Own)
	tlsConfig, err := s.tlsConfig()
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		DialContext: d.dial, TLSClientConfig: tlsConfig, TLSHandshakeTimeout: s.ConnectTimeout,
		ResponseHeaderTimeout: s.ReadTimeout, ExpectContinueTimeout: time.Second, IdleConnTimeout: 90 * time.Second,
		MaxIdleConns: 0, MaxIdleConnsPerHost: idleConnections, DisableCompression: true,
		MaxResponseHeaderBytes: 256 << 10, WriteBufferSize: 16 << 10, ReadBufferSize: 16 << 10,
	}
	if err := s.setProxy(t); err != nil {
		return nil, err
	}
	return t, nil
}

// setProxy has the transport call through a proxy. That is the operator's word, so its
// address is not checked, and neither can be what it resolves.
func (s *Service) setProxy(t *http.Transport) error {
	switch s.Proxy {
	case "":
		return nil
	case "env":
		target, err := http.ProxyFromEnvironment(&http.Request{URL: s.Base})
		if err != nil || target == nil {
			return err
		}
		t.Proxy = http.ProxyURL(target)
	default:
		target, err := url.Parse(s.Proxy)
		if err != nil {
			return err
		}
		t.Proxy = http.ProxyURL(target)
	}
	t.DialContext = (&net.Dialer{Timeout: s.ConnectTimeout}).DialContext
	return nil
}

func (s *Service) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: no certificate in %s", s.CAFile)
		}
	}
	if s.ClientCertFile == "" && s.ClientKeyFile == "" {
		return config, nil
	}
	pair, err := tls.LoadX509KeyPair(s.ClientCertFile, s.ClientKeyFile)
	if err != nil {
		return nil, fmt.Errorf("client_cert_file and client_key_file: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

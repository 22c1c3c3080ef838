package web

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Refusals that do not depend on the route.
var (
	ErrPeer = errors.New("peer not allowed")
	ErrHost = errors.New("host not served")
)

// HeadersError is returned for a request whose line and headers exceed the limit.
type HeadersError struct{ Size, Max int } // bytes

func (e *HeadersError) Error() string {
	return fmt.Sprintf("the request line and headers have %d bytes, want at most %d", e.Size, e.Max)
}

// CheckPeer refuses a request whose connection comes from none of the networks; nil allows
// all. The error is ErrPeer.
func CheckPeer(r *http.Request, networks []netip.Prefix) error {
	if networks == nil {
		return nil
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ErrPeer
	}
	peer := remote.Addr().Unmap().WithZone("")
	if !slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.Contains(peer) }) {
		return ErrPeer
	}
	return nil
}

// CheckHost refuses a request for a host that is none of the names; nil allows all. A name
// with a port matches that port only, one without matches any. The error is ErrHost.
func CheckHost(r *http.Request, names []string) error {
	if names != nil && !HostIn(r.Host, names) {
		return ErrHost
	}
	return nil
}

// CheckSize refuses a request whose line and headers are larger than limit bytes. The error
// is a *HeadersError.
func CheckSize(r *http.Request, limit int) error {
	if size := headerBytes(r); size > limit {
		return &HeadersError{size, limit}
	}
	return nil
}

// HostIn reports whether a Host header is one of the names; "*" is every name.
func HostIn(host string, names []string) bool {
	bare := HostName(host)
	return slices.ContainsFunc(names, func(name string) bool {
		return name == "*" || strings.EqualFold(name, host) || strings.EqualFold(strings.Trim(name, "[]"), bare)
	})
}

// HostName is the name or address in a Host header, without port and brackets.
func HostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.Trim(host, "[]")
}

// headerBytes estimates the size of the request line and headers as they arrived.
func headerBytes(r *http.Request) int {
	size := len(r.Method) + len(r.RequestURI) + len(r.Host) + len("  HTTP/1.1\r\nHost: \r\n")
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	return size
}

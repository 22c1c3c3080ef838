package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// peer is the address of the other end of the connection. On a Unix socket it is the zero
// address.
func peer(r *http.Request) netip.Addr {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return clean(remote.Addr())
}

func clean(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }

// trusted reports whether the peer may tell facts about a request that it forwards.
func (s *Server) trusted(r *http.Request) bool { return within(peer(r), s.options.Proxies) }

// client is the address of the client, which trusted proxies tell in a header.
func (s *Server) client(r *http.Request, header string) netip.Addr {
	return ClientAddress(r, s.options.Proxies, header)
}

// ClientAddress is the address of the client: the peer, unless that is one of the proxies;
// then the right-most address in the header that is none of theirs. What stands left of it
// the client may have written itself. The zero address is returned for an entry that is no
// address.
func ClientAddress(r *http.Request, proxies []netip.Prefix, header string) netip.Addr {
	address := peer(r)
	if !within(address, proxies) {
		return address
	}
	entries := strings.Split(strings.Join(r.Header[header], ","), ",")
	for _, entry := range slices.Backward(entries) {
		if entry = strings.Trim(entry, " \t"); entry == "" {
			continue
		}
		if address = parseAddress(entry); !within(address, proxies) {
			return address
		}
	}
	return address
}

func within(address netip.Addr, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(address) })
}

// parseAddress reads an address as proxies write it: bare, in brackets, or with a port.
func parseAddress(entry string) netip.Addr {
	if address, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(entry, "["), "]")); err == nil {
		return clean(address)
	}
	if withPort, err := netip.ParseAddrPort(entry); err == nil {
		return clean(withPort.Addr())
	}
	return netip.Addr{}
}

// isQuestion reports whether a path is one at which proxies and applications ask about
// requests of their own.
func isQuestion(path string) bool {
	return path == "/check" || path == "/introspect" || path == "/verify" || strings.HasPrefix(path, "/verify/")
}

package demo

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// ErrNotLoopback refuses an address that other computers could reach.
var ErrNotLoopback = errors.New("the demo listens on loopback only: 127.0.0.1, ::1 or localhost")

// Listen binds a TCP port of this computer alone. Host is localhost, which is taken as
// 127.0.0.1, or a loopback address; anything else is ErrNotLoopback, and no name is ever
// looked up. Port 0 is any free one; another one that cannot be had gives way to any
// free one, so callers print the listener's Addr.
func Listen(host string, port int) (net.Listener, error) {
	address, err := loopback(host)
	if err != nil {
		return nil, err
	}
	if port < 0 || port > 65535 {
		return nil, fmt.Errorf("port: got %d, want 0 to 65535", port)
	}
	listener, err := listen(address, port)
	if err != nil && port != 0 {
		return listen(address, 0)
	}
	return listener, err
}

func listen(address netip.Addr, port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort(address.String(), strconv.Itoa(port)))
}

func loopback(host string) (netip.Addr, error) {
	if host == "localhost" {
		host = "127.0.0.1"
	}
	address, err := netip.ParseAddr(host)
	if err != nil || !address.IsLoopback() || address.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("host %q: %w", host, ErrNotLoopback)
	}
	return address.Unmap(), nil
}

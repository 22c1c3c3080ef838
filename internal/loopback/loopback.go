// Package loopback reports which host names mean the computer that asks, whatever a name
// server says.
//
// It is for people's settings and for what they are shown. Where a token may be sent,
// package flow compares the text itself: a name that only means loopback is refused there.
package loopback

import (
	"net/netip"
	"strings"
)

// Host reports whether a host, without a port and without brackets, is localhost or a
// loopback address.
func Host(host string) bool {
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && address.Unmap().IsLoopback()
}

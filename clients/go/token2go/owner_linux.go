package token2go

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// ownUser is the user whose browser brings the answer. It is negative for root, whose
// browser often runs as the user who became root.
func ownUser() int {
	if uid := os.Geteuid(); uid != 0 {
		return uid
	}
	return -1
}

// isOwnUser reports whether the other end of the connection is a socket of this user, or
// of root, which is what forwards ports into containers. It is true where that cannot be
// known.
func (l *listener) isOwnUser(r *http.Request) bool {
	if l.call.uid < 0 {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return true
	}
	ours := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(l.port)) //nolint:gosec // a port
	for range 3 {                                                                      // the kernel's list is not read in one piece, and may lack a line
		uid, found := ownerOf(readSockets(), peer, ours)
		switch {
		case found == unknown, found == owned && l.mayConnect(uid), found == gone && insideWindows():
			return true
		case found == owned:
			l.wait.refuseUser(uid)
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false // the other end is closed, so no answer can be sent to it
}

// insideWindows reports whether this is the Linux of a Windows computer. With mirrored
// networking, the browser's socket is on the Windows side and not in Linux's list.
func insideWindows() bool {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	return err == nil && strings.Contains(strings.ToLower(string(release)), "microsoft")
}

func (l *listener) mayConnect(uid int) bool {
	const overflow = 65534 // what users look like that a user namespace has no number for
	return uid == l.call.uid || uid == 0 || uid == overflow && inUserNamespace()
}

func inUserNamespace() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(text)), " ") != "0 0 4294967295"
}

// readSockets lists the sockets of IPv4 and IPv6, of which the latter can be used for
// addresses of the former.
func readSockets() string {
	four, _ := os.ReadFile("/proc/net/tcp")
	six, _ := os.ReadFile("/proc/net/tcp6")
	return string(four) + string(six)
}

// lookup is how the search for a socket's owner ended.
type lookup int

const (
	unknown lookup = iota // the list is missing, or lacks even our own listener
	gone                  // the other end was closed, so it has no owner
	owned
)

// ownerOf finds in the kernel's list (proc_pid_net(5)) the user who owns the socket at
// local that is connected to remote, our listener.
func ownerOf(sockets string, local, remote netip.AddrPort) (uid int, found lookup) {
	const listening = "0A"
	for line := range strings.Lines(sockets) {
		fields := strings.Fields(line)
		if len(fields) < 10 {
			continue
		}
		switch {
		case fields[3] == listening && strings.HasSuffix(fields[1], kernelAddress(remote)):
			found = max(found, gone)
		case strings.HasSuffix(fields[1], kernelAddress(local)) && strings.HasSuffix(fields[2], kernelAddress(remote)) && fields[9] != "0":
			if uid, err := strconv.Atoi(fields[7]); err == nil {
				return uid, owned
			}
		}
	}
	return 0, found
}

// kernelAddress writes an address as the kernel does, and as the end of what it writes
// for the IPv4-mapped IPv6 address.
func kernelAddress(a netip.AddrPort) string {
	four := a.Addr().Unmap().As4()
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(four[:]), a.Port())
}

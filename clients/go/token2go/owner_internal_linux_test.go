package token2go

import (
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const socketList = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 81 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 82 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 83 1 0000000000000000 20 4 30 10 -1
   3: 0100007F:9C41 0100007F:1F90 05 00000000:00000000 00:00000000 00000000     0        0 0 3 0000000000000000
   4: 0000000000000000FFFF00000100007F:9C42 0000000000000000FFFF00000100007F:1F90 01 00000000:00000000 00:00000000 00000000  1002        0 84 1 0000000000000000 20 4 30 10 -1
`

func TestOwnerOfReadsTheKernelsList(t *testing.T) {
	ours := netip.MustParseAddrPort("127.0.0.1:8080")
	if kernelAddress(ours) != "0100007F:1F90" {
		t.Skip("the list is of a little-endian machine")
	}
	for _, test := range []struct {
		name, list, peer string
		uid              int
		found            lookup
	}{
		{"a socket of another user", socketList, "127.0.0.1:40000", 1001, owned},
		{"a socket that was closed has no owner, not root", socketList, "127.0.0.1:40001", 0, gone},
		{"a socket of IPv6", socketList, "127.0.0.1:40002", 1002, owned},
		{"a socket that is not there", socketList, "127.0.0.1:40003", 0, gone},
		{"the same port of another address", socketList, "127.0.0.2:40000", 0, gone},
		{"no list", "", "127.0.0.1:40000", 0, unknown},
		{"a list without our listener", strings.Replace(socketList, "1F90 00000000:0000 0A", "1F91 00000000:0000 0A", 1), "127.0.0.1:40003", 0, unknown},
	} {
		if uid, found := ownerOf(test.list, netip.MustParseAddrPort(test.peer), ours); uid != test.uid || found != test.found {
			t.Errorf("%s: got uid %d (%d), want %d (%d)", test.name, uid, found, test.uid, test.found)
		}
	}
}

func TestListenerServesItsOwnUser(t *testing.T) {
	l, _ := startListener(t, os.Geteuid())
	if got := statusOf(t, l); got != http.StatusSeeOther {
		t.Errorf("got %d, want 303", got)
	}
}

func TestListenerRefusesAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can connect as another user")
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is missing")
	}
	l, w := startListener(t, 1000)
	command := exec.CommandContext(t.Context(), curl, "-s", "-o", os.DevNull, "-w", "%{http_code}", l.shortURL())
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1001, Gid: 1001}}
	if out, err := command.Output(); err != nil || string(out) != "403" {
		t.Errorf("got %q (%v), want 403", out, err)
	}
	select {
	case warning := <-w.warnings:
		if got := warning.Error(); got != ErrOtherUser.Error()+": uid 1001" {
			t.Errorf("got the warning %q", got)
		}
	case <-time.After(time.Second):
		t.Error("got no warning")
	}
	if got := statusOf(t, l); got != http.StatusSeeOther {
		t.Errorf("got %d for root, which forwards ports, want 303", got)
	}
}

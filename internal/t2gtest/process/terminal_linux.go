package process

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// Terminal makes a terminal, as both its ends: outside is where a person would sit.
func Terminal(t testing.TB) (outside, terminal *os.File) {
	t.Helper()
	outside, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		Missing(t, "no terminals: "+err.Error())
	}
	t.Cleanup(func() { _ = outside.Close() })
	var locked, number int32
	for request, argument := range map[uintptr]*int32{syscall.TIOCSPTLCK: &locked, syscall.TIOCGPTN: &number} {
		if _, _, failure := syscall.Syscall(syscall.SYS_IOCTL, outside.Fd(), request, uintptr(unsafe.Pointer(argument))); failure != 0 {
			t.Fatal(failure)
		}
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return outside, terminal
}

//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

func TestLinesAreTextOnATerminal(t *testing.T) {
	t.Parallel()
	outside, terminal := openTerminal(t)
	h := recordTo(t, terminal)
	_ = terminal.Close()
	var seen bytes.Buffer
	for !strings.Contains(seen.String(), "door=ops") {
		part := make([]byte, 4096)
		n, err := outside.Read(part)
		if err != nil {
			t.Fatalf("%v after %s", err, &seen)
		}
		seen.Write(part[:n])
		if strings.Contains(seen.String(), "{") {
			t.Fatalf("got %s, want text", &seen)
		}
	}
	if want := "level=INFO msg=serving door=gateway address=" + h.gateway; !strings.Contains(seen.String(), want) {
		t.Errorf("got %s, want %s", &seen, want)
	}
}

// openTerminal makes a terminal, as both its ends.
func openTerminal(t *testing.T) (outside, terminal *os.File) {
	t.Helper()
	outside, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("SKIPPED, for want of terminals: ", err)
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
	return outside, terminal
}

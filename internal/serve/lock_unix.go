//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package serve

import (
	"os"
	"syscall"
	"time"
)

// lockDirectory keeps other servers from binding a socket in a directory until unlock is
// called. It leaves no file behind. A directory that cannot be read is not locked, and the
// wait for another server ends after two seconds.
func lockDirectory(path string) (unlock func()) {
	directory, err := os.Open(path)
	if err != nil {
		return func() {}
	}
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if syscall.Flock(int(directory.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			break
		}
	}
	return func() { _ = directory.Close() }
}

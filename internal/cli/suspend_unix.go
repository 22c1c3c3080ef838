//go:build unix

package cli

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// foreground reports whether this program may use the terminal: one that a shell runs
// in the background is stopped when it tries.
func foreground(file *os.File) bool {
	group, err := unix.IoctlGetInt(int(file.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// attend hands the terminal back while this program is suspended. The function that it
// returns ends that.
func (t *terminal) attend() (end func()) {
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, unix.SIGTSTP)
	go func() {
		for {
			select {
			case <-signals:
				t.suspend()
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(signals); close(done) }
}

// suspend stops this program until a shell has it go on.
func (t *terminal) suspend() {
	t.mu.Lock()
	defer t.mu.Unlock()
	switched := t.restore != nil
	t.leave()
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, unix.SIGCONT)
	defer signal.Stop(continued)
	_ = unix.Kill(unix.Getpid(), unix.SIGSTOP)
	<-continued // other threads may take the stop up, and this one go on for a moment
	if switched && foreground(t.file) {
		_ = t.enter()
	}
}

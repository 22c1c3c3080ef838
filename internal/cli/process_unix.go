//go:build unix

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// detach makes a command outlive what happens at this terminal.
func detach(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// forwardSignals begins to catch signals for a command. What it returns passes them on
// until the command has ended; with nil it only ends the catching.
func forwardSignals() func(*exec.Cmd) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2)
	return func(command *exec.Cmd) error {
		defer signal.Stop(signals)
		if command == nil {
			return nil
		}
		done := make(chan error, 1)
		go func() { done <- command.Wait() }()
		for {
			select {
			case err := <-done:
				return commandError(err)
			case s := <-signals:
				if !fromKeys(s) {
					_ = command.Process.Signal(s)
				}
			}
		}
	}
}

// fromKeys reports whether the terminal has sent a signal to the command as well, as it
// does to all that a shell runs in the foreground. To pass it on would send it twice.
func fromKeys(s os.Signal) bool {
	if s != unix.SIGINT && s != unix.SIGQUIT {
		return false
	}
	terminal, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer terminal.Close()
	return foreground(terminal)
}

// commandError describes how a command ended, as a shell does.
func commandError(err error) error {
	var failed *exec.ExitError
	if !errors.As(err, &failed) {
		return err
	}
	status, _ := failed.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return &CommandError{Code: 128 + int(status.Signal()), Signal: status.Signal()}
	}
	return &CommandError{Code: failed.ExitCode()}
}

// ExitLike ends this program as its command ended, where that was by a signal that people
// and shells send: a loop in a script goes on after an exit code, and ends after these.
func ExitLike(err error) {
	var ended *CommandError
	if !errors.As(err, &ended) || !slices.Contains([]os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP}, ended.Signal) {
		return
	}
	number, _ := ended.Signal.(syscall.Signal)
	signal.Reset(number)
	_ = unix.Kill(unix.Getpid(), number)
	time.Sleep(time.Second)
}

func isRunning(process int) bool { return !errors.Is(unix.Kill(process, 0), unix.ESRCH) }

// startOf distinguishes processes that had the same number, where the system records it.
func startOf(process int) string {
	const startTime = 22 // proc_pid_stat(5)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // the name before it can hold anything
	if len(fields) <= startTime-3 {
		return ""
	}
	return fields[startTime-3]
}

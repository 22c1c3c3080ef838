package cli

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// detach makes a command outlive what happens at this console.
func detach(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP, HideWindow: true}
}

// forwardSignals keeps an interrupt, which the console sends to the command as well,
// from ending this program before the command.
func forwardSignals() func(*exec.Cmd) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	return func(command *exec.Cmd) error {
		defer signal.Stop(signals)
		if command == nil {
			return nil
		}
		err := command.Wait()
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			return &CommandError{Code: failed.ExitCode()}
		}
		return err
	}
}

// ExitLike does nothing here, where programs do not end by signals.
func ExitLike(error) {}

// isRunning is not known: records stay.
func isRunning(int) bool { return true }

// startOf is not known.
func startOf(int) string { return "" }

package cli

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// apart makes a command outlive what happens at this console.
func apart(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP, HideWindow: true}
}

// attendCommand keeps an interrupt, which the console sends to the command as well,
// from ending this program before the command.
func attendCommand() func(*exec.Cmd) error {
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
			return &Ended{Code: failed.ExitCode()}
		}
		return err
	}
}

// EndAs does nothing here, where programs do not end by signals.
func EndAs(error) {}

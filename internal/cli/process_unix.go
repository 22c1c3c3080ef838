//go:build unix

package cli

import (
	"os/exec"
	"syscall"
)

// apart makes a command outlive what happens at this terminal.
func apart(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

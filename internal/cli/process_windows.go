package cli

import (
	"os/exec"
	"syscall"
)

// apart makes a command outlive what happens at this console.
func apart(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP, HideWindow: true}
}

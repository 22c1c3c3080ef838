//go:build unix

package process

import (
	"os/exec"
	"syscall"
)

func kill(c *exec.Cmd) {
	if leads := c.SysProcAttr; leads != nil && (leads.Setpgid || leads.Setsid) {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	}
	_ = c.Process.Kill()
}

//go:build unix

package process

import (
	"os/exec"
	"strconv"
	"syscall"
)

func kill(c *exec.Cmd) {
	if leads(c) {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	}
	_ = c.Process.Kill()
}

// leads reports whether the process was made the leader of a group or of a session.
func leads(c *exec.Cmd) bool {
	return c.SysProcAttr != nil && (c.SysProcAttr.Setpgid || c.SysProcAttr.Setsid)
}

// guard kills a group that Ctrl-C does not reach when this program ends before release is
// called: by a signal, or by the panic of a test that takes too long. A shell hears of it
// as the end of its input. Pdeathsig would kill the leader alone, and on the end of a
// thread already.
func guard(c *exec.Cmd) (release func(), err error) {
	if !leads(c) {
		return func() {}, nil
	}
	shell := exec.Command("/bin/sh", "-c", `read -r _ || kill -s KILL -- "$0"`, strconv.Itoa(-c.Process.Pid))
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := shell.Start(); err != nil {
		return nil, err
	}
	return func() {
		_, _ = input.Write([]byte("\n"))
		_ = shell.Wait()
	}, nil
}

//go:build unix

package process_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

func TestKillEndsProcessGroup(t *testing.T) {
	t.Parallel()
	var said process.Output
	c := exec.Command("sh", "-c", "sleep 600 & echo begun; wait")
	c.Stdout, c.SysProcAttr = &said, &syscall.SysProcAttr{Setpgid: true}
	p := process.Start(t, c)
	if err := p.Await(process.Soon, func() bool { return strings.HasSuffix(said.String(), "\n") }); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	p.Kill() // returns once the pipe is closed
	if took := time.Since(began); took > process.Soon || p.Code(t) != -1 {
		t.Errorf("took %v to an end with exit code %d, want all ended by a signal at once", took, p.Code(t))
	}
}

// The test starts itself as the program that is killed.
func TestProcessGroupEndsWithParent(t *testing.T) {
	var said process.Output
	group := exec.Command("sh", "-c", "sleep 600 & echo begun; wait")
	group.Stdout, group.SysProcAttr = os.Stdout, &syscall.SysProcAttr{Setpgid: true}
	if os.Getenv("KILLED") != "" {
		process.Start(t, group).Code(t)
		return
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Stdout, c.Env = &said, append(os.Environ(), "KILLED=true")
	p := process.Start(t, c)
	if err := p.Await(process.Soon, func() bool { return strings.HasSuffix(said.String(), "begun\n") }); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	p.Kill() // returns once the pipe is closed
	if took := time.Since(began); took > process.Soon {
		t.Errorf("the group lived on for %v", took)
	}
}

func TestAwaitReportsOutputOfEndedProcess(t *testing.T) {
	t.Parallel()
	c := exec.Command("sh", "-c", "echo why >&2; exit 3")
	c.Stderr = new(process.Output)
	err := process.Start(t, c).Await(process.Soon, func() bool { return false })
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "why\n") {
		t.Errorf("got %v, want how it ended and what it wrote", err)
	}
}

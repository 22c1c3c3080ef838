// Package process runs programs beside a test, and waits for what they do.
//
// It contains nothing of this repository, so that modules of their own share it.
package process

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Soon is far longer than anything here takes on a machine with nothing else to do.
const Soon = 90 * time.Second

// Process is a program that was started in the background.
type Process struct {
	*exec.Cmd

	// Ended is closed when the process has ended, and ProcessState holds how.
	Ended <-chan struct{}
}

// Start starts a program that ends with the test at the latest.
func Start(t testing.TB, c *exec.Cmd) *Process {
	t.Helper()
	p, err := Launch(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// Launch starts a program that serves several tests, until it is killed. Its group does
// not outlive this program, however that ends.
func Launch(c *exec.Cmd) (*Process, error) {
	if err := c.Start(); err != nil {
		return nil, err
	}
	release, err := guard(c)
	if err != nil {
		kill(c)
		_ = c.Wait()
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Wait() // ProcessState has the same
		release()
	}()
	return &Process{Cmd: c, Ended: ended}, nil
}

// Kill ends the process, and all that it has started where it was made the leader of a
// group or of a session.
func (p *Process) Kill() {
	kill(p.Cmd)
	<-p.Ended
}

// Signal sends a signal to the process alone.
func (p *Process) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.Ended:
		return false
	default:
		return true
	}
}

// Code waits for the end and returns the exit code, -1 for an end by a signal.
func (p *Process) Code(t testing.TB) int {
	t.Helper()
	select {
	case <-p.Ended:
	case <-time.After(Soon):
		t.Fatalf("%s still runs, and wrote:\n%s", p.Path, p.wrote())
	}
	return p.ProcessState.ExitCode()
}

// Await polls until the process is ready, for as long as that may take at most. Its error
// holds what the process wrote.
func (p *Process) Await(most time.Duration, ready func() bool) error {
	for deadline := time.Now().Add(most); !ready(); time.Sleep(20 * time.Millisecond) {
		if !p.Running() && !ready() {
			return fmt.Errorf("%s ended (%v), and wrote:\n%s", p.Path, p.ProcessState, p.wrote())
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready, and wrote:\n%s", p.Path, p.wrote())
		}
	}
	return nil
}

// wrote is what the process has written, as far as that is collected.
func (p *Process) wrote() string {
	writers := []io.Writer{p.Stderr}
	if p.Stdout != p.Stderr {
		writers = append(writers, p.Stdout)
	}
	var all strings.Builder
	for _, writer := range writers {
		if collected, is := writer.(fmt.Stringer); is {
			all.WriteString(collected.String())
		}
	}
	return all.String()
}

// Until polls a condition, and fails the test where it is never fulfilled.
func Until(t testing.TB, what string, fulfilled func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Soon); !fulfilled(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// Output collects what is written. It is safe for concurrent use.
type Output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (o *Output) Write(more []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(more)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

// Lines are those written so far, the last one perhaps not whole.
func (o *Output) Lines() []string {
	return strings.Split(strings.TrimSuffix(o.String(), "\n"), "\n")
}

// Package e2e_test uses Token2go as people do: behind a real gateway, with Keycloak as the
// identity provider, a Chromium that signs in at Keycloak's form, and the client programs.
//
// Everything goes by the names that the recipes speak of. A proxy on this computer leads
// the browser and the client programs from those names to the processes that are tested.
//
// It is a module of its own, so that neither the server nor `go test ./...` needs any of it.
package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	address   = "https://token.example.org" // the gateway in front of Token2go
	elsewhere = "https://elsewhere.example" // somebody else's site
	provider  = "https://id.example.org/realms/main"
)

// soon is far longer than anything here takes on a machine with nothing else to do.
const soon = 90 * time.Second

// top is the folder of the repository.
const top = "../.."

// scratch is a folder for what serves several tests.
var scratch string

// endings stop what was started once for all tests.
var endings []func()

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "token2go-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	for _, end := range slices.Backward(endings) {
		end()
	}
	if err := os.RemoveAll(scratch); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// need returns the path of a program, from the variable that names it or from PATH. A
// test for which it is not there is skipped, and fails under CI=true.
func need(t testing.TB, variable string, names ...string) string {
	t.Helper()
	if named := os.Getenv(variable); named != "" {
		names = []string{named}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not here; make e2e installs it", strings.Join(names, ", "))
	}
	t.Skipf("NOT TESTED: %s is not here, and %s names none; make e2e installs it", strings.Join(names, ", "), variable)
	return ""
}

// built is the path of one of this repository's programs, as it is delivered.
func built(t testing.TB, name string) string {
	t.Helper()
	if err := buildOnce(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(scratch, "bin", name)
}

var buildOnce = sync.OnceValue(func() error {
	build := exec.Command("go", "build", "-C", top, "-o", filepath.Join(scratch, "bin")+"/", "./cmd/...")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
})

// process is a program that was started and ends with the test at the latest.
type process struct {
	ended chan struct{}
	err   error // when ended
	out   *text
}

// start runs a program in the background. Its standard error goes to lines, and so does
// its standard output where the command has no other place for it.
func start(t testing.TB, lines *text, c *exec.Cmd) *process {
	t.Helper()
	p, stop, err := launch(lines, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return p
}

func launch(lines *text, c *exec.Cmd) (p *process, stop func(), err error) {
	p = &process{ended: make(chan struct{}), out: lines}
	c.Stderr = lines
	if c.Stdout == nil {
		c.Stdout = lines
	}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Keycloak is a script that starts a program
	if err := c.Start(); err != nil {
		return nil, nil, err
	}
	go func() {
		defer close(p.ended)
		p.err = c.Wait()
	}()
	return p, func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		<-p.ended
	}, nil
}

// await polls until what was started is ready, for as long as that may take at most.
func (p *process) await(most time.Duration, ready func() bool) error {
	for deadline := time.Now().Add(most); !ready(); time.Sleep(50 * time.Millisecond) {
		select {
		case <-p.ended:
			return fmt.Errorf("it ended at once: %w\n%s", p.err, p.out)
		default:
		}
		if time.Now().After(deadline) {
			return errors.New("it is not ready:\n" + p.out.String())
		}
	}
	return nil
}

// text collects what a process writes. It is safe for concurrent use.
type text struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (t *text) Write(more []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buffer.Write(more)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buffer.String()
}

func listen() (net.Listener, error) {
	return new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
}

// freePort is one that nobody listens at.
func freePort() (string, error) {
	listener, err := listen()
	if err != nil {
		return "", err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}

// free is an address that nobody listens at.
func free(t testing.TB) string {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + port
}

// read returns a file of the repository.
func read(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(top, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func write(t testing.TB, folder, name, content string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Package e2e_test uses Token2go as people do: behind a real gateway, with Keycloak as the
// identity provider, a Chromium that signs in at Keycloak's form, and the client programs.
//
// Everything uses the names in the recipes. A proxy on this computer leads
// the browser and the client programs from those names to the processes that are tested.
//
// It is a module of its own, so that neither the server nor `go test ./...` needs any of it.
package e2e_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

const (
	address   = "https://token.example.org" // the gateway in front of Token2go
	otherSite = "https://elsewhere.example"
	provider  = "https://id.example.org/realms/main"
)

// soon is far longer than anything here takes on a machine with nothing else to do.
const soon = process.Soon

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
	chromium.Close()
	for _, end := range slices.Backward(endings) {
		end()
	}
	if err := os.RemoveAll(scratch); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// built is the path of one of this repository's programs, as it is delivered.
func built(t testing.TB, name string) string {
	t.Helper()
	if err := buildOnce(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(scratch, name)
}

var buildOnce = sync.OnceValue(func() error { return process.Build(top, scratch, "./cmd/...") })

// start runs a program in the background. Its standard error goes to lines, and so does
// its standard output where the command has no other place for it.
func start(t testing.TB, lines *text, c *exec.Cmd) *process.Process {
	t.Helper()
	return process.Start(t, collected(lines, c))
}

func collected(lines *text, c *exec.Cmd) *exec.Cmd {
	c.Stderr = lines
	if c.Stdout == nil {
		c.Stdout = lines
	}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Keycloak is a script that starts a program
	return c
}

// text collects what a process writes.
type text = process.Output

// need finds a program.
var need = process.Need

func listen() (net.Listener, error) {
	return new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
}

// free is an address at which nothing listens.
func free(t testing.TB) string {
	t.Helper()
	return "127.0.0.1:" + process.Port(t)
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

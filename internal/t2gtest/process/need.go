package process

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// Need returns the path of a program: of the one that the variable names, or else of the
// first of the names that is on PATH. Without it the test is skipped as Missing has it.
func Need(t testing.TB, variable string, names ...string) string {
	t.Helper()
	if named := os.Getenv(variable); named != "" {
		names = []string{named}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, fmt.Sprintf("%s names no program, and there is none of %q on PATH; make setup installs it", variable, names))
	return ""
}

// Build builds programs of a module, as they are delivered, into an existing folder.
func Build(module, folder string, packages ...string) error {
	c := exec.Command("go", append([]string{"build", "-C", module, "-o", folder}, packages...)...)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Slow skips a test that needs a browser or many seconds under -short.
func Slow(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("left out under -short")
	}
}

// Missing skips a test that cannot run without something, and fails it under CI=true,
// where nothing may be left out. The go command does not print that a test was skipped:
// for programs, TestProgramsAreInstalled does.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s; under CI=true nothing is skipped", what)
	}
	t.Skipf("NOT TESTED: %s", what)
}

// Port finds a free port, below those that the system gives to listeners and
// connections by itself: none of them gets it before it is used.
func Port(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(10000 + rand.IntN(20000))
		if listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			_ = listener.Close()
			return port
		}
	}
	t.Fatal("a hundred ports are in use")
	return ""
}

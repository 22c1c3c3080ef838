// Package check_test holds what is delivered to what it says: the image, the manifests,
// the chart, the unit and the alerts are read by the libraries of those who will read
// them, and run where this computer can run them.
//
// It is a module of its own, so that the server depends on none of those libraries.
package check_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

func TestMain(m *testing.M) {
	if os.Getenv(inImage) != "" {
		enter()
	}
	var err error
	if scratch, err = os.MkdirTemp("", "token2go-check-"); err != nil {
		fail("scratch", err)
	}
	code := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

// scratch is a folder for what is built once and serves several tests.
var scratch string

// top is the folder of the repository.
const top = "../.."

func read(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(top, path))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// need returns the path of a program, from the variable that names it or from PATH.
func need(t testing.TB, program string) string {
	t.Helper()
	return process.Need(t, "T2G_TEST_"+strings.ToUpper(strings.ReplaceAll(program, "-", "_")), program)
}

// run returns what a command printed, and fails the test where the command failed.
func run(t testing.TB, c *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", c, err, out, &stderr)
	}
	return string(out)
}

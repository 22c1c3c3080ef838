package e2e_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// program is one of the client programs, as started in a terminal.
type program struct {
	*process.Process
	t      testing.TB
	stderr *text
	quiet  bool   // opens no browser: the person goes where it says
	opened string // file with the addresses that it gave to the browser
	stdout *text  // the token and nothing else
}

// client names a client program and how it is started.
type client struct {
	name    string
	quiet   bool // in a container it opens no browser, whatever $BROWSER says
	command func(t testing.TB) *exec.Cmd
}

func clients() []client {
	return []client{
		{"token2go get", false, func(t testing.TB) *exec.Cmd { return exec.Command(built(t, "token2go"), "get", address) }},
		{"python -m token2go", true, func(t testing.TB) *exec.Cmd {
			c := exec.Command(need(t, "T2G_TEST_CLIENT_PYTHON"), "-m", "token2go", address)
			source, err := filepath.Abs(filepath.Join(top, "clients/python/src"))
			if err != nil {
				t.Fatal(err)
			}
			c.Env = []string{"PYTHONPATH=" + source, "PYTHONDONTWRITEBYTECODE=1"}
			return c
		}},
	}
}

// start starts the program in a home of its own. Its browser writes down what it is to open, for a tab of the test to go there.
func (c client) start(t testing.TB) *program {
	t.Helper()
	home := t.TempDir()
	p := &program{t: t, quiet: c.quiet, stderr: new(text), stdout: new(text), opened: filepath.Join(home, "opened")}
	command := c.command(t)
	browser := write(t, home, "browser", "#!/bin/sh\nprintf '%s\\n' \"$1\" >>\"$OPENED\"\n")
	if err := os.Chmod(browser, 0o700); err != nil {
		t.Fatal(err)
	}
	command.Env = append(command.Env, "PATH="+os.Getenv("PATH"), "HOME="+home, "XDG_RUNTIME_DIR="+home,
		"BROWSER="+browser, "OPENED="+p.opened, "DISPLAY=:0")
	command.Env = append(command.Env, recipeNames(t).environment()...)
	command.Stdout = p.stdout
	p.Process = start(t, p.stderr, command)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s wrote:\n%s", c.name, p.stderr)
		}
	})
	return p
}

// address is where the program sends the person's browser.
func (p *program) address() string {
	p.t.Helper()
	var found string
	p.until("say where to go", func() bool {
		if p.quiet {
			found = links.FindString(p.stderr.String())
			return strings.HasSuffix(found, "\n")
		}
		content, _ := os.ReadFile(p.opened)
		var whole bool
		found, _, whole = strings.Cut(string(content), "\n")
		return whole
	})
	return strings.TrimSpace(found)
}

// links matches the address that a program prints: at the gateway, or a short one on this
// computer that leads there.
var links = regexp.MustCompile(`(` + regexp.QuoteMeta(address) + `/flow/redirect/token\?|http://127\.0\.0\.1:[0-9]+/)\S+\s`)

// link is the same address at the gateway, which another site can know.
func (p *program) link() string {
	p.t.Helper()
	found := p.address()
	if strings.HasPrefix(found, address) {
		return found
	}
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, found, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.Header.Get("Location")
}

func (p *program) until(what string, held func() bool) {
	p.t.Helper()
	if err := p.Await(soon, held); err != nil {
		p.t.Fatalf("waited for the program to %s: %v", what, err)
	}
}

// token waits for the program's end, and returns what it printed.
func (p *program) token() string {
	p.t.Helper()
	if code := p.Code(p.t); code != 0 {
		p.t.Fatalf("the program ended with %d:\n%s", code, p.stderr)
	}
	return strings.TrimSuffix(p.stdout.String(), "\n")
}

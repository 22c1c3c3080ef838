//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/token2go/token2go/internal/demo"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// A token of this size is sealed into a text far longer than what a terminal in line
// mode hands over.
const longToken = 9000

func TestGetReadsAPastedTokenFromATerminal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		paste func(sealed string) string
	}{
		{"as terminals paste, without Enter", func(s string) string { return "\x1b[200~" + s + "\x1b[201~" }},
		{"as old terminals paste, with Enter", func(s string) string { return s + "\r" }},
		{"in lines, as a mail has broken it", func(s string) string { return wrapped(s, 76) + "\r" }},
		{"after something else", func(s string) string { return "what?\r\x1b[200~" + s + "\r\x1b[201~" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := longTokenServer(t)
			s := startInTerminal(t, server, []string{"get", server.Gateway}, "SSH_CONNECTION=192.0.2.1 1 192.0.2.2 22", "BROWSER=")
			address := s.find(t, `(?s)On any computer: open this.*?\n(http\S+responseMode=page\S+)\s`)
			s.typeKeys(t, test.paste(sealedText(t, server, address)))
			s.mustExit(t, 0)
			s.mustHaveToken(t, longToken)
			s.mustBeRestored(t)
		})
	}
}

// The usual case of a program on another computer that a person did not tell so.
func TestGetReadsAPastedLoopbackAddress(t *testing.T) {
	t.Parallel()
	server := t2gtest.Start(t, t2gtest.Options{}) // an answer that is posted has no such address
	s := startInTerminal(t, server, []string{"get", "--json", server.Gateway}, "SSH_CONNECTION=192.0.2.1 1 192.0.2.2 22", "BROWSER=")
	address := s.find(t, `"url":"(http[^"]+)"`)
	browser := newTab()
	browser.Transport = oneHostTransport{reaches: strings.TrimPrefix(server.Gateway, "http://")}
	var stuck *stuckError
	if _, err := browser.visit(address); !errors.As(err, &stuck) || !strings.HasPrefix(stuck.address, "http://127.0.0.1:") {
		t.Fatalf("got %v, want to be stuck at the listener's address", err)
	}
	s.typeKeys(t, stuck.address+"\r")
	s.mustExit(t, 0)
	s.mustHaveToken(t, 0)
}

func TestInterruptRestoresTheTerminal(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"Ctrl-C": "\x03", `Ctrl-\`: "\x1c"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := t2gtest.Start(t, t2gtest.Options{})
			s := startInTerminal(t, server, []string{"get", server.Gateway}, "DECISION=never")
			s.find(t, `(Ctrl-C cancels)`)
			process.Until(t, "the terminal hands over bytes", func() bool { return s.state(t).Lflag&unix.ICANON == 0 })
			s.typeKeys(t, key)
			s.mustExit(t, 130)
			s.mustBeRestored(t)
			if got := s.stdout.String(); got != "" || !strings.Contains(s.seen.String(), "token2go: interrupted") {
				t.Errorf("got %q on stdout and %s, want nothing and why", got, s.seen)
			}
			mustHoldNoToken(t, s.home)
		})
	}
}

func TestSuspendRestoresTheTerminal(t *testing.T) {
	t.Parallel()
	server := t2gtest.Start(t, t2gtest.Options{})
	s := startInTerminal(t, server, []string{"get", server.Gateway}, "DECISION=never")
	s.find(t, `(Ctrl-C cancels)`)
	process.Until(t, "the terminal hands over bytes", func() bool { return s.state(t).Lflag&unix.ICANON == 0 })
	s.typeKeys(t, "\x1a")
	process.Until(t, "it is stopped", func() bool {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.command.Process.Pid))
		return err == nil && bytes.Contains(status, []byte(") T "))
	})
	s.flush(t)
	s.mustBeRestored(t)
	s.Signal(t, unix.SIGCONT)
	process.Until(t, "the terminal hands over bytes again", func() bool { return s.state(t).Lflag&unix.ICANON == 0 })
	s.typeKeys(t, "\x03")
	s.mustExit(t, 130)
	s.mustBeRestored(t)
}

// A program that is not in the foreground would be stopped by its terminal.
func TestGetDoesNotPromptWithoutATerminal(t *testing.T) {
	t.Parallel()
	server := t2gtest.Start(t, t2gtest.Options{})
	s := newTerminalRun(t, server, []string{"get", "--timeout", "1s", server.Gateway}, "DECISION=never")
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	s.command.Stdin = null
	s.start(t)
	s.mustExit(t, 4)
	s.mustBeRestored(t)
	if strings.Contains(s.seen.String(), "pasted") {
		t.Errorf("got a prompt: %s", s.seen)
	}
}

// terminalRun is a run of token2go in a terminal, with stdout in a pipe as in $(…).
type terminalRun struct {
	*process.Process
	command          *exec.Cmd
	master, terminal *os.File
	before           unix.Termios
	seen, stdout     *process.Output
	home             string
}

// startInTerminal starts token2go with a terminal as its stdin and stderr.
func startInTerminal(t *testing.T, server *t2gtest.Server, arguments []string, environment ...string) *terminalRun {
	t.Helper()
	s := newTerminalRun(t, server, arguments, environment...)
	s.command.Stdin = s.terminal
	s.start(t)
	return s
}

func newTerminalRun(t *testing.T, server *t2gtest.Server, arguments []string, environment ...string) *terminalRun {
	t.Helper()
	c := exec.Command("token2go", arguments...)
	s := &terminalRun{command: c, seen: new(process.Output), stdout: new(process.Output), home: t.TempDir()}
	s.master, s.terminal = process.Terminal(t)
	s.before = *s.state(t)
	c.Stdout, c.Stderr = s.stdout, s.terminal
	c.Env = append(environmentOf(t, s.home), environment...)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 2}
	return s
}

// environmentOf is the environment of a person with that home directory.
func environmentOf(t testing.TB, home string) []string {
	t.Helper()
	runtime := filepath.Join(home, "runtime")
	if err := os.MkdirAll(runtime, 0o700); err != nil {
		t.Fatal(err)
	}
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_RUNTIME_DIR=" + runtime, "XDG_CONFIG_HOME=" + filepath.Join(home, "config"),
		"BROWSER=browser", "TABS=" + filepath.Join(home, "tabs"), "DISPLAY=:0",
		"GORACE=" + os.Getenv("GORACE"),
	}
}

func (s *terminalRun) start(t *testing.T) {
	t.Helper()
	s.Process = process.Start(t, s.command)
	go func() {
		part := make([]byte, 4096)
		for {
			n, err := s.master.Read(part)
			_, _ = s.seen.Write(part[:n])
			if err != nil {
				return
			}
		}
	}()
}

// find waits for what the terminal shows, and returns the group of the pattern.
func (s *terminalRun) find(t *testing.T, pattern string) string {
	t.Helper()
	var found []string
	err := s.Await(soon, func() bool {
		found = regexp.MustCompile(pattern).FindStringSubmatch(s.seen.String())
		return found != nil
	})
	if err != nil {
		t.Fatalf("the terminal does not show %s: %v%s", pattern, err, s.seen)
	}
	return found[1]
}

// typeKeys writes to the terminal once it passes on single bytes.
func (s *terminalRun) typeKeys(t *testing.T, keys string) {
	t.Helper()
	process.Until(t, "the terminal hands over bytes", func() bool { return s.state(t).Lflag&unix.ICANON == 0 })
	if _, err := s.master.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

func (s *terminalRun) mustExit(t *testing.T, code int) {
	t.Helper()
	select {
	case <-s.Ended:
	case <-time.After(soon):
		t.Fatalf("still running: %s", s.seen)
	}
	s.flush(t)
	if got := s.ProcessState.ExitCode(); got != code {
		t.Errorf("got exit code %d, want %d: %s", got, code, s.seen)
	}
}

// flush waits until all that was written to the terminal has been seen.
func (s *terminalRun) flush(t *testing.T) {
	t.Helper()
	mark := fmt.Sprintf("<seen %d>", time.Now().UnixNano())
	if _, err := s.terminal.WriteString(mark); err != nil {
		t.Fatal(err)
	}
	process.Until(t, "all is seen", func() bool { return strings.Contains(s.seen.String(), mark) })
}

// state is what the terminal is set to.
func (s *terminalRun) state(t *testing.T) *unix.Termios {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(s.terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func (s *terminalRun) mustBeRestored(t *testing.T) {
	t.Helper()
	if got := *s.state(t); got != s.before {
		t.Errorf("got the terminal %+v, want it back as %+v", got, s.before)
	}
	if on, off := strings.Count(s.seen.String(), "\x1b[?2004h"), strings.Count(s.seen.String(), "\x1b[?2004l"); on != off {
		t.Errorf("got pastes marked %d times and unmarked %d times", on, off)
	}
}

// mustHaveToken: stdout holds a token and nothing else, the terminal none of it.
func (s *terminalRun) mustHaveToken(t *testing.T, least int) {
	t.Helper()
	token := strings.TrimSuffix(s.stdout.String(), "\n")
	if strings.Count(token, ".") != 2 || strings.ContainsAny(token, " \n") || len(token) < least {
		t.Errorf("got %d bytes on stdout, want a token: %.100q", len(token), token)
	} else if parts := strings.Split(token, "."); strings.Contains(s.seen.String(), parts[2]) {
		t.Error("the terminal shows the token")
	}
}

func longTokenServer(t *testing.T) *t2gtest.Server {
	t.Helper()
	return t2gtest.Start(t, t2gtest.Options{Demo: func(o *demo.Options) { o.TokenBytes = longToken }})
}

func wrapped(text string, width int) string {
	var lines []string
	for len(text) > width {
		lines, text = append(lines, text[:width]), text[width:]
	}
	return strings.Join(append(lines, text), "\r\n")
}

// sealedText opens an address in the browser, allows, and returns the sealed text.
func sealedText(t *testing.T, server *t2gtest.Server, address string) string {
	t.Helper()
	sealed, err := newTab().visit(address)
	if err != nil || !strings.HasPrefix(sealed, "eyJ") || len(sealed) < longToken {
		t.Fatalf("got %.100q (%d bytes) and %v, want a sealed text; the server wrote:\n%s", sealed, len(sealed), err, server.Output)
	}
	return sealed
}

// oneHostTransport is the network of another computer, which reaches one host.
type oneHostTransport struct{ reaches string }

func (e oneHostTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != e.reaches {
		return nil, fmt.Errorf("connection refused")
	}
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
}

// mustHoldNoToken fails if a file below a folder holds a token or a part of one.
func mustHoldNoToken(t *testing.T, folder string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte("eyJ")) {
			t.Errorf("%s holds a token", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The keys of a terminal reach all that a shell runs in the foreground: the command
// gets its interrupt from there, and not a second one from this program.
func TestRunPassesTerminalSignalsOnce(t *testing.T) {
	t.Parallel()
	server := t2gtest.Start(t, t2gtest.Options{})
	const command = `n=0; trap 'n=$((n+1)); echo "interrupted $n"' INT; echo ready; until test $n -ge 2; do sleep 0.1; done; echo over; exit 9`
	s := startInTerminal(t, server, []string{"run", server.Gateway, "--", "sh", "-c", command})
	waitFor := func(what string) {
		process.Until(t, "the command says "+what, func() bool { return strings.Contains(s.stdout.String(), what) })
	}
	waitFor("ready")
	for _, what := range []string{"interrupted 1", "interrupted 2"} {
		if _, err := s.master.WriteString("\x03"); err != nil {
			t.Fatal(err)
		}
		waitFor(what)
		time.Sleep(300 * time.Millisecond) // for a second one, were there one
		if got := strings.Count(s.stdout.String(), "interrupted"); !strings.HasSuffix(what, fmt.Sprint(got)) {
			t.Fatalf("got %d interrupts after %s", got, what)
		}
	}
	s.mustExit(t, 9)
	s.mustBeRestored(t)
}

// A signal that is sent to the program alone is passed on, and the end by it, too.
func TestRunForwardsSignals(t *testing.T) {
	t.Parallel()
	server := t2gtest.Start(t, t2gtest.Options{})
	s := newTerminalRun(t, server, []string{"run", server.Gateway, "--", "sh", "-c", `echo $BEARER_TOKEN_FILE; exec sleep 60`})
	s.command.SysProcAttr = nil // no terminal: an interrupt is passed on as well
	s.start(t)
	process.Until(t, "the command runs", func() bool { return strings.HasSuffix(s.stdout.String(), ".token\n") })
	time.Sleep(100 * time.Millisecond) // for sleep to take the shell's place
	s.Signal(t, unix.SIGINT)
	<-s.Ended
	status, _ := s.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != unix.SIGINT {
		t.Errorf("got %v, want an end by the same signal", s.ProcessState)
	}
	if _, err := os.Stat(strings.TrimSpace(s.stdout.String())); !os.IsNotExist(err) {
		t.Errorf("got %v, want the token's file gone", err)
	}
}

package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// asProgram makes this test binary act as token2go-server, so that tests run the real
// thing as a process of its own, under the race detector where they run under it.
const asProgram = "TOKEN2GO_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// soon is far longer than anything here takes on a machine with nothing else to do.
const soon = process.Soon

// program is token2go-server, running.
type program struct {
	*process.Process
	stdout, stderr *process.Output
}

// launch starts token2go-server with nothing in its environment but what is given.
func launch(t testing.TB, arguments []string, environment ...string) *program {
	t.Helper()
	return launchCommand(t, exec.Command(os.Args[0], arguments...), environment...)
}

// launchCommand is launch for a command that leads to the program, its standard output
// collected where it has nowhere else to put it.
func launchCommand(t testing.TB, c *exec.Cmd, environment ...string) *program {
	t.Helper()
	p := &program{stdout: new(process.Output), stderr: new(process.Output)}
	if c.Stdout == nil {
		c.Stdout = p.stdout
	}
	c.Stderr = p.stderr
	c.Env = append([]string{asProgram + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GORACE=" + os.Getenv("GORACE")}, environment...)
	t.Cleanup(func() { // once it has ended
		if strings.Contains(p.stderr.String(), "DATA RACE") {
			t.Error(p.stderr)
		}
	})
	p.Process = process.Start(t, c)
	return p
}

// instance is a server that serves, with the addresses of its listeners, host:port.
type instance struct {
	*program
	gateway, ops, api string
}

// open starts a server on free ports, and waits until it serves.
func openInstance(t testing.TB, environment ...string) *instance {
	t.Helper()
	h := &instance{program: launch(t, nil, append([]string{"T2G_SERVER_PORT=0", "T2G_OPS_PORT=" + process.Port(t)}, environment...)...)}
	h.readAddresses(t)
	return h
}

// readAddresses reads the addresses of the listeners from the lines that the server writes.
func (h *instance) readAddresses(t testing.TB) {
	t.Helper()
	err := h.Await(soon, func() bool {
		h.gateway, h.ops, h.api = h.address("gateway"), h.address("ops"), h.address("api")
		stored := slices.ContainsFunc(h.Env, func(e string) bool {
			return strings.HasPrefix(e, "T2G_DATABASE_URL=") || strings.HasPrefix(e, "T2G_SERVICES_FILE=")
		})
		return (h.gateway != "" || slices.Contains(h.Env, "T2G_SERVER_PORT=off")) &&
			(h.ops != "" || slices.Contains(h.Env, "T2G_OPS_PORT=0")) && (h.api != "" || !stored)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (h *instance) address(name string) string {
	for _, line := range h.lines("serving") {
		if line["listener"] == name {
			return line["address"].(string)
		}
	}
	return ""
}

// lines are those of the log with that message.
func (p *program) lines(message string) []map[string]any {
	var found []map[string]any
	for _, text := range p.stdout.Lines() {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == message {
			found = append(found, line)
		}
	}
	return found
}

// get asks over a connection of its own, with headers in pairs.
func get(address string, headers ...string) (status int, body string, err error) {
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return 0, "", err
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       soon,
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(read), err
}

// mustGet is get where an answer is certain.
func mustGet(t testing.TB, address string, headers ...string) (status int, body string) {
	t.Helper()
	status, body, err := get(address, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return status, body
}

const tokenHeader = "X-Forwarded-Access-Token"

// dial opens a connection that the test closes, and fails a read without an answer.
func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	if err := connection.SetDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	return connection
}

func write(t testing.TB, connection net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(connection, text); err != nil {
		t.Fatal(err)
	}
}

// isClosed reports whether the other side has closed: by an end, or by a reset where
// something that was sent had not been read.
func isClosed(err error) bool {
	var timeout net.Error
	return err != nil && (!errors.As(err, &timeout) || !timeout.Timeout())
}

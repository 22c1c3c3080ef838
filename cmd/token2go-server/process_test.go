package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// asProgram makes this test program be token2go-server, so that tests run the real
// thing as a process of its own, under the race detector where they run under it.
const asProgram = "TOKEN2GO_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// soon is far longer than anything here takes on a machine with nothing else to do.
const soon = 60 * time.Second

// program is token2go-server, running.
type program struct {
	*exec.Cmd
	stdout, stderr *text
	ended          chan struct{}
}

// launch starts token2go-server with nothing in its environment but what is given.
func launch(t testing.TB, arguments []string, environment ...string) *program {
	t.Helper()
	p := &program{stdout: new(text), stderr: new(text)}
	p.Cmd = exec.Command(os.Args[0], arguments...)
	p.Stdout = p.stdout
	p.begin(t, environment...)
	return p
}

// begin starts the process, which ends with the test at the latest.
func (p *program) begin(t testing.TB, environment ...string) {
	t.Helper()
	p.Stderr = p.stderr
	p.Env = append([]string{asProgram + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GORACE=" + os.Getenv("GORACE")}, environment...)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	p.ended = make(chan struct{})
	go func() { defer close(p.ended); _ = p.Wait() }()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.ended
		if strings.Contains(p.stderr.String(), "DATA RACE") {
			t.Error(p.stderr)
		}
	})
}

// code waits for the end and returns the exit code, -1 for an end by a signal.
func (p *program) code(t testing.TB) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(soon):
		t.Fatalf("still running\nstdout: %s\nstderr: %s", p.stdout, p.stderr)
	}
	return p.ProcessState.ExitCode()
}

func (p *program) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// running reports whether the process has not ended.
func (p *program) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// house is a server that serves, with the addresses of its doors, host:port.
type house struct {
	*program
	gateway, ops string
}

// open starts a server on ports that nobody has, and waits until it serves.
func openHouse(t testing.TB, environment ...string) *house {
	t.Helper()
	h := &house{program: launch(t, nil, append([]string{"T2G_SERVER_PORT=0", "T2G_OPS_PORT=" + unusedPort(t)}, environment...)...)}
	h.find(t)
	return h
}

// find reads the addresses of the doors from the lines that the server writes.
func (h *house) find(t testing.TB) {
	t.Helper()
	wait(t, "the server serves", func() bool {
		if !h.running() {
			t.Fatalf("ended at once: %s", h.stderr)
		}
		h.gateway, h.ops = h.address("gateway"), h.address("ops")
		return h.gateway != "" && (h.ops != "" || strings.Contains(strings.Join(h.Env, " "), "T2G_OPS_PORT=0"))
	})
}

func (h *house) address(door string) string {
	for _, line := range h.lines("serving") {
		if line["door"] == door {
			return line["address"].(string)
		}
	}
	return ""
}

// lines are those of the log with that message.
func (p *program) lines(message string) []map[string]any {
	var found []map[string]any
	for _, text := range p.stdout.lines() {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == message {
			found = append(found, line)
		}
	}
	return found
}

// unusedPort finds a port that nobody has, below those that the system gives to
// listeners and connections by itself: none of them gets it before it is used.
func unusedPort(t testing.TB) string {
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

// wait polls a condition.
func wait(t testing.TB, what string, fulfilled func() bool) {
	t.Helper()
	for deadline := time.Now().Add(soon); !fulfilled(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
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

func (t *text) lines() []string {
	return strings.Split(strings.TrimSuffix(t.String(), "\n"), "\n")
}

// dial opens a connection that the test closes, and fails a read that nobody answers.
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

func say(t testing.TB, connection net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(connection, text); err != nil {
		t.Fatal(err)
	}
}

// closed reports whether the other side has hung up: by an end, or by a reset where
// something that was sent had not been read.
func hungUp(err error) bool {
	var timeout net.Error
	return err != nil && (!errors.As(err, &timeout) || !timeout.Timeout())
}

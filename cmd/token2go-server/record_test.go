package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/serve"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

const handedOver = `token2go_handovers_total{decision="handed_over",way="token"}`

// recordTo starts a server whose lines go to a file that a test cannot read, on ports
// that are known beforehand.
func recordTo(t *testing.T, stdout *os.File, environment ...string) *instance {
	t.Helper()
	port, ops := process.Port(t), process.Port(t)
	c := exec.Command(os.Args[0])
	c.Stdout = stdout
	h := &instance{
		program: launchCommand(t, c, append(environment, "T2G_SERVER_PORT="+port, "T2G_OPS_PORT="+ops)...),
		gateway: "127.0.0.1:" + port, ops: "127.0.0.1:" + ops,
	}
	err := h.Await(soon, func() bool {
		status, _, err := get("http://" + h.ops + "/ready")
		return err == nil && status == http.StatusOK
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestNothingIsHandedOverOnFullDisk(t *testing.T) {
	t.Parallel()
	const secret = "opaque-and-good"
	h := recordTo(t, fullDevice(t))
	status, body := mustGet(t, "http://"+h.gateway+"/token", tokenHeader, secret)
	if status != http.StatusInternalServerError || strings.Contains(body, secret) {
		t.Errorf("got %d %s, want 500 without the token", status, body)
	}
	if _, metrics := mustGet(t, "http://"+h.ops+"/metrics"); !strings.Contains(metrics, handedOver+" 0\n") {
		t.Error("the metrics count a hand-over that was none")
	}
	if status, _ := mustGet(t, "http://"+h.gateway+"/health"); status != http.StatusOK {
		t.Errorf("got %d from /health, want 200: a disk may be emptied", status)
	}
	h.Signal(t, syscall.SIGTERM)
	if code := h.Code(t); code != 0 {
		t.Errorf("got exit code %d, want 0: %s", code, h.stderr)
	}
}

func TestServerEndsWhenStdoutIsClosed(t *testing.T) {
	t.Parallel()
	const secret = "opaque-and-good"
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h := recordTo(t, writer)
	_ = writer.Close()
	if status, _ := mustGet(t, "http://"+h.gateway+"/token", tokenHeader, secret); status != http.StatusOK {
		t.Fatalf("got %d with a reader, want 200", status)
	}
	_ = reader.Close()
	status, body, err := get("http://"+h.gateway+"/token", tokenHeader, secret)
	if err == nil && (status == http.StatusOK || strings.Contains(body, secret)) {
		t.Errorf("got %d %s without a reader, want no token", status, body)
	}
	if code := h.Code(t); code != exitFailed {
		t.Errorf("got exit code %d, want %d: a reader may come with a new start", code, exitFailed)
	}
	if want := audit.ErrNoReader.Error() + "\n"; h.stderr.String() != want {
		t.Errorf("got %q, want %q", h.stderr, want)
	}
}

// A reader that blocks, such as a terminal that is held, fills the pipe.
func TestBlockedStdoutDoesNotPreventShutdown(t *testing.T) {
	process.Slow(t)
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	h := recordTo(t, writer, "T2G_SHUTDOWN_TIMEOUT=500ms")
	_ = writer.Close()
	stuck := make(chan struct{})
	go func() {
		defer close(stuck)
		client := &http.Client{Timeout: 2 * time.Second}
		for {
			r, _ := http.NewRequest(http.MethodGet, "http://"+h.gateway+"/token", nil)
			r.Header.Set(tokenHeader, "opaque-and-good")
			answer, err := client.Do(r)
			if err != nil {
				return
			}
			answer.Body.Close()
		}
	}()
	select {
	case <-stuck:
	case <-time.After(soon):
		t.Fatal("the pipe never fills")
	}
	if status, _ := mustGet(t, "http://"+h.ops+"/health"); status != http.StatusOK {
		t.Errorf("got %d at the ops listener, want 200", status)
	}
	h.Signal(t, syscall.SIGTERM)
	if code := h.Code(t); code != exitFailed || !strings.Contains(h.stderr.String(), serve.ErrStuck.Error()) {
		t.Errorf("got exit code %d and %q, want %d and why", code, h.stderr, exitFailed)
	}
}

func TestLogFormatIsJSONByDefault(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ format, want string }{
		{"", `"level":"INFO","msg":"serving","listener":"gateway"`},
		{"json", `"level":"INFO","msg":"serving","listener":"gateway"`},
		{"text", `level=INFO msg=serving listener=gateway`},
	} {
		p := launch(t, nil, "T2G_SERVER_PORT=0", "T2G_OPS_PORT=0", "T2G_LOG_FORMAT="+test.format)
		process.Until(t, fmt.Sprintf("format %q is %s", test.format, test.want), func() bool { return strings.Contains(p.stdout.String(), test.want) })
	}
}

func TestAuditLineIsWrittenAtEveryLevel(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		level  string
		access int
	}{{"info", 1}, {"error", 0}} {
		// At this level the server does not say where it serves.
		port, ops := process.Port(t), process.Port(t)
		h := &instance{gateway: "127.0.0.1:" + port, ops: "127.0.0.1:" + ops}
		h.program = launch(t, nil, "T2G_SERVER_PORT="+port, "T2G_OPS_PORT="+ops, "T2G_LOG_LEVEL="+test.level)
		process.Until(t, "the server serves", func() bool { _, _, err := get("http://" + h.ops + "/ready"); return err == nil })
		mustGet(t, "http://"+h.gateway+"/token", tokenHeader, "opaque-and-good", "X-Forwarded-User", "ada")
		mustGet(t, "http://"+h.gateway+"/echo", tokenHeader, "opaque-and-good")
		h.Signal(t, syscall.SIGTERM)
		h.Code(t)
		if got := len(h.lines("audit")); got != 1 {
			t.Errorf("level %s: got %d audit lines, want 1", test.level, got)
		}
		if got := len(h.lines("access")); got != test.access {
			t.Errorf("level %s: got %d access lines, want %d", test.level, got, test.access)
		}
	}
}

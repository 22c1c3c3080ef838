package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

func TestDrainReportsNotReadyAndServes(t *testing.T) {
	t.Parallel()
	h := openInstance(t, "T2G_DRAIN_DELAY=2s")
	if status, body := mustGet(t, "http://"+h.ops+"/ready"); status != http.StatusOK || body != `{"status":"ready"}` {
		t.Fatalf("got %d %s, want ready", status, body)
	}
	kept := dial(t, h.gateway)
	write(t, kept, "GET /health HTTP/1.1\r\nHost: t\r\n\r\n")
	if got := readReply(t, kept); got.closes {
		t.Error("an answer before the drain closes its connection")
	}
	h.Signal(t, syscall.SIGTERM)
	begin := time.Now()
	process.Until(t, "/ready is 503", func() bool {
		status, body := mustGet(t, "http://"+h.ops+"/ready")
		return status == http.StatusServiceUnavailable && body == `{"status":"draining"}`
	})
	if status, _ := mustGet(t, "http://"+h.gateway+"/token", tokenHeader, "opaque-and-good"); status != http.StatusOK {
		t.Errorf("got %d on a new connection, want 200", status)
	}
	write(t, kept, "GET /health HTTP/1.1\r\nHost: t\r\n\r\n")
	if got := readReply(t, kept); got.status != http.StatusOK || !got.closes {
		t.Errorf("got %d on a connection from before, want 200 and that it closes", got.status)
	}
	if status, _ := mustGet(t, "http://"+h.ops+"/health"); status != http.StatusOK {
		t.Errorf("got %d from /health, want 200: to be restarted now would lose requests", status)
	}
	if code := h.Code(t); code != 0 {
		t.Errorf("got exit code %d, want 0: %s", code, h.stderr)
	}
	if spent := time.Since(begin); spent < 1500*time.Millisecond {
		t.Errorf("ended after %v, want 2s", spent)
	}
}

// half is a request whose body is not there yet. The server has begun with it.
const (
	half = "POST /flow/redirect/token HTTP/1.1\r\nHost: t\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n" +
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 13\r\nExpect: 100-continue\r\n\r\n"
	otherHalf = "decision=deny"
)

// sendHalfRequest sends half a request, and returns when the server waits for the rest.
func sendHalfRequest(t *testing.T, h *instance) net.Conn {
	t.Helper()
	connection := dial(t, h.gateway)
	write(t, connection, half)
	if got := readReply(t, connection); got.status != http.StatusContinue {
		t.Fatalf("got %d, want 100", got.status)
	}
	return connection
}

func TestOpsListenerClosesLast(t *testing.T) {
	t.Parallel()
	h := openInstance(t, "T2G_SHUTDOWN_TIMEOUT=1m")
	slow := sendHalfRequest(t, h)
	h.Signal(t, syscall.SIGTERM)
	process.Until(t, "the gateway listener is shut", func() bool {
		connection, err := net.Dial("tcp", h.gateway)
		if err == nil {
			_ = connection.Close()
		}
		return err != nil
	})
	time.Sleep(2 * 500 * time.Millisecond) // for connections on which no request has begun
	if status, _ := mustGet(t, "http://"+h.ops+"/ready"); status != http.StatusServiceUnavailable {
		t.Errorf("got %d from /ready, want 503 while a request is on its way", status)
	}
	write(t, slow, otherHalf)
	if got := readReply(t, slow); got.status != http.StatusBadRequest {
		t.Errorf("got %d for the request that had begun, want 400", got.status)
	}
	if code := h.Code(t); code != 0 {
		t.Errorf("got exit code %d, want 0: %s", code, h.stderr)
	}
}

func TestSecondSignalEndsImmediately(t *testing.T) {
	t.Parallel()
	for _, second := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		h := openInstance(t, "T2G_DRAIN_DELAY=10m")
		h.Signal(t, syscall.SIGINT)
		process.Until(t, "it drains", func() bool { return len(h.lines("draining")) > 0 })
		h.Signal(t, second)
		if code := h.Code(t); code != exitFailed {
			t.Errorf("%v: got exit code %d, want %d", second, code, exitFailed)
		}
	}
}

func TestIdleConnectionsDoNotDelayShutdown(t *testing.T) {
	t.Parallel()
	h := openInstance(t, "T2G_SHUTDOWN_TIMEOUT=1m")
	for range 20 {
		idle := dial(t, h.gateway)
		write(t, idle, "GET /health HTTP/1.1\r\nHost: t\r\n\r\n")
		readReply(t, idle)
		dial(t, h.gateway) // opened ahead of time, as browsers do
		dial(t, h.ops)
	}
	begin := time.Now()
	h.Signal(t, syscall.SIGTERM)
	if code := h.Code(t); code != 0 {
		t.Errorf("got exit code %d, want 0: %s", code, h.stderr)
	}
	// net/http alone would wait five seconds for those on which nothing was said.
	if spent := time.Since(begin); spent > 4*time.Second {
		t.Errorf("took %v", spent)
	}
}

func TestShutdownReportsUnfinishedRequests(t *testing.T) {
	t.Parallel()
	h := openInstance(t, "T2G_SHUTDOWN_TIMEOUT=200ms")
	sendHalfRequest(t, h)
	sendHalfRequest(t, h)
	h.Signal(t, syscall.SIGTERM)
	if code := h.Code(t); code != exitFailed {
		t.Errorf("got exit code %d, want %d", code, exitFailed)
	}
	if want := "gateway listener: 2 requests were not answered within 200ms\n"; h.stderr.String() != want {
		t.Errorf("got %q, want %q", h.stderr, want)
	}
}

// Clients that keep their connections ask without a pause while the server ends.
// Each must be told that its connection closes; none may find it closed.
func TestDrainLosesNoRequestUnderLoad(t *testing.T) {
	process.Slow(t)
	t.Parallel()
	h := openInstance(t, "T2G_DRAIN_DELAY=3s")
	const clients = 32
	var answered atomic.Int64
	errs := make([]error, clients)
	var group sync.WaitGroup
	for i := range clients {
		connection := dial(t, h.gateway)
		group.Go(func() {
			reader := bufio.NewReader(connection)
			for {
				_, err := io.WriteString(connection, "GET /token HTTP/1.1\r\nHost: t\r\n"+tokenHeader+": opaque-and-good\r\n\r\n")
				if err != nil {
					errs[i] = fmt.Errorf("request: %w", err)
					return
				}
				got, err := readNext(reader)
				if err != nil {
					errs[i] = fmt.Errorf("answer: %w", err)
					return
				}
				if got.status != http.StatusOK {
					errs[i] = fmt.Errorf("got %d, want 200", got.status)
					return
				}
				answered.Add(1)
				if got.closes {
					return
				}
			}
		})
	}
	process.Until(t, "the load is there", func() bool { return answered.Load() > 10*clients })
	h.Signal(t, syscall.SIGTERM)
	group.Wait()
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if code := h.Code(t); code != 0 {
		t.Errorf("got exit code %d, want 0: %s", code, h.stderr)
	}
	handedOver := strings.Count(h.stdout.String(), `"msg":"audit","decision":"handed_over"`)
	if int64(handedOver) != answered.Load() {
		t.Errorf("got %d audit lines, want %d, one for each answer", handedOver, answered.Load())
	}
}

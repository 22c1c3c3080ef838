package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

func TestLargeHeadersAreExplained(t *testing.T) {
	t.Parallel()
	h := openInstance(t, "T2G_MAX_HEADER_BYTES=4096")
	for _, size := range []int{4096, 8192, 15 << 10} {
		status, body := mustGet(t, "http://"+h.gateway+"/token", "X-Large", strings.Repeat("x", size))
		var refusal struct{ Type, Detail, Fix string }
		if err := json.Unmarshal([]byte(body), &refusal); err != nil {
			t.Errorf("%d bytes: got %d %.100q, want a problem: %v", size, status, body, err)
			continue
		}
		if status != http.StatusRequestHeaderFieldsTooLarge || !strings.Contains(refusal.Detail, "want at most 4096") || !strings.Contains(refusal.Fix, "T2G_MAX_HEADER_BYTES") {
			t.Errorf("%d bytes: got %d %+v, want 431 with what to do", size, status, refusal)
		}
	}
	if status, _ := mustGet(t, "http://"+h.gateway+"/health", "X-Large", strings.Repeat("x", 3000)); status != http.StatusOK {
		t.Errorf("got %d below the limit, want 200", status)
	}
	// What is larger by far is not even read.
	if status, _ := mustGet(t, "http://"+h.gateway+"/token", "X-Large", strings.Repeat("x", 100<<10)); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %d far above the limit, want 431", status)
	}
}

// Each of these clients sends less than a request. All wait at once, so that the test
// takes as long as the longest limit.
func TestSlowClientIsDisconnected(t *testing.T) {
	process.Slow(t)
	t.Parallel()
	h := openInstance(t)
	const head = "POST /flow/redirect/token HTTP/1.1\r\nHost: t\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n" +
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n"
	for _, test := range []struct {
		name, once, again string
		limit             time.Duration
	}{
		{"nothing said", "", "", 5 * time.Second},
		{"half a request line", "GET /tok", "", 5 * time.Second},
		{"a header without end", "GET /token HTTP/1.1\r\nHost: t\r\n", "X-Slow: loris\r\n", 5 * time.Second},
		{"a body without end", head, "x", 15 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			connection := dial(t, h.gateway)
			begin := time.Now()
			write(t, connection, test.once)
			gone := make(chan error, 1)
			go func() {
				_, err := io.Copy(io.Discard, connection)
				if err == nil {
					err = io.EOF
				}
				gone <- err
			}()
			tick := time.NewTicker(200 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case err := <-gone:
					if !isClosed(err) {
						t.Fatalf("not cut off within %v", soon)
					}
					if spent := time.Since(begin); spent < test.limit-time.Second {
						t.Errorf("cut off after %v, want %v of 500*time.Millisecond", spent, test.limit)
					}
					return
				case <-tick.C:
					_, _ = io.WriteString(connection, test.again) // an error shows in the read, too
				}
			}
		})
	}
}

func TestHalfRequestsDoNotBlockOthers(t *testing.T) {
	t.Parallel()
	h := openInstance(t)
	for range 300 {
		write(t, dial(t, h.gateway), "GET /token HTTP/1.1\r\nHost: t\r\nX-Slow: ")
	}
	begin := time.Now()
	if status, body := mustGet(t, "http://"+h.gateway+"/token", tokenHeader, "opaque-and-good"); status != http.StatusOK {
		t.Errorf("got %d %s, want 200", status, body)
	}
	if spent := time.Since(begin); spent > 5*time.Second {
		t.Errorf("took %v among 300 half requests: they had to be cut off first", spent)
	}
}

func TestResetDuringAnswerAffectsNoOther(t *testing.T) {
	t.Parallel()
	h := openInstance(t, "T2G_TOKEN_HEADER_NAMES="+tokenHeader, "T2G_IDENTITY_HEADER_NAMES=X-User")
	for range 50 {
		connection := dial(t, h.gateway)
		// Many requests at once, whose answers do not fit the socket's buffers.
		write(t, connection, strings.Repeat("GET /swagger-ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: t\r\n\r\n", 4))
		if err := connection.(*net.TCPConn).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		_ = connection.Close()
	}
	if status, body := mustGet(t, "http://"+h.gateway+"/token", tokenHeader, "opaque-and-good"); status != http.StatusOK {
		t.Errorf("got %d %s, want 200", status, body)
	}
	for _, level := range []string{`"ERROR"`, `"WARN"`} {
		if strings.Contains(h.stdout.String(), level) {
			t.Errorf("a client that goes away is logged as %s: %s", level, h.stdout)
		}
	}
}

// Out of file descriptors, the server accepts no connection and logs that.
func TestDescriptorExhaustionIsLoggedAndRecovers(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		process.Missing(t, err.Error())
	}
	h := &instance{program: launchCommand(t, exec.Command(shell, "-c", `ulimit -n 48 && exec "$0"`, os.Args[0]),
		"T2G_SERVER_PORT=0", "T2G_OPS_PORT="+process.Port(t))}
	h.readAddresses(t)
	var several []net.Conn
	for range 80 {
		several = append(several, dial(t, h.gateway))
	}
	process.Until(t, "the lack is logged", func() bool { return len(h.lines("connections are not accepted")) > 0 })
	for _, connection := range several {
		_ = connection.Close()
	}
	process.Until(t, "it answers again", func() bool {
		status, _, err := get("http://" + h.gateway + "/health")
		return err == nil && status == http.StatusOK
	})
}

func TestGatewayListenerAnswersOnlyPeers(t *testing.T) {
	t.Parallel()
	h := openInstance(t, "T2G_GATEWAY_CIDRS=127.0.0.2")
	if status, _ := mustGet(t, "http://"+h.gateway+"/token", tokenHeader, "opaque-and-good"); status != http.StatusForbidden {
		t.Errorf("got %d from 127.0.0.1, want 403", status)
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	connection, err := dialer.Dial("tcp", h.gateway)
	if err != nil {
		process.Missing(t, "no second loopback address: "+err.Error())
	}
	defer connection.Close()
	write(t, connection, "GET /token HTTP/1.1\r\nHost: t\r\n"+tokenHeader+": opaque-and-good\r\n\r\n")
	if got := readReply(t, connection); got.status != http.StatusOK {
		t.Errorf("got %d from 127.0.0.2, want 200", got.status)
	}
}

// net/http answers this one before any handler, unless that is disabled.
func TestOptionsAsteriskIsChecked(t *testing.T) {
	t.Parallel()
	h := openInstance(t, "T2G_GATEWAY_CIDRS=192.0.2.1")
	connection := dial(t, h.gateway)
	write(t, connection, "OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n")
	got := readReply(t, connection)
	if got.status != http.StatusForbidden || got.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got %d with %v, want 403 as for any other request", got.status, got.header)
	}
}

func TestProfilesNeedVariable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		value string
		want  int
	}{{"false", http.StatusNotFound}, {"true", http.StatusOK}} {
		h := openInstance(t, "T2G_OPS_PPROF="+test.value)
		if status, _ := mustGet(t, "http://"+h.ops+"/debug/pprof/goroutine"); status != test.want {
			t.Errorf("T2G_OPS_PPROF=%s: got %d, want %d", test.value, status, test.want)
		}
		for _, path := range []string{"/metrics", "/ready", "/debug/pprof/"} {
			if status, _ := mustGet(t, "http://"+h.gateway+path); status != http.StatusNotFound {
				t.Errorf("got %d for %s at the gateway listener, want 404", status, path)
			}
		}
		if status, _ := mustGet(t, "http://"+h.ops+"/token", tokenHeader, "opaque-and-good"); status != http.StatusNotFound {
			t.Errorf("got %d for /token at the ops listener, want 404", status)
		}
	}
}

// reply is what a test looks at of an answer whose body has come whole.
type reply struct {
	status int
	closes bool // the connection
	header http.Header
	from   *url.URL // where redirects led; nil on a connection of the test's own
	body   string
}

func readReply(t testing.TB, connection net.Conn) reply {
	t.Helper()
	got, err := readNext(bufio.NewReader(connection))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func readNext(r *bufio.Reader) (reply, error) {
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return reply{}, err
	}
	return readBody(answer)
}

// readBody reads the body, without which an answer is none.
func readBody(answer *http.Response) (reply, error) {
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return reply{}, fmt.Errorf("body: %w", err)
	}
	got := reply{status: answer.StatusCode, closes: answer.Close, header: answer.Header, body: string(body)}
	if answer.Request != nil {
		got.from = answer.Request.URL
	}
	return got, nil
}

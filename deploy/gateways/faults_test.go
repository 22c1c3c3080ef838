package gateways_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// TestFaultsLoseNoRequest runs behind nginx, and prints with -v what it has seen.
// Clients, gateway, authority and server share one computer, so its rates are those of the
// whole chain.
func TestFaultsLoseNoRequest(t *testing.T) {
	s := open(t, gateways()[0], "T2G_DRAIN_DELAY=3s")
	client, flow := keepAlive(s.signedIn(t), concurrency), flowAddress(t)
	t.Run("concurrent callers are served at /token", func(t *testing.T) { s.servesConcurrentCallers(t, client, "/token", http.StatusOK) })
	t.Run("concurrent callers are served by the flow", func(t *testing.T) { s.servesConcurrentCallers(t, client, flow, http.StatusSeeOther) })
	again := func() { s.startGateway(t) } // until the end of all
	t.Run("the gateway is killed and comes back", func(t *testing.T) { t.Log(s.survivesGatewayRestart(t, client, again)) })
	t.Run("the clocks of gateway and server part", func(t *testing.T) { s.toleratesWrongClock(t, client, flow) })
	t.Run("SIGTERM under load loses no answer", func(t *testing.T) { t.Log(s.drainsUnderLoad(t, client)) })
}

// keepAlive returns the client with connections that it keeps.
func keepAlive(client *http.Client, connections int) *http.Client {
	transport := client.Transport.(*http.Transport)
	transport.DisableKeepAlives, transport.MaxIdleConnsPerHost = false, connections
	return client
}

// concurrency is how many callers ask at a time, each again once it was answered.
const concurrency = 16

// answers counts what the callers got, by status; 0 is no answer.
type answers map[int]int

// callers ask for one address again and again.
type callers struct {
	mu   sync.Mutex
	got  answers
	stop chan struct{}
	gone sync.WaitGroup
}

// startCallers starts callers that ask until stopped, for process.Soon at most.
func startCallers(client *http.Client, where string, concurrency int) *callers {
	c := &callers{got: answers{}, stop: make(chan struct{})}
	end := time.Now().Add(process.Soon)
	for range concurrency {
		c.gone.Go(func() {
			for time.Now().Before(end) {
				select {
				case <-c.stop:
					return
				default:
					c.count(status(client, where))
				}
			}
		})
	}
	return c
}

func (c *callers) count(status int) {
	if status == 0 {
		time.Sleep(5 * time.Millisecond) // nothing listens: no need to retry without a pause
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got[status]++
}

func (c *callers) soFar(status int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got[status]
}

// await waits until the callers got count more answers of a status.
func (c *callers) await(t testing.TB, status, count int) {
	t.Helper()
	enough := c.soFar(status) + count
	process.Until(t, fmt.Sprintf("%d more answers of status %d", count, status), func() bool { return c.soFar(status) >= enough })
}

func (c *callers) end() answers {
	close(c.stop)
	c.gone.Wait()
	return c.got
}

// status is that of an answer which came whole, or 0.
func status(client *http.Client, where string) int {
	request, err := http.NewRequest(http.MethodGet, address+where, nil)
	if err != nil {
		return 0
	}
	request.Header.Set("Accept", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return 0
	}
	return answer.StatusCode
}

// flowAddress returns the address of a flow that a program without a browser starts.
func flowAddress(t testing.TB) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return "/flow/redirect/token?" + url.Values{
		"target": {"http://127.0.0.1:41234/callback"}, "state": {"of-many-calls"},
		"publicKeyType": {"rsa2048-rfc5280-x509-pem"},
		"publicKey":     {string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))},
	}.Encode()
}

// handedOver is how many hand-overs are on record.
func (s *chain) handedOver() int { return s.lines.Count(handedOver) }

// checkRecord holds what has been put on record since against the answers that arrived.
// The lines may still be in the pipe that they come through.
func (s *chain) checkRecord(t testing.TB, before, answers int) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); s.handedOver()-before < answers && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // for one too many
	if lines := s.handedOver() - before; lines != answers {
		t.Errorf("%d hand-overs are on record, %d answers arrived", lines, answers)
	}
}

func (s *chain) servesConcurrentCallers(t testing.TB, client *http.Client, where string, want int) {
	before, begin := s.handedOver(), time.Now()
	c := startCallers(client, where, concurrency)
	c.await(t, want, 50*concurrency)
	got := c.end()
	rate := float64(got[want]) / time.Since(begin).Seconds()
	if len(got) != 1 || got[want] == 0 {
		t.Errorf("got the statuses %v, want %d alone", got, want)
	}
	s.checkRecord(t, before, got[want])
	t.Logf("%.0f answers a second for %d clients, %d processors", rate, concurrency, runtime.NumCPU())
}

func (s *chain) survivesGatewayRestart(t testing.TB, client *http.Client, again func()) (seen string) {
	c := startCallers(client, "/token", concurrency)
	c.await(t, http.StatusOK, 10*concurrency)
	if err := s.running.gateway.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.await(t, 0, concurrency)
	begin, before := time.Now(), c.soFar(http.StatusOK)
	again()
	process.Until(t, "a request is answered again", func() bool { return c.soFar(http.StatusOK) > before })
	back := time.Since(begin)
	c.await(t, http.StatusOK, 10*concurrency)
	got := c.end()
	for code := range got {
		if code != http.StatusOK && code != 0 {
			t.Errorf("got %v: a killed gateway answers nothing, and the server nothing but 200", got)
		}
	}
	if s.lines.Count(failure) != 0 {
		t.Error("the server logged errors")
	}
	return fmt.Sprintf("the first answer %v after the restart began; %d requests met no gateway, %d were answered",
		back.Round(time.Millisecond), got[0], got[http.StatusOK])
}

// toleratesWrongClock moves the clock of the authority, which makes the tokens. To the
// server that is the same as if its own clock had jumped the other way.
func (s *chain) toleratesWrongClock(t testing.TB, client *http.Client, flow string) {
	defer s.ahead.Store(0)
	for _, test := range []struct {
		name        string
		ahead       time.Duration
		token, flow int
		location    string // where the flow leads
	}{
		{"the server an hour behind", time.Hour, http.StatusOK, http.StatusSeeOther, "payload="},
		{"the server an hour ahead", -time.Hour, http.StatusOK, http.StatusSeeOther, "error=token_expiring"},
		{"right again", 0, http.StatusOK, http.StatusSeeOther, "payload="},
	} {
		s.ahead.Store(int64(test.ahead))
		fresh := s.signedIn(t) // at the jump
		for who, asks := range map[string]*http.Client{"signed in since": fresh, "signed in before": client} {
			if got := status(asks, "/token"); got != test.token {
				t.Errorf("%s, %s: got %d from /token, want %d", test.name, who, got, test.token)
			}
		}
		answer, content := get(t, fresh, flow)
		if location := answer.Header.Get("Location"); answer.StatusCode != test.flow || !strings.Contains(location, test.location) {
			t.Errorf("%s: got %d to %.200s, want %d and %s: %.200s", test.name, answer.StatusCode, location, test.flow, test.location, content)
		}
	}
}

func (s *chain) drainsUnderLoad(t testing.TB, client *http.Client) (seen string) {
	before := s.handedOver()
	c := startCallers(client, "/token", concurrency)
	c.await(t, http.StatusOK, 10*concurrency)
	if err := s.running.server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	c.await(t, http.StatusOK, 10*concurrency) // requests are still taken for three seconds
	if early := c.soFar(http.StatusBadGateway) + c.soFar(0); early != 0 {
		t.Errorf("%d requests were refused while the server drained", early)
	}
	process.Until(t, "the listener closes", func() bool { return !s.serves() })
	c.await(t, http.StatusBadGateway, 1)
	got := c.end()
	s.checkRecord(t, before, got[http.StatusOK])
	for code := range got {
		if code != http.StatusOK && code != http.StatusBadGateway {
			t.Errorf("got %v: no answer may be cut off or be another than the server's 200 and the gateway's 502", got)
		}
	}
	return fmt.Sprintf("%d handed over, each of them arrived; after the listener had closed the gateway answered 502 to %d",
		got[http.StatusOK], got[http.StatusBadGateway])
}

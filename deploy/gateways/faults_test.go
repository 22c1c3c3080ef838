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

// TestFaultsOfTheChainLoseNothing stands behind nginx, and prints with -v what it has seen.
// Clients, gateway, authority and server share one computer, so its rates are those of the
// whole chain.
func TestFaultsOfTheChainLoseNothing(t *testing.T) {
	s := open(t, gateways()[0], "T2G_DRAIN_DELAY=3s")
	client, flow := kept(s.signedIn(t), members), sealedFor(t)
	t.Run("a crowd is served at /token", func(t *testing.T) { s.servesACrowd(t, client, "/token", http.StatusOK) })
	t.Run("a crowd is served by the flow", func(t *testing.T) { s.servesACrowd(t, client, flow, http.StatusSeeOther) })
	again := func() { s.begin(t) } // until the end of all
	t.Run("the gateway is killed and comes back", func(t *testing.T) { t.Log(s.outlivesTheGateway(t, client, again)) })
	t.Run("the clocks of gateway and server part", func(t *testing.T) { s.standsAWrongClock(t, client, flow) })
	t.Run("SIGTERM under load loses no answer", func(t *testing.T) { t.Log(s.endsUnderLoad(t, client)) })
}

// kept is the client with connections that it keeps.
func kept(client *http.Client, connections int) *http.Client {
	transport := client.Transport.(*http.Transport)
	transport.DisableKeepAlives, transport.MaxIdleConnsPerHost = false, connections
	return client
}

// members is how many of a crowd ask at a time, each anew when it was answered.
const members = 16

// answers counts what a crowd got, by status; 0 is no answer.
type answers map[int]int

type crowd struct {
	mu   sync.Mutex
	got  answers
	stop chan struct{}
	gone sync.WaitGroup
}

// gather lets so many ask for an address until they are sent away, for ten seconds at most.
func gather(client *http.Client, where string, members int) *crowd {
	c := &crowd{got: answers{}, stop: make(chan struct{})}
	end := time.Now().Add(10 * time.Second)
	for range members {
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

func (c *crowd) count(status int) {
	if status == 0 {
		time.Sleep(5 * time.Millisecond) // nobody is there: no need to knock without a pause
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got[status]++
}

func (c *crowd) soFar(status int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got[status]
}

func (c *crowd) sendAway() answers {
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

// sealedFor is the address of a flow that a program without a browser begins.
func sealedFor(t testing.TB) string {
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
		"target": {"http://127.0.0.1:41234/callback"}, "state": {"of-a-crowd"},
		"publicKeyType": {"rsa2048-rfc5280-x509-pem"},
		"publicKey":     {string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))},
	}.Encode()
}

// handedOver is how many hand-overs are on record.
func (s *stand) handedOver() int { return s.lines.Count(handedOver) }

// checkRecord holds what has been put on record since against the answers that arrived.
// The lines may still be in the pipe that they come through.
func (s *stand) checkRecord(t testing.TB, before, answers int) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); s.handedOver()-before < answers && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // for one too many
	if lines := s.handedOver() - before; lines != answers {
		t.Errorf("%d hand-overs are on record, %d answers arrived", lines, answers)
	}
}

func (s *stand) servesACrowd(t testing.TB, client *http.Client, where string, want int) {
	before, begin := s.handedOver(), time.Now()
	c := gather(client, where, members)
	time.Sleep(2 * time.Second)
	got := c.sendAway()
	rate := float64(got[want]) / time.Since(begin).Seconds()
	if len(got) != 1 || got[want] == 0 {
		t.Errorf("got the statuses %v, want %d alone", got, want)
	}
	s.checkRecord(t, before, got[want])
	t.Logf("%.0f answers a second for %d clients, %d processors", rate, members, runtime.NumCPU())
}

func (s *stand) outlivesTheGateway(t testing.TB, client *http.Client, again func()) (seen string) {
	c := gather(client, "/token", members)
	time.Sleep(time.Second)
	if err := s.running.gateway.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	begin, before := time.Now(), c.soFar(http.StatusOK)
	again()
	for deadline := time.Now().Add(soon); c.soFar(http.StatusOK) == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody was answered any more")
		}
	}
	back := time.Since(begin)
	time.Sleep(500 * time.Millisecond)
	got := c.sendAway()
	for code := range got {
		if code != http.StatusOK && code != 0 {
			t.Errorf("got %v: a killed gateway answers nothing, and the server nothing but 200", got)
		}
	}
	if got[0] == 0 {
		t.Error("nobody missed the gateway, so it was not killed under load")
	}
	if s.lines.Count(failure) != 0 {
		t.Error("the server logged errors")
	}
	return fmt.Sprintf("the first answer %v after the restart began; %d requests met no gateway, %d were answered",
		back.Round(time.Millisecond), got[0], got[http.StatusOK])
}

// standsAWrongClock moves the clock of the authority, which makes the tokens. To the
// server that is the same as if its own clock had jumped the other way.
func (s *stand) standsAWrongClock(t testing.TB, client *http.Client, flow string) {
	defer s.ahead.Store(0)
	for _, test := range []struct {
		name        string
		ahead       time.Duration
		token, flow int
		says        string // where the flow leads
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
		if location := answer.Header.Get("Location"); answer.StatusCode != test.flow || !strings.Contains(location, test.says) {
			t.Errorf("%s: got %d to %.200s, want %d and %s: %.200s", test.name, answer.StatusCode, location, test.flow, test.says, content)
		}
	}
}

func (s *stand) endsUnderLoad(t testing.TB, client *http.Client) (seen string) {
	before := s.handedOver()
	c := gather(client, "/token", members)
	time.Sleep(time.Second)
	if err := s.running.server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // of three in which requests are still taken
	if early := c.soFar(http.StatusBadGateway) + c.soFar(0); early != 0 {
		t.Errorf("%d requests were refused while the server drained", early)
	}
	process.Until(t, "the door closes", func() bool { return !s.serves() })
	time.Sleep(200 * time.Millisecond)
	got := c.sendAway()
	s.checkRecord(t, before, got[http.StatusOK])
	for code := range got {
		if code != http.StatusOK && code != http.StatusBadGateway {
			t.Errorf("got %v: no answer may be cut off or be another than the server's 200 and the gateway's 502", got)
		}
	}
	return fmt.Sprintf("%d handed over, each of them arrived; after the door had closed the gateway answered 502 to %d",
		got[http.StatusOK], got[http.StatusBadGateway])
}

package gateways_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// idlers is how many connections are held on which nothing is asked any more.
const idlers = 10_000

// holdsIdlers opens connections that ask once and stay, to the gateway and then to the
// server, and asks among them.
func (s *stand) holdsIdlers(b *testing.B) {
	session := s.session(b)
	among := calls(b, 1, s.dial, tokenAsked("/token", session), http.StatusOK)
	for _, test := range []struct {
		name    string
		dial    func() (net.Conn, error)
		request []byte
	}{
		{"the gateway", s.dial, tokenAsked("/token", session)},
		{"the server", func() (net.Conn, error) { return net.Dial("tcp", s.server) }, s.forwarded(b)},
	} {
		server, gateway := s.used(b)
		callers, err := hold(test.dial, test.request)
		if err != nil {
			b.Fatalf("%d connections to %s (`ulimit -n` is to be above that): %v", idlers, test.name, err)
		}
		answered := delays(b, among, time.Second)
		full, gatewayFull := s.used(b)
		row(fmt.Sprintf("%d idle connections to %s, which have asked once", idlers, test.name),
			"server %s, gateway %s, where before it was %.0f and %.0f MB; answers meanwhile took %s",
			full, gatewayFull, server.memory, gateway.memory, spread(answered))
		callers.Close()
		s.settles(b, server)
	}
	s.complains(b)
}

// forwarded is a request as the gateway forwards it.
func (s *stand) forwarded(b *testing.B) []byte {
	b.Helper()
	return []byte("GET /token HTTP/1.1\r\nHost: token.example.org\r\nAccept: application/json\r\n" +
		s.header + ": " + s.token(b, s.signedIn(b)).Secret + "\r\n\r\n")
}

// hold opens connections, some at a time, asks once on each and leaves them open.
func hold(dial func() (net.Conn, error), request []byte) (*t2gtest.Load, error) {
	var mu sync.Mutex
	all, failed := &t2gtest.Load{}, error(nil)
	var some sync.WaitGroup
	for range members {
		some.Go(func() {
			for range idlers / members {
				c, err := t2gtest.NewLoad(1, dial, request, http.StatusOK)
				if err == nil {
					_, err = c.Callers[0].Call()
				}
				mu.Lock()
				if err != nil {
					failed = err
					mu.Unlock()
					return
				}
				all.Callers = append(all.Callers, c.Callers...)
				mu.Unlock()
			}
		})
	}
	some.Wait()
	return all, failed
}

// dawdlers is how many clients say a byte a second, and hoarders how many read nothing of
// the longest answers there are.
const dawdlers, hoarders = 1000, 200

// standsSlowClients asks beside clients that take their time, at either end of a request.
func (s *stand) standsSlowClients(b *testing.B) {
	among := calls(b, 1, s.dial, tokenAsked("/token", s.session(b)), http.StatusOK)
	alone := delays(b, among, 3*time.Second)
	before, _ := s.used(b)
	long := bytes.Repeat(asked("/swagger-ui/swagger-ui-bundle.js", s.session(b)), 4) // more than sockets hold
	slow := s.dawdle(b, long)
	beside := delays(b, among, 6*time.Second)
	server, gateway := s.used(b)
	slow()
	s.settles(b, before)
	s.complains(b)
	row(fmt.Sprintf("%d clients that send a byte of a header each second, %d that ask for 6 MB and read nothing", dawdlers, hoarders),
		"answers to others took %s; before, %s; server %s, gateway %s", spread(beside), spread(alone), server, gateway)
}

// dawdle connects slow clients, and returns what sends them away.
func (s *stand) dawdle(b *testing.B, long []byte) (away func()) {
	b.Helper()
	var slow []net.Conn
	for i := range dawdlers + hoarders {
		connection, err := s.dial()
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = connection.Close() })
		begin := []byte("GET /token HTTP/1.1\r\nHost: token.example.org\r\nX-Slow: ")
		if i >= dawdlers {
			begin = long
		}
		if _, err := connection.Write(begin); err != nil {
			b.Fatal(err)
		}
		slow = append(slow, connection)
	}
	stop := make(chan struct{})
	var dripping sync.WaitGroup
	dripping.Go(func() {
		for {
			for _, connection := range slow[:dawdlers] {
				_, _ = io.WriteString(connection, "s") // a gateway may well have hung up
			}
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
			}
		}
	})
	return func() {
		close(stop)
		dripping.Wait()
		for _, connection := range slow {
			_ = connection.Close()
		}
	}
}

// losesItsGateway kills the gateway under load and starts it again.
func (s *stand) losesItsGateway(b *testing.B) {
	client := kept(s.signedIn(b), members)
	for range members { // what is kept on the way to the server is there from here on
		status(client, "/token")
	}
	before, _ := s.used(b)
	seen := s.outlivesTheGateway(b, client, func() { s.begin(b) })
	client.CloseIdleConnections()
	after := s.settles(b, before)
	row("the gateway is killed under load and started again", "%s; server before %s, afterwards %s", seen, before, after)
	const room = 15 // MB of garbage that is collected later
	if after.memory > before.memory+room {
		b.Errorf("the server has %.1f MB where it had %.1f", after.memory, before.memory)
	}
}

// isReplaced ends the server under load and starts another in its place.
func (s *stand) isReplaced(b *testing.B) {
	client := kept(s.signedIn(b), members)
	seen := s.endsUnderLoad(b, client)
	begin := time.Now()
	s.serve(b)
	if got := status(client, "/token"); got != http.StatusOK {
		b.Errorf("got %d from the next server, want 200", got)
	}
	row("SIGTERM under load, `T2G_DRAIN_DELAY=3s`, and the next server", "%s; the first of the next server's %v after its start began",
		seen, time.Since(begin).Round(time.Millisecond))
}

// runsOut has more people ask at a time than the server may have descriptors.
func runsOut(b *testing.B, g gateway) {
	const limit, people = 64, 300
	s := prepared(b, g)
	s.descriptors = limit
	s.complete(b)
	client := kept(s.signedIn(b), people)
	before, _ := s.used(b)
	handed := s.handedOver()
	c := gather(client, "/token", people)
	process.Until(b, "the lack of descriptors is logged", func() bool { return s.lines.Count(lack) > 0 })
	time.Sleep(3 * time.Second)
	begin := time.Now()
	got := c.end()
	if answer := status(client, "/token"); answer != http.StatusOK {
		b.Errorf("got %d when they had gone, want 200", answer)
	}
	back := time.Since(begin)
	if len(got) != 1 {
		b.Errorf("got the statuses %v, want 200 alone", got)
	}
	client.CloseIdleConnections()
	s.settles(b, before)
	s.checkRecord(b, handed, got[http.StatusOK]+1)
	row(fmt.Sprintf("`ulimit -n %d` for the server, %d people at a time", limit, people),
		"%d lines `connections are not accepted`; %d answers 200, none else; when they had gone, the next one within %v",
		s.lines.Count(lack), got[http.StatusOK], back.Round(time.Millisecond))
}

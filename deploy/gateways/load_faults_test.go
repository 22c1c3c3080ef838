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

// idleConnections is how many connections are held on which nothing is asked any more.
const idleConnections = 10_000

// holdsIdleConnections opens connections that ask once and stay, to the gateway and then to the
// server, and asks among them.
func (s *chain) holdsIdleConnections(b *testing.B) {
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
			b.Fatalf("%d connections to %s (`ulimit -n` is to be above that): %v", idleConnections, test.name, err)
		}
		answered := delays(b, among, time.Second)
		full, gatewayFull := s.used(b)
		row(fmt.Sprintf("%d idle connections to %s, which have asked once", idleConnections, test.name),
			"server %s, gateway %s, where before it was %.0f and %.0f MB; answers meanwhile took %s",
			full, gatewayFull, server.memory, gateway.memory, spread(answered))
		callers.Close()
		s.waitForDescriptors(b, server)
	}
	s.mustLogNoErrors(b)
}

// forwarded is a request as the gateway forwards it.
func (s *chain) forwarded(b *testing.B) []byte {
	b.Helper()
	return []byte("GET /token HTTP/1.1\r\nHost: token.example.org\r\nAccept: application/json\r\n" +
		s.header + ": " + s.token(b, s.signedIn(b)).Secret + "\r\n\r\n")
}

// hold opens connections, some at a time, asks once on each and leaves them open.
func hold(dial func() (net.Conn, error), request []byte) (*t2gtest.Load, error) {
	var mu sync.Mutex
	all, failed := &t2gtest.Load{}, error(nil)
	var some sync.WaitGroup
	for range concurrency {
		some.Go(func() {
			for range idleConnections / concurrency {
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

// slowWriters is how many clients send a byte a second, and slowReaders how many read nothing of
// the longest answers there are.
const slowWriters, slowReaders = 1000, 200

// toleratesSlowClients asks beside clients that take their time, at either end of a request.
func (s *chain) toleratesSlowClients(b *testing.B) {
	among := calls(b, 1, s.dial, tokenAsked("/token", s.session(b)), http.StatusOK)
	alone := delays(b, among, 3*time.Second)
	before, _ := s.used(b)
	long := bytes.Repeat(asked("/swagger-ui/swagger-ui-bundle.js", s.session(b)), 4) // more than sockets hold
	slow := s.connectSlowClients(b, long)
	beside := delays(b, among, 6*time.Second)
	server, gateway := s.used(b)
	slow()
	s.waitForDescriptors(b, before)
	s.mustLogNoErrors(b)
	row(fmt.Sprintf("%d clients that send a byte of a header each second, %d that ask for 6 MB and read nothing", slowWriters, slowReaders),
		"answers to others took %s; before, %s; server %s, gateway %s", spread(beside), spread(alone), server, gateway)
}

// connectSlowClients connects slow clients, and returns what sends them away.
func (s *chain) connectSlowClients(b *testing.B, long []byte) (away func()) {
	b.Helper()
	var slow []net.Conn
	for i := range slowWriters + slowReaders {
		connection, err := s.dial()
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = connection.Close() })
		begin := []byte("GET /token HTTP/1.1\r\nHost: token.example.org\r\nX-Slow: ")
		if i >= slowWriters {
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
			for _, connection := range slow[:slowWriters] {
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

// restartsGateway kills the gateway under load and starts it again.
func (s *chain) restartsGateway(b *testing.B) {
	client := keepAlive(s.signedIn(b), concurrency)
	for range concurrency { // what is kept on the way to the server is there from here on
		status(client, "/token")
	}
	before, _ := s.used(b)
	seen := s.survivesGatewayRestart(b, client, func() { s.startGateway(b) })
	client.CloseIdleConnections()
	after := s.waitForDescriptors(b, before)
	row("the gateway is killed under load and restarted", "%s; server before %s, afterwards %s", seen, before, after)
	const room = 15 // MB of garbage that is collected later
	if after.memory > before.memory+room {
		b.Errorf("the server has %.1f MB where it had %.1f", after.memory, before.memory)
	}
}

// restartsServer ends the server under load and starts another in its place.
func (s *chain) restartsServer(b *testing.B) {
	client := keepAlive(s.signedIn(b), concurrency)
	seen := s.drainsUnderLoad(b, client)
	begin := time.Now()
	s.serve(b)
	if got := status(client, "/token"); got != http.StatusOK {
		b.Errorf("got %d from the next server, want 200", got)
	}
	row("SIGTERM under load, `T2G_DRAIN_DELAY=3s`, and the next server", "%s; the first of the next server's %v after its start began",
		seen, time.Since(begin).Round(time.Millisecond))
}

// exhaustsDescriptors has more people ask at a time than the server may have descriptors.
func exhaustsDescriptors(b *testing.B, g gateway) {
	const limit, people = 64, 300
	s := newChain(b, g)
	s.descriptors = limit
	s.complete(b)
	client := keepAlive(s.signedIn(b), people)
	before, _ := s.used(b)
	handed := s.handedOver()
	c := startCallers(client, "/token", people)
	process.Until(b, "the lack of descriptors is logged", func() bool { return s.lines.Count(notAccepting) > 0 })
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
	s.waitForDescriptors(b, before)
	s.checkRecord(b, handed, got[http.StatusOK]+1)
	row(fmt.Sprintf("`ulimit -n %d` for the server, %d people at a time", limit, people),
		"%d lines `connections are not accepted`; %d answers 200, none else; when they had gone, the next one within %v",
		s.lines.Count(notAccepting), got[http.StatusOK], back.Round(time.Millisecond))
}

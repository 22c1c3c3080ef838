package gateways_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// requests is the environment variable with how many are asked in a row.
const requests = "TOKEN2GO_LOAD_REQUESTS"

// BenchmarkLoad prints what docs/operations/faults.md says of load and faults behind a gateway:
// oauth2-proxy, which OAUTH2_PROXY names or PATH has, or nginx. Clients, gateway, identity
// provider and server share one computer, so its rates are those of the whole chain; beside
// each is that of a bare upstream behind a gateway of the same kind, in the same run.
//
// It fails where something is lost, does not come back or grows, and for no rate.
func BenchmarkLoad(b *testing.B) {
	g := atFront(b)
	fmt.Printf("| behind %s, %d processors | seen |\n|---|---|\n", g.name, runtime.NumCPU())
	b.Run("rates", func(b *testing.B) { rates(b, g) })
	b.Run("idle", func(b *testing.B) { open(b, g).holdsIdleConnections(b) })
	b.Run("slow", func(b *testing.B) { open(b, g).toleratesSlowClients(b) })
	b.Run("killed", func(b *testing.B) { open(b, g).restartsGateway(b) })
	b.Run("sigterm", func(b *testing.B) { open(b, g, "T2G_DRAIN_DELAY=3s").restartsServer(b) })
	b.Run("descriptors", func(b *testing.B) { exhaustsDescriptors(b, g) })
	b.Run("clock", func(b *testing.B) { jumps(b, g) })
	b.Run("requests", func(b *testing.B) { open(b, g).usesConstantMemory(b, many(b)) })
}

// row prints one of a Markdown table.
func row(what, format string, values ...any) {
	fmt.Printf("| %s | %s |\n", what, fmt.Sprintf(format, values...))
}

// atFront is the gateway under load.
func atFront(b *testing.B) gateway {
	b.Helper()
	name := os.Getenv("OAUTH2_PROXY")
	if name == "" {
		name = "oauth2-proxy"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		fmt.Fprintf(os.Stderr, "NOT TESTED behind oauth2-proxy, but behind nginx: %v; OAUTH2_PROXY may name one\n", err)
		return gateways()[0]
	}
	return oauth2Proxy(path, 24*time.Hour)
}

// session is the session cookie of a person who has just signed in.
func (s *chain) session(b *testing.B) string {
	b.Helper()
	var pairs []string
	for _, cookie := range s.signedIn(b).Jar.Cookies(parse(b, address)) {
		pairs = append(pairs, cookie.Name+"="+cookie.Value)
	}
	return strings.Join(pairs, "; ")
}

// asked is a browser's request with a session.
func asked(path, session string, lines ...string) []byte {
	return []byte(strings.Join(append([]string{
		"GET " + path + " HTTP/1.1",
		"Host: token.example.org",
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
		"Accept-Language: en-GB,en;q=0.9",
		"Cookie: " + session,
	}, lines...), "\r\n") + "\r\n\r\n")
}

// tokenAsked is what a script of the page asks, flowAsked what a program opens a browser with.
func tokenAsked(path, session string) []byte {
	return asked(path, session, "Accept: application/json", "Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-origin")
}

func flowAsked(flow, session string) []byte {
	return asked(flow, session, "Accept: text/html,application/xhtml+xml,*/*;q=0.8",
		"Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: none", "Sec-Fetch-User: ?1")
}

// dial connects to the gateway.
func (s *chain) dial() (net.Conn, error) {
	return tls.Dial("tcp", s.front, &tls.Config{RootCAs: s.roots, ServerName: "token.example.org"})
}

// calls connects callers that ask one thing.
func calls(b *testing.B, callers int, dial func() (net.Conn, error), request []byte, status int) *t2gtest.Load {
	b.Helper()
	c, err := t2gtest.NewLoad(callers, dial, request, status)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}

// usage is what a process takes.
type usage struct {
	memory float64       // MB resident
	files  int           // descriptors
	work   time.Duration // of processors
}

func (u usage) String() string { return fmt.Sprintf("%.0f MB and %d descriptors", u.memory, u.files) }

func used(b *testing.B, of *exec.Cmd) (u usage) {
	b.Helper()
	id := of.Process.Pid
	var errs [3]error
	u.memory, errs[0] = t2gtest.Resident(id)
	u.files, errs[1] = t2gtest.Descriptors(id)
	u.work, errs[2] = t2gtest.Work(id)
	if err := errors.Join(errs[:]...); err != nil {
		b.Fatal("Linux's /proc is needed: ", err)
	}
	return u
}

func (s *chain) used(b *testing.B) (server, gateway usage) {
	b.Helper()
	return used(b, s.running.server), used(b, s.running.gateway)
}

// waitForDescriptors waits until the server has no more descriptors open than it had, but for a few
// that the gateway keeps.
func (s *chain) waitForDescriptors(b *testing.B, before usage) usage {
	b.Helper()
	const few = 8
	process.Until(b, "the server's descriptors come back", func() bool {
		return used(b, s.running.server).files <= before.files+few
	})
	return used(b, s.running.server)
}

// delays asks one after another, and sorts how long each answer took.
func delays(b *testing.B, c *t2gtest.Load, length time.Duration) (sorted []time.Duration) {
	b.Helper()
	for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		begin := time.Now()
		if _, err := c.Callers[0].Call(); err != nil {
			b.Fatal(err)
		}
		sorted = append(sorted, time.Since(begin))
	}
	slices.Sort(sorted)
	return sorted
}

// mustLogNoErrors fails where the server has logged an error.
func (s *chain) mustLogNoErrors(b *testing.B) {
	b.Helper()
	if count := s.lines.Count(failure); count != 0 {
		b.Errorf("the server logged %d errors", count)
	}
}

// spread tells sorted delays in a few words.
func spread(sorted []time.Duration) string {
	of := func(percent int) float64 { return sorted[(len(sorted)-1)*percent/100].Seconds() * 1000 }
	return fmt.Sprintf("%.1f ms, 99 of 100 in %.0f ms, the slowest in %.0f ms", of(50), of(99), of(100))
}

func many(b *testing.B) int {
	b.Helper()
	count, err := strconv.Atoi(os.Getenv(requests))
	if err != nil {
		b.Fatalf("%s: %v", requests, err)
	}
	return count
}

// rates lets the server and a bare upstream take turns, each behind its own gateway.
func rates(b *testing.B, g gateway) {
	s, flow := open(b, g), flowAddress(b)
	other := bare(b, s, flow)
	for _, test := range []struct {
		name    string
		request func(session string) []byte
		status  int
	}{
		{"`/token`", func(session string) []byte { return tokenAsked("/token", session) }, http.StatusOK},
		{"the redirect flow (RSA-2048, triple)", func(session string) []byte { return flowAsked(flow, session) }, http.StatusSeeOther},
	} {
		before := s.handedOver()
		ours := calls(b, concurrency, s.dial, test.request(s.session(b)), test.status)
		theirs := calls(b, concurrency, other.dial, test.request(other.session(b)), test.status)
		compare(b, test.name, s, other, ours, theirs)
		s.checkRecord(b, before, ours.Answered)
	}
	server, gateway := s.used(b)
	row("after all of these", "server %s, gateway %s", server, gateway)
}

const (
	slice = 250 * time.Millisecond // is how long one is asked before it is the other's turn
	turns = 60                     // is how often
)

func compare(b *testing.B, name string, s, other *chain, ours, theirs *t2gtest.Load) {
	b.Helper()
	turn := func(c *t2gtest.Load, length time.Duration) float64 {
		rate, err := c.Run(length)
		if err != nil {
			b.Fatal(err)
		}
		return rate
	}
	turn(ours, 4*slice) // from here on both have what they keep
	turn(theirs, 4*slice)
	warm, otherWarm := ours.Answered, theirs.Answered
	server, gateway := s.used(b)
	otherServer, otherGateway := other.used(b)
	var ratios, rates, otherRates []float64
	for range turns {
		rate, otherRate := turn(ours, slice), turn(theirs, slice)
		ratios, rates, otherRates = append(ratios, rate/otherRate), append(rates, rate), append(otherRates, otherRate)
	}
	each := func(before usage, of *exec.Cmd, count int) float64 {
		return float64((used(b, of).work - before.work).Microseconds()) / float64(count)
	}
	count, otherCount := ours.Answered-warm, theirs.Answered-otherWarm
	row("highest rate of "+name, "%.0f answers a second, %.2f of a bare upstream's %.0f behind the same gateway, an audit line for each",
		middle(rates), middle(ratios), middle(otherRates))
	row("processor time for each", "gateway %.0f µs, server %.0f µs; with the bare upstream: gateway %.0f µs, upstream %.0f µs",
		each(gateway, s.running.gateway, count), each(server, s.running.server, count),
		each(otherGateway, other.running.gateway, otherCount), each(otherServer, other.running.server, otherCount))
}

func middle(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

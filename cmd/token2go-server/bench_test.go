package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/ops"
)

// The environment variables of the benchmark. They lack the prefix T2G_, so that the
// server does not take them for misspelt ones of its own.
const (
	benchRole  = "TOKEN2GO_BENCH_ROLE"  // what this process is, where the benchmark has started it
	benchPort  = "TOKEN2GO_BENCH_PORT"  // where the bare handler listens
	benchBytes = "TOKEN2GO_BENCH_BYTES" // a file with the answer that the bare handler gives to /token

	// benchProfile is a folder for a processor profile of each side: server and bare.
	benchProfile = "TOKEN2GO_BENCH_PROFILE"

	// benchOther is host:port of one more server to compare, started by hand, such as
	// an earlier version; benchSeeOther the status of its redirects, if that is not 303.
	benchOther    = "TOKEN2GO_BENCH_OTHER"
	benchSeeOther = "TOKEN2GO_BENCH_SEE_OTHER"
)

const roleServer, roleBare = "server", "bare"

// slice is how long a server is asked before it is the other's turn.
const slice = 100 * time.Millisecond

// enough is from how many measurements on their median is held against what is wanted.
const enough = 20

// BenchmarkRatio tells the speed of the server as a ratio within one run: its requests
// per second against those of a bare net/http handler that does only what cannot be
// left out. The two are processes of their own, reached over real connections that are
// kept alive. They take turns, a slice each, so that what else the machine does weighs
// on both, and the median of the pairs counts. How long the processors were at work for
// a request is told beside it: it hardly depends on what else the machine does.
//
// The server runs as main runs it: metrics on, and for every request the audit line and
// the access line in a file. Afterwards the file is searched for all of them.
func BenchmarkRatio(b *testing.B) {
	if role := os.Getenv(benchRole); role != "" {
		defer profile(b, role)()
		if role == roleBare {
			serveBare(b)
			return
		}
		if code := run(untilOrphaned(), nil, os.Stdout, os.Stderr); code != 0 {
			b.Fatalf("ended with %d", code)
		}
		return
	}
	s := newStand(b)
	token, flow := tokenRequest(), flowRequest(b)
	b.Run("token", func(b *testing.B) { s.server.ratio(b, s.bare, token, http.StatusOK, 0.75) })
	b.Run("flow", func(b *testing.B) { s.server.ratio(b, s.bare, flow, http.StatusSeeOther, 0.85) })
	s.checkLines(b)

	other := contender{address: os.Getenv(benchOther)}
	if other.address == "" {
		return
	}
	status := http.StatusSeeOther
	if text := os.Getenv(benchSeeOther); text != "" {
		var err error
		if status, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("other-token", func(b *testing.B) { other.ratio(b, s.bare, token, http.StatusOK, 0) })
	b.Run("other-flow", func(b *testing.B) { other.ratio(b, s.bare, flow, status, 0) })
}

// profile begins a profile of this process, if one is wanted, and returns what ends it.
func profile(b *testing.B, role string) func() {
	b.Helper()
	folder := os.Getenv(benchProfile)
	if folder == "" {
		return func() {}
	}
	file, err := os.Create(filepath.Join(folder, role))
	if err != nil {
		b.Fatal(err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		b.Fatal(err)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = file.Close()
	}
}

// ratio lets c and the bare handler take turns.
func (c contender) ratio(b *testing.B, bare contender, request []byte, status int, want float64) {
	bareStatus := status
	if status != http.StatusOK {
		bareStatus = http.StatusSeeOther
	}
	ours, theirs := c.dial(b, request, status), bare.dial(b, request, bareStatus)
	turn(b, ours, 5*slice) // from here on both have what they keep
	turn(b, theirs, 5*slice)
	var ratios, rates, bareRates []float64
	ours.Answered, theirs.Answered = 0, 0
	work, bareWork := c.work(), bare.work()
	for b.Loop() {
		rate, bareRate := turn(b, ours, slice), turn(b, theirs, slice)
		rates, bareRates, ratios = append(rates, rate), append(bareRates, bareRate), append(ratios, rate/bareRate)
	}
	b.ReportMetric(0, "ns/op") // of a pair of slices, which says nothing
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(want, "ratio-wanted")
	b.ReportMetric(median(rates), "req/s")
	b.ReportMetric(median(bareRates), "bare-req/s")
	processors := ""
	if work >= 0 {
		each := float64((c.work() - work).Microseconds()) / float64(ours.Answered)
		bareEach := float64((bare.work() - bareWork).Microseconds()) / float64(theirs.Answered)
		b.ReportMetric(each, "cpu-µs/req")
		b.ReportMetric(bareEach, "bare-cpu-µs/req")
		processors = fmt.Sprintf(", %.1f µs of processor time for each against %.1f", each, bareEach)
	}
	verdict(b, len(ratios) < enough || median(ratios) >= want,
		"%.3f of the bare handler's requests per second, wanted %.2f; half of %d pairs between %.3f and %.3f; %.0f against %.0f%s",
		median(ratios), want, len(ratios), part(ratios, 0.25), part(ratios, 0.75), median(rates), median(bareRates), processors)
}

// verdict says what was measured and what was wanted, and fails the benchmark unless
// that was reached.
func verdict(b *testing.B, reached bool, format string, values ...any) {
	b.Helper()
	if !reached {
		b.Errorf(format, values...)
		return
	}
	b.Logf(format, values...)
}

func median(of []float64) float64 { return part(of, 0.5) }

// part is the value below which that part of the values lies.
func part(of []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[int(share*float64(len(sorted)))]
}

// BenchmarkHandler is what the server itself costs: without the network and without
// what net/http does before a handler is called. It is the one to profile.
func BenchmarkHandler(b *testing.B) {
	for _, route := range []struct {
		name    string
		request []byte
	}{{"token", tokenRequest()}, {"flow", flowRequest(b)}} {
		b.Run(route.name, func(b *testing.B) {
			handler, request := gatewayHandler(b), parsed(b, route.request)
			w := &sink{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				handler.ServeHTTP(w, request)
			}
			if w.status != http.StatusOK && w.status != http.StatusSeeOther {
				b.Errorf("got status %d, want an answer with a token", w.status)
			}
		})
	}
}

// gatewayHandler is the gateway listener as serveAll wires it, with its lines in a file.
func gatewayHandler(b *testing.B) http.Handler {
	settings, err := load()
	if err != nil {
		b.Fatal(err)
	}
	output, err := os.Create(filepath.Join(b.TempDir(), "lines"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = output.Close() })
	lines := audit.NewLines(output)
	server, err := gateway.New(gatewayOptions(settings, slog.New(slog.DiscardHandler), lines, ops.NewRegistry("test"), output))
	if err != nil {
		b.Fatal(err)
	}
	return server
}

// sink is a ResponseWriter that keeps the status only.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header            { return s.header }
func (s *sink) WriteHeader(status int)         { s.status = status }
func (s *sink) Write(body []byte) (int, error) { return len(body), nil }

// WriteString is what net/http's own ResponseWriter has too.
func (s *sink) WriteString(body string) (int, error) { return len(body), nil }

// untilOrphaned ends when whoever started this process closes its standard input.
func untilOrphaned() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	return ctx
}

package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/ops"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/web"
)

// benchOriginal is the path of a token2go-server 1.0.3. The name lacks the prefix T2G_, so
// that a server does not take it for a misspelt variable of its own.
const benchOriginal = "TOKEN2GO_BENCH_ORIGINAL"

const (
	// slice is how long a server is asked before it is the other's turn.
	slice = 100 * time.Millisecond
	// enough is from how many measurements on their median is compared with what is wanted.
	enough = 20
	// callers is how many requests are on their way at once.
	callers = 32
)

// BenchmarkRatio compares the server with the original, 1.0.3, within one run: requests per
// second of two processes that are asked in turns over connections that are kept alive, so
// that other work on the machine affects both. The median of the pairs counts. Both write
// their log lines to files; ours is then searched for an audit and an access line of each
// request.
func BenchmarkRatio(b *testing.B) {
	path := os.Getenv(benchOriginal)
	if path == "" {
		fmt.Println("BenchmarkRatio: not run, because " + benchOriginal + " does not name a token2go-server 1.0.3")
		return
	}
	ours, original := serveShipped(b, shipped(b)), serveOriginal(b, path)
	for _, route := range []struct {
		name           string
		request        []byte
		status, before int // the status of our answer and of the original's
		wanted         float64
	}{
		{"token", tokenRequest(), http.StatusOK, http.StatusOK, 1},
		{"flow", flowRequest(b), http.StatusSeeOther, http.StatusMovedPermanently, 1.3},
	} {
		b.Run(route.name, func(b *testing.B) {
			compare(b, benchSide{ours.benchServer, ours.dial(b, route.request, route.status)}, benchSide{original, original.dial(b, route.request, route.before)}, route.wanted)
		})
	}
	ours.checkLines(b)
}

// benchSide is a server and those who ask it.
type benchSide struct {
	benchServer
	callers *t2gtest.Load
}

// each is the processor time of a request in microseconds, since work was taken.
func (s benchSide) each(work time.Duration) float64 {
	return float64((s.work() - work).Microseconds()) / float64(s.callers.Answered)
}

// compare lets both take turns.
func compare(b *testing.B, ours, original benchSide, wanted float64) {
	measure(b, ours.callers, 5*slice) // from here on both have what they keep
	measure(b, original.callers, 5*slice)
	var ratios []float64
	ours.callers.Answered, original.callers.Answered = 0, 0
	work, before := ours.work(), original.work()
	for b.Loop() {
		rate := measure(b, ours.callers, slice)
		ratios = append(ratios, rate/measure(b, original.callers, slice))
	}
	b.ReportMetric(0, "ns/op") // of a pair of slices, which means nothing
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(ours.each(work), "cpu-µs/req")
	b.ReportMetric(original.each(before), "original-cpu-µs/req")
	verdict(b, len(ratios) < enough || median(ratios) >= wanted,
		"%.3f of the original's requests per second, wanted %.2f; half of %d pairs between %.3f and %.3f",
		median(ratios), wanted, len(ratios), part(ratios, 0.25), part(ratios, 0.75))
}

// verdict reports what was measured and wanted, and fails the benchmark unless that was
// reached.
func verdict(b *testing.B, reached bool, format string, values ...any) {
	b.Helper()
	if !reached {
		b.Errorf(format, values...)
		return
	}
	b.Logf(format, values...)
}

func median(of []float64) float64 { return part(of, 0.5) }

// part is the value below which that part of the values is.
func part(of []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[int(share*float64(len(sorted)))]
}

// BenchmarkHandler measures the handler alone, without the network and net/http. It is the
// one to profile.
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
	registry := ops.NewRegistry("test")
	p := parts{settings: settings, log: slog.New(slog.DiscardHandler), lines: lines, stdout: output, registry: registry, metrics: web.NewMetrics(registry)}
	server, err := gateway.New(p.gatewayOptions())
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

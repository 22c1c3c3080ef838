package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/proxy"
)

// bareProxy is a tuned httputil.ReverseProxy without any of ours.
func bareProxy(b *testing.B, address string) string {
	b.Helper()
	target := &url.URL{Scheme: "http", Host: address}
	pool := &pooled{sync.Pool{New: func() any { return new([32 << 10]byte) }}}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:  &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true},
		BufferPool: pool, ErrorLog: log.New(io.Discard, "", 0),
	})
	b.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

type pooled struct{ sync.Pool }

func (p *pooled) Get() []byte {
	buffer, _ := p.Pool.Get().(*[32 << 10]byte)
	return buffer[:]
}

func (p *pooled) Put(buffer []byte) { p.Pool.Put((*[32 << 10]byte)(buffer)) }

// ourProxy has everything on: a pass with rules, the service's rules, a credential, and an
// event that is written to a file.
func ourProxy(b *testing.B, address string) (at, pass string) {
	b.Helper()
	file, err := os.Create(b.TempDir() + "/events")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = file.Close() })
	buffered := bufio.NewWriter(file)
	var mutex sync.Mutex
	events := slog.NewJSONHandler(writerFunc(func(line []byte) (int, error) {
		mutex.Lock()
		defer mutex.Unlock()
		return buffered.Write(line)
	}), nil)
	f := behind(b, address, `{"services":{"notes":{"base_url":"http://UPSTREAM","rules":["GET /notes/.*","POST /notes"],"deny":["* /notes/admin.*"],
		"credential":{"type":"bearer","token":"`+upstreamSecret+`"}}}}`, func(o *proxy.Options) {
		o.Event = func(ctx context.Context, e proxy.Event) {
			record := slog.NewRecord(e.At, slog.LevelInfo, "call", 0)
			record.AddAttrs(slog.String("service", e.Service), slog.String("method", e.Method), slog.String("path", e.Path), slog.Int("status", e.Status),
				slog.Int64("bytes", e.Sent), slog.Int64("milliseconds", e.Spent.Milliseconds()), slog.String("id", e.Caller.ID), slog.String("rule", e.Rule))
			_ = events.Handle(ctx, record)
		}
	})
	return f.server.Listener.Addr().String(), f.pass(b, "notes", "GET /notes/[0-9]+", "GET /events")
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(line []byte) (int, error) { return w(line) }

// BenchmarkAgainstBareProxy compares calls per second over 32 connections, in turns, and
// the latency at a quarter of the highest rate.
func BenchmarkAgainstBareProxy(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as the server has it
	body := []byte(`{"text":"` + strings.Repeat("a", 1000) + `"}`)
	address := goUpstream(b, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
	bare := bareProxy(b, address)
	ours, pass := ourProxy(b, address)
	requests := map[string]string{
		bare: "GET /notes/17 HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nUser-Agent: bench\r\nAuthorization: Bearer " + pass + "\r\n\r\n",
		ours: "GET /s/notes/notes/17 HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nUser-Agent: bench\r\nAuthorization: Bearer " + pass + "\r\n\r\n",
	}
	for b.Loop() {
		var ratios, rates []float64
		for range 30 {
			first := load(b, bare, requests[bare], 32, 100*time.Millisecond)
			second := load(b, ours, requests[ours], 32, 100*time.Millisecond)
			ratios, rates = append(ratios, second/first), append(rates, second)
		}
		ratio, rate := middle(ratios), middle(rates)
		b.ReportMetric(ratio, "ratio")
		b.ReportMetric(rate, "calls/s")
		if ratio < 0.9 {
			b.Logf("ratio %.2f, want 0.9", ratio)
		}
		pace := time.Duration(float64(time.Second) / rate * 4)
		bareTimes, ourTimes := paced(b, bare, requests[bare], pace), paced(b, ours, requests[ours], pace)
		b.ReportMetric(float64(quantile(ourTimes, 0.5))/float64(quantile(bareTimes, 0.5)), "median-latency-ratio")
		b.ReportMetric(float64(quantile(ourTimes, 0.99))/float64(quantile(bareTimes, 0.99)), "p99-latency-ratio")
	}
}

// load returns the calls per second over some connections.
func load(b *testing.B, address, request string, connections int, spell time.Duration) float64 {
	b.Helper()
	var done atomic.Int64
	var group sync.WaitGroup
	end := time.Now().Add(spell)
	for range connections {
		group.Go(func() {
			connection, reader := dialBench(b, address)
			defer connection.Close()
			for time.Now().Before(end) {
				if !exchangeBench(connection, reader, request) {
					b.Error("a call failed")
					return
				}
				done.Add(1)
			}
		})
	}
	group.Wait()
	return float64(done.Load()) / spell.Seconds()
}

func dialBench(b *testing.B, address string) (net.Conn, *bufio.Reader) {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	return connection, bufio.NewReader(connection)
}

// exchangeBench sends one request and reads one answer that has a Content-Length.
func exchangeBench(connection net.Conn, reader *bufio.Reader, request string) bool {
	if _, err := io.WriteString(connection, request); err != nil {
		return false
	}
	length, first := 0, true
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil || first && !strings.HasPrefix(string(line), "HTTP/1.1 200") {
			return false
		}
		first = false
		if len(line) == 2 {
			break
		}
		if value, found := strings.CutPrefix(string(line), "Content-Length: "); found {
			_, _ = fmt.Sscan(value, &length)
		}
	}
	_, err := reader.Discard(length)
	return err == nil
}

// paced calls one after the other, a call each pace, and returns how long each took.
func paced(b *testing.B, address, request string, pace time.Duration) []time.Duration {
	b.Helper()
	connection, reader := dialBench(b, address)
	defer connection.Close()
	times := make([]time.Duration, 0, 2000)
	next := time.Now()
	for range cap(times) {
		time.Sleep(time.Until(next))
		begin := time.Now()
		if !exchangeBench(connection, reader, request) {
			b.Fatal("a call failed")
		}
		times = append(times, time.Since(begin))
		next = begin.Add(pace)
	}
	return times
}

func middle(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func quantile(times []time.Duration, part float64) time.Duration {
	slices.Sort(times)
	return times[int(float64(len(times)-1)*part)]
}

// BenchmarkFirstEvent compares how soon the first byte of an event stream arrives.
func BenchmarkFirstEvent(b *testing.B) {
	address := goUpstream(b, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: x\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	bare := bareProxy(b, address)
	f := behind(b, address, openNotes)
	ours := f.server.Listener.Addr().String()
	first := func(address, path string) time.Duration {
		connection, reader := dialBench(b, address)
		defer connection.Close()
		begin := time.Now()
		_, _ = io.WriteString(connection, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		for {
			line, err := reader.ReadString('\n')
			if err != nil {
				b.Fatal(err)
			}
			if strings.HasPrefix(line, "data: ") {
				return time.Since(begin)
			}
		}
	}
	var bareTimes, ourTimes []time.Duration
	for b.Loop() {
		bareTimes, ourTimes = append(bareTimes, first(bare, "/events")), append(ourTimes, first(ours, "/s/notes/events"))
	}
	b.ReportMetric(float64(quantile(ourTimes, 0.5)-quantile(bareTimes, 0.5))/float64(time.Millisecond), "added-ms")
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// What the program as it is shipped may cost.
const (
	maxProgram = 30.0                  // MB on the disk, stripped
	maxIdle    = 30.0                  // MB resident when idle
	maxReady   = 50 * time.Millisecond // from its start until /ready answers 200
	maxGrowth  = 1.1                   // resident after a million requests against after a quarter of them
	manyOfThem = 1_000_000
	manyIdle   = 10_000
)

// BenchmarkProgram measures the program itself, built as it is shipped: its size, how
// soon it is ready, how much memory it has idle, among many idle connections, and while
// a million requests are answered. Each is done once, so -benchtime is to be 1x.
func BenchmarkProgram(b *testing.B) {
	path := shipped(b)
	b.Run("size", func(b *testing.B) {
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		size := float64(info.Size()) / 1e6
		reportOnly(b, size, "MB")
		verdict(b, size < maxProgram, "%.1f MB stripped; wanted less than %.0f", size, maxProgram)
	})
	b.Run("ready", func(b *testing.B) {
		var taken []float64
		for range enough {
			s := serveShipped(b, path)
			taken = append(taken, s.ready.Seconds()*1000)
			s.end()
		}
		reportOnly(b, median(taken), "ms")
		b.ReportMetric(slices.Max(taken), "ms-max")
		verdict(b, median(taken) < maxReady.Seconds()*1000,
			"ready after %.0f ms, of %d starts the median; wanted less than %v", median(taken), len(taken), maxReady)
	})
	b.Run("idle", func(b *testing.B) {
		s := serveShipped(b, path)
		time.Sleep(2 * time.Second)
		size := resident(b, s.process)
		reportOnly(b, size, "MB")
		verdict(b, size < maxIdle, "%.1f MB resident when idle; wanted less than %.0f", size, maxIdle)
	})
	b.Run("connections", func(b *testing.B) { serveShipped(b, path).hold(b, manyIdle) })
	b.Run("requests", func(b *testing.B) { serveShipped(b, path).exhaust(b, manyOfThem) })
}

// reportOnly reports one metric instead of the time.
func reportOnly(b *testing.B, value float64, unit string) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(value, unit)
}

// shipped builds the program as `make build` does, and returns its path.
func shipped(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "token2go-server")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, output)
	}
	return path
}

// shippedServer is the shipped program, serving, with its lines in a file.
type shippedServer struct {
	benchServer
	ready time.Duration // from its start until /ready answers 200
	lines string        // the path of the file with its lines
	end   func()
}

func serveShipped(b *testing.B, path string) *shippedServer {
	b.Helper()
	port, ops := process.Port(b), process.Port(b)
	s := &shippedServer{lines: filepath.Join(b.TempDir(), "lines")}
	begin := time.Now()
	s.benchServer, s.end = launchServer(b, path, s.lines, port, "T2G_OPS_PORT="+ops)
	for !isReady("127.0.0.1:" + ops) {
		if time.Since(begin) > 30*time.Second {
			b.Fatal("not ready after 30 seconds")
		}
		time.Sleep(200 * time.Microsecond)
	}
	s.ready = time.Since(begin)
	return s
}

// serveOriginal serves 1.0.3, which has no ops listener.
func serveOriginal(b *testing.B, path string) benchServer {
	b.Helper()
	c, _ := launchServer(b, path, filepath.Join(b.TempDir(), "lines"), process.Port(b))
	c.first(b, tokenRequest(), http.StatusOK)
	return c
}

// launchServer starts a program with its lines in a file, and returns what ends it.
func launchServer(b *testing.B, path, lines, port string, environment ...string) (benchServer, func()) {
	b.Helper()
	output, err := os.Create(lines)
	if err != nil {
		b.Fatal(err)
	}
	defer output.Close()
	child := exec.Command(path)
	child.Env = append(environment, "T2G_SERVER_PORT="+port)
	child.Stdout, child.Stderr = output, output
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		_ = child.Process.Signal(os.Interrupt)
		_ = child.Wait()
	})
	b.Cleanup(end)
	return benchServer{"127.0.0.1:" + port, child.Process.Pid}, end
}

// checkLines ends the server and looks for its audit lines.
func (s *shippedServer) checkLines(b *testing.B) {
	b.Helper()
	s.end()
	lines, err := os.ReadFile(s.lines)
	if err != nil {
		b.Fatal(err)
	}
	if !bytes.Contains(lines, []byte(`"msg":"audit","decision":"handed_over"`)) {
		b.Error("got no audit line, want one for every request")
	}
}

func isReady(ops string) bool {
	connection, err := net.Dial("tcp", ops)
	if err != nil {
		return false
	}
	defer connection.Close()
	_, err = io.WriteString(connection, "GET /ready HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
	answer, readErr := io.ReadAll(connection)
	return errors.Join(err, readErr) == nil && bytes.HasPrefix(answer, []byte("HTTP/1.1 200 "))
}

// hold opens connections, asks once on each and leaves them open.
func (s *shippedServer) hold(b *testing.B, count int) {
	request := tokenRequest()
	before := resident(b, s.process)
	for held := 0; held < count; held += callers {
		some, err := s.call(request, http.StatusOK)
		if errors.Is(err, syscall.EMFILE) {
			b.Skipf("SKIPPED, too few descriptors: ulimit -n allows %d connections, want %d", held, count)
		}
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(some.Close)
		for _, one := range some.Callers {
			if _, err := one.Call(); err != nil {
				b.Fatalf("after %d connections: %v", held, err)
			}
		}
	}
	time.Sleep(2 * time.Second)
	held := resident(b, s.process)
	begin := time.Now()
	s.first(b, request, http.StatusOK)
	reportOnly(b, held, "MB")
	b.ReportMetric((held-before)*1000/float64(count), "kB/conn")
	b.ReportMetric(time.Since(begin).Seconds()*1000, "ms/next")
	b.Logf("%.0f MB resident among %d idle connections, which is %.1f kB for each", held, count, (held-before)*1000/float64(count))
}

// exhaust asks over and over, each time something else: tokens, people, states and
// addresses that lead nowhere. What is kept of any of them would show in the memory.
func (s *shippedServer) exhaust(b *testing.B, count int) {
	kinds := []struct {
		status  int
		request []byte
	}{
		{http.StatusOK, numbered(tokenRequest())},
		{http.StatusSeeOther, numbered(flowRequest(b))},
		{http.StatusNotFound, numbered(forwarded("/no/" + numeral(0)))},
	}
	load := s.dial(b, nil, 0)
	var sizes []float64
	const samples = 20
	for sample := range samples {
		errs := make([]error, callers)
		var group sync.WaitGroup
		for i, one := range load.Callers {
			group.Go(func() {
				for n := range count / samples / callers {
					kind := kinds[n%len(kinds)]
					number := (sample*(count/samples/callers)+n)*callers + i
					one.Begins = fmt.Appendf(nil, "HTTP/1.1 %d ", kind.status)
					one.Request = bytes.ReplaceAll(kind.request, []byte(numeral(0)), []byte(numeral(number)))
					if _, errs[i] = one.Call(); errs[i] != nil {
						return
					}
				}
			})
		}
		group.Wait()
		if err := errors.Join(errs...); err != nil {
			b.Fatal(err)
		}
		sizes = append(sizes, resident(b, s.process))
	}
	quarter := sizes[:samples/4]
	growth := sizes[samples-1] / slices.Max(quarter)
	reportOnly(b, sizes[samples-1], "MB")
	b.ReportMetric(growth, "growth")
	verdict(b, growth < maxGrowth, "%.1f MB resident after %d requests, no two alike, and at most %.1f during the first quarter", sizes[samples-1], count, slices.Max(quarter))
}

// numeral is what sets a request apart from others.
func numeral(number int) string { return fmt.Sprintf("no%010d", number) }

// numbered puts a numeral into a request: at the end of the token, into the name of the
// person and into the state.
func numbered(request []byte) []byte {
	whole := accessToken()
	return []byte(strings.NewReplacer(
		whole, whole[:len(whole)-len(numeral(0))]+numeral(0),
		": ada\r\n", ": ada-"+numeral(0)+"\r\n",
		"&state=", "&state="+numeral(0),
	).Replace(string(request)))
}

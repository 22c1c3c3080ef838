package token2go_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// waitForCount waits until a count is back to what it was.
func waitForCount(t *testing.T, what string, before int, count func() int) {
	t.Helper()
	for range 500 {
		if count() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("got %d %s, want %d as before\n%s", count(), what, before, stacks[:runtime.Stack(stacks, true)])
}

// openFiles is 0 where there is no /proc.
func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

func TestGetLeavesNothingBehind(t *testing.T) {
	cache := newCache(t)
	if err := cache.Store(server, long("x")); err != nil {
		t.Fatal(err)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	goroutines, files := runtime.NumGoroutine(), openFiles()
	var ports []string
	paste := func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }
	for range 5 {
		for _, how := range []string{"cancelled", "shown and cancelled", "timed out", "refused", "answered", "with junk that is pasted", "with a stray that hangs"} {
			ctx, cancel := context.WithCancel(t.Context())
			o := token2go.Options{Server: server, Timeout: 100 * time.Millisecond, Paste: paste, Warn: func(error) {}}
			o.Open = func(string) error { return nil }
			o.Show = func(p token2go.Prompt) {
				address, err := url.Parse(p.ShortURL)
				if err != nil {
					t.Error(err)
				}
				ports = append(ports, address.Host)
			}
			switch how {
			case "cancelled":
				cancel()
			case "shown and cancelled":
				show := o.Show
				o.Show = func(p token2go.Prompt) { show(p); cancel() }
			case "refused":
				o.Timeout = time.Minute
				o.Open = func(short string) error { return reply(short, "access_denied") }
			case "answered":
				o.Timeout = time.Minute
				o.Open = func(short string) error { return reply(short, "") }
			case "with junk that is pasted":
				o.Paste = func(context.Context) (string, error) { return "junk", io.EOF }
			case "with a stray that hangs":
				o.Open = func(short string) error {
					address, _ := url.Parse(short)
					conn, err := net.Dial("tcp", address.Host)
					if err == nil {
						_, err = io.WriteString(conn, "GET / HTTP/1.1\r\n")
						time.AfterFunc(200*time.Millisecond, func() { conn.Close() })
					}
					return err
				}
			}
			if _, err := cache.Renew(ctx, o, long("x")); (err == nil) != (how == "answered") {
				t.Errorf("%s: got %v", how, err)
			}
			if err := cache.Store(server, long("x")); err != nil {
				t.Error(err)
			}
			cancel()
		}
	}
	for _, port := range ports {
		if conn, err := net.Dial("tcp", port); err == nil {
			conn.Close()
			t.Errorf("%s still listens", port)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	waitForCount(t, "goroutines", goroutines, runtime.NumGoroutine)
	waitForCount(t, "open files", files, openFiles)
}

func TestListenerSurvivesAThousandConnections(t *testing.T) {
	v := begin(t, token2go.Options{}, "of-the-crowd")
	var conns []net.Conn
	defer func() {
		for _, conn := range conns {
			conn.Close()
		}
	}()
	for i := range 1000 {
		conn, err := net.Dial("tcp4", "127.0.0.1:"+v.values["port"])
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		if i%2 == 0 {
			_, _ = io.WriteString(conn, "POST "+v.values["path"]+" HTTP/1.1\r\nHost: 127.0.0.1:"+v.values["port"]+"\r\nX-Slow: ")
		}
	}
	_ = conns[0].SetReadDeadline(time.Now().Add(2 * time.Second)) // before it is cut off as slow
	if _, err := conns[0].Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the oldest of a thousand connections is still held")
	}
	v.do(t, v.good())
}

func TestListenerClosesSlowConnections(t *testing.T) {
	process.Slow(t)
	t.Parallel()
	v := begin(t, token2go.Options{}, "of-the-patient")
	var group sync.WaitGroup
	for _, text := range []string{"", "GET / HT", "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nstate="} {
		group.Go(func() {
			conn, err := net.Dial("tcp4", "127.0.0.1:"+v.values["port"])
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, v.fill(text))
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%q may hang for 20 seconds", text)
			}
		})
	}
	group.Wait()
	v.do(t, v.good())
}

func TestListenerTakesOneOfTwoSimultaneousAnswers(t *testing.T) {
	for range 20 {
		v := begin(t, token2go.Options{}, "unused")
		var mu sync.Mutex
		var group sync.WaitGroup
		var taken []string
		start := make(chan struct{})
		for n := range 8 {
			token := fmt.Sprintf("token-%d", n)
			step := v.good()
			step.Seal.Members = map[string]any{"secret": token}
			v.seal(t, *step.Seal)
			request := v.request(step)
			group.Go(func() {
				<-start
				if status := callAndRead(v.values["port"], request); status == http.StatusSeeOther {
					mu.Lock()
					defer mu.Unlock()
					taken = append(taken, token)
				}
			})
		}
		close(start)
		group.Wait()
		v.send(t, clientStep{Path: "{path}/done"})
		got := <-v.result
		if len(taken) != 1 || got.err != nil || got.token.Reveal() != taken[0] {
			t.Fatalf("got %q (%v), and %q were told that theirs was", got.token.Reveal(), got.err, taken)
		}
	}
}

// callAndRead returns the status of the answer, 0 for none.
func callAndRead(port string, request []byte) int {
	conn, err := net.Dial("tcp4", "127.0.0.1:"+port)
	if err != nil {
		return 0
	}
	defer conn.Close()
	_, _ = conn.Write(request)
	text, _ := io.ReadAll(conn)
	status, _ := strconv.Atoi(strings.TrimPrefix(string(text[:min(len(text), 12)]), "HTTP/1.1 "))
	return status
}

func TestListenerIsOnLoopbackBeforeAnythingIsShown(t *testing.T) {
	_, err := token2go.Get(t.Context(), token2go.Options{Server: server, Timeout: time.Millisecond, Show: func(p token2go.Prompt) {
		address, err := url.Parse(p.ShortURL)
		if err != nil {
			t.Fatal(err)
		}
		hosts := []string{"127.0.0.2", "::1"}
		own, _ := net.InterfaceAddrs()
		for _, one := range own {
			if network, is := one.(*net.IPNet); is && !network.IP.IsLoopback() && !network.IP.IsLinkLocalUnicast() {
				hosts = append(hosts, network.IP.String())
			}
		}
		for _, host := range hosts {
			if conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, address.Port()), time.Second); err == nil {
				conn.Close()
				t.Errorf("it listens on %s", host)
			}
		}
		conn, err := net.Dial("tcp", address.Host)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}})
	if !errors.Is(err, token2go.ErrTimedOut) || !strings.Contains(withAdvice(err), "1.0.3") || !strings.Contains(withAdvice(err), "triple") {
		t.Errorf("got %v, want the end of the time and a word on 1.0.3", err)
	}
}

func TestGetMakesANewKeyAndStateEachTime(t *testing.T) {
	seen := map[string]bool{}
	for range 5 {
		v := begin(t, token2go.Options{}, "x")
		address, _ := url.Parse(v.prompt.URL)
		query := address.Query()
		for _, text := range []string{query.Get("publicKey"), query.Get("state"), query.Get("path"), v.values["short"], fmt.Sprint(v.prompt.Words)} {
			if seen[text] {
				t.Errorf("got %s twice", text)
			}
			seen[text] = true
		}
		if len(query.Get("path")) < 22 || len(query.Get("state")) < 43 {
			t.Errorf("got the path %s and the state %s, want 128 and 256 random bits", query.Get("path"), query.Get("state"))
		}
	}
}

func TestGetUsesTheFirstFreePort(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := taken.Addr().(*net.TCPAddr).Port
	if _, err := token2go.Get(t.Context(), token2go.Options{Server: server, Ports: []int{port}}); !errors.Is(err, token2go.ErrListen) {
		t.Errorf("got %v for a port that is taken", err)
	}
	defer taken.Close()
	free, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	next := free.Addr().(*net.TCPAddr).Port
	free.Close()
	if v := begin(t, token2go.Options{Ports: []int{port, next}}, "x"); v.values["port"] != strconv.Itoa(next) {
		t.Errorf("got the port %s, want %d", v.values["port"], next)
	}
}

func TestGetWarnsOfWhatDoesNotEndIt(t *testing.T) {
	var warnings []string
	o := token2go.Options{Server: server, Timeout: 300 * time.Millisecond, Warn: func(err error) { warnings = append(warnings, err.Error()) }}
	o.Open = func(string) error { return errors.New("no display") }
	o.Paste = func(context.Context) (string, error) { return "", io.EOF }
	if _, err := token2go.Get(t.Context(), o); !errors.Is(err, token2go.ErrTimedOut) || len(warnings) != 1 || !strings.Contains(warnings[0], "no display") {
		t.Errorf("got %v and %q, want the end of the time, and one warning", err, warnings)
	}
}

func TestGetWithPasteOnlyEndsWithTheInput(t *testing.T) {
	o := token2go.Options{Server: server, PasteOnly: true, Timeout: time.Minute}
	o.Paste = func(context.Context) (string, error) { return "junk\n", io.EOF }
	began := time.Now()
	if _, err := token2go.Get(t.Context(), o); !errors.Is(err, token2go.ErrOptions) || time.Since(began) > 30*time.Second {
		t.Errorf("got %v after %s, want that the input ended", err, time.Since(began))
	}
}

func TestGetReturnsWhenAHookHangs(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	o := token2go.Options{Server: server, Timeout: 50 * time.Millisecond}
	o.Open = func(string) error { <-hang; return nil }
	o.Paste = func(context.Context) (string, error) { <-hang; return "", io.EOF }
	began := time.Now()
	if _, err := token2go.Get(t.Context(), o); !errors.Is(err, token2go.ErrTimedOut) || time.Since(began) > 3*time.Second {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
}

func TestGetRefusesUnusableOptions(t *testing.T) {
	for _, test := range []struct {
		name, says string
		o          token2go.Options
	}{
		{"no server", "is empty", token2go.Options{}},
		{"no scheme", "https://", token2go.Options{Server: "t2g.example.org"}},
		{"another scheme", "https://", token2go.Options{Server: "ftp://t2g.example.org"}},
		{"no host", "no host", token2go.Options{Server: "https://"}},
		{"a password", "user name", token2go.Options{Server: "https://u:s3cret@t2g.example.org"}},
		{"a query", "query", token2go.Options{Server: "https://t2g.example.org?x"}},
		{"a fragment", "fragment", token2go.Options{Server: "https://t2g.example.org#"}},
		{"http to another computer", "https", token2go.Options{Server: "http://t2g.example.org"}},
		{"a host that begins as loopback", "https", token2go.Options{Server: "http://127.0.0.1.evil.example"}},
		{"a format", "Format", token2go.Options{Server: server, Format: "jws"}},
		{"a time that is over", "Timeout", token2go.Options{Server: server, Timeout: -1}},
		{"a lifetime of two days", "MinTTL", token2go.Options{Server: server, MinTTL: 48 * time.Hour}},
		{"a port", "Ports", token2go.Options{Server: server, Ports: []int{65536}}},
		{"nothing to paste with", "Paste", token2go.Options{Server: server, PasteOnly: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.o.Show = func(token2go.Prompt) { t.Error("the person was asked") }
			_, err := token2go.Get(t.Context(), test.o)
			if !errors.Is(err, token2go.ErrOptions) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v, want a refusal with %q", err, test.says)
			}
		})
	}
}

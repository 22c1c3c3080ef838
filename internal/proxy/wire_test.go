package proxy_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/proxy"
	"github.com/token2go/token2go/internal/rule"
)

// goUpstream is an upstream written with net/http.
func goUpstream(t testing.TB, handle http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// behind serves a services file in front of the upstream at an address.
func behind(t testing.TB, address, file string, changes ...func(*proxy.Options)) *fixture {
	t.Helper()
	return newFixture(t, &upstream{Listener: fakeListener{address: address}}, file, changes...)
}

// fakeListener has the address of an upstream that listens elsewhere.
type fakeListener struct {
	net.Listener
	address string
}

func (l fakeListener) Addr() net.Addr {
	address, _ := net.ResolveTCPAddr("tcp", l.address)
	return address
}

const openNotes = `{"services":{"notes":{"base_url":"http://UPSTREAM","requires_service_token":false,
	"credential":{"type":"bearer","token":"` + upstreamSecret + `"},"read_timeout":2,"max_request_bytes":1000}}}`

// exchange writes a request and returns the connection to read from.
func (f *fixture) exchange(t *testing.T, request string) (net.Conn, *bufio.Reader) {
	t.Helper()
	connection, err := net.Dial("tcp", f.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	_ = connection.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(connection, request); err != nil {
		t.Fatal(err)
	}
	return connection, bufio.NewReader(connection)
}

// short has the fixture served by a listener with short time limits.
func (f *fixture) short(t *testing.T) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(f.answer))
	server.Config.ReadTimeout, server.Config.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	f.server = server
}

func TestServeStreamsLongerThanTheListenersLimits(t *testing.T) {
	address := goUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 4 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(250 * time.Millisecond):
			}
		}
	})
	f := behind(t, address, openNotes)
	f.short(t)
	for _, request := range []string{
		"GET /s/notes/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"POST /s/notes/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
	} {
		status, answer := f.send(t, request)
		if status != 200 || strings.Count(answer, "data: ") != 4 {
			t.Errorf("%.4s: got %d\n%s", request, status, answer)
		}
	}
}

func TestServeFlushesEventsAtOnce(t *testing.T) {
	wait := make(chan struct{})
	address := goUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		fmt.Fprint(w, "data: first\n\n")
		_ = http.NewResponseController(w).Flush()
		<-wait
	})
	f := behind(t, address, openNotes)
	_, reader := f.exchange(t, "GET /s/notes/events HTTP/1.1\r\nHost: x\r\n\r\n")
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(answer.Body).ReadString('\n')
	close(wait)
	if err != nil || line != "data: first\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

func TestServePassesTrailersBothWays(t *testing.T) {
	var got http.Header
	var body []byte
	address := goUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		got = r.Trailer
		w.Header().Set("Trailer", "X-Sum, Set-Cookie")
		fmt.Fprint(w, "ok")
		w.Header().Set("X-Sum", "7")
		w.Header().Set("Set-Cookie", "a=b")
	})
	f := behind(t, address, openNotes)
	status, answer := f.send(t, "PATCH /s/notes/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Check, Authorization\r\n\r\n"+
		"3\r\nabc\r\n2\r\nde\r\n0\r\nX-Check: yes\r\nAuthorization: Bearer mine\r\n\r\n")
	if status != 200 || string(body) != "abcde" || got.Get("X-Check") != "yes" || got.Get("Authorization") != "" {
		t.Errorf("got %d, body %q, trailers %v", status, body, got)
	}
	if !strings.Contains(answer, "X-Sum: 7") || strings.Contains(answer, "a=b") {
		t.Errorf("answered\n%s", answer)
	}
}

func TestServeAnswersExpectContinue(t *testing.T) {
	address := goUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refused" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = io.Copy(w, r.Body)
	})
	f := behind(t, address, openNotes)
	connection, reader := f.exchange(t, "PUT /s/notes/taken HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	first, err := reader.ReadString('\n')
	if err != nil || !strings.Contains(first, "100 Continue") {
		t.Fatalf("got %q, %v", first, err)
	}
	_, _ = reader.ReadString('\n')
	_, _ = io.WriteString(connection, "abc")
	answer, err := http.ReadResponse(reader, nil)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v", answer, err)
	}
	if body, _ := io.ReadAll(answer.Body); string(body) != "abc" {
		t.Errorf("got %q", body)
	}
	_, reader = f.exchange(t, "PUT /s/notes/refused HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	if first, _ := reader.ReadString('\n'); !strings.Contains(first, " 403 ") {
		t.Errorf("got %q, want no 100 before the refusal", first)
	}
}

func TestServeReturnsAnswersAsTheyCame(t *testing.T) {
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	_, _ = writer.Write([]byte(strings.Repeat("hello ", 100)))
	_ = writer.Close()
	for _, test := range []struct{ name, method, lines, answer, want, not string }{
		{"gzip", "GET", "Accept-Encoding: gzip\r\n", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", zipped.Len(), zipped.String()), zipped.String(), "\nContent-Type"},
		{"304", "GET", "If-None-Match: \"a\"\r\n", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", "304 Not Modified\r\n", "\nContent-Type"},
		{"a range", "GET", "Range: bytes=0-1\r\n", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nab", "Content-Range: bytes 0-1/9", ""},
		{"HEAD", "HEAD", "", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", "Content-Length: 1234", ""},
		{"early hints", "GET", "", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nSet-Cookie: a=b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "103 Early Hints", "a=b"},
		{"an error of the service", "GET", "", "HTTP/1.1 418 Teapot\r\nToken2go-Error: rule\r\nContent-Length: 0\r\n\r\n", "418", "Token2go-Error"},
		{"a header of its connection", "GET", "", "HTTP/1.1 200 OK\r\nConnection: X-Mine\r\nX-Mine: 1\r\nX-Accel-Redirect: /etc\r\nContent-Length: 0\r\n\r\n", "200", "X-Mine"},
		{"OPTIONS", "OPTIONS", "Origin: https://x\r\n", "HTTP/1.1 204 No Content\r\nAllow: GET\r\n\r\n", "Allow: GET", ""},
	} {
		f := newFixture(t, newUpstream(t, test.answer), openNotes)
		_, answer := f.send(t, test.method+" /s/notes/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+test.lines+"\r\n")
		if !strings.Contains(answer, test.want) || test.not != "" && strings.Contains(answer, test.not) || strings.Contains(answer, "X-Accel") {
			t.Errorf("%s: got\n%s", test.name, answer)
		}
	}
}

func TestServeOfHostileUpstreams(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		handle func(net.Conn)
		status int // 0: the answer breaks off
		code   string
	}{
		{"never answers", func(net.Conn) { time.Sleep(4 * time.Second) }, 504, "upstream_timeout"},
		{"resets", func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }, 502, "upstream_reset"},
		{"stops in the middle", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
			time.Sleep(4 * time.Second)
		}, 0, ""},
		{"says more than it sends", func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf") }, 0, ""},
		{"breaks off a chunk", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf")
		}, 0, ""},
		{"two lengths", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok")
		}, 502, "upstream_reset"},
		{"endless headers", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for range 1 << 14 {
				_, _ = io.WriteString(c, "X-A: "+strings.Repeat("a", 1000)+"\r\n")
			}
		}, 502, "upstream_reset"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = listener.Close() })
			go func() {
				for {
					connection, err := listener.Accept()
					if err != nil {
						return
					}
					go func() {
						defer connection.Close()
						_, _ = connection.Read(make([]byte, 4096))
						test.handle(connection)
					}()
				}
			}()
			f := behind(t, listener.Addr().String(), openNotes)
			_, reader := f.exchange(t, "POST /s/notes/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
			answer, err := http.ReadResponse(reader, nil)
			if test.status == 0 {
				if err == nil {
					if _, err = io.ReadAll(answer.Body); err == nil {
						t.Error("the answer looks whole")
					}
				}
				return
			}
			if err != nil || answer.StatusCode != test.status || answer.Header.Get("Token2go-Error") != test.code {
				t.Errorf("got %v, %v", answer, err)
			}
		})
	}
}

func TestServeEndsBodyOverTheLimit(t *testing.T) {
	var whole atomic.Bool
	address := goUpstream(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		whole.Store(err == nil)
	})
	f := behind(t, address, openNotes)
	chunk := "100\r\n" + strings.Repeat("a", 256) + "\r\n"
	status, answer := f.send(t, "POST /s/notes/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+strings.Repeat(chunk, 5)+"0\r\n\r\n")
	if status != 413 || !strings.Contains(answer, "Connection: close") || whole.Load() {
		t.Errorf("got %d, the service took it: %v\n%s", status, whole.Load(), answer)
	}
}

func TestServeRedirects(t *testing.T) {
	const follow = `{"services":{"notes":{"base_url":"http://UPSTREAM/v1","rules":["GET /a","GET /b","GET /r.*"],"allow_redirects":true,
		"credential":{"type":"bearer","token":"` + upstreamSecret + `"}}}}`
	elsewhere := newUpstream(t, ok)
	var seen sync.Map
	address := goUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.URL.Path, r.Header.Get("Authorization"))
		to := map[string]string{
			"/v1/r1": "/v1/b", "/v1/r2": "http://" + elsewhere.Addr().String() + "/v1/b", "/v1/r3": "/v1/forbidden",
			"/v1/r4": "/v2/outside", "/v1/r5": "http://169.254.169.254/latest", "/v1/r6": "/v1/%2e%2e/x", "/v1/r7": "http://" + r.Host + "/v1/b?x=" + upstreamSecret,
			"/v1/r8": "b", "/v1/r9": "//evil.example/v1/b",
		}[r.URL.Path]
		if to != "" {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
			return
		}
		fmt.Fprint(w, "end")
	})
	for _, test := range []struct {
		path     string
		follow   bool
		status   int
		location string
	}{
		{"/r1", true, 200, ""},
		{"/r8", true, 200, ""},
		{"/r2", true, 302, "http://" + elsewhere.Addr().String() + "/v1/b"},
		{"/r3", true, 302, "/s/notes/forbidden"},
		{"/r4", true, 302, "http://" + address + "/v2/outside"},
		{"/r5", true, 302, "http://169.254.169.254/latest"},
		{"/r6", true, 302, "/s/notes/%2e%2e/x"},
		{"/r9", true, 302, "//evil.example/v1/b"},
		{"/r1", false, 302, "/s/notes/b"},
		{"/r7", false, 302, ""},
	} {
		file := follow
		if !test.follow {
			file = strings.Replace(follow, `"allow_redirects":true,`, "", 1)
		}
		f := behind(t, address, file)
		_, reader := f.exchange(t, "GET /s/notes"+test.path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+f.pass(t, "notes", "* .*")+"\r\n\r\n")
		answer, err := http.ReadResponse(reader, nil)
		if err != nil || answer.StatusCode != test.status || answer.Header.Get("Location") != test.location {
			t.Errorf("%s: got %v, %v", test.path, answer, err)
		}
	}
	for _, path := range []string{"/v1/forbidden", "/v2/outside", "/x", "/v1/x"} {
		if _, called := seen.Load(path); called {
			t.Errorf("%s was called", path)
		}
	}
	if elsewhere.last(t) != "" {
		t.Errorf("another host got %q", elsewhere.last(t))
	}
}

// pathVectors is openapi/vectors/paths.json.
type pathVectors struct {
	Rules struct{ Allow, Deny json.RawMessage }
	Cases []struct {
		Path, Verdict string
		Reason        rule.Reason
		Options       rule.Options
	}
}

// TestServeHostilePaths sends the corpus through the listener, byte for byte.
func TestServeHostilePaths(t *testing.T) {
	data, err := os.ReadFile("../../openapi/vectors/paths.json")
	if err != nil {
		t.Fatal(err)
	}
	var v pathVectors
	if err := json.Unmarshal(data, &v); err != nil || len(v.Cases) < 600 {
		t.Fatalf("%d cases, %v", len(v.Cases), err)
	}
	services := map[rule.Options]string{}
	var file strings.Builder
	for _, test := range v.Cases {
		if services[test.Options] != "" {
			continue
		}
		name := fmt.Sprintf("s%d", len(services))
		services[test.Options] = name
		word := func(set bool, yes string) string {
			if set {
				return yes
			}
			return "refuse"
		}
		fmt.Fprintf(&file, `%q:{"base_url":"http://UPSTREAM/base","requires_service_token":false,"rules":%s,"deny":%s,"encoded_slash":%q,"semicolon":%q,"empty_segments":%q},`, name,
			v.Rules.Allow, v.Rules.Deny, word(test.Options.EncodedSlash, "preserve"), word(test.Options.Semicolon, "allow"), word(test.Options.EmptySegments, "allow"))
	}
	var arrived atomic.Value
	arrived.Store("")
	address := goUpstream(t, func(_ http.ResponseWriter, r *http.Request) { arrived.Store(r.RequestURI) })
	f := behind(t, address, `{"services":{`+file.String()+`}}`)
	for _, test := range v.Cases {
		if test.Options.Unscoped || strings.ContainsAny(test.Path, " \r\n?") || !strings.HasPrefix(test.Path, "/") {
			continue // no request line can say it, or it would be another path
		}
		arrived.Store("")
		connection, reader := f.exchange(t, "GET /s/"+services[test.Options]+test.Path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		answer, err := http.ReadResponse(reader, nil)
		_ = connection.Close()
		if err != nil {
			t.Fatalf("%.80q: %v", test.Path, err)
		}
		got := arrived.Load()
		switch {
		case test.Verdict == "allowed" && (answer.StatusCode != http.StatusOK || got != "/base"+test.Path):
			t.Errorf("%.80q: got %d, sent %.80q", test.Path, answer.StatusCode, got)
		case test.Verdict != "allowed" && (answer.StatusCode < 400 || got != ""):
			t.Errorf("%.80q: got %d, sent %.80q, want %s", test.Path, answer.StatusCode, got, test.Verdict)
		}
	}
}

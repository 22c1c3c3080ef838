package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/proxy"
	"github.com/token2go/token2go/internal/rule"
	"github.com/token2go/token2go/internal/signing"
)

const upstreamSecret = "upstream-secret-7f3a9c"

// upstream records what arrives, byte for byte, and answers as told.
type upstream struct {
	net.Listener
	mu     sync.Mutex
	heads  []string
	answer string
}

func newUpstream(t testing.TB, answer string) *upstream {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{Listener: listener, answer: answer}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go u.serve(connection)
		}
	}()
	return u
}

func (u *upstream) serve(connection net.Conn) {
	defer connection.Close()
	reader := bufio.NewReader(connection)
	var head strings.Builder
	for {
		line, err := reader.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			break
		}
	}
	u.mu.Lock()
	u.heads = append(u.heads, head.String())
	u.mu.Unlock()
	_, _ = io.WriteString(connection, u.answer)
}

func (u *upstream) last(t *testing.T) string {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.heads) == 0 {
		return ""
	}
	return u.heads[len(u.heads)-1]
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\nAccess-Control-Allow-Origin: *\r\nX-Echo: " + upstreamSecret + "\r\nX-Kept: yes\r\n\r\nok"

type fixture struct {
	*proxy.Proxy
	server *httptest.Server
	passes *pass.Issuer
	mu     sync.Mutex
	events []proxy.Event
}

// newFixture serves a services file, in which UPSTREAM is the upstream's address.
func newFixture(t testing.TB, u *upstream, file string, changes ...func(*proxy.Options)) *fixture {
	t.Helper()
	services, err := proxy.ParseServices([]byte(strings.ReplaceAll(file, "UPSTREAM", u.Addr().String())), proxy.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	key, err := signing.New(signing.Passes, signing.Active, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ring := signing.NewRing(signing.Passes)
	if err := ring.Set([]signing.Key{key}); err != nil {
		t.Fatal(err)
	}
	f := &fixture{}
	if f.passes, err = pass.New(pass.Options{Ring: ring, Issuer: "https://api.example.org"}); err != nil {
		t.Fatal(err)
	}
	o := proxy.Options{
		Callers: proxy.Callers{Passes: f.passes}, Log: slog.New(slog.DiscardHandler),
		Event: func(_ context.Context, e proxy.Event) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.events = append(f.events, e)
		},
	}
	for _, change := range changes {
		change(&o)
	}
	f.Proxy, err = proxy.New(o, services)
	if err != nil {
		t.Fatal(err)
	}
	f.server = httptest.NewServer(http.HandlerFunc(f.answer))
	t.Cleanup(f.server.Close)
	return f
}

func (f *fixture) answer(w http.ResponseWriter, r *http.Request) {
	rest, below := strings.CutPrefix(r.URL.Path, "/s/")
	name, _, _ := strings.Cut(rest, "/")
	if !below {
		name = f.DefaultService()
	}
	err := f.Serve(w, r, name, !below)
	if refused, found := errors.AsType[*problem.Problem](err); found {
		w.Header().Set("Token2go-Error", string(refused.Kind))
		w.WriteHeader(refused.StatusCode())
		return
	}
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func (f *fixture) pass(t testing.TB, service string, rules ...string) string {
	t.Helper()
	var parsed []rule.Rule
	for _, text := range rules {
		r, err := rule.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, r)
	}
	_, text, err := f.passes.Mint(pass.Request{Service: service, Subject: pass.Operator, TTL: time.Hour, Limit: pass.Limit{Rules: parsed}})
	if err != nil {
		t.Fatal(err)
	}
	return text.Reveal()
}

// send writes a request byte for byte and returns the status and the head of the answer.
func (f *fixture) send(t *testing.T, request string) (status int, answer string) {
	t.Helper()
	connection, err := net.Dial("tcp", f.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(connection, request); err != nil {
		t.Fatal(err)
	}
	content, _ := io.ReadAll(connection)
	if _, err := fmt.Sscanf(string(content), "HTTP/1.1 %d", &status); err != nil {
		t.Fatalf("answer %q", content)
	}
	return status, string(content)
}

const notes = `{"services":{"notes":{"base_url":"http://UPSTREAM/v1","credential":{"type":"bearer","token":"` + upstreamSecret + `"}, // a comment
}}}`

func TestServeSendsThePathThatItExamined(t *testing.T) {
	u := newUpstream(t, ok)
	f := newFixture(t, u, notes)
	held := f.pass(t, "notes", "GET /.*")
	for _, test := range []struct {
		target, want string // an empty want: not sent
	}{
		{"/s/notes/a?x=1&a=2&a=%20;", "GET /v1/a?x=1&a=2&a=%20; HTTP/1.1"},
		{"/s/notes", "GET /v1/ HTTP/1.1"},
		{"/s/notes/caf%C3%A9/%61", "GET /v1/caf%C3%A9/%61 HTTP/1.1"},
		{"/s/notes/{a}|b^", "GET /v1/{a}|b^ HTTP/1.1"},
		{"/s/notes/a?", "GET /v1/a? HTTP/1.1"},
		{"/s/notes/a?b=%ff&filter[a]=1", "GET /v1/a?b=%ff&filter[a]=1 HTTP/1.1"},
		{"/s/notes/../admin", ""},
		{"/s/notes/%2e%2e/admin", ""},
		{"/s/notes//admin", ""},
		{"/s/notes/a%2fb", ""},
		{"/s/notes/a\\b", ""},
		{"/%73/notes/{a", ""},
		{"/s/notes/a?_method=DELETE", ""},
		{"http:s/notes/a", ""},
	} {
		before := len(u.heads)
		status, _ := f.send(t, "GET "+test.target+" HTTP/1.1\r\nHost: "+f.server.Listener.Addr().String()+"\r\nAuthorization: Bearer "+held+"\r\nConnection: close\r\n\r\n")
		line, _, _ := strings.Cut(u.last(t), "\r\n")
		switch {
		case test.want == "" && (len(u.heads) != before || status < 400):
			t.Errorf("%s: got %d, sent %q", test.target, status, line)
		case test.want != "" && (line != test.want || status != 200):
			t.Errorf("%s: got %d, sent %q, want %q", test.target, status, line, test.want)
		}
	}
}

func TestServeReplacesTheCallersCredential(t *testing.T) {
	u := newUpstream(t, ok)
	f := newFixture(t, u, notes)
	held := f.pass(t, "notes", "GET /.*")
	status, answer := f.send(t, "GET /s/notes/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+held+"\r\nauthorization_: no\r\nCookie: session=1\r\n"+
		"X-Forwarded-For: 192.0.2.1\r\nX_Forwarded_Host: evil\r\nX-HTTP-Method-Override: DELETE\r\nX-Token2go-Subject: root\r\nX-Kept: yes\r\n"+
		"Te: trailers\r\nConnection: close, Authorization, X-Gone\r\nX-Gone: yes\r\nReferer: https://x/?k="+held+"\r\nX-Api-Key: other\r\n\r\n")
	sent := u.last(t)
	if status != 200 || !strings.Contains(sent, "Authorization: Bearer "+upstreamSecret+"\r\n") || !strings.Contains(sent, "X-Kept: yes\r\n") ||
		!strings.Contains(sent, "Host: "+u.Addr().String()+"\r\n") {
		t.Errorf("got %d, sent\n%s", status, sent)
	}
	for _, gone := range []string{held, "Cookie", "192.0.2.1", "evil", "DELETE", "root", "X-Gone", "Te:", "X-Api-Key", "Go-http-client"} {
		if strings.Contains(sent, gone) {
			t.Errorf("sent %q in\n%s", gone, sent)
		}
	}
	for _, gone := range []string{upstreamSecret, "Set-Cookie", "Access-Control"} {
		if strings.Contains(answer, gone) {
			t.Errorf("answered %q in\n%s", gone, answer)
		}
	}
	if !strings.Contains(answer, "X-Kept: yes") || !strings.Contains(answer, "Content-Security-Policy: sandbox") || !strings.HasSuffix(answer, "ok") {
		t.Errorf("answered\n%s", answer)
	}
}

func TestServeRefuses(t *testing.T) {
	u := newUpstream(t, ok)
	f := newFixture(t, u, `{"services":{"notes":{"base_url":"http://UPSTREAM","rules":["GET /a","POST /a"],"deny":["* /a/secret"],"max_request_bytes":10},
		"shut":{"base_url":"http://UPSTREAM","valid_audiences":[]}}}`)
	held, narrow := f.pass(t, "notes", "* /.*"), f.pass(t, "notes", "GET /b")
	for _, test := range []struct {
		name, method, target, credential string
		status                           int
		code                             string
	}{
		{"no credential", "GET", "/s/notes/a", "", 401, "no_credential"},
		{"an unknown service without a credential", "GET", "/s/other/a", "", 401, "no_credential"},
		{"an unknown service with one", "GET", "/s/other/a", held, 404, "unknown_service"},
		{"a pass for another service", "GET", "/s/shut/a", held, 401, "invalid_pass"},
		{"another path", "GET", "/s/notes/b", held, 403, "rule"},
		{"another method", "DELETE", "/s/notes/a", held, 403, "rule"},
		{"what the service allows and the pass does not", "GET", "/s/notes/a", narrow, 403, "rule"},
		{"TRACE", "TRACE", "/s/notes/a", held, 403, "rule"},
		{"a tampered pass", "GET", "/s/notes/a", held[:len(held)-4] + "AAAA", 401, "invalid_pass"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, answer := f.send(t, test.method+" "+test.target+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+test.credential+"\r\nConnection: close\r\n\r\n")
			if status != test.status || !strings.Contains(answer, "Token2go-Error: "+test.code+"\r\n") {
				t.Errorf("got %d\n%s", status, answer)
			}
		})
	}
	if u.last(t) != "" {
		t.Errorf("sent %q", u.last(t))
	}
	status, _ := f.send(t, "POST /s/notes/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+held+"\r\nConnection: close\r\nContent-Length: 11\r\n\r\n01234567890")
	if status != 413 {
		t.Errorf("a large body: got %d", status)
	}
}

func TestServeOfABrokenUpstream(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		status       int
	}{
		{"hangs up", "", 502},
		{"is no HTTP", "hello\r\n\r\n", 502},
		{"switches protocols unasked", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", 502},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, newUpstream(t, test.answer), notes)
			status, answer := f.send(t, "GET /s/notes/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+f.pass(t, "notes", "* .*")+"\r\nConnection: close\r\n\r\n")
			if status != test.status || strings.Contains(answer, upstreamSecret) {
				t.Errorf("got %d\n%s", status, answer)
			}
		})
	}
	t.Run("breaks off in the middle", func(t *testing.T) {
		f := newFixture(t, newUpstream(t, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), notes)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.server.URL+"/s/notes/a", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+f.pass(t, "notes", "* .*"))
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return // nothing of the answer had been sent yet
		}
		defer answer.Body.Close()
		if _, err := io.ReadAll(answer.Body); err == nil {
			t.Error("the answer looks complete")
		}
	})
}

func TestParseServicesReportsEveryMistake(t *testing.T) {
	_, err := proxy.ParseServices([]byte(`{"services":{
		"a":{"base_url":"ftp://x","connect_timeout":-1,"rules":["nonsense"],"accept":["magic"],"unknown":1},
		"b":{"credential":{"type":"bearer"}},
		"c/d":{"base_url":"https://x"}}}`), proxy.FileOptions{Strict: true})
	if _, found := errors.AsType[proxy.Mistakes](err); !found {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		"services.a.base_url: want", "services.a.connect_timeout: want", "services.a.rules: rule 1", "services.a.legacy_match: missing",
		"services.a.unknown: no such member", "services.b.base_url: missing", "services.b.credential: token is missing", "services.c/d: a name",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no line with %q in\n%v", want, err)
		}
	}
}

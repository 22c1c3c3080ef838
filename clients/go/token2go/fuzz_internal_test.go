package token2go

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// unserved is a listener without a server. In fuzzed texts, STATE is replaced by its state.
func unserved(t testing.TB) *listener {
	t.Helper()
	c, err := newCall(JWE)
	if err != nil {
		t.Fatal(err)
	}
	return &listener{call: c, port: 4711, path: "/path", short: "/short", page: "/path/done", seen: make(chan struct{})}
}

// checkEnd wants a wait that goes on, or was ended by a refusal that held the state: the
// fuzzer cannot seal a token.
func checkEnd(t *testing.T, w *wait, text string, c *call) {
	t.Helper()
	v, over := w.ended()
	if over && (v.err == nil || !v.token.Absent() || !strings.Contains(text, "STATE") && !strings.Contains(text, c.state)) {
		t.Fatalf("%q ended the wait: %+v", text, v)
	}
	if over && strings.ContainsFunc(v.err.Error(), func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Fatalf("%q: got the error %q, want printable ASCII", text, v.err)
	}
}

func FuzzAnswer(f *testing.F) {
	l := unserved(f)
	for _, seed := range []string{
		"response=eyJ.a.b.c.d&state=STATE", "error=access_denied&error_description=no&state=STATE", "key=a&nonce=b&payload=c&state=STATE",
		"state=STATE&state=STATE", "error=&state=STATE", "state=%53TATE;x", "response=%00&state=STATE", "", "&&=&", "%",
	} {
		f.Add(seed, false, "application/x-www-form-urlencoded")
		f.Add(seed, true, "application/x-www-form-urlencoded; charset=utf-8")
	}
	f.Add("state=STATE", true, "text/plain")
	f.Fuzz(func(t *testing.T, text string, post bool, kind string) {
		l.wait = newWait()
		sent := strings.ReplaceAll(text, "STATE", l.call.state)
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:4711/path", nil)
		r.URL.RawQuery = sent
		if post {
			r = httptest.NewRequest(http.MethodPost, "http://127.0.0.1:4711/path", strings.NewReader(sent))
			r.Header.Set("Content-Type", kind)
		}
		answer := httptest.NewRecorder()
		l.ServeHTTP(answer, r)
		checkEnd(t, l.wait, text, l.call)
		_, over := l.wait.ended()
		if over != (answer.Code == http.StatusSeeOther) || !over && (answer.Code < 400 || answer.Code > 499) {
			t.Fatalf("%q: got %d, and the wait is over %t", text, answer.Code, over)
		}
		if strings.Contains(answer.Body.String(), l.call.state) || strings.ContainsAny(answer.Header().Get("Location"), "?#") {
			t.Fatalf("%q: got %q and %s", text, answer.Body, answer.Header().Get("Location"))
		}
	})
}

func FuzzPaste(f *testing.F) {
	c := unserved(f).call
	for _, seed := range []string{
		"eyJhbGciOiJFQ0RILUVTIn0..a.b.cccccccccccccccccccccc", "eyJ\neyJ\n\n", "http://127.0.0.1:1/x?error=access_denied&state=STATE",
		"http://127.0.0.1:1/x?response=\neyJ.a.b.c.d\n&state=STATE", "127.0.0.1:1/?state=STATE", "https://x/?error=a#&state=STATE", "hello", "\n", "\"<'>\"",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w := newWait()
		p := pasted{call: c, wait: w}
		p.addPiece(strings.ReplaceAll(text, "STATE", c.state))
		p.giveUp()
		p.flush()
		cleaned, _ := clean(text)
		checkEnd(t, w, cleaned, c)
		if _, over := w.ended(); !over && cleaned != "" && len(w.warnings) == 0 {
			t.Fatalf("%q was neither taken nor warned of", text)
		}
	})
}

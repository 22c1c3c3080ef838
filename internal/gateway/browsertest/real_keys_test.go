//go:build linux

package browsertest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// attack is what a website has a person do so that the question is answered unread.
type attack struct {
	name     string
	fragment string
	press    func(d *display, p position) // on the website's page, which then opens the question
	release  func(d *display)
	after    func(d *display, p position) // as soon as the question is there
}

// position is where Allow is on the screen; zero until a question was seen.
type position struct{ x, y int }

func attacks() []attack {
	one := func(d *display, _ position) { d.keys("x") }
	keys := func(names ...string) func(*display, position) {
		return func(d *display, _ position) { d.keys(names...) }
	}
	return []attack{
		{name: "held Enter", press: func(d *display, _ position) { d.do("keydown", "Return") }, release: func(d *display) { d.do("keyup", "Return") }},
		{name: "held Space on #allow", fragment: "#allow", press: func(d *display, _ position) { d.do("keydown", "space") }, release: func(d *display) { d.do("keyup", "space") }},
		{name: "Tab to Allow, then held Enter", press: one, after: func(d *display, _ position) {
			d.keys("Tab", "Tab", "Tab")
			d.do("keydown", "Return")
		}, release: func(d *display) { d.do("keyup", "Return") }},
		{name: "#allow and Space", fragment: "#allow", press: one, after: keys("space")},
		{name: "#deny, Tab and Enter", fragment: "#deny", press: one, after: keys("Tab", "Return")},
		{name: "#main, Tab, Tab and Enter", fragment: "#main", press: one, after: keys("Tab", "Tab", "Return")},
		{name: "four Tabs and Enter", press: one, after: keys("Tab", "Tab", "Tab", "Tab", "Return")},
		{name: "a text fragment, Tab and Enter", fragment: "#:~:text=Deny", press: one, after: keys("Tab", "Return")},
		{name: "a double click", press: func(d *display, p position) {
			d.do("mousemove", strconv.Itoa(p.x), strconv.Itoa(p.y), "click", "1")
		}, after: func(d *display, _ position) { d.do("click", "--repeat", "3", "--delay", "100", "1") }},
	}
}

// TestHoldRefusesKeysOfAnotherSite tries each attack in a real browser with real keys and
// lets the person answer afterwards, by mouse and by keyboard in turn.
func TestHoldRefusesKeysOfAnotherSite(t *testing.T) {
	t.Parallel()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.display = openDisplay(t)
			process.Start(t, e.command(t, s.display, s.site+"/"))
			for i, a := range attacks() {
				s.lead(a)
				s.hold(a)
				s.answer(a, i%2 == 0)
			}
		})
	}
}

// lead has the website open the question.
func (s *stage) lead(a attack) {
	s.t.Helper()
	s.open(a.fragment)
	s.wait(a.name+": the website's page", func(r report) bool { return r.page == "site" && r.focus })
	var pressed time.Time
	s.wait(a.name+": the question", func(r report) bool {
		if r.page == "site" && time.Since(pressed) > 2*time.Second {
			a.press(s.display, s.allow)
			pressed = time.Now()
		}
		return r.page == "question"
	})
	s.seen = time.Now()
}

// hold goes on with the attack until the page takes an answer, and wants none until then.
func (s *stage) hold(a attack) {
	s.t.Helper()
	if a.after != nil {
		n := s.latest().n
		s.wait(a.name+": the question is drawn", func(r report) bool { return r.n > n+1 })
		a.after(s.display, s.allow)
		if time.Since(s.seen) > 900*time.Millisecond {
			s.t.Logf("%s: not judged, this machine is too slow to press the keys within a second", a.name)
			return
		}
	}
	if a.release != nil {
		begin := time.Now()
		s.wait(a.name+": the key is held", func(report) bool { return time.Since(begin) > 2500*time.Millisecond })
		a.release(s.display)
	}
	s.wait(a.name+": the page takes an answer", func(r report) bool { return s.answered() || r.page == "question" && !r.held })
	if s.answered() {
		s.t.Fatalf("%s: the question is answered", a.name)
	}
}

// answer lets the person allow, again where that came too early.
func (s *stage) answer(a attack, byMouse bool) {
	s.t.Helper()
	var pressed time.Time
	s.wait(a.name+": the person's answer", func(r report) bool {
		if r.page != "question" || r.held || time.Since(pressed) < 2*time.Second {
			return s.answered()
		}
		pressed = time.Now()
		s.display.do("mousemove", "640", "250", "click", "1", "mousemove", "641", "251") // tells the page where its window is
		if byMouse {
			s.allow = s.wait("where Allow is", func(r report) bool { return r.allow.y > 0 || s.answered() }).allow
			if s.answered() {
				return true // the press before this one counted, late
			}
			s.display.do("mousemove", strconv.Itoa(s.allow.x), strconv.Itoa(s.allow.y), "click", "1")
			return s.answered()
		}
		for range 12 { // Tab goes on from where the click was
			n := s.latest().n
			if s.wait("a report", func(r report) bool { return r.n > n+2 || s.answered() }).active == "allow" {
				s.display.keys("Return")
				break
			}
			s.display.keys("Tab")
		}
		return s.answered()
	})
}

// report is what a page's script reports, several times a second.
type report struct {
	n      int
	page   string // site or question
	focus  bool
	held   bool
	active string // data-id of the element in focus
	allow  position
}

// stage is a website, a server behind a gateway that signs the person in, and a program
// that waits for the answer.
type stage struct {
	t        *testing.T
	display  *display
	allow    position // where the latest question had its button
	seen     time.Time
	site     string
	gateway  string
	question string

	mu      sync.Mutex
	last    report
	answers int
	want    int
}

const reporter = `
setInterval(() => {
	const at = document.querySelector("[data-id=allow]")?.getBoundingClientRect();
	new Image().src = "/report?" + new URLSearchParams({page: %q, focus: document.hasFocus(), held: "held" in document.documentElement.dataset,
		active: document.activeElement?.dataset.id ?? "", t: performance.now(),
		x: at && Math.round(window.offset?.x + at.x + at.width / 2), y: at && Math.round(window.offset?.y + at.y + at.height / 2)});
}, 50);
addEventListener("pointermove", (e) => { window.offset = {x: e.screenX - e.clientX, y: e.screenY - e.clientY}; }, true);
`

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t}
	server := t2gtest.Start(t, t2gtest.Options{Server: askAlways})
	upstream, err := url.Parse(server.Direct)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(upstream)
			r.Out.Host = r.In.Host
			r.Out.Header.Set("X-Forwarded-Access-Token", "a-token-of-the-tests")
			r.Out.Header.Del("Accept-Encoding")
		},
		ModifyResponse: func(a *http.Response) error {
			if !strings.Contains(a.Request.URL.Path, "/static/hold.") || a.StatusCode != http.StatusOK {
				return nil
			}
			script, err := io.ReadAll(a.Body)
			if err != nil {
				return err
			}
			script = append(script, fmt.Sprintf(reporter, "question")...)
			a.Body, a.ContentLength = io.NopCloser(bytes.NewReader(script)), int64(len(script))
			a.Header.Set("Content-Length", strconv.Itoa(len(script)))
			a.Header.Set("Cache-Control", "no-store")
			return nil
		},
	}
	s.gateway = s.serve(http.HandlerFunc(proxy.ServeHTTP))
	s.site = s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html")
			_, _ = fmt.Fprintf(w, `<!doctype html><title>Site</title><body style="height: 90vh">Hold Enter to continue
				<script>let left = 0; onkeydown = onpointerdown = () => { if (Date.now() - left > 900) { left = Date.now(); location = "/go"; } };`+reporter+`</script>`, "site")
		case "/go":
			s.mu.Lock()
			defer s.mu.Unlock()
			http.Redirect(w, r, s.question, http.StatusFound)
		case "/answer":
			s.mu.Lock()
			s.answers++
			s.mu.Unlock()
			http.Redirect(w, r, "/", http.StatusSeeOther)
		}
	}))
	s.open("")
	return s
}

func (s *stage) serve(next http.Handler) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/report" {
			next.ServeHTTP(w, r)
			return
		}
		v := r.URL.Query()
		x, _ := strconv.Atoi(v.Get("x"))
		y, _ := strconv.Atoi(v.Get("y"))
		s.mu.Lock()
		s.last = report{
			n: s.last.n + 1, page: v.Get("page"), focus: v.Get("focus") == "true", held: v.Get("held") == "true",
			active: v.Get("active"), allow: position{x, y},
		}
		s.mu.Unlock()
	}))
	s.t.Cleanup(server.Close)
	return server.URL
}

// open prepares the next question, which the website's page leads to.
func (s *stage) open(fragment string) {
	s.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	point, _ := private.PublicKey.Bytes()
	encode := base64.RawURLEncoding.EncodeToString
	query := url.Values{
		"state": {rand.Text()}, "target": {s.site + "/answer"}, "publicKeyType": {"jwk"}, "responseMode": {"query"},
		"publicKey": {fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":"%s","y":"%s"}`, encode(point[1:33]), encode(point[33:]))},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.question = s.gateway + "/flow/redirect/token?" + query.Encode() + fragment
	s.want = s.answers + 1
}

func (s *stage) latest() report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func (s *stage) answered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answers >= s.want
}

// wait waits for a report that fits.
func (s *stage) wait(what string, fits func(report) bool) report {
	s.t.Helper()
	process.Until(s.t, what, func() bool { return fits(s.latest()) })
	return s.latest()
}

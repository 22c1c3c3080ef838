package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// pretence is a demo that runs, with its two addresses.
type pretence struct {
	*program
	front, straight string
}

func openDemo(t *testing.T, arguments []string, environment ...string) *pretence {
	t.Helper()
	d := &pretence{program: launch(t, append([]string{"demo"}, arguments...), environment...)}
	err := d.Await(soon, func() bool {
		front := regexp.MustCompile(`Through the gateway +(http://\S+)/\n`).FindStringSubmatch(d.stdout.String())
		straight := regexp.MustCompile(`without it +(http://\S+)/\n`).FindStringSubmatch(d.stdout.String())
		if front == nil || straight == nil {
			return false
		}
		d.front, d.straight = front[1], straight[1]
		return strings.Contains(d.stdout.String(), "Ctrl-C ends the demo")
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// visit is a browser without scripts: it keeps cookies and follows redirects.
type visit struct{ *http.Client }

func newVisit(t *testing.T) visit {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return visit{&http.Client{Jar: jar, Timeout: soon, Transport: &http.Transport{DisableKeepAlives: true}}}
}

// page opens an address as a browser does, and returns where that led.
func (v visit) page(t *testing.T, address string) reply {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	return v.send(t, r)
}

func (v visit) send(t *testing.T, r *http.Request) reply {
	t.Helper()
	answer, err := v.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := whole(answer)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// signIn goes the way of a person who clicks the first of the pretend people.
func (v visit) signIn(t *testing.T, front string) {
	t.Helper()
	form := v.page(t, front+"/oauth2/start?rd=%2Fhealth")
	state := regexp.MustCompile(`name="state" value="([^"]+)"`).FindStringSubmatch(form.body)
	person := regexp.MustCompile(`name="person" value="([^"]+)"`).FindStringSubmatch(form.body)
	if state == nil || person == nil {
		t.Fatalf("got no people to choose from: %s", form.body)
	}
	filled := url.Values{"state": {state[1]}, "person": {person[1]}}
	r, err := http.NewRequest(http.MethodPost, form.from.String(), strings.NewReader(filled.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if got := v.send(t, r); got.from.Path != "/health" || got.status != http.StatusOK {
		t.Fatalf("got %d at %s, want to be signed in: %s", got.status, got.from, got.body)
	}
}

func TestADemoLetsAPersonSignInAndHaveAToken(t *testing.T) {
	t.Parallel()
	d := openDemo(t, []string{"--port=0", "--server-port=0"})
	browser := newVisit(t)
	browser.signIn(t, d.front)
	answer := browser.page(t, d.front+"/token")
	var got struct{ Secret, Header string }
	if err := json.Unmarshal([]byte(answer.body), &got); err != nil || got.Header != tokenHeader || strings.Count(got.Secret, ".") != 2 {
		t.Errorf("got %d %s, want a JWT from %s", answer.status, answer.body, tokenHeader)
	}
	if status, body := mustGet(t, d.straight+"/token"); status != http.StatusUnauthorized {
		t.Errorf("got %d %s past the gateway, want 401", status, body)
	}
	process.Until(t, "the audit line is there", func() bool { return strings.Contains(d.stdout.String(), `"decision":"handed_over"`) })
	if strings.Contains(d.stdout.String(), got.Secret) {
		t.Error("the token is printed")
	}
	d.Signal(t, syscall.SIGINT)
	if code := d.Code(t); code != 0 || d.stderr.String() != "" {
		t.Errorf("got exit code %d and %q, want a quiet end", code, d.stderr)
	}
}

func TestEveryPageOfADemoSaysThatItIsOne(t *testing.T) {
	t.Parallel()
	d := openDemo(t, []string{"--port=0", "--server-port=0"})
	browser := newVisit(t)
	for _, path := range []string{"/", "/oauth2/sign_in", "/oauth2/start", "/oauth2/callback", "/provider/sign_in"} {
		d.mustBeMarked(t, browser, d.front+path)
	}
	browser.signIn(t, d.front)
	for _, path := range []string{"/", "/index.html", "/echo", "/swagger-ui/", "/swagger-ui/index.html", "/docs", "/nowhere", "/flow/redirect/token"} {
		d.mustBeMarked(t, browser, d.front+path)
		d.mustBeMarked(t, browser, d.straight+path)
	}
}

func (d *pretence) mustBeMarked(t *testing.T, browser visit, address string) {
	t.Helper()
	answer := browser.page(t, address)
	if kind := answer.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") {
		t.Errorf("%s: got %s, want a page", address, kind)
	}
	// A page's title may say it, too; the mark is what stands on the page.
	_, content, _ := strings.Cut(answer.body, "<body")
	if !strings.Contains(strings.ToLower(content), "pretend people, pretend tokens") {
		t.Errorf("%s (%d) is not marked: %.600s", address, answer.status, content)
	}
}

func TestADemoWhosePortsAreTakenFindsOthersAndSaysSo(t *testing.T) {
	t.Parallel()
	var ports []string
	for range 2 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		ports = append(ports, port)
	}
	d := openDemo(t, []string{"--port", ports[0], "--server-port", ports[1]})
	for i, address := range []string{d.front, d.straight} {
		_, port, _ := net.SplitHostPort(strings.TrimPrefix(address, "http://"))
		if want := "Port " + ports[i] + " is taken, so this uses " + port + ".\n"; !strings.Contains(d.stdout.String(), want) {
			t.Errorf("got %s\nwant %s", d.stdout, want)
		}
		if status, _ := mustGet(t, address+"/health"); status != http.StatusOK && status != http.StatusFound && status != http.StatusForbidden {
			t.Errorf("got %d from %s, want an answer", status, address)
		}
	}
}

// What an operator has set for a real server does not keep the demo from working.
func TestADemoWorksAmongVariablesOfARealServer(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	cert, key := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	certify(t, cert, key, "token.example.org")
	d := openDemo(t, []string{"--port=0", "--server-port=0"},
		"T2G_SERVER_HOST=0.0.0.0", "T2G_GATEWAY_CIDRS=192.0.2.1", "T2G_ALLOWED_HOSTS=token.example.org", "T2G_BASE_PATH=/t2g",
		"T2G_PUBLIC_URL=https://token.example.org/t2g", "T2G_TLS_CERT_FILE="+cert, "T2G_TLS_KEY_FILE="+key, "T2G_DRAIN_DELAY=10m",
		"T2G_UI_SIGN_OUT_URL=https://id.example.org/out")
	for _, address := range []string{d.front, d.straight} {
		if !strings.HasPrefix(address, "http://127.0.0.1:") {
			t.Errorf("got %s, want loopback", address)
		}
	}
	browser := newVisit(t)
	browser.signIn(t, d.front)
	if got := browser.page(t, d.front+"/"); got.status != http.StatusOK || !strings.Contains(got.body, `href="/oauth2/sign_out"`) {
		t.Errorf("got %d, want the page with the demo's own sign-out", got.status)
	}
	d.Signal(t, syscall.SIGINT)
	if code := d.Code(t); code != 0 {
		t.Errorf("got exit code %d, want 0: %s", code, d.stderr)
	}
}

func TestADemoThatNobodyReadsEnds(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = reader.Close()
	defer writer.Close()
	c := exec.Command(os.Args[0], "demo", "--port=0", "--server-port=0")
	c.Stdout = writer
	p := started(t, c)
	// Nobody could read what to open, so the demo ends as other programs do whose reader is gone.
	if code := p.Code(t); code != exitFailed || !strings.Contains(p.stderr.String(), errUnread.Error()) {
		t.Errorf("got exit code %d and %q, want %d and why", code, p.stderr, exitFailed)
	}
}

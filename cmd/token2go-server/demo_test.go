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
	"time"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

var anyPorts = []string{"--port=0", "--server-port=0", "--notes-port=0"}

// runningDemo is a demo with the addresses that it printed.
type runningDemo struct {
	*program
	gateway, server, notes string
}

func openDemo(t *testing.T, arguments []string, environment ...string) *runningDemo {
	t.Helper()
	d := &runningDemo{program: launch(t, append([]string{"demo"}, arguments...), environment...)}
	err := d.Await(soon, func() bool {
		printed := regexp.MustCompile(`(?s)\n +(http://\S+)/\n.* (http://\S+)/api/notes\n.*server .* at (http://\S+);`).FindStringSubmatch(d.stdout.String())
		if printed == nil {
			return false
		}
		d.gateway, d.notes, d.server = printed[1], printed[2], printed[3]
		return strings.Contains(d.stdout.String(), "Ctrl-C ends the demo")
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// browser is a browser without scripts: it keeps cookies and follows redirects.
type browser struct{ *http.Client }

func newBrowser(t *testing.T) browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return browser{&http.Client{Jar: jar, Timeout: soon, Transport: &http.Transport{DisableKeepAlives: true}}}
}

// page opens an address as a browser does, and returns where that led.
func (p browser) page(t *testing.T, address string) reply {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	return p.send(t, r)
}

func (p browser) send(t *testing.T, r *http.Request) reply {
	t.Helper()
	answer, err := p.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readBody(answer)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// signIn chooses the first of the pretend people.
func (p browser) signIn(t *testing.T, front string) {
	t.Helper()
	form := p.page(t, front+"/oauth2/start?rd=%2Fhealth")
	state := regexp.MustCompile(`name="state" value="([^"]+)"`).FindStringSubmatch(form.body)
	first := regexp.MustCompile(`name="person" value="([^"]+)"`).FindStringSubmatch(form.body)
	if state == nil || first == nil {
		t.Fatalf("got no people to choose from: %s", form.body)
	}
	filled := url.Values{"state": {state[1]}, "person": {first[1]}}
	r, err := http.NewRequest(http.MethodPost, form.from.String(), strings.NewReader(filled.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if got := p.send(t, r); got.from.Path != "/health" || got.status != http.StatusOK {
		t.Fatalf("got %d at %s, want to be signed in: %s", got.status, got.from, got.body)
	}
}

func TestDemoGivesASignedInPersonAToken(t *testing.T) {
	t.Parallel()
	d := openDemo(t, anyPorts)
	browser := newBrowser(t)
	browser.signIn(t, d.gateway)
	answer := browser.page(t, d.gateway+"/token")
	var got struct{ Secret, Header string }
	if err := json.Unmarshal([]byte(answer.body), &got); err != nil || got.Header != tokenHeader || strings.Count(got.Secret, ".") != 2 {
		t.Errorf("got %d %s, want a JWT from %s", answer.status, answer.body, tokenHeader)
	}
	if echo := browser.page(t, d.gateway+"/echo").body; !strings.Contains(echo, "A token arrives") || strings.Contains(echo, "Warning") {
		t.Error("the doctor warns of the demo")
	}
	if status, body := mustGet(t, d.server+"/token"); status != http.StatusUnauthorized {
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

func TestFirstPrintedCurlOfDemoReturnsData(t *testing.T) {
	t.Parallel()
	d := openDemo(t, anyPorts)
	browser := newBrowser(t)
	browser.signIn(t, d.gateway)
	var got struct{ Secret string }
	if err := json.Unmarshal([]byte(browser.page(t, d.gateway+"/token").body), &got); err != nil {
		t.Fatal(err)
	}
	printed := regexp.MustCompile(`(?m)^ +go run ./cmd/token2go get -o curl-config (\S+) \| (curl -K - \S+)$`).FindStringSubmatch(d.stdout.String())
	if printed == nil || printed[1] != d.gateway {
		t.Fatalf("got no curl for %s: %s", d.gateway, d.stdout)
	}
	if _, err := exec.LookPath("curl"); err != nil {
		process.Missing(t, err.Error())
	}
	curl := exec.Command("sh", "-c", printed[2])
	curl.Stdin = strings.NewReader(`header = "Authorization: Bearer ` + got.Secret + `"`)
	if out, err := curl.Output(); err != nil || !strings.Contains(string(out), `"notes"`) {
		t.Errorf("%v: got %s, want notes", err, out)
	}
	if page := browser.page(t, d.gateway+"/").body; !strings.Contains(page, `value="`+d.notes+`/api/notes"`) {
		t.Error("the page's examples do not call the API")
	} else if label := regexp.MustCompile(`Choose "([^"]+)"`).FindStringSubmatch(d.stdout.String()); label == nil || !strings.Contains(page, label[1]) {
		t.Errorf("the page does not have the choice that the demo names: %q", label)
	}
}

func TestPrintedCurlOfDemoChecksKeyUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		process.Missing(t, err.Error())
	}
	d := openDemo(t, append(anyPorts, "--api-port=0"))
	browser := newBrowser(t)
	browser.signIn(t, d.gateway)
	printed := regexp.MustCompile(`(?m)^ +(http\S+/keys)\n +(curl -i -H "Authorization: Bearer KEY" http\S+/check)$`).FindStringSubmatch(d.stdout.String())
	if printed == nil || printed[1] != d.gateway+"/keys" {
		t.Fatalf("got no steps for keys: %s", d.stdout)
	}
	var made struct{ ID, Key string }
	answer := browser.post(t, printed[1], `{"name":"trying out"}`)
	if err := json.Unmarshal([]byte(answer.body), &made); err != nil || answer.status != http.StatusCreated {
		t.Fatalf("got %d %s, want a key", answer.status, answer.body)
	}
	check := func() string {
		out, err := exec.Command("sh", "-c", strings.ReplaceAll(printed[2], "KEY", made.Key)).Output()
		if err != nil {
			t.Error(err)
		}
		return string(out)
	}
	if out := check(); !strings.HasPrefix(out, "HTTP/1.1 200 ") || !strings.Contains(out, `"name":"trying out"`) {
		t.Errorf("got %s, want the key's verdict", out)
	}
	if answer := browser.post(t, printed[1]+"/"+made.ID+"/revoke", `{"reason":"tried"}`); answer.status != http.StatusOK {
		t.Errorf("revoke: got %d %s", answer.status, answer.body)
	}
	if out := check(); !strings.HasPrefix(out, "HTTP/1.1 401 ") { // at once, so within a second
		t.Errorf("got %s, want the revoked key refused", out)
	}
	if strings.Contains(d.stdout.String(), made.Key) {
		t.Error("the key is logged")
	}
	d.Signal(t, syscall.SIGINT)
	if code := d.Code(t); code != 0 {
		t.Errorf("got exit code %d: %s", code, d.stderr)
	}
}

func TestPrintedCurlsOfDemoCallWithAPassUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		process.Missing(t, err.Error())
	}
	d := openDemo(t, append(anyPorts, "--api-port=0"))
	browser := newBrowser(t)
	browser.signIn(t, d.gateway)
	printed := regexp.MustCompile(`(?m)^ +(http\S+/passes)\n +(curl .*PASS.*)\n +(curl .*PASS.* -X DELETE .*)$`).FindStringSubmatch(d.stdout.String())
	if printed == nil {
		t.Fatalf("got no steps for passes: %s", d.stdout)
	}
	for _, service := range []string{"notes", "me"} {
		var made struct{ ID, Pass string }
		answer := browser.post(t, printed[1], `{"service":"`+service+`","scopes":["read"],"ttl":"1h"}`)
		if err := json.Unmarshal([]byte(answer.body), &made); err != nil || answer.status != http.StatusCreated {
			t.Fatalf("got %d %s, want a pass", answer.status, answer.body)
		}
		call := func(curl string) string {
			curl = strings.ReplaceAll(strings.ReplaceAll(curl, "PASS", made.Pass), "/s/notes/", "/s/"+service+"/")
			out, err := exec.Command("sh", "-c", curl).Output()
			if err != nil {
				t.Error(err)
			}
			return string(out)
		}
		if out := call(printed[2]); !strings.HasPrefix(out, "HTTP/1.1 200 ") || !strings.Contains(out, `"notes"`) {
			t.Errorf("%s: got %s, want notes", service, out)
		}
		if out := call(printed[3]); !strings.HasPrefix(out, "HTTP/1.1 403 ") {
			t.Errorf("%s: got %s, want DELETE refused", service, out)
		}
		if answer := browser.post(t, printed[1]+"/"+made.ID+"/revoke", `{"reason":"tried"}`); answer.status != http.StatusNoContent {
			t.Errorf("revoke: got %d %s", answer.status, answer.body)
		}
		if out := call(printed[2]); !strings.HasPrefix(out, "HTTP/1.1 401 ") {
			t.Errorf("%s: got %s, want the revoked pass refused", service, out)
		}
	}
}

// post sends JSON as a page of the same origin does.
func (p browser) post(t *testing.T, address, body string) reply {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return p.send(t, r)
}

func TestDemoPagesHaveTheBanner(t *testing.T) {
	t.Parallel()
	d := openDemo(t, anyPorts)
	browser := newBrowser(t)
	for _, path := range []string{"/", "/oauth2/sign_in", "/oauth2/start", "/oauth2/callback", "/provider/sign_in"} {
		d.checkBanner(t, browser, d.gateway+path)
	}
	browser.signIn(t, d.gateway)
	for _, path := range []string{"/", "/index.html", "/echo", "/swagger-ui/", "/swagger-ui/index.html", "/docs", "/nowhere", "/flow/redirect/token"} {
		d.checkBanner(t, browser, d.gateway+path)
		d.checkBanner(t, browser, d.server+path)
	}
}

func (d *runningDemo) checkBanner(t *testing.T, browser browser, address string) {
	t.Helper()
	answer := browser.page(t, address)
	if kind := answer.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") {
		t.Errorf("%s: got %s, want a page", address, kind)
	}
	_, content, _ := strings.Cut(answer.body, "<body")
	if !strings.Contains(strings.ToLower(content), "pretend people, pretend tokens") {
		t.Errorf("%s (%d) has no banner: %.600s", address, answer.status, content)
	}
}

func TestDemoUsesAnotherPortWhenOneIsTaken(t *testing.T) {
	t.Parallel()
	var ports []string
	for range 3 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		ports = append(ports, port)
	}
	d := openDemo(t, []string{"--port", ports[0], "--server-port", ports[1], "--notes-port", ports[2]})
	for i, address := range []string{d.gateway, d.server, d.notes} {
		_, port, _ := net.SplitHostPort(strings.TrimPrefix(address, "http://"))
		if want := "Port " + ports[i] + " is taken, so this uses " + port + ".\n"; !strings.Contains(d.stdout.String(), want) {
			t.Errorf("got %s\nwant %s", d.stdout, want)
		}
		_, _ = mustGet(t, address+"/health")
	}
}

func TestDemoIgnoresVariablesOfARealServer(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	cert, key := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	certify(t, cert, key, "token.example.org")
	d := openDemo(t, anyPorts,
		"T2G_SERVER_HOST=0.0.0.0", "T2G_GATEWAY_CIDRS=192.0.2.1", "T2G_ALLOWED_HOSTS=token.example.org", "T2G_BASE_PATH=/t2g",
		"T2G_PUBLIC_URL=https://token.example.org/t2g", "T2G_TLS_CERT_FILE="+cert, "T2G_TLS_KEY_FILE="+key, "T2G_DRAIN_DELAY=10m",
		"T2G_UI_SIGN_OUT_URL=https://id.example.org/out")
	for _, address := range []string{d.gateway, d.server} {
		if !strings.HasPrefix(address, "http://127.0.0.1:") {
			t.Errorf("got %s, want loopback", address)
		}
	}
	browser := newBrowser(t)
	browser.signIn(t, d.gateway)
	if got := browser.page(t, d.gateway+"/"); got.status != http.StatusOK || !strings.Contains(got.body, `href="/oauth2/sign_out"`) {
		t.Errorf("got %d, want the page with the demo's own sign-out", got.status)
	}
	d.Signal(t, syscall.SIGINT)
	if code := d.Code(t); code != 0 {
		t.Errorf("got exit code %d, want 0: %s", code, d.stderr)
	}
}

func TestDemoEndsWhenStdoutIsClosed(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = reader.Close()
	defer writer.Close()
	c := exec.Command(os.Args[0], append([]string{"demo"}, anyPorts...)...)
	c.Stdout = writer
	p := launchCommand(t, c)
	// The addresses cannot be printed, so the demo ends as other programs do whose reader is gone.
	if code := p.Code(t); code != exitFailed || !strings.Contains(p.stderr.String(), audit.ErrNoReader.Error()) {
		t.Errorf("got exit code %d and %q, want %d and why", code, p.stderr, exitFailed)
	}
}

func TestInWordsWritesWholeUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1 second", 90 * time.Second: "90 seconds", time.Minute: "1 minute", 5 * time.Minute: "5 minutes", time.Hour: "60 minutes",
	} {
		if got := inWords(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

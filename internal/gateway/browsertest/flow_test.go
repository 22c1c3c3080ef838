package browsertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/token2go/token2go/internal/demo"
	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/browser"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// askAlways asks every time, so that a test gets its question.
func askAlways(o *gateway.Options) { o.Rules.Consent = flow.ConsentAlways }

// listen serves on a port of 127.0.0.1 until the test ends.
func listen(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// listener is a program that waits for its token.
type listener struct {
	address string // such as http://127.0.0.1:41234/back
	state   string
	private *ecdsa.PrivateKey
	answers chan url.Values
}

// startListener starts a program on a loopback address, such as 127.0.0.1 or [::1].
func startListener(t *testing.T, host string) *listener {
	t.Helper()
	l := &listener{state: rand.Text(), answers: make(chan url.Values, 8)}
	var err error
	if l.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("tcp", host+":0")
	if err != nil {
		process.Missing(t, fmt.Sprintf("nothing can listen on %s: %v", host, err))
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/back" {
			w.WriteHeader(http.StatusNoContent) // what a browser asks for besides
			return
		}
		_ = r.ParseForm()
		l.answers <- r.Form
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>Thanks</title><p id=thanks>You can close this page.")
	}))
	server.Listener.Close()
	server.Listener = socket
	server.Start()
	t.Cleanup(server.Close)
	l.address = server.URL + "/back"
	return l
}

// flowURL is the address that the program opens, with more parameters as name and value.
func (l *listener) flowURL(instance *t2gtest.Server, more ...string) string {
	point, _ := l.private.PublicKey.Bytes()
	encode := base64.RawURLEncoding.EncodeToString
	return request(instance, append([]string{
		"state", l.state, "publicKeyType", "jwk",
		"publicKey", fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":"%s","y":"%s"}`, encode(point[1:33]), encode(point[33:])),
	}, more...))
}

func request(instance *t2gtest.Server, pairs []string) string {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	return instance.Gateway + "/flow/redirect/token?" + query.Encode()
}

// answer is what came back, within the time that a browser may take.
func (l *listener) answer(t *testing.T) url.Values {
	t.Helper()
	select {
	case form := <-l.answers:
		return form
	case <-time.After(browser.Patience):
		t.Fatal("the program got no answer")
		return nil
	}
}

// mustHaveNoAnswer fails the test if an answer has come.
func (l *listener) mustHaveNoAnswer(t *testing.T) {
	t.Helper()
	select {
	case form := <-l.answers:
		t.Errorf("the program got an answer with %d fields, want none", len(form))
	default:
	}
}

// open opens a sealed text and returns the token in it.
func (l *listener) open(t *testing.T, sealed string) string {
	t.Helper()
	opened, err := seal.OpenJWE(l.private, sealed, l.state)
	if err != nil {
		t.Fatal(err)
	}
	return secretOf(t, opened.Plaintext.Reveal())
}

func secretOf(t *testing.T, document string) string {
	t.Helper()
	var said struct{ Secret string }
	if err := json.Unmarshal([]byte(document), &said); err != nil {
		t.Fatal(err)
	}
	return said.Secret
}

func TestAllowReachesTheClient(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, host, mode string }{
		{"a redirect to 127.0.0.1", "127.0.0.1", "query"},
		{"a form posted to 127.0.0.1", "127.0.0.1", "form_post"},
		{"a redirect to ::1", "[::1]", "query"},
		{"a form posted to ::1", "[::1]", "form_post"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			instance := t2gtest.Start(t, t2gtest.Options{Server: askAlways})
			l := startListener(t, test.host)
			b := openTab(t)
			b.openTokenPage(instance)
			token := b.token()
			b.Visit(l.flowURL(instance, "target", l.address, "responseMode", test.mode, "client", "Test program"))
			if got := b.Text("[data-id=client]"); got != "Test program" {
				t.Errorf("got %q asking, want Test program", got)
			}
			if got := b.Text("[data-id=target]"); got != l.address {
				t.Errorf("got the answer going to %q, want %q", got, l.address)
			}
			b.checkOrigins(instance.Gateway)
			b.Decide("[data-id=allow]")
			form := l.answer(t)
			b.Until("document.getElementById('thanks')")
			if form.Get("state") != l.state || l.open(t, form.Get("response")) != token {
				t.Errorf("got the fields %v, want the state and the sealed token", form)
			}
			if test.mode == "form_post" && eval[string](b, "location.search") != "" {
				t.Error("the posted answer stands in the address")
			}
			b.checkOrigins(instance.Gateway, strings.TrimSuffix(l.address, "/back"))
		})
	}
}

func TestFlowServesClientOfVersion1(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	l := startListener(t, "127.0.0.1")
	b := openTab(t)
	b.openTokenPage(instance)
	token := b.token()
	b.Visit(request(instance, []string{
		"state", l.state, "target", l.address, "publicKeyType", string(seal.X509PEM),
		"publicKey", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}))
	form := l.answer(t) // typed in by the person, so not asked for
	opened, err := seal.OpenTriple(private, seal.Triple{Key: form.Get("key"), Nonce: form.Get("nonce"), Payload: form.Get("payload")})
	if err != nil {
		t.Fatal(err)
	}
	if form.Get("state") != l.state || secretOf(t, opened.Reveal()) != token {
		t.Errorf("got the fields %v, want the state and the sealed token", form)
	}
}

func TestDenyReachesTheClient(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{Server: askAlways})
	l := startListener(t, "127.0.0.1")
	b := openTab(t)
	b.signIn(instance, "")
	b.Visit(l.flowURL(instance, "target", l.address))
	b.Decide("[data-id=deny]")
	form := l.answer(t)
	if form.Get("error") != "access_denied" || form.Get("state") != l.state || form.Get("response") != "" {
		t.Errorf("got the fields %v, want access_denied and the state", form)
	}
	mustHaveNoHandOver(t, instance)
}

func TestPastePageCopiesSealedText(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	l := startListener(t, "127.0.0.1")
	b := openTab(t)
	b.openTokenPage(instance)
	token := b.token()
	b.Visit(l.flowURL(instance, "responseMode", "page"))
	words := b.Text("[data-id=words]")
	b.Decide("[data-id=allow]") // a page to paste from is always asked for
	b.Until("document.querySelector('[data-id=sealed]')")
	if got := b.Text("[data-id=words]"); got != words {
		t.Errorf("got the words %q, want those of the question, %q", got, words)
	}
	until, err := time.Parse(time.RFC3339, eval[string](b, `document.querySelector("[data-id=expires]").dateTime`))
	if left := time.Until(until); err != nil || left <= 0 || left > seal.Lifetime {
		t.Errorf("got %v left to paste it (%v), want up to %v", left, err, seal.Lifetime)
	}
	clipboard.Lock()
	defer clipboard.Unlock()
	b.Click("[data-id=copy]")
	b.waitForText("[data-id=status]", "Sealed text copied.")
	if got := l.open(t, b.clipboardText()); got != token {
		t.Error("the sealed text holds another token")
	}
}

// TestHandoverPageDoesNotPostAgainAfterBack: the program took its answer once and no longer listens.
func TestHandoverPageDoesNotPostAgainAfterBack(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{Server: askAlways})
	l := startListener(t, "127.0.0.1")
	b := openTab(t)
	b.expectComplaints("ERR_CACHE_MISS") // the page before was the answer to a POST, and is not kept
	b.signIn(instance, "")
	b.Visit(l.flowURL(instance, "target", l.address, "responseMode", "form_post"))
	b.Decide("[data-id=allow]")
	l.answer(t)
	b.Until("document.getElementById('thanks')")
	eval[chromedp.Void](b, "history.back()")
	b.Until("!document.getElementById('thanks')")
	time.Sleep(300 * time.Millisecond) // a second post would be under way by now
	l.mustHaveNoAnswer(t)
}

func TestFlowWithoutScriptsNeedsWordAndClick(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{Server: askAlways})
	l := startListener(t, "127.0.0.1")
	b := openTab(t)
	b.signIn(instance, "")
	b.setScripts(false)
	b.Visit(l.flowURL(instance, "target", l.address, "responseMode", "form_post"))
	words := strings.Fields(b.Text("[data-id=words]"))
	b.Click("[data-id=allow]")
	b.Until("document.querySelector('[data-id=choices]')")
	l.mustHaveNoAnswer(t)
	for _, word := range words {
		if radio := fmt.Sprintf("[value=%s]", word); eval[bool](b, fmt.Sprintf("!!document.querySelector(%q)", radio)) {
			b.Click(radio)
		}
	}
	b.Click("[data-id=allow]")
	b.Until("document.querySelector('[data-id=send]')")
	l.mustHaveNoAnswer(t)
	b.Click("[data-id=send]")
	if form := l.answer(t); form.Get("response") == "" {
		t.Errorf("got the fields %v, want the sealed token", form)
	}
}

// mustHaveNoHandOver fails the test if the audit log knows of one.
func mustHaveNoHandOver(t *testing.T, instance *t2gtest.Server) {
	t.Helper()
	if output := instance.Output.String(); strings.Contains(output, `"handed_over"`) {
		t.Errorf("a token was handed over:\n%s", output)
	}
}

// otherOrigin is a page of another origin that a test writes: of another site, or of
// another port of the gateway's own host, where the browser sends the session along.
type otherOrigin struct {
	name string
	host string // instead of 127.0.0.1
}

func otherOrigins() []otherOrigin {
	return []otherOrigin{{"another site", "evil.example"}, {"another port of the same host", "127.0.0.1"}}
}

func (a otherOrigin) serve(t *testing.T, body string) string {
	t.Helper()
	address := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><meta charset=utf-8><title>Other</title>"+body)
	}))
	return strings.Replace(address, "127.0.0.1", a.host, 1)
}

func TestFlowAsksWhenAnotherOriginNavigates(t *testing.T) {
	t.Parallel()
	for _, other := range otherOrigins() {
		for _, test := range []struct{ name, page string }{
			{"a link", `<a id=go href="%s">Free kittens</a>`},
			{"a script that leaves", `<button id=go onclick="location = this.dataset.to" data-to="%s">Go</button>`},
			{"a script that leaves by itself", `<i id=to data-to="%s"></i><script>location = document.getElementById("to").dataset.to</script>`},
			{"a refresh", `<meta http-equiv=refresh content="0; url=%s">`},
			{"a link without referrer", `<a id=go rel=noreferrer href="%s">Free kittens</a>`},
		} {
			t.Run(other.name+": "+test.name, func(t *testing.T) {
				t.Parallel()
				instance := t2gtest.Start(t, t2gtest.Options{})
				l := startListener(t, "127.0.0.1")
				b := openTab(t)
				b.expectComplaints("BounceTrackingIssue") // of the page that leaves by itself
				b.signIn(instance, "")
				to := strings.ReplaceAll(l.flowURL(instance, "target", l.address), "&", "&amp;")
				b.Visit(other.serve(t, fmt.Sprintf(test.page, to)))
				if strings.Contains(test.page, "id=go") {
					b.Click("#go")
				}
				b.Until("document.querySelector('[data-id=question]')")
				l.mustHaveNoAnswer(t)
				mustHaveNoHandOver(t, instance)
			})
		}
	}
}

func TestFlowHandsOverUnaskedWhenProgramNavigates(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	l := startListener(t, "127.0.0.1")
	b := openTab(t)
	b.signIn(instance, "")
	b.Visit(l.flowURL(instance, "target", l.address))
	if form := l.answer(t); form.Get("response") == "" {
		t.Errorf("got the fields %v, want the sealed token", form)
	}
}

func TestDecideRejectsFormOfAnotherOrigin(t *testing.T) {
	t.Parallel()
	for _, other := range otherOrigins() {
		t.Run(other.name, func(t *testing.T) {
			t.Parallel()
			instance := t2gtest.Start(t, t2gtest.Options{})
			l := startListener(t, "127.0.0.1")
			b := openTab(t)
			b.expectComplaints("403 (Forbidden)", "WarnSameSiteUnspecifiedLaxAllowUnsafe") // the refusal; the session, which came along
			b.signIn(instance, "")
			to := strings.ReplaceAll(l.flowURL(instance, "target", l.address), "&", "&amp;")
			b.Visit(other.serve(t, fmt.Sprintf(`<form method=post action="%s"><input type=hidden name=decision value=allow><button id=go>Go</button></form>`, to)))
			b.Click("#go")
			b.waitForAddress(instance.Gateway)
			l.mustHaveNoAnswer(t)
			mustHaveNoHandOver(t, instance)
		})
	}
}

// TestAnotherOriginLoadsNoAnswer lets a page try every way to load our answers
// into itself and waits until each has failed.
func TestAnotherOriginLoadsNoAnswer(t *testing.T) {
	t.Parallel()
	for _, other := range otherOrigins() {
		t.Run(other.name, func(t *testing.T) {
			t.Parallel()
			instance := t2gtest.Start(t, t2gtest.Options{})
			l := startListener(t, "127.0.0.1")
			b := openTab(t)
			b.expectComplaints("") // the browser says at length what it blocks
			b.signIn(instance, "")
			b.Visit(other.serve(t, "<p>Looking for tokens"))
			for _, target := range []string{instance.Gateway + "/token", instance.Gateway + "/", l.flowURL(instance, "target", l.address)} {
				if got := eval[string](b, fmt.Sprintf(loadAttempts, target)); got != "" {
					t.Errorf("%s: got %s", target, got)
				}
			}
			l.mustHaveNoAnswer(t)
			mustHaveNoHandOver(t, instance)
		})
	}
}

// loadAttempts tries to load an address in every way there is, and lists those that gave
// something to the page.
const loadAttempts = `(async (address) => {
	const got = [];
	for (const mode of ["cors", "no-cors"]) {
		await fetch(address, {mode, credentials: "include"}).then(async (answer) => {
			if (await answer.text() !== "") got.push("fetch " + mode);
		}, () => {});
	}
	const load = (name, set) => new Promise((done) => {
		const made = document.createElement(name);
		made.onload = () => done(name !== "link" && name !== "iframe");
		made.onerror = () => done(false);
		setTimeout(() => done(false), 1500);
		set(made);
		document.body.append(made);
		if (name === "iframe") made.onload = () => {
			let text = "";
			try { text = made.contentDocument?.body.textContent ?? ""; } catch {}
			done(text !== "");
		};
	});
	for (const [name, set] of [
		["script", (e) => { e.src = address; }],
		["img", (e) => { e.src = address; }],
		["iframe", (e) => { e.src = address; }],
		["object", (e) => { e.data = address; }],
		["link", (e) => { e.rel = "prefetch"; e.href = address; }],
		["link", (e) => { e.rel = "stylesheet"; e.href = address; }],
	]) if (await load(name, set)) got.push(name);
	const rules = document.createElement("script");
	rules.type = "speculationrules";
	rules.textContent = JSON.stringify({prefetch: [{source: "list", urls: [address]}], prerender: [{source: "list", urls: [address]}]});
	document.body.append(rules);
	await new Promise((done) => setTimeout(done, 500));
	return got.join(", ");
})(%q)`

// restart makes the page wait anew, as when its window comes to the front, so that a
// busy machine has a whole second for what comes too early. It counts answers from now on.
const restart = `window.sent = 0; addEventListener("submit", () => { sent++; }); dispatchEvent(new Event("focus"))`

// TestHoldRefusesSecondClick: a site has the person click twice, and brings the question
// under the pointer in between.
func TestHoldRefusesSecondClick(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		finger bool
		click  func(b *tab, at browser.Spot)
	}{
		{"while the pointer rests", false, func(b *tab, at browser.Spot) { b.ClickAt(at, 2) }},
		{"when the pointer moves", false, func(b *tab, at browser.Spot) { b.Move(at); b.ClickAt(at, 2) }},
		{"by finger", true, func(b *tab, at browser.Spot) { b.tap(at) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			instance := t2gtest.Start(t, t2gtest.Options{Server: askAlways})
			l := startListener(t, "127.0.0.1")
			b := openTab(t)
			b.expectComplaints("BounceTrackingIssue", "NavigationEntryMarkedSkippable") // of the page that leaves by itself
			b.signIn(instance, "")
			question := l.flowURL(instance, "target", l.address)
			b.Visit(question)
			at := b.Spot("[data-id=allow]")
			b.Visit(otherOrigins()[0].serve(t, fmt.Sprintf(`<body data-to="%s" onpointerdown="location = this.dataset.to" style="height: 100vh">
				Double-click here!`, strings.ReplaceAll(question, "&", "&amp;"))))
			if test.finger {
				b.emulateTouch()
				b.tap(at)
			} else {
				b.Move(at)
				b.ClickAt(at, 1)
			}
			b.waitForAddress(instance.Gateway)
			if got := b.Spot("[data-id=allow]"); got != at {
				t.Fatalf("Allow is at %v, want it under the pointer at %v", got, at)
			}
			eval[chromedp.Void](b, restart)
			test.click(b, at)
			b.mustBeTooEarly()
			b.Decide("[data-id=allow]")
			if form := l.answer(t); form.Get("response") == "" {
				t.Errorf("got the fields %v, want the sealed token", form)
			}
		})
	}
}

// mustBeTooEarly fails the test unless the question says that it was answered too early.
func (b *tab) mustBeTooEarly() {
	b.t.Helper()
	b.waitForText("[data-hold]", "Read the page first.")
	if eval[int](b, "window.sent") != 0 {
		b.t.Error("the form was sent")
	}
}

func TestHoldRefusesEarlyPress(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		press func(b *tab)
	}{
		{"Enter", func(b *tab) { b.Do(chromedp.KeyEvent(kb.Enter)) }},
		{"Space", func(b *tab) { b.Do(chromedp.KeyEvent(" ")) }},
		{"click", func(b *tab) { b.ClickAt(b.Spot("[data-id=allow]"), 1) }},
		{"click without a press, as by a screen reader", func(b *tab) {
			eval[chromedp.Void](b, "document.querySelector('[data-id=allow]').click()")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			instance := t2gtest.Start(t, t2gtest.Options{Server: askAlways})
			l := startListener(t, "127.0.0.1")
			b := openTab(t)
			b.signIn(instance, "")
			b.Visit(l.flowURL(instance, "target", l.address))
			b.Ready()
			b.Do(chromedp.Focus(chromedp.CSS("[data-id=allow]")))
			eval[chromedp.Void](b, restart)
			test.press(b)
			b.mustBeTooEarly()
			l.mustHaveNoAnswer(t)
			b.Ready()
			test.press(b)
			if form := l.answer(t); form.Get("response") == "" {
				t.Errorf("got the fields %v, want the sealed token", form)
			}
		})
	}
}

// TestHoldWaitsUntilQuestionWasOnScreen: a site opens the question in a window that shows
// little more than a button, and has the person press Tab, wait, and press Enter.
func TestHoldWaitsUntilQuestionWasOnScreen(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{Server: askAlways})
	l := startListener(t, "127.0.0.1")
	b := openTab(t)
	b.signIn(instance, "")
	b.setSize(320, 120)
	b.Visit(l.flowURL(instance, "target", l.address))
	b.Do(chromedp.Focus(chromedp.CSS("[data-id=allow]")))
	eval[chromedp.Void](b, restart)
	for range 2 {
		time.Sleep(1200 * time.Millisecond) // longer than the page holds its buttons back
		b.Do(chromedp.KeyEvent(kb.Enter))
		b.mustBeTooEarly()
	}
	l.mustHaveNoAnswer(t)
	for _, part := range []string{"target-host", "unasked"} {
		part = fmt.Sprintf("document.querySelector('[data-id=%s]')", part)
		eval[chromedp.Void](b, part+".scrollIntoView({behavior: 'instant', block: 'center'})")
		b.Until("!" + part + ".hasAttribute('data-read')")
	}
	b.Ready()
	b.press(kb.Enter)
	if form := l.answer(t); form.Get("response") == "" {
		t.Errorf("got the fields %v, want the sealed token", form)
	}
}

// TestTokenPageIgnoresFragmentAndEarlySpace: a link to a box that copies the token, and a
// press of Space, would leave the token in the clipboard and the preference in the browser.
func TestTokenPageIgnoresFragmentAndEarlySpace(t *testing.T) {
	t.Parallel()
	for _, fragment := range []string{"#auto-copy", "#copy"} {
		t.Run(fragment, func(t *testing.T) {
			t.Parallel()
			instance := t2gtest.Start(t, t2gtest.Options{})
			b := openTab(t)
			b.signIn(instance, "")
			b.Visit(otherOrigins()[0].serve(t, fmt.Sprintf(`<a id=go href="%s/%s">Go</a>`, instance.Gateway, fragment)))
			b.Click("#go")
			b.waitForAddress(instance.Gateway)
			b.waitForState("ready")
			if got := "#" + b.focusedElement(); got == fragment {
				t.Errorf("the fragment moved the focus to %s", got)
			}
			b.Do(chromedp.Focus(chromedp.CSS(fragment)))
			eval[chromedp.Void](b, restart)
			b.Do(chromedp.KeyEvent(" "))
			b.waitForText("#status", "Press again")
			if eval[bool](b, `localStorage.getItem("autoCopy") !== null || document.getElementById("auto-copy").checked`) {
				t.Error("the preference is kept")
			}
		})
	}
}

// TestHoldRefusesRepeatedPresses: each press too early begins the wait anew.
func TestHoldRefusesRepeatedPresses(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{Server: askAlways})
	l := startListener(t, "127.0.0.1")
	b := openTab(t)
	b.signIn(instance, "")
	b.Visit(l.flowURL(instance, "target", l.address))
	at := b.Spot("[data-id=allow]")
	eval[chromedp.Void](b, restart)
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		b.ClickAt(at, 1)
	}
	b.mustBeTooEarly()
	l.mustHaveNoAnswer(t)
}

func TestFlowAsksAfterSignInOnAnotherSite(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	gate := secure(t, instance, "t2g.example", "login.example")
	l := startListener(t, "127.0.0.1")
	b := openTab(t)
	b.ignoreCertificateErrors()
	b.expectComplaints("403 (Forbidden)")
	b.Visit(strings.Replace(l.flowURL(instance, "target", l.address), instance.Gateway, gate, 1))
	b.Click("main button")
	b.Until(`location.hostname === "login.example"`)
	b.Click(`button[value="ada.analyst"]`)
	b.Until("document.querySelector('[data-id=question]')")
	l.mustHaveNoAnswer(t)
	b.Decide("[data-id=allow]")
	if form := l.answer(t); form.Get("response") == "" {
		t.Errorf("got the fields %v, want the sealed token", form)
	}
}

// secure runs a pretend gateway under https, with its sign-in form on another site.
func secure(t *testing.T, instance *t2gtest.Server, name, provider string) string {
	t.Helper()
	certificate, _, err := demo.Certificate(name, provider)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	upstream, err := url.Parse(instance.Direct)
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := demo.New(demo.Options{
		Upstream: upstream, Provider: &url.URL{Scheme: "https", Host: net.JoinHostPort(provider, port)},
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = gateway
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return "https://" + net.JoinHostPort(name, port)
}

package browsertest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/token2go/token2go/internal/demo"
	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/t2gtest"
)

// clipboard is held by a test that copies: the browser has one clipboard for all tabs.
var clipboard sync.Mutex

// copyUnasked is what Chromium wants to be permitted of a page that copies without a
// click, and of one that reads the clipboard.
const copyUnasked = "clipboard-read"

// unauthorized is what the browser's log says of an ended session.
const unauthorized = "401 (Unauthorized)"

func neverRenewed(o *demo.Options) { o.Renew = -1 }

func withSignIn(o *gateway.Options) {
	o.Texts.SignInURL, o.Texts.SignOutURL = "/oauth2/sign_in", "/oauth2/sign_out"
}

// token is the token that the tab's person has.
func (b *tab) token() string {
	b.t.Helper()
	return eval[string](b, `fetch("/token", {headers: {Accept: "application/json"}}).then((a) => a.json()).then((a) => a.secret)`)
}

// clipboardText is what the clipboard holds.
func (b *tab) clipboardText() string {
	b.t.Helper()
	b.setPermission(copyUnasked, "granted")
	return eval[string](b, "navigator.clipboard.readText()")
}

func TestTokenPageMasksTokenAfterSignIn(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.expectComplaints("403 (Forbidden)") // the gateway's answer to who is not signed in
	b.Visit(instance.Gateway + "/")
	b.Click("main button")
	b.waitForAddress(instance.Gateway + "/provider/sign_in")
	b.Click(`button[value="omar.operator"]`)
	b.waitForAddress(instance.Gateway + "/")
	b.waitForState("ready")
	if got := b.Text("[data-id=person]"); got != "omar.operator" {
		t.Errorf("got %q signed in, want omar.operator", got)
	}
	secret := b.token()
	if got := b.Text("#token"); !strings.HasPrefix(got, "••••") || strings.Contains(got, "eyJ") {
		t.Errorf("got %q in the token's place, want it masked", got)
	}
	if html := eval[string](b, "document.documentElement.outerHTML"); strings.Contains(html, secret) {
		t.Error("the masked token is somewhere in the document")
	}
	b.checkOrigins(instance.Gateway)
}

func TestCopyKeepsTokenMasked(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.openTokenPage(instance)
	clipboard.Lock()
	defer clipboard.Unlock()
	b.Click("#copy")
	b.waitForText("#status", "Token copied.")
	if got, want := b.clipboardText(), b.token(); got != want {
		t.Errorf("the clipboard holds %d characters, want the token's %d", len(got), len(want))
	}
	if got := eval[string](b, "document.getElementById('token').dataset.look"); got != "masked" {
		t.Errorf("the token is %s, want it masked", got)
	}
}

func TestShowTogglesToken(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.openTokenPage(instance)
	b.Click("#show")
	if got, want := eval[string](b, "document.getElementById('token').textContent"), b.token(); got != want {
		t.Errorf("got %d characters shown, want the token's %d", len(got), len(want))
	}
	if got := b.Text("#show"); got != "Hide" {
		t.Errorf("got a button that says %q, want Hide", got)
	}
	b.Click("#show")
	if html := eval[string](b, "document.documentElement.outerHTML"); strings.Contains(html, b.token()) {
		t.Error("the hidden token is still in the document")
	}
}

func TestDeleteRemovesTokenUntilReload(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.openTokenPage(instance)
	secret := b.token()
	b.Click("#show")
	b.Click("#with-token")
	b.Click("#delete")
	b.waitForState("deleted")
	b.waitForText("#status", "Deleted from this page.")
	if html := eval[string](b, "document.documentElement.outerHTML"); strings.Contains(html, secret) {
		t.Error("the deleted token is still in the document")
	}
	if got := eval[string](b, "['copy', 'show', 'delete'].filter((id) => !document.getElementById(id).disabled).join()"); got != "" {
		t.Errorf("the buttons %s still work, want them switched off", got)
	}
	b.Click("#reload")
	b.waitForState("ready")
}

func TestPreferencesSurviveReload(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.openTokenPage(instance)
	clipboard.Lock()
	defer clipboard.Unlock()
	b.Click("#auto-copy")
	b.Click("#auto-delete")
	b.Click(`#theme label:has([value="dark"])`)
	b.Click("#tab-gdal")
	b.Do(chromedp.Reload())
	b.Until("document.getElementById('app').dataset.state !== 'loading'")
	const kept = `[document.getElementById("auto-copy").checked, document.getElementById("auto-delete").checked,
		document.documentElement.dataset.theme, document.querySelector("[role=tab][aria-selected=true]").id].join()`
	if got, want := eval[string](b, kept), "true,true,dark,tab-gdal"; got != want {
		t.Errorf("got %s after a reload, want %s", got, want)
	}
}

func TestAutoCopyCopiesWithPermission(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.setPermission(copyUnasked, "granted")
	b.openTokenPage(instance)
	eval[chromedp.Void](b, `localStorage.setItem("autoCopy", "true")`)
	clipboard.Lock()
	defer clipboard.Unlock()
	b.Do(chromedp.Reload())
	b.waitForText("#status", "Token copied.")
	if got, want := b.clipboardText(), b.token(); got != want {
		t.Errorf("the clipboard holds %d characters, want the token's %d", len(got), len(want))
	}
}

func TestAutoCopyReportsMissingPermission(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.setPermission(copyUnasked, "denied")
	b.openTokenPage(instance)
	eval[chromedp.Void](b, `localStorage.setItem("autoCopy", "true")`)
	b.Do(chromedp.Reload())
	b.waitForText("#status", "Not copied: the browser requires a click on this page first.")
	if eval[bool](b, `"done" in document.getElementById("copy").dataset`) {
		t.Error("the button says that it has copied")
	}
}

func TestAutoDeleteCountsDownAndCanBeStopped(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.openTokenPage(instance)
	b.Click("#auto-delete")
	b.waitForText("#pending-text", "It is deleted in ")
	b.Click("#keep")
	b.waitForText("#status", "Kept.")
	b.advanceClock(time.Minute)
	b.Until("!document.getElementById('pending').checkVisibility()")
	b.waitForState("ready")
	b.Click("#reload")
	b.waitForText("#pending-text", "It is deleted in ")
	b.advanceClock(11 * time.Second)
	b.waitForState("deleted")
}

func TestColoursFollowTheSystemUnlessChosen(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.openTokenPage(instance)
	const ground = `getComputedStyle(document.body).backgroundColor`
	light := eval[string](b, ground)
	b.setScheme("dark")
	dark := eval[string](b, ground)
	if light == dark {
		t.Errorf("got the ground %s both light and dark", light)
	}
	b.Click(`#theme label:has([value="light"])`)
	if got := eval[string](b, ground); got != light {
		t.Errorf("got the ground %s where light was chosen, want %s", got, light)
	}
	b.Visit(instance.Gateway + "/echo")
	if got := eval[string](b, ground); got != light {
		t.Errorf("got the ground %s on the next page, want %s", got, light)
	}
	b.Click(`#theme label:has([value="system"])`)
	if got := eval[string](b, ground); got != dark {
		t.Errorf("got the ground %s where the system was chosen, want %s", got, dark)
	}
}

func TestLifetimeCountsDownAndWarns(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{Server: withSignIn, Demo: neverRenewed})
	b := openTab(t)
	b.openTokenPage(instance)
	const left = `document.getElementById("left").textContent`
	first := eval[string](b, left)
	if !strings.HasPrefix(first, "04:") && first != "05:00" {
		t.Errorf("got %q left of five minutes", first)
	}
	b.Until(left + " !== " + fmt.Sprintf("%q", first))
	b.advanceClock(4*time.Minute + 5*time.Second)
	b.waitForState("warning")
	b.waitForText("#status", "expires soon")
	b.waitForText("#state", "Expires soon")
	b.advanceClock(time.Minute)
	b.waitForState("expired")
	b.waitForText("#status", "has expired")
	b.waitForText("#lifetime", "Expired ")
	if got := eval[string](b, `document.getElementById("renew").getAttribute("href")`); got != "/oauth2/sign_in" || !b.visible("#renew") {
		t.Errorf("got %q to sign in again (visible: %t), want /oauth2/sign_in", got, b.visible("#renew"))
	}
}

func TestTokenPageReportsEndedSession(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{Server: withSignIn})
	b := openTab(t)
	b.openTokenPage(instance)
	b.Click("#show")
	secret := b.token()
	b.expectComplaints(unauthorized)
	eval[chromedp.Void](b, `fetch("/oauth2/sign_out", {redirect: "manual"})`)
	b.Click("#reload")
	b.waitForState("ended")
	if got := b.Text("#problem-title"); got != "Your session ended" {
		t.Errorf("got %q, want Your session ended", got)
	}
	b.waitForText("#status", "Your session ended.")
	if html := eval[string](b, "document.documentElement.outerHTML"); strings.Contains(html, secret) {
		t.Error("the token outlived the session on the page")
	}
	b.Click("#sign-in")
	b.waitForAddress(instance.Gateway + "/oauth2/sign_in")
}

func TestTokenPageWithoutTokenSaysWhatToFix(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{Demo: func(o *demo.Options) { o.Flags.NoPassAccessToken = true }})
	b := openTab(t)
	b.openTokenPage(instance)
	b.waitForState("failed")
	if got := b.Text("#problem-fix"); !strings.Contains(got, "--pass-access-token") {
		t.Errorf("got the advice %q, want oauth2-proxy's flag in it", got)
	}
	served := eval[string](b, "document.getElementById('problem-body').innerText")
	b.expectComplaints(unauthorized)
	b.Click("#retry")
	b.Until("document.getElementById('reload').getAttribute('aria-busy') === null && performance.getEntriesByType('resource').some((r) => r.name.endsWith('/token'))")
	b.waitForState("failed")
	if got := eval[string](b, "document.getElementById('problem-wanted').innerText"); !strings.Contains(served, got) {
		t.Errorf("the script lists %q, the server %q", got, served)
	}
}

// claims makes a token with these claims; its signature is made up.
func claims(t *testing.T, said map[string]any) string {
	t.Helper()
	body, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + encode(body) + "." + strings.Repeat("Ab3_", 21)
}

func TestTokenPageShowsClaims(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	now := time.Now()
	token := claims(t, map[string]any{
		"iss": "https://issuer.example", "aud": []string{"one", "two"}, "scope": "read write", "name": "Zoë <b>Ångström</b>",
		"iat": now.Add(-2 * time.Hour).Unix(), "exp": now.Add(49 * time.Hour).Unix(), "custom": map[string]any{"deep": true},
	})
	b := openTab(t)
	b.Visit(startGateway(t, instance, map[string]string{"X-Forwarded-Access-Token": token}) + "/")
	b.waitForState("ready")
	for _, test := range []struct{ claim, want string }{
		{"iss", "https://issuer.example"},
		{"aud", "one two"},
		{"scope", "read write"},
		{"name", "Zoë <b>Ångström</b>"},
		{"iat", "2 hours ago"},
		{"exp", "in 2 days"},
	} {
		got := b.Text(fmt.Sprintf(`[data-claim="%s"] dd`, test.claim))
		if strings.Join(strings.Fields(got), " ") != test.want && !strings.HasPrefix(got, test.want+" ") {
			t.Errorf("%s: got %q, want %q", test.claim, got, test.want)
		}
	}
	b.Click("#claims-raw summary")
	if got := b.Text("#claims-json"); !strings.Contains(got, `"deep": true`) {
		t.Errorf("got %q, want every claim in it", got)
	}
	if got := b.Text("#left"); !strings.HasPrefix(got, "2\u00a0d") {
		t.Errorf("got %q left, want two days and some", got)
	}
}

func TestTokenPageReportsOpaqueToken(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.Visit(startGateway(t, instance, map[string]string{"X-Forwarded-Access-Token": "gho_16C7e42F292c6912E7710c838347Ae178B4a"}) + "/")
	b.waitForState("ready")
	b.waitForText("#claims-note", "opaque")
	b.waitForText("#lifetime", "Lifetime unknown")
}

func TestTokenPageReportsAndIgnoresWrongClock(t *testing.T) {
	t.Parallel()
	behind := func() time.Time { return time.Now().Add(-10 * time.Minute) }
	instance := t2gtest.Start(t, t2gtest.Options{
		Server: func(o *gateway.Options) { o.Now = behind }, Demo: func(o *demo.Options) { o.Now = behind },
	})
	b := openTab(t)
	b.openTokenPage(instance)
	b.waitForState("ready")
	b.waitForText("#clock", "10 minutes ahead of the server's")
}

func TestCopyWorksInInsecureContext(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	gate := strings.Replace(startGateway(t, instance, map[string]string{"X-Forwarded-Access-Token": "a.token-to.copy"}), "127.0.0.1", "t2g.example", 1)
	b := openTab(t)
	b.expectComplaints("Cross-Origin-Opener-Policy header has been ignored")
	b.Visit(gate + "/")
	b.waitForState("ready")
	clipboard.Lock()
	defer clipboard.Unlock()
	b.Click("#copy")
	b.waitForText("#status", "Token copied. This page is not served over https")
	b.Visit(instance.Direct + "/health") // a secure context, which may read the clipboard
	if got := b.clipboardText(); got != "a.token-to.copy" {
		t.Errorf("the clipboard holds %q, want the token", got)
	}
}

func TestTokenPageWithoutScriptsLinksToToken(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.signIn(instance, "")
	b.setScripts(false)
	b.Visit(instance.Gateway + "/")
	if !b.visible("#noscript a") || b.visible("#ticket") || b.visible("#theme") {
		t.Error("want the explanation alone, without what needs scripts")
	}
	b.Click("#noscript a")
	b.waitForAddress(instance.Gateway + "/token")
	if got := eval[string](b, "document.body.innerText"); !strings.Contains(got, `"secret"`) {
		t.Errorf("got %q, want the token as JSON", got)
	}
}

func TestTokenPageDropsTokenWhenLeft(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.openTokenPage(instance)
	b.Click("#show")
	before := eval[string](b, "document.getElementById('token').textContent")
	eval[chromedp.Void](b, `addEventListener("pagehide", () => sessionStorage.setItem("left", document.body.textContent))`)
	b.Visit(instance.Gateway + "/echo")
	if left := eval[string](b, `sessionStorage.getItem("left")`); left == "" || strings.Contains(left, before) {
		t.Error("the page that was left still holds the token")
	}
}

func TestOperatorHTMLIsShownAndRunsNoScript(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{Server: func(o *gateway.Options) {
		o.Texts.Title, o.Texts.Target = "Hub <tokens>", "the <Hub>"
		o.Texts.Desc1 = `<p>Read <a href="/x">this</a>.</p>`
		o.Texts.Misc = `<table><tr><td>row</td></tr></table><script>document.title = "run"</script>`
	}})
	b := openTab(t)
	b.expectComplaints("Content Security Policy", "ContentSecurityPolicyIssue") // it stops the operator's script
	b.openTokenPage(instance)
	for _, test := range []struct{ script, want string }{
		{`document.title`, "Hub <tokens>"},
		{`document.querySelector("h1").textContent`, "Your access token for the <Hub>"},
		{`document.querySelector("#desc1 a").textContent`, "this"},
		{`document.querySelector("#misc td").textContent`, "row"},
	} {
		if got := eval[string](b, test.script); got != test.want {
			t.Errorf("%s: got %q, want %q", test.script, got, test.want)
		}
	}
}

func TestSwaggerUIListsEveryOperation(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.signIn(instance, "")
	b.Visit(instance.Gateway + "/swagger-ui/")
	want := len(t2gtest.NewContract(t).Operations())
	b.Until(fmt.Sprintf("document.querySelectorAll('.opblock').length === %d", want))
	b.checkOrigins(instance.Gateway)
}

// startGateway starts a gateway that sends these headers with every request.
func startGateway(t *testing.T, instance *t2gtest.Server, headers map[string]string) string {
	t.Helper()
	return listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		for name, value := range headers {
			r.Header.Set(name, value)
		}
		instance.Handler.ServeHTTP(w, r)
	}))
}

// TestTokenPageTransfersFewBytes counts what comes over the wire on a first visit: page, styles,
// scripts, icon and token, with their headers.
func TestTokenPageTransfersFewBytes(t *testing.T) {
	t.Parallel()
	const most = 60_000 // bytes
	instance := t2gtest.Start(t, t2gtest.Options{Server: withSignIn})
	b := openTab(t)
	b.openTokenPage(instance)
	b.waitForState("ready")
	b.Until("performance.getEntriesByType('resource').every((r) => r.responseEnd > 0)")
	asked := b.requests()
	for _, part := range []string{instance.Gateway + "/", "/token", ".css", ".js"} {
		if !slices.ContainsFunc(asked, func(address string) bool { return strings.HasSuffix(address, part) }) {
			t.Errorf("the browser asked for nothing that ends in %s: %v", part, asked)
		}
	}
	got := b.received()
	t.Logf("%d bytes in %d requests", got, len(asked))
	if got < 10_000 || got >= most {
		t.Errorf("got %d bytes, want less than %d, and more than a page without its scripts", got, most)
	}
}

// BenchmarkFirstRender opens the page with nothing kept from before, and reports when
// the browser first painted what is on it, counted from the beginning of the navigation.
func BenchmarkFirstRender(b *testing.B) {
	instance := t2gtest.Start(b, t2gtest.Options{Server: withSignIn})
	window := openTab(b)
	window.signIn(instance, "")
	var paints []float64
	for b.Loop() {
		call(window, network.ClearBrowserCache, cdp.Empty{})
		window.Visit(instance.Gateway + "/")
		paints = append(paints, eval[float64](window, `new Promise((done) => new PerformanceObserver((seen) => {
			for (const paint of seen.getEntriesByName("first-contentful-paint")) done(paint.startTime);
		}).observe({type: "paint", buffered: true}))`))
	}
	slices.Sort(paints)
	b.ReportMetric(paints[0], "ms/fastest")
	b.ReportMetric(paints[len(paints)/2], "ms/render")
	b.ReportMetric(0, "ns/op")
}

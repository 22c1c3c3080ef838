package e2e_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// chromium is the one browser of all tests, started by the first that needs it.
var chromium struct {
	sync.Once
	open func() (context.Context, context.CancelFunc) // a window of its own
	err  error
}

func startChromium(path, proxy string) {
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(scratch + "/chromium"),
		chromedp.Flag("proxy-server", proxy),
		// The certificate of the names is nobody's whom a browser trusts.
		chromedp.Flag("ignore-certificate-errors", true),
	}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-dev-shm-usage", "disable-extensions", "mute-audio",
		"disable-background-timer-throttling", "disable-backgrounding-occluded-windows", "disable-renderer-backgrounding",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	endings = append(endings, stop)
	ctx, stop := chromedp.NewContext(allocator)
	endings = append(endings, stop)
	chromium.err = chromedp.Do(ctx)
	chromium.open = func() (context.Context, context.CancelFunc) {
		return chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
	}
}

// tab is a window of a browser that has never been anywhere.
type tab struct {
	t   testing.TB
	ctx context.Context
}

func open(t testing.TB) *tab {
	t.Helper()
	path := need(t, "T2G_TEST_CHROMIUM", "chromium", "chromium-browser", "google-chrome")
	n := world(t)
	chromium.Do(func() { startChromium(path, n.proxy) })
	if chromium.err != nil {
		t.Fatalf("%s does not start: %v", path, chromium.err)
	}
	ctx, stop := chromium.open()
	t.Cleanup(stop)
	// The window lives as long as the context in which it is first used.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return &tab{t: t, ctx: ctx}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, soon)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%v\nthe page says: %s", err, b.glance())
	}
}

// eval runs a script in the page, waits for a promise, and returns its value.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, soon)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v\nthe page says: %s", script, err, b.glance())
	}
	return value
}

// glance is what stands on the page, for an error's text.
func (b *tab) glance() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body?.innerText.slice(0, 1000)`))
	if err != nil {
		return err.Error()
	}
	return text
}

// visit opens an address as a person does who types it, or a program that opens it.
func (b *tab) visit(address string) {
	b.t.Helper()
	b.do(chromedp.Navigate(address))
}

// becomes reports whether a script's value becomes true.
func (b *tab) becomes(script string) bool {
	for end := time.Now().Add(soon); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
		held, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+script+")"))
		cancel()
		if err == nil && held {
			return true
		}
	}
	return false
}

func (b *tab) until(script string) {
	b.t.Helper()
	if !b.becomes(script) {
		b.t.Fatalf("waited for %s in vain\nthe page says: %s", script, b.glance())
	}
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.until(there(selector))
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// decide answers the question as a person does with a mouse: the pointer is over the
// button for a while before it clicks.
func (b *tab) decide(selector string) {
	b.t.Helper()
	b.until(there(selector))
	at := eval[struct{ X, Y float64 }](b, fmt.Sprintf(`(() => {
		const at = document.querySelector(%q);
		at.scrollIntoView({block: "nearest", behavior: "instant"});
		const {x, y, width, height} = at.getBoundingClientRect();
		return {X: x + width / 2, Y: y + height / 2};
	})()`, selector))
	b.do(chromedp.MouseEvent(chromedp.MouseMoved, at.X, at.Y))
	b.until(fmt.Sprintf(`getComputedStyle(document.querySelector(%q)).pointerEvents === "auto"`, selector))
	b.do(chromedp.MouseClickXY(at.X, at.Y))
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf("document.querySelector(%q)?.innerText.trim() ?? ''", selector))
}

func (b *tab) attribute(selector, name string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf("document.querySelector(%q).getAttribute(%q)", selector, name))
}

// there is a script that says whether a page that is loaded has such an element.
func there(selector string) string {
	return fmt.Sprintf("document.readyState === 'complete' && document.querySelector(%q)", selector)
}

// The buttons of Keycloak's form and of our question.
const (
	form     = "#kc-login"
	question = "#question #allow"
)

// signIn fills in the form at which the tab has arrived.
func (b *tab) signIn(who person) {
	b.t.Helper()
	b.until(there(form))
	if at := eval[string](b, "location.origin"); at != "https://id.example.org" {
		b.t.Fatalf("the form is of %s, want Keycloak's", at)
	}
	b.do(chromedp.SendKeys(chromedp.CSS("#username"), who.name), chromedp.SendKeys(chromedp.CSS("#password"), who.name))
	b.click(form)
}

// fetched is the answer to a script of the page.
type fetched struct {
	Status int
	Body   string
}

// fetch asks for a path as a page's script does, with headers in pairs.
func (b *tab) fetch(path string, headers ...string) fetched {
	b.t.Helper()
	fields := "accept: 'application/json'"
	for i := 0; i < len(headers); i += 2 {
		fields += fmt.Sprintf(", %q: %q", headers[i], headers[i+1])
	}
	return eval[fetched](b, fmt.Sprintf(
		`fetch(%q, {headers: {%s}, redirect: "manual", cache: "no-store"}).then(async r => ({Status: r.status, Body: await r.text()}))`,
		path, fields))
}

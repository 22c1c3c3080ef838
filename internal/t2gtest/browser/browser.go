// Package browser drives a real Chromium, with the mouse and keyboard events of a person.
package browser

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// Patience is how long a browser may take for one step. The machine may be busy with
// everything else that is tested at the same time.
const Patience = process.Soon

// Chromium is a browser that its first tab starts. The zero value is ready for use.
type Chromium struct {
	once sync.Once
	ctx  context.Context
	err  error
	ends []func()
}

// Close ends the browser, if it was started, and leaves nothing behind.
func (c *Chromium) Close() {
	for _, end := range slices.Backward(c.ends) {
		end()
	}
}

// start runs a headless browser that makes no requests of its own.
func (c *Chromium) start(path string, flags map[string]any) error {
	folder, err := os.MkdirTemp("", "token2go-chromium-")
	if err != nil {
		return err
	}
	c.ends = append(c.ends, func() { _ = os.RemoveAll(folder) })
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.UserDataDir(folder), chromedp.WindowSize(1280, 1024)}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-dev-shm-usage", "disable-extensions", "mute-audio",
		"disable-background-timer-throttling", "disable-backgrounding-occluded-windows", "disable-renderer-backgrounding",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	for flag, value := range flags {
		options = append(options, chromedp.Flag(flag, value))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	c.ends = append(c.ends, stop)
	c.ctx, stop = chromedp.NewContext(allocator)
	c.ends = append(c.ends, stop)
	return chromedp.Do(c.ctx)
}

// Tab is a window with a browser context of its own: no other test's cookies or storage are
// in it. A step that fails ends the test.
type Tab struct {
	Context context.Context // for what no method does

	t testing.TB
}

// Open opens a window that is closed with the test. Where it is the first one, the
// browser is started with these flags besides those that every test wants.
func (c *Chromium) Open(t testing.TB, flags map[string]any) *Tab {
	t.Helper()
	process.Slow(t)
	path := process.Need(t, "T2G_TEST_CHROMIUM", "chromium", "chromium-browser", "google-chrome")
	c.once.Do(func() { c.err = c.start(path, flags) })
	if c.err != nil {
		t.Fatalf("%s does not start: %v", path, c.err)
	}
	return window(c.ctx, t, chromedp.WithNewBrowserContext())
}

// Another opens a window beside this one, with the same cookies and storage.
func (b *Tab) Another() *Tab {
	b.t.Helper()
	return window(b.Context, b.t)
}

func window(parent context.Context, t testing.TB, options ...chromedp.ContextOption) *Tab {
	t.Helper()
	ctx, stop := chromedp.NewContext(parent, options...)
	t.Cleanup(stop)
	// The window lives as long as the context in which it is first used.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	// A page of a tab behind others is not in focus, and would wait for it.
	if _, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	return &Tab{Context: ctx, t: t}
}

// Do takes steps that have no result.
func (b *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.Context, Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%v\nthe page says: %s", err, b.Glance())
	}
}

// Eval runs a script in the page, waits for a promise, and returns its value.
func Eval[T any](b *Tab, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.Context, Patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v\nthe page says: %s", script, err, b.Glance())
	}
	return value
}

// Glance returns the address and text of the page, for error messages.
func (b *Tab) Glance() string {
	ctx, cancel := context.WithTimeout(b.Context, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body?.innerText.slice(0, 4000)`))
	if err != nil {
		return err.Error()
	}
	return text
}

// Visit opens an address, as if it had been typed.
func (b *Tab) Visit(address string) {
	b.t.Helper()
	b.Do(chromedp.Navigate(address))
}

// Until waits for a script's value to become true, also over changes of the page.
func (b *Tab) Until(script string) {
	b.t.Helper()
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(b.Context, 5*time.Second)
		held, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+script+")"))
		cancel()
		if err == nil && held {
			return
		}
	}
	b.t.Fatalf("waited for %s in vain\nthe page says: %s", script, b.Glance())
}

// Ready waits until the page takes clicks and keys: static/assets/hold.js holds back
// those that come before a person can have read the page. It scrolls to what a small
// window does not show, as a person would.
func (b *Tab) Ready() {
	b.t.Helper()
	b.Until(`(document.querySelector("[data-read]")?.scrollIntoView(),
		document.readyState === "complete" && !document.querySelector("html[data-held]"))`)
}

// Click clicks an element once it is there.
func (b *Tab) Click(selector string) {
	b.t.Helper()
	b.Ready()
	b.Do(chromedp.Click(chromedp.CSS(selector)))
}

// Text is what an element shows.
func (b *Tab) Text(selector string) string {
	b.t.Helper()
	return Eval[string](b, fmt.Sprintf("document.querySelector(%q).innerText.trim()", selector))
}

// Spot is a position in the window, in CSS pixels.
type Spot struct{ X, Y float64 }

// Spot scrolls an element into view and returns its center.
func (b *Tab) Spot(selector string) Spot {
	b.t.Helper()
	return Eval[Spot](b, fmt.Sprintf(`(() => {
		const at = document.querySelector(%q);
		at.scrollIntoView({block: "nearest", behavior: "instant"});
		const {x, y, width, height} = at.getBoundingClientRect();
		return {X: x + width / 2, Y: y + height / 2};
	})()`, selector))
}

// Move moves the pointer.
func (b *Tab) Move(to Spot) {
	b.t.Helper()
	b.Do(chromedp.MouseEvent(chromedp.MouseMoved, to.X, to.Y))
}

// ClickAt clicks without moving the pointer first: n is 2 for the second half of a
// double-click.
func (b *Tab) ClickAt(at Spot, n int64) {
	b.t.Helper()
	count := func(p *input.DispatchMouseEventParams) { p.ClickCount = n }
	b.Do(
		chromedp.MouseEvent(chromedp.MousePressed, at.X, at.Y, chromedp.ButtonLeft, count),
		chromedp.MouseEvent(chromedp.MouseReleased, at.X, at.Y, chromedp.ButtonLeft, count),
	)
}

// Decide answers the question as a person does with a mouse, once the page takes clicks.
func (b *Tab) Decide(selector string) {
	b.t.Helper()
	b.Ready()
	at := b.Spot(selector)
	b.Move(at)
	b.ClickAt(at, 1)
}

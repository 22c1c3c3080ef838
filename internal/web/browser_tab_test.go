package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/animation"
	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"token2go/internal/t2gtest"
)

// patience is how long a browser may take for one step. The machine may be busy with
// everything else that is tested at the same time.
const patience = time.Minute

// chromium is the one browser of this package's tests, started by the first that needs it.
var chromium struct {
	once sync.Once
	open func() (context.Context, context.CancelFunc) // a window of its own
	err  error
	stop []func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, stop := range slices.Backward(chromium.stop) {
		stop()
	}
	os.Exit(code)
}

// program finds a program that a test needs: the one that the environment names, or
// one on the PATH. Without it the test is skipped, and fails where nothing may be.
func program(t testing.TB, variable string, names ...string) string {
	t.Helper()
	if named := os.Getenv(variable); named != "" {
		return named
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, fmt.Sprintf("none of %s is on the PATH, and %s names none", strings.Join(names, ", "), variable))
	return ""
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s, and under CI=true nothing is skipped; make setup installs it", what)
	}
	t.Skipf("NOT TESTED: %s; make setup installs it", what)
}

func startChromium(path string) {
	folder, err := os.MkdirTemp("", "token2go-chromium-")
	if err != nil {
		chromium.err = err
		return
	}
	chromium.stop = append(chromium.stop, func() { _ = os.RemoveAll(folder) })
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(folder),
		chromedp.Flag("host-resolver-rules", "MAP *.example 127.0.0.1"),
		chromedp.Flag("force-color-profile", "srgb"),
		// A mouse is there, which a browser without a screen does not see for itself.
		chromedp.Flag("blink-settings", "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"),
	}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-dev-shm-usage", "disable-renderer-backgrounding",
		"disable-background-timer-throttling", "disable-backgrounding-occluded-windows", "disable-extensions",
		"disable-smooth-scrolling", "enable-automation", "hide-scrollbars", "mute-audio",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	chromium.stop = append(chromium.stop, stop)
	ctx, stop := chromedp.NewContext(allocator)
	chromium.stop = append(chromium.stop, stop)
	chromium.err = chromedp.Do(ctx)
	chromium.open = func() (context.Context, context.CancelFunc) {
		return chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
	}
}

// tab is a browser window of a test's own: nothing that another test left is in it.
type tab struct {
	t     testing.TB
	ctx   context.Context
	saw   *sights
	await []string // complaints that the test expects, by a part of their text
}

// sights is what went on in a tab.
type sights struct {
	mu         sync.Mutex
	asked      []string // addresses of requests
	answers    map[string]int64
	complaints []string // of the console, the log, scripts and the browser's audits
	received   float64  // bytes, headers included
}

// openTab opens a window that is wide and light. When the test ends, it fails if the
// browser complained of anything that the test did not expect.
func openTab(t testing.TB) *tab {
	t.Helper()
	path := program(t, "T2G_TEST_CHROMIUM", "chromium", "chromium-browser", "google-chrome")
	chromium.once.Do(func() { startChromium(path) })
	if chromium.err != nil {
		t.Fatalf("%s does not start: %v", path, chromium.err)
	}
	b := &tab{t: t, saw: &sights{answers: map[string]int64{}}}
	ctx, stop := chromium.open()
	b.ctx = ctx
	t.Cleanup(func() {
		b.judge()
		stop()
	})
	b.must(chromedp.Listen(ctx, b.saw.take))
	call(b, audits.Enable, cdp.Empty{})
	call(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	b.size(1280, 900)
	b.scheme("light")
	return b
}

// take runs within the loop that reads what the browser says, so it only writes down.
func (s *sights) take(event any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		s.asked = append(s.asked, e.Request.URL)
	case *network.EventResponseReceived:
		s.answers[e.Response.URL] = e.Response.Status
	case *network.EventLoadingFinished:
		s.received += e.EncodedDataLength
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelWarning || e.Entry.Level == log.EntryLevelError {
			s.complain("log", e.Entry.Text+" "+e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		s.complain("exception", e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			text, _ := json.Marshal(e.Args)
			s.complain("console", string(text))
		}
	case *audits.EventIssueAdded:
		text, _ := json.Marshal(e.Issue.Details)
		s.complain("audit "+string(e.Issue.Code), string(text))
	}
}

func (s *sights) complain(who, text string) { s.complaints = append(s.complaints, who+": "+text) }

// expect says that the browser is going to complain with these words.
func (b *tab) expect(words ...string) { b.await = append(b.await, words...) }

// judge fails the test for each complaint that it did not expect.
func (b *tab) judge() {
	b.saw.mu.Lock()
	defer b.saw.mu.Unlock()
	for _, complaint := range b.saw.complaints {
		expected := false
		for _, words := range b.await {
			expected = expected || strings.Contains(complaint, words)
		}
		if !expected {
			b.t.Errorf("the browser complains: %s", complaint)
		}
	}
}

// requests are the addresses that the tab asked for.
func (b *tab) requests() []string {
	b.saw.mu.Lock()
	defer b.saw.mu.Unlock()
	return append([]string(nil), b.saw.asked...)
}

// status is how an address was answered; 0 if it was not asked for.
func (b *tab) status(address string) int {
	b.saw.mu.Lock()
	defer b.saw.mu.Unlock()
	return int(b.saw.answers[address])
}

// received is how many bytes came in answer, headers included.
func (b *tab) received() int {
	b.saw.mu.Lock()
	defer b.saw.mu.Unlock()
	return int(b.saw.received)
}

// stayed fails the test when a request went to another origin than these.
func (b *tab) stayed(origins ...string) {
	b.t.Helper()
	for _, address := range b.requests() {
		parsed, err := url.Parse(address)
		b.must(err)
		within := parsed.Scheme == "data" || parsed.Scheme == "about"
		for _, origin := range origins {
			within = within || parsed.Scheme+"://"+parsed.Host == origin
		}
		if !within {
			b.t.Errorf("a request went to %s, want none beyond %v", address, origins)
		}
	}
}

func (b *tab) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%v\nthe page says: %s", err, b.glance())
	}
}

// call sends one command of the browser's protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	b.must(err)
	return result
}

// eval runs a script in the page, waits for a promise, and returns its value.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
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
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body?.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

// visit opens an address as a person does who types it.
func (b *tab) visit(address string) {
	b.t.Helper()
	b.do(chromedp.Navigate(address))
}

// until waits for a script's value to become true.
func (b *tab) until(script string) {
	b.t.Helper()
	end := time.Now().Add(patience)
	for time.Now().Before(end) {
		ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
		held, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+script+")"))
		cancel()
		if err == nil && held {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.t.Fatalf("waited for %s in vain\nthe page says: %s", script, b.glance())
}

// at waits until the page is at an address that begins so.
func (b *tab) at(begin string) {
	b.t.Helper()
	b.until(fmt.Sprintf("location.href.startsWith(%q) && document.readyState === 'complete'", begin))
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// spot is the middle of an element in the window.
type spot struct{ X, Y float64 }

func (b *tab) spot(selector string) spot {
	b.t.Helper()
	return eval[spot](b, fmt.Sprintf(`(() => {
		const at = document.querySelector(%q);
		at.scrollIntoView({block: "nearest", behavior: "instant"});
		const {x, y, width, height} = at.getBoundingClientRect();
		return {X: x + width / 2, Y: y + height / 2};
	})()`, selector))
}

// move brings the pointer to a place.
func (b *tab) move(to spot) {
	b.t.Helper()
	b.do(chromedp.MouseEvent(chromedp.MouseMoved, to.X, to.Y))
}

// clickAt clicks without moving the pointer first: n is 2 for the second half of a double-click.
func (b *tab) clickAt(at spot, n int64) {
	b.t.Helper()
	count := func(p *input.DispatchMouseEventParams) { p.ClickCount = n }
	b.do(
		chromedp.MouseEvent(chromedp.MousePressed, at.X, at.Y, chromedp.ButtonLeft, count),
		chromedp.MouseEvent(chromedp.MouseReleased, at.X, at.Y, chromedp.ButtonLeft, count),
	)
}

// decide answers the question as a person does with a mouse: the pointer is over the
// buttons for a while before it clicks.
func (b *tab) decide(selector string) {
	b.t.Helper()
	at := b.spot(selector)
	b.move(at)
	b.until(fmt.Sprintf(`getComputedStyle(document.querySelector(%q)).pointerEvents === "auto"`, selector))
	b.clickAt(at, 1)
}

// slow makes whatever moves by itself in the page take so many times as long.
func (b *tab) slow(times float64) {
	b.t.Helper()
	call(b, animation.Enable, cdp.Empty{})
	call(b, animation.SetPlaybackRate, animation.SetPlaybackRateParams{PlaybackRate: 1 / times})
}

// touch makes the window one of a device without a mouse.
func (b *tab) touch() {
	b.t.Helper()
	call(b, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: true, MaxTouchPoints: 1})
}

func (b *tab) tap(at spot) {
	b.t.Helper()
	call(b, input.DispatchTouchEvent, input.DispatchTouchEventParams{
		Type: input.DispatchTouchEventTypeTouchStart, TouchPoints: []*input.TouchPoint{{X: at.X, Y: at.Y}},
	})
	call(b, input.DispatchTouchEvent, input.DispatchTouchEventParams{
		Type: input.DispatchTouchEventTypeTouchEnd, TouchPoints: []*input.TouchPoint{},
	})
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf("document.querySelector(%q).innerText.trim()", selector))
}

// says waits until an element's text contains some words.
func (b *tab) says(selector, words string) {
	b.t.Helper()
	b.until(fmt.Sprintf("document.querySelector(%q)?.textContent.includes(%q)", selector, words))
}

func (b *tab) visible(selector string) bool {
	b.t.Helper()
	return eval[bool](b, fmt.Sprintf("document.querySelector(%q)?.checkVisibility({visibilityProperty: true}) ?? false", selector))
}

// state waits until the page that shows the token is in a state.
func (b *tab) state(name string) {
	b.t.Helper()
	b.until(fmt.Sprintf("document.getElementById('app')?.dataset.state === %q", name))
}

func (b *tab) size(width, height int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height))
}

// scheme makes the system's colours light or dark. Nothing moves meanwhile, so that what
// is measured is what will stay.
func (b *tab) scheme(name string) {
	b.t.Helper()
	b.prefers(name, "reduce")
}

// prefers says what colours and how much motion the system is set to.
func (b *tab) prefers(scheme, motion string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion},
		},
	})
}

// permit answers for the person what a page may do, such as clipboard-read.
func (b *tab) permit(permission, setting string) {
	b.t.Helper()
	at := chromedp.FromContext(b.ctx)
	_, err := chromedp.CallBrowser(b.ctx, browser.SetPermission, browser.SetPermissionParams{
		Permission:       &browser.PermissionDescriptor{Name: permission},
		Setting:          browser.PermissionSetting(setting),
		BrowserContextID: at.BrowserContextID,
	})
	b.must(err)
}

// trust takes certificates that nobody vouches for.
func (b *tab) trust() {
	b.t.Helper()
	call(b, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true})
}

// carry gives the tab a gateway session, as if the person had signed in there.
func (b *tab) carry(house *t2gtest.House, username string) {
	b.t.Helper()
	cookie := house.Session(b.t, username)
	call(b, network.SetCookie, network.SetCookieParams{Name: cookie.Name, Value: cookie.Value, URL: house.Gateway})
}

// front opens the page that shows the token, signed in, and waits for the token.
func (b *tab) front(house *t2gtest.House) {
	b.t.Helper()
	b.carry(house, "")
	b.visit(house.Gateway + "/")
	b.until("document.getElementById('app').dataset.state !== 'loading'")
}

// pass lets the page's clock run ahead, as if so much time had gone by.
func (b *tab) pass(d time.Duration) {
	b.t.Helper()
	eval[chromedp.Void](b, fmt.Sprintf("{const now = Date.now; Date.now = () => now() + %d;}", d.Milliseconds()))
}

// scripts says whether pages may run any.
func (b *tab) scripts(on bool) {
	b.t.Helper()
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

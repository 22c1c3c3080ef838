// Package browsertest tries the gateway's pages in real browsers.
package browsertest

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	permissions "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/browser"
)

// chromium is the one browser of these tests, started by the first that needs it.
var chromium browser.Chromium

// TestMain leaves everything out under -short: each test needs a browser.
func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		return
	}
	code := m.Run()
	chromium.Close()
	os.Exit(code)
}

// tab is a browser window of a test's own: nothing that another test left is in it.
type tab struct {
	*browser.Tab
	t        testing.TB
	saw      *browserEvents
	expected []string // complaints that the test expects, by a part of their text
}

// browserEvents is what went on in a tab.
type browserEvents struct {
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
	window := chromium.Open(t, map[string]any{
		"host-resolver-rules": "MAP *.example 127.0.0.1",
		"force-color-profile": "srgb",
		// A mouse is there, which a browser without a screen does not see for itself.
		"blink-settings":           "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
		"disable-smooth-scrolling": true,
		"enable-automation":        true,
		"hide-scrollbars":          true,
	})
	b := &tab{Tab: window, t: t, saw: &browserEvents{answers: map[string]int64{}}}
	t.Cleanup(b.checkComplaints)
	b.must(chromedp.Listen(b.Context, b.saw.take))
	call(b, audits.Enable, cdp.Empty{})
	b.setSize(1280, 900)
	b.setScheme("light")
	return b
}

// take runs within the loop that reads what the browser says, so it only writes down.
func (s *browserEvents) take(event any) {
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

func (s *browserEvents) complain(who, text string) {
	s.complaints = append(s.complaints, who+": "+text)
}

// expectComplaints says that the browser is going to complain with these words.
func (b *tab) expectComplaints(words ...string) { b.expected = append(b.expected, words...) }

// checkComplaints fails the test for each complaint that it did not expect.
func (b *tab) checkComplaints() {
	b.saw.mu.Lock()
	defer b.saw.mu.Unlock()
	for _, complaint := range b.saw.complaints {
		expected := false
		for _, words := range b.expected {
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

// checkOrigins fails the test when a request went to another origin than these.
func (b *tab) checkOrigins(origins ...string) {
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

// call sends one command of the browser's protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.Context, browser.Patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	b.must(err)
	return result
}

// eval runs a script in the page, waits for a promise, and returns its value.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	return browser.Eval[T](b.Tab, script)
}

// waitForAddress waits until the page is at an address that begins so.
func (b *tab) waitForAddress(begin string) {
	b.t.Helper()
	b.Until(fmt.Sprintf("location.href.startsWith(%q) && document.readyState === 'complete'", begin))
}

// emulateTouch makes the window one of a device without a mouse.
func (b *tab) emulateTouch() {
	b.t.Helper()
	call(b, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: true, MaxTouchPoints: 1})
}

func (b *tab) tap(at browser.Spot) {
	b.t.Helper()
	call(b, input.DispatchTouchEvent, input.DispatchTouchEventParams{
		Type: input.DispatchTouchEventTypeTouchStart, TouchPoints: []*input.TouchPoint{{X: at.X, Y: at.Y}},
	})
	call(b, input.DispatchTouchEvent, input.DispatchTouchEventParams{
		Type: input.DispatchTouchEventTypeTouchEnd, TouchPoints: []*input.TouchPoint{},
	})
}

// waitForText waits until an element's text contains some words.
func (b *tab) waitForText(selector, words string) {
	b.t.Helper()
	b.Until(fmt.Sprintf("document.querySelector(%q)?.textContent.includes(%q)", selector, words))
}

func (b *tab) visible(selector string) bool {
	b.t.Helper()
	return eval[bool](b, fmt.Sprintf("document.querySelector(%q)?.checkVisibility({visibilityProperty: true}) ?? false", selector))
}

// waitForState waits until the page that shows the token is in a state.
func (b *tab) waitForState(name string) {
	b.t.Helper()
	b.Until(fmt.Sprintf("document.getElementById('app')?.dataset.state === %q", name))
}

func (b *tab) setSize(width, height int64) {
	b.t.Helper()
	b.Do(chromedp.EmulateViewport(width, height))
}

// setScheme makes the system's colours light or dark. Nothing moves meanwhile, so that what
// is measured is what will stay.
func (b *tab) setScheme(name string) {
	b.t.Helper()
	b.setMedia(name, "reduce")
}

// setMedia says what colours and how much motion the system is set to.
func (b *tab) setMedia(scheme, motion string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion},
		},
	})
}

// setPermission answers for the person what a page may do, such as clipboard-read.
func (b *tab) setPermission(permission, setting string) {
	b.t.Helper()
	at := chromedp.FromContext(b.Context)
	_, err := chromedp.CallBrowser(b.Context, permissions.SetPermission, permissions.SetPermissionParams{
		Permission:       &permissions.PermissionDescriptor{Name: permission},
		Setting:          permissions.PermissionSetting(setting),
		BrowserContextID: at.BrowserContextID,
	})
	b.must(err)
}

// ignoreCertificateErrors accepts certificates of unknown authorities.
func (b *tab) ignoreCertificateErrors() {
	b.t.Helper()
	call(b, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true})
}

// signIn gives the tab a gateway session, as if the person had signed in there.
func (b *tab) signIn(instance *t2gtest.Server, username string) {
	b.t.Helper()
	cookie := instance.Session(b.t, username)
	call(b, network.SetCookie, network.SetCookieParams{Name: cookie.Name, Value: cookie.Value, URL: instance.Gateway})
}

// openTokenPage opens the page that shows the token, signed in, and waits for the token.
func (b *tab) openTokenPage(instance *t2gtest.Server) {
	b.t.Helper()
	b.signIn(instance, "")
	b.Visit(instance.Gateway + "/")
	b.Until("document.getElementById('app').dataset.state !== 'loading'")
}

// advanceClock lets the page's clock run ahead, as if so much time had gone by.
func (b *tab) advanceClock(d time.Duration) {
	b.t.Helper()
	eval[chromedp.Void](b, fmt.Sprintf("{const now = Date.now; Date.now = () => now() + %d;}", d.Milliseconds()))
}

// setScripts says whether pages may run any.
func (b *tab) setScripts(on bool) {
	b.t.Helper()
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

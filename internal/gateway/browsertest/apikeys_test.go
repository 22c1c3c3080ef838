package browsertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/t2gtest"
)

// startWithKeys runs a server that makes API keys.
func startWithKeys(t *testing.T) *t2gtest.Server {
	t.Helper()
	return t2gtest.Start(t, t2gtest.Options{Server: func(o *gateway.Options) {
		withSignIn(o)
		t2gtest.WithKeys(t, t2gtest.Database(t))(o)
	}})
}

// keysStage opens the page of keys and does something there.
func keysStage(do func(*tab)) func(*testing.T, *tab, *t2gtest.Server) {
	return func(_ *testing.T, b *tab, instance *t2gtest.Server) {
		b.openKeys(instance)
		do(b)
	}
}

// adminStage opens a page as an administrator, where another person has made keys.
func adminStage(path string) func(*testing.T, *tab, *t2gtest.Server) {
	return func(_ *testing.T, b *tab, instance *t2gtest.Server) {
		b.openKeys(instance)
		b.makeKey("Nightly job", "10.0.0.0/8")
		b.makeKey(strings.Repeat("Donaudampfschifffahrt", 4), "")
		b.signIn(instance, "omar.operator")
		b.Visit(instance.Gateway + path)
	}
}

// openKeys opens the page of keys, once the server has fetched the issuer's keys.
func (b *tab) openKeys(instance *t2gtest.Server) {
	b.t.Helper()
	b.signIn(instance, "")
	b.waitForKeys(instance)
	b.Visit(instance.Gateway + "/keys")
}

func (b *tab) waitForKeys(instance *t2gtest.Server) {
	b.t.Helper()
	b.expectComplaints("503")
	b.Visit(instance.Gateway + "/echo")
	b.Until(`fetch("/keys", {headers: {Accept: "application/json"}}).then((a) => a.ok)`)
}

func (b *tab) origin() string { return eval[string](b, "location.origin") }

// enter types a text into an empty field.
func (b *tab) enter(selector, text string) {
	b.t.Helper()
	b.Click(selector)
	b.Do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// makeKey makes a key on the page of keys and returns it.
func (b *tab) makeKey(name, networks string) string {
	b.t.Helper()
	b.Visit(b.origin() + "/keys")
	b.enter("#key-name", name)
	if networks != "" {
		b.Click("details.more summary")
		b.enter("#networks", networks)
	}
	b.Click("#make")
	b.Until("document.getElementById('secret')")
	return eval[string](b, "document.getElementById('secret').value")
}

func TestKeyIsShownOnceAndCopied(t *testing.T) {
	t.Parallel()
	instance := startWithKeys(t)
	b := openTab(t)
	b.openKeys(instance)
	secret := b.makeKey("Nightly job", "10.0.0.0/8")
	clipboard.Lock()
	defer clipboard.Unlock()
	b.Click("[data-copy=secret]")
	b.waitForText("#status", "Key copied.")
	if got := b.clipboardText(); got != secret {
		t.Errorf("the clipboard holds %d characters, want the key's %d", len(got), len(secret))
	}
	b.expectComplaints("409")
	b.Do(chromedp.Reload())
	b.Until("document.getElementById('notice')")
	if page := eval[string](b, "document.documentElement.outerHTML"); strings.Contains(page, secret[15:]) {
		t.Error("the page shows the key after it was loaded again")
	}
	b.Visit(instance.Gateway + "/echo") // the pages of keys may fetch nothing
	if got := eval[int](b, `fetch("/keys", {headers: {Accept: "application/json"}}).then((a) => a.json()).then((a) => a.keys.length)`); got != 1 {
		t.Errorf("got %d keys after a reload, want one", got)
	}
	b.checkOrigins(instance.Gateway)
}

func TestKeyPagesWorkByKeyboard(t *testing.T) {
	t.Parallel()
	instance := startWithKeys(t)
	b := openTab(t)
	b.openKeys(instance)
	stops := b.tabStops()
	for _, want := range []string{"key-name", "note", "ttl", "expires", "make"} {
		if !strings.Contains(strings.Join(stops, " "), want) {
			t.Errorf("Tab does not reach %s: %v", want, stops)
		}
	}
	b.Do(chromedp.Focus(chromedp.CSS("#key-name")), chromedp.SendKeys(chromedp.CSS("#key-name"), "By keyboard"))
	b.press(kb.Enter)
	b.Until("document.getElementById('secret')")
	b.press(kb.Tab)
}

func TestKeyPagesWorkWithoutScripts(t *testing.T) {
	t.Parallel()
	instance := startWithKeys(t)
	b := openTab(t)
	b.openKeys(instance)
	b.setScripts(false)
	b.makeKey("Without scripts", "10.0.0.0/8")
	b.Click("#calls-curl summary")
	if !b.visible("#call-curl-0") {
		t.Error("the calls for curl are not visible")
	}
	if b.visible("[data-copy=secret]") {
		t.Error("a button for copying is visible, which does nothing")
	}
	b.Click("a.button[href*='/keys/']")
	b.enter("#try-address", "192.0.2.1")
	b.Click("#ask")
	b.Until("document.getElementById('verdict')")
	b.Click("#replace")
	b.Until("document.getElementById('secret')")
	b.Click("a.button[href*='/keys/']")
	b.Click("#revoke [name=sure]")
	b.Click("#revoke-it")
	b.Until("!document.getElementById('revoke-it')")
}

// TestKeyPagesHoldEarlyPresses is about a website that has a person double-click or hold a
// key, and shows the page of a key meanwhile.
func TestKeyPagesHoldEarlyPresses(t *testing.T) {
	t.Parallel()
	instance := startWithKeys(t)
	b := openTab(t)
	b.openKeys(instance)
	b.makeKey("Held", "")
	at := eval[string](b, "document.querySelector(\"a.button[href*='/keys/']\").href")
	for _, fragment := range []string{"", "#revoke-it", "#replace", "#rotate"} {
		b.Visit(at + fragment)
		b.Until("document.getElementById('revoke-it')")
		b.Do(chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Enter))
		eval[chromedp.Void](b, "new Promise((done) => setTimeout(done, 300))")
		if got := eval[string](b, "location.pathname"); !strings.HasSuffix(at, got) {
			t.Errorf("%q: a held key led to %s", fragment, got)
		}
	}
	for _, selector := range []string{"#revoke-it", "#replace"} {
		b.Visit(at)
		b.Until(fmt.Sprintf("document.querySelector(%q)", selector))
		b.ClickAt(b.Spot(selector), 1)
		eval[chromedp.Void](b, "new Promise((done) => setTimeout(done, 300))")
		if got := eval[string](b, "location.pathname"); !strings.HasSuffix(at, got) {
			t.Errorf("an early click on %s counted: %s", selector, got)
		}
	}
}

package browsertest

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/t2gtest"
)

// startWithKeys runs a server that makes keys.
func startWithKeys(t *testing.T) *t2gtest.Server {
	t.Helper()
	return t2gtest.Start(t, t2gtest.Options{Server: func(o *gateway.Options) {
		asDemo(o)
		t2gtest.WithKeys(t, t2gtest.Database(t))(o)
	}})
}

func TestKeyIsMadeUsedAndRevoked(t *testing.T) {
	t.Parallel()
	instance := startWithKeys(t)
	b := openTab(t)
	b.signIn(instance, "")
	b.Visit(instance.Gateway + "/keys")
	b.screenshot("keys empty")
	b.Click("#key-name")
	b.enter("#key-name", "Nightly job")
	b.Click("details.more summary")
	b.enter("#networks", "10.0.0.0/8")
	b.screenshot("keys form")
	b.Click("#make")
	b.Until("document.getElementById('secret')")
	b.Click("#calls-curl summary")
	b.screenshot("made")
	b.Visit(instance.Gateway + "/keys")
	b.screenshot("keys list")
	b.Click("#keys a")
	b.Until("document.getElementById('key-id')")
	b.screenshot("key")
	b.enter("#try-address", "192.0.2.1")
	b.Click("#ask")
	b.Until("document.getElementById('verdict')")
	b.screenshot("key tried")
	b.setSize(390, 900)
	b.setScheme("dark")
	b.screenshot("key phone dark")
	b.Visit(instance.Gateway + "/keys")
	b.screenshot("keys phone dark")
}

// enter types a text into an empty field.
func (b *tab) enter(selector, text string) {
	b.t.Helper()
	b.Click(selector)
	b.Do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

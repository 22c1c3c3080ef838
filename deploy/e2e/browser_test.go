package e2e_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/token2go/token2go/internal/t2gtest/browser"
)

// chromium is the one browser of all tests, started by the first that needs it.
var chromium browser.Chromium

// tab is a window of a browser that has never been anywhere.
type tab struct {
	*browser.Tab
	t testing.TB
}

func open(t testing.TB) *tab {
	t.Helper()
	return &tab{t: t, Tab: chromium.Open(t, map[string]any{
		"proxy-server": recipeNames(t).proxy,
		// A browser does not trust the certificate of the names.
		"ignore-certificate-errors": true,
	})}
}

// eval runs a script in the page, waits for a promise, and returns its value.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	return browser.Eval[T](b.Tab, script)
}

func (b *tab) visit(address string) {
	b.t.Helper()
	b.Visit(address)
}

func (b *tab) until(script string) {
	b.t.Helper()
	b.Until(script)
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	return b.Text(selector)
}

// click clicks an element once the page is loaded and has it.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.until(there(selector))
	b.Click(selector)
}

// decide answers the question as a person does with a mouse.
func (b *tab) decide(selector string) {
	b.t.Helper()
	b.until(there(selector))
	b.Decide(selector)
}

// there is a script that says whether a page that is loaded has such an element.
func there(selector string) string {
	return fmt.Sprintf("document.readyState === 'complete' && document.querySelector(%q)", selector)
}

// The buttons of Keycloak's form and of our question.
const (
	form     = "#kc-login"
	question = "[data-id=question] [data-id=allow]"
)

// signIn fills in the form at which the tab has arrived.
func (b *tab) signIn(who person) {
	b.t.Helper()
	b.until(there(form))
	if at := eval[string](b, "location.origin"); at != "https://id.example.org" {
		b.t.Fatalf("the form is of %s, want Keycloak's", at)
	}
	b.Do(chromedp.SendKeys(chromedp.CSS("#username"), who.name), chromedp.SendKeys(chromedp.CSS("#password"), who.name))
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

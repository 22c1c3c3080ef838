package browsertest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/token2go/token2go/internal/t2gtest"
)

// press presses keys once the page takes them.
func (b *tab) press(keys ...string) {
	b.t.Helper()
	b.Ready()
	for _, key := range keys {
		b.Do(chromedp.KeyEvent(key))
	}
}

// focusedElement names the element that has the keyboard's focus, by id or by what it says.
func (b *tab) focusedElement() string {
	b.t.Helper()
	return eval[string](b, `(({id, dataset, value, innerText, localName}) => id || dataset.id || (localName === "input" ? value : innerText?.trim()) || localName)(document.activeElement)`)
}

// tabStops presses Tab until the focus leaves the page, and names each stop. At every stop
// the focus must be to be seen: an outline in view, on the element or on its label.
func (b *tab) tabStops() []string {
	b.t.Helper()
	const seen = `(() => {
		const at = document.activeElement;
		const shown = at.matches(".unseen") ? at.closest("label") : at;
		const style = getComputedStyle(shown), box = shown.getBoundingClientRect();
		const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
		const inView = box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < innerHeight && box.left >= 0 && box.right <= innerWidth;
		return outlined && inView ? "" : JSON.stringify({outline: style.outline, box});
	})()`
	var stops []string
	for range 60 {
		b.press(kb.Tab)
		if eval[bool](b, "document.activeElement === document.body") {
			return stops
		}
		name := b.focusedElement()
		if hidden := eval[string](b, seen); hidden != "" {
			b.t.Errorf("the focus on %s is not visible: %s", name, hidden)
		}
		stops = append(stops, name)
	}
	b.t.Fatalf("Tab never leaves the page: %v", stops)
	return nil
}

func TestTokenPageHasTabOrder(t *testing.T) {
	t.Parallel()
	for _, width := range []int64{1280, 390} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			t.Parallel()
			instance := t2gtest.Start(t, t2gtest.Options{Server: withSignIn})
			b := openTab(t)
			b.setSize(width, 700)
			b.openTokenPage(instance)
			b.waitForState("ready")
			want := []string{
				"Skip to content", "brand", "sign-out", "system", "token", "copy", "show", "reload", "delete", "Sign out", "auto-copy", "auto-delete",
				"copy-fingerprint", "with-token", "url", "tab-curl", "example", "copy-snippet", "Header and claims as JSON", "Token", "API", "Header doctor",
			}
			if got := b.tabStops(); !slices.Equal(got, want) {
				t.Errorf("Tab stops at %q, want %q", got, want)
			}
		})
	}
}

func TestTokenPageWorksByKeyboard(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{Server: withSignIn})
	b := openTab(t)
	b.openTokenPage(instance)
	b.waitForState("ready")
	b.press(kb.Tab, kb.Enter)
	if got := b.focusedElement(); got != "main" {
		t.Errorf("the first link leads to %s, want main", got)
	}
	b.press(kb.Tab, kb.Tab)
	clipboard.Lock()
	defer clipboard.Unlock()
	b.press(kb.Enter)
	b.waitForText("#status", "Token copied.")
	if got, want := b.clipboardText(), b.token(); got != want {
		t.Errorf("the clipboard holds %d characters, want the token's %d", len(got), len(want))
	}
	b.press(kb.Tab, " ")
	b.Until("document.getElementById('token').dataset.look === 'shown'")
	b.press(kb.Tab, kb.Tab, kb.Enter)
	b.waitForState("deleted")
	if got := b.focusedElement(); got != "reload" {
		t.Errorf("after the deletion %s has the focus, want reload", got)
	}
	b.press(kb.Enter)
	b.waitForState("ready")
	b.Do(chromedp.Focus(chromedp.CSS("#auto-delete")))
	b.press(" ")
	b.waitForText("#pending-text", "It is deleted in ")
	b.Do(chromedp.Focus(chromedp.CSS("#keep")))
	b.press(kb.Enter)
	b.waitForText("#status", "Kept.")
	if got := b.focusedElement(); got != "copy" {
		t.Errorf("after Keep it, %s has the focus, want copy", got)
	}
}

func TestExampleTabsFollowArrowKeys(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.openTokenPage(instance)
	b.Do(chromedp.Focus(chromedp.CSS("#tab-curl")))
	for _, test := range []struct{ key, want string }{
		{kb.ArrowRight, "tab-httpie"}, {kb.ArrowLeft, "tab-curl"}, {kb.ArrowLeft, "tab-token2go"},
		{kb.ArrowRight, "tab-curl"}, {kb.End, "tab-token2go"}, {kb.Home, "tab-curl"},
	} {
		b.press(test.key)
		const chosen = `[document.activeElement.id, document.querySelector("[role=tab][aria-selected=true]").id, document.getElementById("panel").getAttribute("aria-labelledby")].join()`
		if got, want := eval[string](b, chosen), strings.Join([]string{test.want, test.want, test.want}, ","); got != want {
			t.Errorf("got focus, choice and label on %s, want %s", got, want)
		}
	}
}

func TestQuestionIgnoresEarlyKeysAndAcceptsLaterOnes(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{Server: askAlways})
	l := startListener(t, "127.0.0.1")
	b := openTab(t)
	b.signIn(instance, "")
	b.Visit(l.flowURL(instance, "target", l.address))
	b.press(kb.Enter, " ") // of a person who was typing when the page came
	if !eval[bool](b, "document.querySelector('[data-id=question]') && document.activeElement === document.body") {
		t.Error("a key that was pressed unawares does something")
	}
	l.mustHaveNoAnswer(t)
	want := []string{"brand", "deny", "allow", "Token", "API", "Header doctor"}
	if got := b.tabStops(); !slices.Equal(got, want) {
		t.Errorf("Tab stops at %q, want %q", got, want)
	}
	b.Do(chromedp.Focus(chromedp.CSS("[data-id=allow]")))
	b.press(kb.Enter)
	if form := l.answer(t); form.Get("response") == "" {
		t.Errorf("got the fields %v, want the sealed token", form)
	}
}

// TestLiveRegionAnnouncesChanges reads what a screen reader is told: the changes of the one
// live region, which is there before anything is said.
func TestLiveRegionAnnouncesChanges(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{Demo: neverRenewed})
	b := openTab(t)
	b.openTokenPage(instance)
	b.waitForState("ready")
	b.waitForText("#status", "Ready.")
	if got := eval[int](b, `document.querySelectorAll("[aria-live], [role=status], [role=alert], [role=timer], [role=log], output").length`); got != 1 {
		t.Errorf("got %d live regions, want the one that does not count seconds", got)
	}
	eval[chromedp.Void](b, `window.heard = []; new MutationObserver(() => {
		const words = document.getElementById("status").textContent;
		if (words) heard.push(words);
	}).observe(document.getElementById("status"), {childList: true, characterData: true, subtree: true})`)
	clipboard.Lock()
	for range 2 {
		before := eval[int](b, "heard.length")
		b.Click("#copy")
		b.Until(fmt.Sprintf("heard.length > %d", before))
	}
	clipboard.Unlock()
	b.Click("#auto-delete")
	b.Until(`heard.at(-1) === "Preference kept in this browser."`)
	b.Click("#delete")
	b.Until(`heard.at(-1).startsWith("Deleted from this page.")`)
	const want = "Token copied.|Token copied.|Preference kept in this browser.|Deleted from this page. Elsewhere it works until it expires."
	if got := eval[string](b, `heard.join("|")`); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestExamplesAreCopiedAsShown goes through all tabs, without the token and with it.
func TestExamplesAreCopiedAsShown(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.openTokenPage(instance)
	b.waitForState("ready")
	secret := b.token()
	clipboard.Lock()
	defer clipboard.Unlock()
	tabs := eval[[]string](b, `[...document.querySelectorAll("[role=tab]")].map((tab) => tab.id)`)
	if len(tabs) != 9 {
		t.Errorf("got the examples %v, want nine", tabs)
	}
	for _, inside := range []bool{false, true} {
		if inside {
			b.Click("#with-token")
		}
		for _, tool := range tabs {
			b.Click("#" + tool)
			b.Click("#copy-snippet")
			b.waitForText("#status", "Example copied.")
			shown := eval[string](b, `document.getElementById("snippet").textContent`)
			if got := b.clipboardText(); got != shown || got == "" {
				t.Errorf("%s: copied %q, want %q", tool, got, shown)
			}
			if got, want := strings.Contains(shown, secret), inside && tool != "tab-token2go"; got != want {
				t.Errorf("%s: got the token in it: %t, want %t", tool, got, want)
			}
			eval[chromedp.Void](b, `document.getElementById("status").textContent = ""`)
		}
	}
}

func TestSwaggerUICallsAnOperation(t *testing.T) {
	t.Parallel()
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.expectComplaints("FormEmptyIdAndNameAttributesForInputError") // of Swagger UI's own inputs
	b.signIn(instance, "")
	b.Visit(instance.Gateway + "/swagger-ui/")
	b.Until("document.querySelectorAll('.opblock').length > 0")
	b.Click("#operations-operator-health .opblock-summary-control")
	b.Until("document.querySelector('.opblock .execute')")
	b.Click(".opblock .execute")
	b.Until("document.querySelector('.live-responses-table tbody .response-col_status')?.textContent.includes('200')")
	if b.status(instance.Gateway+"/health") != http.StatusOK {
		t.Error("the operation was not called")
	}
	b.checkOrigins(instance.Gateway)
}

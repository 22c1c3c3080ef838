//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/browser"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// A person at a desktop, whole: the program opens a real browser, and the person signs
// in there and is asked, since a form was filled in on the way.
func TestGetOpensChromiumAndReceivesTheToken(t *testing.T) {
	t.Parallel()
	var chromium browser.Chromium
	t.Cleanup(chromium.Close)
	tab := chromium.Open(t, nil)
	server := t2gtest.Start(t, t2gtest.Options{})
	script := filepath.Join(t.TempDir(), "browser.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$1\" > \"$0.new\" && mv \"$0.new\" \"$0.url\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := startInTerminal(t, server, []string{"get", server.Gateway}, "BROWSER="+script)
	words := s.find(t, `these four words: ([a-z ]+)`)
	var opened []byte
	process.Until(t, "the browser is opened", func() bool {
		var err error
		opened, err = os.ReadFile(script + ".url")
		return err == nil
	})
	tab.Visit(strings.TrimSpace(string(opened)))
	press := func(selector string) {
		t.Helper()
		pressUntilGone(t, tab, selector)
	}
	press(`form[action="/oauth2/start"] button`)
	press(`button[name="person"]`)
	tab.Until(`document.querySelector("[data-id=question]")?.checkVisibility()`)
	if asked := tab.Text("[data-id=question]"); !strings.Contains(withoutSpace(asked), withoutSpace(words)) {
		t.Errorf("got %q, want the question with the words %q", asked, words)
	}
	press("[data-id=allow]")
	s.mustExit(t, 0)
	s.mustHaveToken(t, 0)
	s.mustBeRestored(t)
	// The end is shown at a clean address.
	tab.Until(fmt.Sprintf(`location.hostname === "127.0.0.1" && location.origin !== %q && !location.search &&
		document.readyState === "complete"`, server.Gateway))
	if said := tab.Text("body"); !strings.Contains(withoutSpace(said), withoutSpace(words)) {
		t.Errorf("got %q, want the same words there", said)
	}
}

// pressUntilGone presses a button, again where the page was still being laid out when
// the mouse went down, until another page has taken its place.
func pressUntilGone(t *testing.T, tab *browser.Tab, selector string) {
	t.Helper()
	gone := chromedp.Evaluate[bool](fmt.Sprintf("document.querySelector(%q) === null", selector))
	process.Until(t, selector+" is pressed", func() bool {
		limited, cancel := context.WithTimeout(tab.Context, 5*time.Second)
		defer cancel()
		if err := chromedp.Do(limited, chromedp.Click(chromedp.CSS(selector))); err != nil {
			return false
		}
		for limited.Err() == nil {
			if is, err := chromedp.Run(limited, gone); err == nil && is {
				return true
			}
			time.Sleep(50 * time.Millisecond)
		}
		return false
	})
}

func withoutSpace(text string) string { return strings.Join(strings.Fields(text), "") }

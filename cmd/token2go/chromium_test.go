//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"token2go/internal/t2gtest"
)

// A person at a desktop, whole: the program opens a real browser, and the person signs
// in there and is asked, since a form was filled in on the way.
func TestGetOpensChromiumAndGetsWhatThePersonAllows(t *testing.T) {
	t.Parallel()
	chromium := findChromium(t)
	house := t2gtest.Start(t, t2gtest.Options{})
	browser := filepath.Join(t.TempDir(), "browser.sh")
	if err := os.WriteFile(browser, []byte("#!/bin/sh\necho \"$1\" > \"$0.new\" && mv \"$0.new\" \"$0.url\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := sit(t, house, []string{"get", house.Gateway}, "BROWSER="+browser)
	words := s.find(t, `these four words: ([a-z ]+)`)
	var opened []byte
	wait(t, "the browser is opened", func() bool {
		var err error
		opened, err = os.ReadFile(browser + ".url")
		return err == nil
	})
	tab := openChromium(t, chromium)
	if err := chromedp.Do(tab, chromedp.Navigate(strings.TrimSpace(string(opened)))); err != nil {
		t.Fatal(err)
	}
	press := func(selector string) {
		t.Helper()
		pressUntilGone(tab, t, selector)
	}
	press(`form[action="/oauth2/start"] button`)
	press(`button[name="person"]`)
	asked, err := chromedp.Run(tab, chromedp.Text(chromedp.CSS("#question")))
	if err != nil || !strings.Contains(squeezed(asked), squeezed(words)) {
		t.Errorf("got %q and %v, want the question with the words %q", asked, err, words)
	}
	press("#allow")
	s.ends(t, 0)
	s.mustHaveToken(t, 0)
	s.mustBeAsBefore(t)
	var last string
	wait(t, "the browser shows the end at a clean address", func() bool {
		if last, err = chromedp.Run(tab, chromedp.Location()); err != nil {
			t.Fatal(err)
		}
		return strings.HasPrefix(last, "http://127.0.0.1:") && !strings.Contains(last, "?") && !strings.HasPrefix(last, house.Gateway)
	})
	said, err := chromedp.Run(tab, chromedp.Text(chromedp.CSS("body")))
	if err != nil || !strings.Contains(squeezed(said), squeezed(words)) {
		t.Errorf("got %q and %v, want the same words there", said, err)
	}
}

// pressUntilGone presses a button, again where the page was still being laid out when
// the mouse went down, until another page has taken its place.
func pressUntilGone(tab context.Context, t *testing.T, selector string) {
	t.Helper()
	gone := chromedp.Evaluate[bool](fmt.Sprintf("document.querySelector(%q) === null", selector))
	wait(t, selector+" is pressed", func() bool {
		limited, cancel := context.WithTimeout(tab, 5*time.Second)
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

func squeezed(text string) string { return strings.Join(strings.Fields(text), "") }

func findChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{cmp.Or(os.Getenv("T2G_TEST_CHROMIUM"), "chromium"), "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	mustHave(t, "chromium")
	return ""
}

func openChromium(t *testing.T, path string) context.Context {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir())}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-dev-shm-usage", "disable-extensions",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	tab, stop := chromedp.NewContext(allocator)
	t.Cleanup(stop)
	if err := chromedp.Do(tab); err != nil {
		t.Fatalf("%s does not start: %v", path, err)
	}
	limited, stop := context.WithTimeout(tab, soon)
	t.Cleanup(stop)
	return limited
}

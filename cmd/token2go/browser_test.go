package main

import (
	"cmp"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

// pretendBrowser is the program that $BROWSER names in the tests: it opens an address
// and does there what a person does, until there is nothing more to do.
//
//   - $TABS is a file that gets a line for each address that is opened
//   - $DECISION is what to answer a question with; empty: allow; never: it stays open
//   - $SLOW is how long the person thinks first
//   - $READY is a file until which the person does nothing; empty: nothing is awaited
//   - $PERSON is who signs in; empty: the first of the pretend people
//   - $SEALED is a file that gets the text which a page shows for pasting
//   - $STUCK is a file that gets the address at which the browser could not go on
func pretendBrowser() {
	if len(os.Args) != 2 {
		fmt.Fprintf(os.Stderr, "got %q, want an address\n", os.Args[1:])
		os.Exit(2)
	}
	tabs, err := os.OpenFile(os.Getenv("TABS"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(tabs, os.Args[1])
	}
	if slow, parsing := time.ParseDuration(os.Getenv("SLOW")); parsing == nil {
		time.Sleep(slow)
	}
	if ready := os.Getenv("READY"); ready != "" {
		awaitFile(ready)
	}
	if err == nil && os.Getenv("DECISION") != "never" {
		err = browse(os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "browser:", err)
		os.Exit(1)
	}
}

// awaitFile gives up where the test has ended without making the file.
func awaitFile(path string) {
	for deadline := time.Now().Add(soon); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
}

// browse visits an address and puts down what came of it.
func browse(address string) error {
	sealed, err := newTab().visit(address)
	var stuck *stuckError
	switch {
	case sealed != "":
		return os.WriteFile(os.Getenv("SEALED"), []byte(sealed), 0o600)
	case errors.As(err, &stuck):
		return os.WriteFile(os.Getenv("STUCK"), []byte(stuck.address), 0o600)
	}
	return err
}

// stuckError is of an address that the browser cannot reach.
type stuckError struct{ address string }

func (e *stuckError) Error() string { return "cannot reach " + e.address }

type tab struct {
	http.Client
	site string // Sec-Fetch-Site of the next request
}

func newTab() *tab {
	jar, _ := cookiejar.New(nil) // never returns an error
	t := &tab{site: "none"}
	t.Jar = jar
	// Its own, for other tests close the idle connections of the default one.
	t.Transport = &http.Transport{DisableKeepAlives: true}
	t.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return t
}

var (
	forms   = regexp.MustCompile(`(?s)<form[^>]*>.*?</form>`)
	actions = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
	hiddens = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
	persons = regexp.MustCompile(`name="person" value="([^"]*)"`)
	sealeds = regexp.MustCompile(`(?s)<textarea[^>]* data-id="sealed"[^>]*>(.*?)</textarea>`)
)

// visit opens an address and fills in forms until a page has no known one. It
// returns the text which that page shows for pasting.
func (t *tab) visit(address string) (sealed string, err error) {
	r, err := http.NewRequest(http.MethodGet, address, nil)
	for range 20 {
		if err != nil {
			return "", err
		}
		body, at, err := t.load(r)
		if err != nil {
			return "", err
		}
		if found := sealeds.FindStringSubmatch(body); found != nil {
			return html.UnescapeString(found[1]), nil
		}
		if r, err = t.fill(body, at); r == nil {
			return "", err
		}
	}
	return "", fmt.Errorf("no end of forms at %s", address)
}

// load follows redirects.
func (t *tab) load(r *http.Request) (body string, at *url.URL, err error) {
	for range 20 {
		r.Header.Set("User-Agent", "Mozilla/5.0")
		r.Header.Set("Accept", "text/html")
		for name, value := range map[string]string{"Site": t.site, "User": "?1", "Mode": "navigate", "Dest": "document"} {
			r.Header.Set("Sec-Fetch-"+name, value)
		}
		answer, err := t.Do(r)
		if err != nil {
			return "", nil, &stuckError{r.URL.String()}
		}
		read, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			return "", nil, fmt.Errorf("%s %s: %s, %d bytes of %d, then %w",
				r.Method, r.URL.Path, answer.Status, len(read), answer.ContentLength, err)
		}
		next, _ := answer.Location()
		if next == nil {
			return string(read), r.URL, nil
		}
		if r, err = http.NewRequest(http.MethodGet, next.String(), nil); err != nil {
			return "", nil, err
		}
	}
	return "", nil, fmt.Errorf("no end of redirects at %s", r.URL)
}

// fill fills in the first form of a page, as the person would.
func (t *tab) fill(body string, at *url.URL) (*http.Request, error) {
	form := forms.FindString(body)
	if form == "" {
		return nil, nil //nolint:nilnil // nothing to fill in
	}
	fields := url.Values{}
	for _, hidden := range hiddens.FindAllStringSubmatch(form, -1) {
		fields.Add(html.UnescapeString(hidden[1]), html.UnescapeString(hidden[2]))
	}
	switch person := persons.FindStringSubmatch(form); {
	case person != nil && os.Getenv("PERSON") != "":
		fields.Set("person", os.Getenv("PERSON"))
	case person != nil:
		fields.Set("person", html.UnescapeString(person[1]))
	case strings.Contains(form, `name="decision"`):
		fields.Set("decision", cmp.Or(os.Getenv("DECISION"), "allow"))
	case strings.Contains(form, `action="/oauth2/start"`), strings.Contains(form, `data-id="handover"`):
	default:
		return nil, nil //nolint:nilnil // a form of another kind
	}
	action := actions.FindStringSubmatch(form)
	if action == nil {
		return nil, fmt.Errorf("a form without an action: %s", form)
	}
	to, err := at.Parse(html.UnescapeString(action[1]))
	if err != nil {
		return nil, err
	}
	t.site = "same-origin"
	r, err := http.NewRequest(http.MethodPost, to.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", at.Scheme+"://"+at.Host)
	return r, nil
}

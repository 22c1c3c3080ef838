package token2go_test

import (
	"context"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
	"github.com/token2go/token2go/internal/demo"
	"github.com/token2go/token2go/internal/t2gtest"
)

var (
	postForm = regexp.MustCompile(`<form[^>]* method="post"[^>]* action="([^"]*)"`)
	inputs   = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
	listed   = regexp.MustCompile(`<li>([a-z]+)</li>`)
	sealed   = regexp.MustCompile(`(?s)<textarea[^>]* (?:data-)?id="sealed"[^>]*>([^<]*)<`)
)

// fakeBrowser is a person at a browser: it follows redirects, signs in as the first of the
// pretend people where it is asked to, and gives its answer to the question.
type fakeBrowser struct {
	decision string
	seen     []string // pages
	posted   bool     // the answer came by a form
	done     chan struct{}
}

func newFakeBrowser(decision string) *fakeBrowser {
	return &fakeBrowser{decision: decision, done: make(chan struct{})}
}

func (s *fakeBrowser) open(address string) error {
	defer close(s.done)
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := http.Client{Jar: jar}
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Sec-Fetch-Site", "none")
	for {
		r.Header.Set("Accept", "text/html,*/*;q=0.8")
		r.Header.Set("User-Agent", "Mozilla/5.0")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			return err
		}
		page := string(text)
		s.seen = append(s.seen, page)
		if r, err = s.submit(answer.Request.URL, page); r == nil {
			return err
		}
	}
}

// submit fills in the form of a page; nil where there is none.
func (s *fakeBrowser) submit(at *url.URL, page string) (*http.Request, error) {
	form := postForm.FindStringSubmatch(page)
	if form == nil {
		return nil, nil
	}
	action, err := at.Parse(html.UnescapeString(form[1]))
	if err != nil {
		return nil, err
	}
	fields := url.Values{}
	for _, input := range inputs.FindAllStringSubmatch(page, -1) {
		fields.Set(html.UnescapeString(input[1]), html.UnescapeString(input[2]))
	}
	if strings.Contains(page, `name="person"`) {
		fields.Set("person", demo.People()[0].Username)
	}
	if strings.Contains(page, `name="decision"`) {
		fields.Set("decision", s.decision)
	}
	r, err := http.NewRequest(http.MethodPost, action.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", at.Scheme+"://"+at.Host)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if action.Host != at.Host {
		s.posted = true
		r.Header.Set("Origin", "null")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	return r, nil
}

func (s *fakeBrowser) last() string { return s.seen[len(s.seen)-1] }

func TestGetReturnsTheTokenOfAServer(t *testing.T) {
	for _, test := range []struct {
		name   string
		size   int // of the token
		format token2go.Format
		posted bool
	}{
		{"in a redirect", 0, token2go.JWE, false},
		{"in a form, for its size", 8000, token2go.JWE, true},
		{"as token2go-server 1.0.3 does", 0, token2go.Triple, false},
		{"as token2go-server 1.0.3 does, whatever its size", 8000, token2go.Triple, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			instance := t2gtest.Start(t, t2gtest.Options{Demo: func(o *demo.Options) { o.TokenBytes = test.size }})
			s := newFakeBrowser("allow")
			var prompt token2go.Prompt
			token, err := token2go.Get(t.Context(), token2go.Options{
				Server: instance.Gateway, Client: "The test", Format: test.format, MinTTL: time.Minute,
				Show: func(p token2go.Prompt) { prompt = p },
				Open: s.open,
				Warn: func(err error) { t.Errorf("got the warning %v", err) },
			})
			<-s.done
			if err != nil {
				t.Fatal(err)
			}
			if !token.ValidFor(time.Minute) || token.Expiry.IsZero() || len(token.Reveal()) < test.size || token.TokenType != "Bearer" ||
				token.Header == "" || token.Words != prompt.Words || s.posted != test.posted {
				t.Errorf("got %s of %d bytes until %s, by a form %t", token, len(token.Reveal()), token.Expiry, s.posted)
			}
			checkPages(t, s, prompt, token)
			if log := instance.Output.String(); strings.Contains(log, token.Reveal()) || !strings.Contains(log, token.Fingerprint) {
				t.Error("the server's log holds the token, or not its fingerprint")
			}
		})
	}
}

// checkPages looks at what the person saw: the words where they were asked, and the
// token nowhere.
func checkPages(t *testing.T, s *fakeBrowser, prompt token2go.Prompt, token token2go.Token) {
	t.Helper()
	asked := false
	for _, page := range s.seen {
		if strings.Contains(page, token.Reveal()) {
			t.Error("a page holds the token")
		}
		if !strings.Contains(page, `name="decision"`) {
			continue
		}
		asked = true
		var words [4]string
		for i, found := range listed.FindAllStringSubmatch(page, 4) {
			words[i] = found[1]
		}
		if words != prompt.Words || !strings.Contains(page, "The test") {
			t.Errorf("the person was asked with the words %v, want %v", words, prompt.Words)
		}
	}
	if !asked || !strings.Contains(s.last(), "The program has its token") {
		t.Errorf("asked %t, and at last:\n%s", asked, s.last())
	}
}

func TestGetReturnsTheRefusalOfAServer(t *testing.T) {
	for _, test := range []struct {
		name     string
		decision string
		demo     func(*demo.Options)
		change   func(*token2go.Options)
		want     error
	}{
		{"the person", "deny", nil, nil, token2go.ErrDenied},
		{"the token lives too short", "allow", nil, func(o *token2go.Options) { o.MinTTL = 20 * time.Hour }, token2go.ErrExpiring},
		{"the gateway keeps the token", "allow", func(o *demo.Options) { o.Flags = demo.Flags{NoPassAccessToken: true} }, nil, token2go.ErrNoToken},
		{"the name is too long", "allow", nil, func(o *token2go.Options) { o.Client = strings.Repeat("x", 65) }, token2go.ErrRefused},
	} {
		t.Run(test.name, func(t *testing.T) {
			instance := t2gtest.Start(t, t2gtest.Options{Demo: test.demo})
			s := newFakeBrowser(test.decision)
			o := token2go.Options{Server: instance.Gateway, Open: s.open}
			if test.change != nil {
				test.change(&o)
			}
			token, err := token2go.Get(t.Context(), o)
			<-s.done
			var typed *token2go.Error
			if !errors.Is(err, test.want) || !errors.As(err, &typed) || typed.Detail == "" || !token.Absent() {
				t.Errorf("got %v, want %v and why", err, test.want)
			}
			if !strings.Contains(s.last(), "No token was handed over") {
				t.Errorf("got at last:\n%s", s.last())
			}
		})
	}
}

func TestGetTakesAPastedText(t *testing.T) {
	instance := t2gtest.Start(t, t2gtest.Options{})
	for _, only := range []bool{true, false} {
		s := newFakeBrowser("allow")
		shown := make(chan token2go.Prompt, 1)
		token, err := token2go.Get(t.Context(), token2go.Options{
			Server: instance.Gateway, PasteOnly: only, Timeout: 20 * time.Second,
			Show: func(p token2go.Prompt) { shown <- p },
			Paste: func(ctx context.Context) (string, error) {
				var p token2go.Prompt
				select {
				case p = <-shown:
				case <-ctx.Done():
					return "", ctx.Err()
				}
				if only != (p.ShortURL == "") {
					t.Errorf("got the short address %q", p.ShortURL)
				}
				if err := s.open(p.PasteURL); err != nil {
					return "", err
				}
				found := sealed.FindStringSubmatch(s.last())
				if found == nil {
					return "", errors.New("no sealed text in " + s.last())
				}
				return found[1], nil
			},
		})
		if err != nil || token.Absent() || token.Expiry.IsZero() {
			t.Errorf("got %v, want a token", err)
		}
	}
}

package token2go_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/token2go/token2go/clients/go/token2go"
)

// tokens hands out one after the other: Renew moves on.
type tokens struct {
	mu      sync.Mutex
	list    []string
	renewed int
	err     error
}

func (s *tokens) Get(context.Context) (token2go.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return token2go.NewToken(s.list[0]), s.err
}

func (s *tokens) Renew(ctx context.Context, rejected token2go.Token) (token2go.Token, error) {
	s.mu.Lock()
	s.renewed++
	if len(s.list) > 1 && token2go.NewToken(s.list[0]).Fingerprint == rejected.Fingerprint {
		s.list = s.list[1:]
	}
	s.mu.Unlock()
	return s.Get(ctx)
}

// target is a server that writes down what it was sent, and redirects /to?ADDRESS.
type target struct {
	*httptest.Server
	mu     sync.Mutex
	seen   []string // Authorization and body
	wanted string   // the Authorization without which it answers 401; empty: none
}

func newTarget(t *testing.T) *target {
	t.Helper()
	s := &target{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen = append(s.seen, r.Header.Get("Authorization")+"|"+string(body))
		switch {
		case r.URL.Path == "/to":
			http.Redirect(w, r, r.URL.RawQuery, http.StatusTemporaryRedirect)
		case s.wanted != "" && r.Header.Get("Authorization") != s.wanted:
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, "no")
		default:
			_, _ = io.WriteString(w, "yes")
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *target) host() string { return strings.TrimPrefix(s.URL, "http://") }

func (s *target) check(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.seen, want) {
		t.Errorf("got %q, want %q", s.seen, want)
	}
}

func client(s token2go.Tokens, hosts ...string) *http.Client {
	return &http.Client{Transport: &token2go.Transport{Tokens: s, Hosts: hosts}}
}

func get(t *testing.T, c *http.Client, address string) *http.Response {
	t.Helper()
	answer, err := c.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

func TestTransportAddsTheTokenForItsHosts(t *testing.T) {
	named, other := newTarget(t), newTarget(t)
	c := client(&tokens{list: []string{"x"}}, named.host())
	get(t, c, named.URL)
	get(t, c, other.URL)
	get(t, c, strings.Replace(named.URL, "127.0.0.1", "localhost", 1)) // the same computer, and another name
	named.check(t, "Bearer x|", "|")
	other.check(t, "|")
}

func TestTransportAddsNoTokenAfterARedirect(t *testing.T) {
	first, second := newTarget(t), newTarget(t)
	c := client(&tokens{list: []string{"x"}}, first.host(), second.host())
	get(t, c, first.URL+"/to?/here")
	first.check(t, "Bearer x|", "Bearer x|") // on the same host it may
	get(t, c, first.URL+"/to?"+second.URL+"/there")
	second.check(t, "|")
	get(t, c, second.URL+"/to?"+first.URL+"/to?"+second.URL+"/back")
	second.check(t, "|", "Bearer x|", "|") // back where it began, another host chose what is asked
}

func TestTransportAddsNoTokenElsewhere(t *testing.T) {
	var got *http.Request
	base := roundTripper(func(r *http.Request) (*http.Response, error) { got = r; return nil, errors.New("not sent") })
	for _, test := range []struct {
		name, host, address string
		header              string
		want                string
	}{
		{"the host over https", "api.example", "https://api.example/", "", "Bearer x"},
		{"its port written out", "api.example", "https://api.example:443/", "", "Bearer x"},
		{"in capital letters", "API.example:443", "https://Api.Example/", "", "Bearer x"},
		{"the host over http", "api.example", "http://api.example/", "", ""},
		{"this computer over http", "localhost:8080", "http://localhost:8080/", "", "Bearer x"},
		{"this computer by its other address", "[::1]:8080", "http://[::1]:8080/", "", "Bearer x"},
		{"another port", "api.example", "https://api.example:8443/", "", ""},
		{"a port that is named", "api.example:8443", "https://api.example:8443/", "", "Bearer x"},
		{"the port that is not named", "api.example:8443", "https://api.example/", "", ""},
		{"a host below", "api.example", "https://evil.api.example/", "", ""},
		{"a host above", "api.example", "https://example/", "", ""},
		{"a host that ends so", "api.example", "https://evilapi.example/", "", ""},
		{"a host that begins so", "api.example", "https://api.example.evil/", "", ""},
		{"a dot at the end", "api.example", "https://api.example./", "", ""},
		{"a letter whose small form is one of the host's", "api.example", "https://apİ.example/", "", ""},
		{"that letter, encoded", "api.example", "https://ap%C4%B0.example/", "", ""},
		{"a user name", "api.example", "https://user@api.example/", "", ""},
		{"a host in the user name", "api.example", "https://api.example@evil.example/", "", ""},
		{"an Authorization of the caller's", "api.example", "https://api.example/", "Basic eA==", "Basic eA=="},
	} {
		t.Run(test.name, func(t *testing.T) {
			transport := &token2go.Transport{Tokens: &tokens{list: []string{"x"}}, Hosts: []string{test.host}, Base: base}
			r, err := http.NewRequest(http.MethodGet, test.address, nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.header != "" {
				r.Header.Set("Authorization", test.header)
			}
			r.Header.Set("X-Own", "kept")
			_, _ = transport.RoundTrip(r)
			if got.Header.Get("Authorization") != test.want || got.Header.Get("X-Own") != "kept" {
				t.Errorf("got %q, want %q", got.Header.Get("Authorization"), test.want)
			}
			if r.Header.Get("Authorization") != test.header {
				t.Error("the caller's request was changed")
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTransportRetriesA401Once(t *testing.T) {
	for _, test := range []struct {
		name, wanted string
		tokens       []string
		body         io.Reader
		status       int
		seen         []string
	}{
		{"another token that is taken", "Bearer b", []string{"a", "b"}, nil, 200, []string{"Bearer a|", "Bearer b|"}},
		{"another token that is not", "Bearer z", []string{"a", "b", "c"}, nil, 401, []string{"Bearer a|", "Bearer b|"}},
		{"no other token", "Bearer z", []string{"a"}, nil, 401, []string{"Bearer a|"}},
		{"a body that can be read again", "Bearer b", []string{"a", "b"}, strings.NewReader("text"), 200, []string{"Bearer a|text", "Bearer b|text"}},
		{"a body that cannot", "Bearer b", []string{"a", "b"}, io.MultiReader(strings.NewReader("text")), 401, []string{"Bearer a|text"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newTarget(t)
			s.wanted = test.wanted
			answer, err := client(&tokens{list: test.tokens}, s.host()).Post(s.URL, "text/plain", test.body)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != test.status || len(body) == 0 {
				t.Errorf("got %d and %q (%v), want %d", answer.StatusCode, body, err, test.status)
			}
			s.check(t, test.seen...)
		})
	}
}

func TestTransportSendsNothingWithoutAToken(t *testing.T) {
	s := newTarget(t)
	body := &closed{Reader: bytes.NewReader(nil)}
	_, err := client(&tokens{list: []string{""}, err: &token2go.Error{Kind: token2go.ErrDenied}}, s.host()).Post(s.URL, "text/plain", body)
	if !errors.Is(err, token2go.ErrDenied) || !body.closed {
		t.Errorf("got %v and a body closed %t, want the refusal", err, body.closed)
	}
	s.check(t)
}

type closed struct {
	io.Reader
	closed bool
}

func (c *closed) Close() error { c.closed = true; return nil }

package token2go_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

// openBrowser plays a person who signs in and says Allow.
func openBrowser(address string) error { return reply(address, "") }

// A token for a program on the person's own computer.
func ExampleGet() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	token, err := token2go.Get(ctx, token2go.Options{
		Server: "https://t2g.example.org",
		Client: "report",
		Show: func(p token2go.Prompt) {
			fmt.Fprintf(os.Stderr, "Open %s and compare the words: %s\n", p.ShortURL, strings.Join(p.Words[:], " "))
		},
		Open: openBrowser,
	})
	if errors.Is(err, token2go.ErrDenied) {
		fmt.Println("then not")
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token, len(token.Reveal()) > 0, token.ValidFor(10*time.Minute))
	// Output: [secret] true true
}

// Programs that use the same cache ask the person once.
func ExampleCache() {
	dir, err := os.MkdirTemp("", "token2go")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	cache := token2go.Cache{Dir: dir} // the zero Cache is the folder that the program token2go uses
	asked := 0
	for range 3 {
		token, err := cache.Get(context.Background(), token2go.Options{
			Server: "https://t2g.example.org",
			Show:   func(token2go.Prompt) { asked++ },
			Open:   openBrowser,
		})
		fmt.Println(token, err, asked)
	}
	// Output:
	// [secret] <nil> 1
	// [secret] <nil> 1
	// [secret] <nil> 1
}

// An HTTP client that signs its requests to one API and to nothing else.
func ExampleTransport() {
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Header.Get("Authorization"))
	}))
	defer api.Close()
	source := token2go.NewSource(context.Background(), token2go.Options{Server: "https://t2g.example.org", Open: openBrowser}, nil)
	client := &http.Client{Transport: &token2go.Transport{
		Tokens: source,
		Hosts:  []string{strings.TrimPrefix(api.URL, "http://")},
	}}
	answer, err := client.Get(api.URL + "/things")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	// Output: Bearer of-the-reply
}

// A server that cannot be reached is found before the person is asked.
func ExampleProbe() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := token2go.Probe(ctx, token2go.Options{Server: "http://127.0.0.1:1"})
	fmt.Println(errors.Is(err, token2go.ErrUnreachable))
	// Output: true
}

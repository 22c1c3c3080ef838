package token2go_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/token2go/token2go/clients/go/token2go"
)

// person counts how often it is asked, and answers each time with what next returns.
type person struct {
	asked atomic.Int32
	next  func(n int32) (refusal, plaintext string)
}

func (p *person) options() token2go.Options {
	return token2go.Options{Server: server, Open: func(short string) error {
		refusal, plaintext := p.next(p.asked.Add(1))
		return replyWith(short, refusal, plaintext)
	}}
}

// numbered answers token-1, token-2 and so on, each with a lifetime.
func numbered(lifetime time.Duration) *person {
	return &person{next: func(n int32) (refusal, plaintext string) {
		expires := time.Now().Add(lifetime).UTC().Format(time.RFC3339)
		return "", fmt.Sprintf(`{"secret":"token-%d","expires":"%s"}`, n, expires)
	}}
}

// eachSource runs a test with a Source that keeps its token in memory, and one with a cache.
func eachSource(t *testing.T, run func(t *testing.T, cache *token2go.Cache)) {
	t.Helper()
	t.Run("in memory", func(t *testing.T) { run(t, nil) })
	t.Run("in a cache", func(t *testing.T) {
		cache := newCache(t)
		run(t, &cache)
	})
}

func TestSourceKeepsItsToken(t *testing.T) {
	eachSource(t, func(t *testing.T, cache *token2go.Cache) {
		p := numbered(time.Hour)
		source := token2go.NewSource(t.Context(), p.options(), cache)
		for range 3 {
			if got, err := source.Get(t.Context()); err != nil || got.Reveal() != "token-1" {
				t.Errorf("got %v, want the first token", err)
			}
		}
		var standard oauth2.TokenSource = source
		got, err := standard.Token()
		if err != nil || got.AccessToken != "token-1" || got.Type() != "Bearer" || time.Until(got.Expiry) < 59*time.Minute || !got.Valid() {
			t.Errorf("got %v, want the same as a token of x/oauth2", err)
		}
		if p.asked.Load() != 1 {
			t.Errorf("asked %d times, want once", p.asked.Load())
		}
	})
}

func TestSourceAsksBeforeItsTokenExpires(t *testing.T) {
	eachSource(t, func(t *testing.T, cache *token2go.Cache) {
		p := numbered(50 * time.Second) // less than DefaultMinTTL
		source := token2go.NewSource(t.Context(), p.options(), cache)
		for n := range 2 {
			want := fmt.Sprintf("token-%d", n+1)
			if got, err := source.Get(t.Context()); err != nil || got.Reveal() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		}
	})
}

func TestSourceKeepsATokenOfUnknownExpiryForItsLifetime(t *testing.T) {
	p := &person{next: func(int32) (refusal, plaintext string) { return "", `{"secret":"x"}` }}
	source := token2go.NewSource(t.Context(), p.options(), nil)
	for range 2 {
		got, err := source.Token()
		if left := time.Until(got.Expiry); err != nil || left < 4*time.Minute || left > 5*time.Minute {
			t.Errorf("got %s left (%v), want five minutes", left, err)
		}
	}
	if p.asked.Load() != 1 {
		t.Errorf("asked %d times, want once", p.asked.Load())
	}
}

func TestSourceUsedConcurrentlyAsksOnce(t *testing.T) {
	for _, refusal := range []string{"", "access_denied"} {
		eachSource(t, func(t *testing.T, cache *token2go.Cache) {
			p := &person{}
			p.next = func(int32) (string, string) {
				time.Sleep(200 * time.Millisecond) // the others queue up
				return refusal, `{"secret":"x"}`
			}
			source := token2go.NewSource(t.Context(), p.options(), cache)
			_, all := concurrentCallers(t, func(ctx context.Context, _ token2go.Options) (token2go.Token, error) { return source.Get(ctx) }, "")
			if p.asked.Load() != 1 {
				t.Errorf("asked %d times, want once", p.asked.Load())
			}
			for _, one := range all {
				if refusal == "" && one.token.Reveal() != "x" || refusal != "" && !errors.Is(one.err, token2go.ErrDenied) {
					t.Errorf("got %v, want what all got", one.err)
				}
			}
		})
	}
}

func TestSourceInterruptedLetsTheNextAsk(t *testing.T) {
	eachSource(t, func(t *testing.T, cache *token2go.Cache) {
		first, cancel := context.WithCancel(t.Context())
		shown := make(chan struct{}, 2)
		p := numbered(time.Hour)
		o := p.options()
		open := o.Open
		o.Show = func(token2go.Prompt) { shown <- struct{}{} }
		o.Open = func(short string) error {
			if first.Err() == nil {
				return nil // the person does nothing
			}
			return open(short)
		}
		source := token2go.NewSource(t.Context(), o, cache)
		ended := make(chan error, 1)
		go func() { _, err := source.Get(first); ended <- err }()
		<-shown
		time.AfterFunc(50*time.Millisecond, cancel)
		if got, err := source.Get(t.Context()); err != nil || got.Reveal() != "token-1" {
			t.Errorf("got %v, want the second to have asked", err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the interrupt", err)
		}
	})
}

func TestSourceDoesNotRenewAYoungToken(t *testing.T) {
	p := numbered(time.Hour)
	source := token2go.NewSource(t.Context(), p.options(), nil)
	first, err := source.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := source.Renew(t.Context(), first); err != nil || got.Fingerprint != first.Fingerprint || p.asked.Load() != 1 {
		t.Errorf("got %v after %d asks, want the same token: a new one would not be taken either", err, p.asked.Load())
	}
	if got, err := source.Renew(t.Context(), token2go.NewToken("older")); err != nil || got.Fingerprint != first.Fingerprint {
		t.Errorf("got %v, want the token that is held: it is another than the rejected one", err)
	}
}

func TestSourceDoesNotRenewATokenThatCameAgain(t *testing.T) {
	cache := newCache(t)
	kept := long("same")
	if err := cache.Store(server, kept); err != nil {
		t.Fatal(err)
	}
	p := &person{next: func(int32) (refusal, plaintext string) {
		return "", `{"secret":"same","expires":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`
	}}
	source := token2go.NewSource(t.Context(), p.options(), &cache)
	for range 3 {
		if got, err := source.Renew(t.Context(), kept); err != nil || got.Reveal() != "same" {
			t.Errorf("got %v, want the same token", err)
		}
	}
	if p.asked.Load() != 1 {
		t.Errorf("asked %d times, want once", p.asked.Load())
	}
}

func TestSourceEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	source := token2go.NewSource(ctx, token2go.Options{Server: server, Show: func(token2go.Prompt) { cancel() }}, nil)
	if _, err := source.Token(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the interrupt", err)
	}
}

func TestSourceWaitsAfterAnUnansweredQuestion(t *testing.T) {
	eachSource(t, func(t *testing.T, cache *token2go.Cache) {
		var asked atomic.Int32
		source := token2go.NewSource(t.Context(), token2go.Options{
			Server: server, Timeout: 50 * time.Millisecond, Show: func(token2go.Prompt) { asked.Add(1) },
		}, cache)
		for range 3 {
			if _, err := source.Get(t.Context()); !errors.Is(err, token2go.ErrTimedOut) {
				t.Errorf("got %v, want the end of the time", err)
			}
		}
		if got := asked.Load(); got != 1 {
			t.Errorf("asked %d times, want once", got)
		}
	})
}

package cli

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

// drawer is where a renewal finds and puts tokens, in time that a test lets pass.
type drawer struct {
	renewal
	mu     sync.Mutex
	cached token2go.Token
	used   []token2go.Token
	asked  []time.Duration // since the start
	events []string
	open   atomic.Int32
}

func fresh(text string, lifetime time.Duration) token2go.Token {
	token := token2go.NewToken(text)
	token.Expiry = time.Now().Add(lifetime)
	return token
}

// begin keeps a first token of ten minutes fresh, by what answer says to each question.
func begin(t *testing.T, mode string, answer func(d *drawer, ctx context.Context) (token2go.Token, error)) *drawer {
	t.Helper()
	start := time.Now()
	d := &drawer{cached: fresh("first", 10*time.Minute)}
	d.renewal = renewal{
		pace: usualPace(), mode: mode, server: "https://t2g.example.org", token: d.cached, until: d.cached.Expiry,
		kept: func() (token2go.Token, bool) {
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.cached, true
		},
		ends: func(t token2go.Token) time.Time { return t.Expiry },
		report: func(e Event, _ string, _ ...any) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.events = append(d.events, e.Event)
		},
		use: func(t token2go.Token) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.used = append(d.used, t)
			return nil
		},
		ask: func(ctx context.Context, _ token2go.Token, _ time.Time) (token2go.Token, error) {
			if d.open.Add(1) > 1 {
				t.Error("got a question while another was open")
			}
			defer d.open.Add(-1)
			d.mu.Lock()
			d.asked = append(d.asked, time.Since(start))
			d.mu.Unlock()
			return answer(d, ctx)
		},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
	t.Cleanup(cancel)
	go func() { _ = d.run(ctx) }()
	return d
}

// after lets time pass and then looks.
func (d *drawer) after(passed time.Duration, look func()) {
	time.Sleep(passed)
	d.mu.Lock()
	defer d.mu.Unlock()
	look()
}

func TestRenewalAsksBeforeTheExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := begin(t, "ask", func(*drawer, context.Context) (token2go.Token, error) { return fresh("second", 3*time.Hour), nil })
		d.after(7*time.Minute, func() {
			if len(d.asked) != 0 {
				t.Errorf("asked after %v, want it when a fifth is left", d.asked)
			}
		})
		d.after(2*time.Minute, func() {
			if len(d.asked) != 1 || len(d.used) != 1 || d.used[0].Reveal() != "second" {
				t.Errorf("asked after %v and used %d tokens, want one of each", d.asked, len(d.used))
			}
		})
	})
}

func TestRenewalAsksOnceUntilAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := begin(t, "ask", func(_ *drawer, ctx context.Context) (token2go.Token, error) {
			<-ctx.Done()
			return token2go.Token{}, ctx.Err()
		})
		d.after(time.Hour, func() {
			if len(d.asked) != 1 {
				t.Errorf("asked after %v, want once", d.asked)
			}
			d.cached = fresh("of another program", 3*time.Hour)
		})
		d.after(10*time.Second, func() {
			if len(d.used) != 1 || d.used[0].Reveal() != "of another program" || d.open.Load() != 0 {
				t.Errorf("used %d tokens with %d questions open, want the one that another program got", len(d.used), d.open.Load())
			}
		})
	})
}

func TestRenewalWaitsLongerAfterTheSameToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := begin(t, "open", func(d *drawer, _ context.Context) (token2go.Token, error) { return d.token, nil })
		d.after(90*time.Minute, func() {
			if n := len(d.asked); n < 5 || n > 14 || len(d.used) != 0 {
				t.Errorf("asked after %v and used %d tokens, want a handful of questions and none", d.asked, len(d.used))
			}
			for i := 2; i < len(d.asked); i++ {
				if gap := d.asked[i] - d.asked[i-1]; gap < 29*time.Second {
					t.Errorf("asked %v after the last time, want half a minute at least", gap)
				}
			}
			if last := len(d.asked) - 1; d.asked[last]-d.asked[last-1] < 14*time.Minute {
				t.Errorf("asked after %v, want a quarter of an hour between the last", d.asked)
			}
		})
	})
}

func TestRenewalWaitsLongerAfterARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := begin(t, "open", func(*drawer, context.Context) (token2go.Token, error) { return token2go.Token{}, token2go.ErrDenied })
		d.after(90*time.Minute, func() {
			if n := len(d.asked); n < 5 || n > 14 {
				t.Errorf("asked after %v, want a handful of questions", d.asked)
			}
		})
	})
}

func TestRenewalNeverAsksWithNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := begin(t, "never", func(*drawer, context.Context) (token2go.Token, error) { return token2go.Token{}, errors.New("asked") })
		d.after(time.Hour, func() {
			if len(d.asked) != 0 || len(d.events) != 1 || d.events[0] != "warning" {
				t.Errorf("asked after %v and told %q, want one warning", d.asked, d.events)
			}
			d.cached = fresh("second", time.Hour)
		})
		d.after(10*time.Second, func() {
			if len(d.used) != 1 {
				t.Errorf("used %d tokens, want the one that another program got", len(d.used))
			}
		})
	})
}

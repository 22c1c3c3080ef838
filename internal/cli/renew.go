package cli

import (
	"context"
	"os/exec"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

// pace is when a renewal asks.
type pace struct {
	lead    time.Duration // before the expiry, and at most a fifth of the lifetime
	minWait time.Duration // between two questions
	maxWait time.Duration // between two questions, after many without an answer
	poll    time.Duration // of the cache, for tokens that other programs get
	answer  time.Duration // how long a question stays open
}

func usualPace() pace {
	return pace{lead: 5 * time.Minute, minWait: 30 * time.Second, maxWait: 15 * time.Minute, poll: 2 * time.Second, answer: 24 * time.Hour}
}

// renewal keeps a token fresh for as long as its context lasts.
type renewal struct {
	pace
	mode   string
	server string
	token  token2go.Token
	until  time.Time // when it expires or, if that is unknown, is no longer used

	// kept returns the token in the cache, from any program.
	kept func() (token2go.Token, bool)
	// ask asks the person once, and ends when its context does.
	ask func(ctx context.Context, old token2go.Token, until time.Time) (token2go.Token, error)
	// use replaces the token in use.
	use func(token2go.Token) error
	// report prints what happened.
	report func(e Event, format string, values ...any)
	// ends returns until when a token that was just obtained is used.
	ends func(token2go.Token) time.Time
}

// run returns when the context ends, and otherwise only if a token cannot be used.
func (r *renewal) run(ctx context.Context) error {
	due, failures := r.due(), 0
	for ctx.Err() == nil {
		token, err := r.wait(ctx, due)
		if err == nil && token.Absent() {
			token, err = r.question(ctx)
		}
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			failures++
			due = time.Now().Add(r.backoff(failures))
			r.report(Event{Event: "warning"}, "no new token: %v", err)
			continue
		}
		if token.Fingerprint == r.token.Fingerprint {
			failures++
			due = r.again(failures)
			r.report(Event{Event: "same", Expires: r.token.Expiry}, "the gateway has handed out the same token again, which is %s; next question at %s",
				lifetime(r.token, time.Now()), clock(due, time.Now()))
			continue
		}
		if err := r.use(token); err != nil {
			return err
		}
		r.token, r.until, failures = token, r.ends(token), 0
		due = r.due()
	}
	return nil //nolint:nilerr // failures were reported, and the end of the context is no error
}

// due is when the token that is there should be renewed.
func (r *renewal) due() time.Time {
	return r.until.Add(-min(r.lead, time.Until(r.until)/5))
}

// again is when to ask after the gateway gave the same token: when half of what is left
// is over, and after the expiry ever more seldom.
func (r *renewal) again(failures int) time.Time {
	if left := time.Until(r.until); left > 0 {
		return time.Now().Add(max(left/2, min(left, r.minWait)))
	}
	return time.Now().Add(r.backoff(failures))
}

func (r *renewal) backoff(failures int) time.Duration {
	return min(r.minWait<<min(failures, 10), r.maxWait)
}

// wait waits for a time, or for a token that another program got. With the mode never
// it waits for the latter alone.
func (r *renewal) wait(ctx context.Context, due time.Time) (token2go.Token, error) {
	expired := false
	for {
		if token, found := r.newer(); found {
			return token, nil
		}
		now := time.Now()
		if r.mode == "never" {
			if !expired && now.After(r.until) {
				expired = true
				r.report(Event{Event: "warning", Server: r.server}, "the token has expired; a new one is taken over when there is one: token2go get %s", r.server)
			}
		} else if !now.Before(due) {
			return token2go.Token{}, nil
		}
		if !pauseFor(ctx, r.poll) {
			return token2go.Token{}, ctx.Err()
		}
	}
}

// newer is a token in the cache that lives for longer than the one in use, as far as
// that is known.
func (r *renewal) newer() (token2go.Token, bool) {
	token, found := r.kept()
	later := token.Expiry.IsZero() || token.Expiry.After(r.token.Expiry)
	return token, found && later && token.Fingerprint != r.token.Fingerprint
}

// question asks, and ends without an answer when another program got a token.
func (r *renewal) question(ctx context.Context) (token2go.Token, error) {
	type answer struct {
		token token2go.Token
		err   error
	}
	asking, end := context.WithTimeout(ctx, r.answer)
	defer end()
	answers := make(chan answer, 1)
	go func() {
		token, err := r.ask(asking, r.token, r.until)
		answers <- answer{token, err}
	}()
	for {
		select {
		case a := <-answers:
			return a.token, a.err
		case <-time.After(r.poll):
			if token, found := r.newer(); found {
				end()
				<-answers
				return token, nil
			}
		}
	}
}

// pauseFor waits, and reports whether the context still lasts.
func pauseFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// notify shows a notice on the desktop, where there is one.
func (s platform) notify(text string) {
	command := []string{"notify-send", "--app-name=Token2go", "Token2go", text}
	if s.system == "darwin" {
		command = []string{"osascript", "-e", "on run argv", "-e", "display notification (item 1 of argv) with title \"Token2go\"", "-e", "end run", text}
	}
	if s.remote() != "" {
		return
	}
	if path, err := s.look(command[0]); err == nil {
		c := exec.Command(path, command[1:]...) //nolint:gosec,noctx // a fixed name; it is not waited for
		detach(c)
		if c.Start() == nil {
			go func() { _ = c.Wait() }()
		}
	}
}

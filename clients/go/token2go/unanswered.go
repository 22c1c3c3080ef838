package token2go

import (
	"fmt"
	"time"
)

// unanswered counts questions in a row that no one answered. A program that runs in the
// background waits after each, longer each time, so that it does not fill the screen of a
// person who is away.
type unanswered struct {
	count int
	last  time.Time
}

// next is when the next question may be asked: a minute after the first, twice as long
// after each further one, at most an hour.
func (u unanswered) next() time.Time {
	const first, longest = time.Minute, time.Hour
	wait := longest
	if doubled := max(u.count-1, 0); doubled < 6 {
		wait = first << doubled
	}
	return u.last.Add(wait)
}

// refusal is nil when a question may be asked.
func (u unanswered) refusal(now time.Time) error {
	if u.count == 0 || !now.Before(u.next()) {
		return nil
	}
	times := "the last question"
	if u.count > 1 {
		times = fmt.Sprintf("the last %d questions", u.count)
	}
	return &Error{
		Kind: ErrTimedOut, early: true, Detail: fmt.Sprintf("no one answered %s; the next one is asked after %s", times, u.next().Local().Format("15:04:05")),
		advice: "sign in by a call that does not run in the background, such as token2go get",
	}
}

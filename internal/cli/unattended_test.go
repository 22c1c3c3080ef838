package cli

import (
	"testing"
	"time"
)

func TestUnansweredDoublesTheWait(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for count, want := range map[int]time.Duration{1: time.Minute, 2: 2 * time.Minute, 6: 32 * time.Minute, 7: time.Hour, 1000: time.Hour} {
		if got := (unanswered{Count: count, At: at}).next().Sub(at); got != want {
			t.Errorf("%d: got %s, want %s", count, got, want)
		}
	}
	if got := (unanswered{}).next(); !got.IsZero() {
		t.Errorf("got %s for none, want no wait", got)
	}
}

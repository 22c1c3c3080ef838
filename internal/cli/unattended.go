package cli

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
	"github.com/token2go/token2go/internal/atomicfile"
)

// unanswered says how often in a row nobody answered a question that a program asked:
// editors and dashboards call git and kubectl without end, and each call would open
// another tab.
type unanswered struct {
	Count int       `json:"count"`
	At    time.Time `json:"at"` // of the last end of a wait
}

// next is when a program may ask again: after a minute, then two, at most an hour.
func (u unanswered) next() time.Time {
	const first, longest = time.Minute, time.Hour
	if u.Count == 0 {
		return time.Time{}
	}
	return u.At.Add(min(first<<min(u.Count-1, 10), longest))
}

// unansweredPath is empty where nothing can be kept.
func (r Request) unansweredPath() string {
	folder, err := token2go.DefaultCacheDir()
	if err != nil || r.NoCache {
		return ""
	}
	sum := sha256.Sum256([]byte(r.Server + "\x00" + r.Key))
	return filepath.Join(folder, runName, fmt.Sprintf("unanswered-%x", sum[:8]))
}

func (r Request) readUnanswered() (u unanswered) {
	if text, err := os.ReadFile(r.unansweredPath()); err == nil {
		_ = json.Unmarshal(text, &u) // or it is nothing
	}
	return u
}

// mayAsk reports an error where the last questions of programs had no answer, and it is
// too early for the next.
func (r Request) mayAsk(now time.Time) error {
	if u := r.readUnanswered(); now.Before(u.next()) && !u.At.After(now) {
		return fmt.Errorf("%w: no answer at %s, so the next question comes after %s; to sign in now: token2go get %s",
			token2go.ErrTimedOut, clock(u.At, now), clock(u.next(), now), r.argument())
	}
	return nil
}

// noteUnanswered counts a question without an answer. Anything that works, and a person
// who answers, begins the count anew.
func (r Request) noteUnanswered(timedOut bool) {
	path := r.unansweredPath()
	switch {
	case path == "":
	case !timedOut:
		_ = os.Remove(path)
	case os.MkdirAll(filepath.Dir(path), 0o700) == nil:
		text, _ := json.Marshal(unanswered{Count: r.readUnanswered().Count + 1, At: time.Now()}) // a number and a time cannot fail
		_ = atomicfile.Write(path, text, 0o600)                                                  // without it, the next call asks
	}
}

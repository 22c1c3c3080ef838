package token2go

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"
)

// sharedCache is openapi/vectors/cache.json; the README beside it says what it means.
type sharedCache struct {
	Server, Token string
	Names         []struct{ Server, Profile, Canonical, Name string }
	Entries       []struct {
		Name, Text       string
		Now              time.Time
		MinTTL, Lifetime int
		Good             bool
	}
	Outcomes []struct {
		Name, Text string
		Asked      time.Time
		Shared     string
	}
	Unanswered []struct {
		Name, Text string
		Now        time.Time
		Until      *time.Time
	}
}

func readSharedCache(t *testing.T) sharedCache {
	t.Helper()
	text, err := os.ReadFile("../../../openapi/vectors/cache.json")
	if err != nil {
		t.Fatal(err)
	}
	var shared sharedCache
	if err := json.Unmarshal(text, &shared); err != nil {
		t.Fatal(err)
	}
	if len(shared.Names) < 10 || len(shared.Entries) < 20 || len(shared.Outcomes) < 10 || len(shared.Unanswered) < 10 {
		t.Fatal("the vectors are not there")
	}
	return shared
}

func TestCacheNameIsTheSameInEverySpelling(t *testing.T) {
	for _, test := range readSharedCache(t).Names {
		server, err := parseServer(test.Server, true)
		if err != nil {
			t.Errorf("%s: %v", test.Server, err)
			continue
		}
		if got := canonical(server); got != test.Canonical || cacheName(got, test.Profile) != test.Name {
			t.Errorf("%s: got %s and %s, want %s and %s", test.Server, got, cacheName(got, test.Profile), test.Canonical, test.Name)
		}
	}
}

func TestCacheEntryIsGoodOrAbsent(t *testing.T) {
	shared := readSharedCache(t)
	for _, test := range shared.Entries {
		t.Run(test.Name, func(t *testing.T) {
			f := serverFiles{cache: Cache{Lifetime: time.Duration(test.Lifetime) * time.Second}, server: shared.Server}
			e := f.read([]byte(test.Text))
			if got := e.good(time.Duration(test.MinTTL)*time.Second, test.Now); got != test.Good {
				t.Errorf("got good %t, want %t", got, test.Good)
			}
			if test.Good && e.Token.Reveal() != shared.Token {
				t.Error("got another token")
			}
		})
	}
}

func TestRefusalIsSharedWithThoseWhoWaited(t *testing.T) {
	for _, test := range readSharedCache(t).Outcomes {
		t.Run(test.Name, func(t *testing.T) {
			got := readRefusal([]byte(test.Text), test.Asked, test.Asked.Add(time.Minute))
			want := shared()[test.Shared]
			if (got == nil) != (want == nil) || want != nil && !errors.Is(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// TestRefusalFromTheFutureIsNotShared is of a clock that was set back: until it had
// caught up, no one would have been asked.
func TestRefusalFromTheFutureIsNotShared(t *testing.T) {
	now := time.Now()
	for ahead, want := range map[time.Duration]error{time.Second: ErrDenied, time.Hour: nil} {
		text, err := json.Marshal(outcome{Version: 1, At: now.Add(ahead), Error: "denied"})
		if err != nil {
			t.Fatal(err)
		}
		if got := readRefusal(text, now, now); !errors.Is(got, want) {
			t.Errorf("%s ahead: got %v, want %v", ahead, got, want)
		}
	}
}

func TestUnansweredSharedCases(t *testing.T) {
	for _, test := range readSharedCache(t).Unanswered {
		t.Run(test.Name, func(t *testing.T) {
			u := readUnanswered([]byte(test.Text), test.Now)
			waits := u.refusal(test.Now) != nil
			if waits != (test.Until != nil) || waits && !u.next().Equal(*test.Until) {
				t.Errorf("got a wait %t until %v, want %v", waits, u.next(), test.Until)
			}
		})
	}
}

package token2go_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

const server = "https://t2g.example.org"

func newCache(t testing.TB) token2go.Cache {
	t.Helper()
	return token2go.Cache{Dir: filepath.Join(t.TempDir(), "token2go")}
}

func long(text string) token2go.Token {
	token := token2go.NewToken(text)
	token.Expiry = time.Now().Add(time.Hour).Truncate(time.Second)
	token.Header, token.Issuer = "X-Forwarded-Access-Token", "https://t2g.example"
	return token
}

func TestCacheLoadsWhatItStored(t *testing.T) {
	cache := newCache(t)
	want := long("kept")
	if err := cache.Store(server, want); err != nil {
		t.Fatal(err)
	}
	got, err := cache.Load("HTTPS://T2G.example.org:443/")
	if err != nil || got.Token.Reveal() != "kept" || !got.Token.Expiry.Equal(want.Expiry) || !got.Good(time.Minute) ||
		got.Token.Header != want.Header || got.Token.Issuer != want.Issuer || got.Token.TokenType != "Bearer" {
		t.Fatalf("got %+v (%v), want what was stored", got, err)
	}
	if err := cache.Store("https://other.example", token2go.NewToken("other")); err != nil {
		t.Fatal(err)
	}
	if entries, err := cache.Entries(); err != nil || len(entries) != 2 {
		t.Errorf("got %d entries (%v), want 2", len(entries), err)
	}
	for _, want := range []bool{true, false} {
		if removed, err := cache.Remove(server); err != nil || removed != want {
			t.Errorf("got removed %t (%v), want %t", removed, err, want)
		}
	}
	if got, err := cache.Load(server); err != nil || !got.Token.Absent() {
		t.Errorf("got %v (%v) after it was removed", got, err)
	}
	if got, err := cache.Load("https://other.example"); err != nil || got.Token.Reveal() != "other" {
		t.Errorf("got %v (%v), want the other server's", got, err)
	}
}

func TestCacheIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing on Windows")
	}
	cache := newCache(t)
	if err := cache.Store(server, long("kept")); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(cache.Dir, "*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("got %v (%v), want one file", names, err)
	}
	for path, want := range map[string]os.FileMode{cache.Dir: 0o700, names[0]: 0o600} {
		if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got %v (%v), want %v", path, info.Mode(), err, want)
		}
	}
}

// answeredAtOnce are options of a call that is answered at once, and what it was warned of.
func answeredAtOnce() (token2go.Options, *[]error) {
	warnings := new([]error)
	return token2go.Options{
		Server: server, Timeout: 20 * time.Second,
		Open: func(address string) error { return reply(address, "") },
		Warn: func(err error) { *warnings = append(*warnings, err) },
	}, warnings
}

func TestCacheTroubleIsAWarning(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing on Windows")
	}
	move := func(path string) error { return errors.Join(os.Rename(path, path+"2"), os.Symlink(path+"2", path)) }
	for _, test := range []struct {
		name  string
		spoil func(cache *token2go.Cache, file string) error
		warns []error
		keeps bool // what was asked for is kept
		asks  bool
	}{
		{"a folder that chmod -R opened", func(c *token2go.Cache, _ string) error { return os.Chmod(c.Dir, 0o775) }, nil, true, false},
		{"a file that chmod -R opened", func(_ *token2go.Cache, file string) error { return os.Chmod(file, 0o660) }, []error{token2go.ErrNotUsed}, true, true},
		{"a lock that chmod -R opened", func(_ *token2go.Cache, file string) error {
			return errors.Join(os.Remove(file), os.WriteFile(strings.TrimSuffix(file, "json")+"lock", nil, 0o660))
		}, nil, true, true},
		{"a folder that is a link", func(c *token2go.Cache, _ string) error { return move(c.Dir) }, []error{token2go.ErrNotKept}, false, true},
		{"a folder that is a link, with a slash", func(c *token2go.Cache, _ string) error {
			err := move(c.Dir)
			c.Dir += "/"
			return err
		}, []error{token2go.ErrNotKept}, false, true},
		{"a file that is a link", func(_ *token2go.Cache, file string) error { return move(file) }, []error{token2go.ErrNotUsed}, true, true},
		{"a file that is a folder", func(_ *token2go.Cache, file string) error {
			return errors.Join(os.Remove(file), os.Mkdir(file, 0o700), os.WriteFile(file+"/x", nil, 0o600))
		}, []error{token2go.ErrNotUsed}, false, true},
		{"a lock that is a link", func(c *token2go.Cache, file string) error {
			return errors.Join(os.Remove(file), os.Symlink(c.Dir+"2", strings.TrimSuffix(file, "json")+"lock"))
		}, []error{token2go.ErrNotLocked}, true, true},
		{"a file in the folder's position", func(c *token2go.Cache, _ string) error {
			return errors.Join(os.RemoveAll(c.Dir), os.WriteFile(c.Dir, nil, 0o600))
		}, []error{token2go.ErrNotKept}, false, true},
		{"a folder that cannot be made", func(c *token2go.Cache, _ string) error { c.Dir = "/proc/no/such"; return nil }, []error{token2go.ErrNotKept}, false, true},
		{"a folder that is not absolute", func(c *token2go.Cache, _ string) error { c.Dir = "x"; return nil }, []error{token2go.ErrNotKept}, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			cache := newCache(t)
			if err := cache.Store(server, long("kept")); err != nil {
				t.Fatal(err)
			}
			names, _ := filepath.Glob(filepath.Join(cache.Dir, "*.json"))
			if err := test.spoil(&cache, names[0]); err != nil {
				t.Fatal(err)
			}
			o, warnings := answeredAtOnce()
			want := "kept"
			if test.asks {
				want = "of-the-reply"
			}
			got, err := cache.Get(t.Context(), o)
			if err != nil || got.Reveal() != want {
				t.Fatalf("got %v, want the token %q", err, want)
			}
			if len(*warnings) != len(test.warns) {
				t.Fatalf("got the warnings %v, want %v", *warnings, test.warns)
			}
			for i, warning := range *warnings {
				if !errors.Is(warning, test.warns[i]) || !strings.Contains(withAdvice(warning), "; ") || strings.Contains(withAdvice(warning), "\n") {
					t.Errorf("got the warning %q, want %v in one line, with a way out", withAdvice(warning), test.warns[i])
				}
			}
			if entry, _ := cache.Load(server); (entry.Token.Reveal() == want) != test.keeps {
				t.Errorf("kept %t, want %t", !test.keeps, test.keeps)
			}
			for path, mode := range map[string]os.FileMode{cache.Dir: 0o700, names[0]: 0o600} {
				if info, err := os.Lstat(path); test.keeps && (err != nil || info.Mode().Perm() != mode) {
					t.Errorf("%s: got %v (%v), want the mode %o", path, info, err, mode)
				}
			}
		})
	}
}

func TestCacheOfAnotherUserIsNotUsed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	cache := newCache(t)
	if err := errors.Join(os.MkdirAll(cache.Dir, 0o700), os.Chown(cache.Dir, 1001, 1001)); err != nil {
		t.Fatal(err)
	}
	o, warnings := answeredAtOnce()
	got, err := cache.Get(t.Context(), o)
	if err != nil || got.Reveal() != "of-the-reply" || len(*warnings) != 1 || !errors.Is((*warnings)[0], token2go.ErrNotKept) {
		t.Errorf("got %v and the warnings %v, want the token and one warning", err, *warnings)
	}
	if names, _ := filepath.Glob(filepath.Join(cache.Dir, "*")); len(names) != 0 {
		t.Errorf("kept %v in the folder of another user", names)
	}
}

func TestCacheWithoutAHomeDirectory(t *testing.T) {
	for _, name := range []string{"TOKEN2GO_CACHE_DIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "HOME"} {
		t.Setenv(name, "")
	}
	if dir, err := token2go.DefaultCacheDir(); err == nil && !filepath.IsAbs(dir) {
		t.Errorf("got the folder %q, want an absolute path or an error", dir)
	}
	t.Setenv("HOME", "/proc/no/such")
	t.Setenv("XDG_CACHE_HOME", "/proc/no/such")
	if removed, err := (token2go.Cache{Dir: "/proc/no/such"}).Remove(server); err != nil || removed {
		t.Errorf("got removed %t (%v), want that there was nothing", removed, err)
	}
	if entries, err := (token2go.Cache{Dir: "/proc/no/such"}).Entries(); err != nil || len(entries) != 0 {
		t.Errorf("got %v (%v), want that there is nothing", entries, err)
	}
}

func TestCacheKeepsProfilesApart(t *testing.T) {
	cache := newCache(t)
	caches := []token2go.Cache{cache, {Dir: cache.Dir, Profile: "work"}, {Dir: cache.Dir, Profile: "Work"}}
	for _, c := range caches {
		if err := c.Store(server, long("of-"+c.Profile)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range caches {
		if entry, err := c.Load(server); err != nil || entry.Token.Reveal() != "of-"+c.Profile || entry.Profile != c.Profile {
			t.Errorf("profile %q: got %+v (%v)", c.Profile, entry, err)
		}
	}
	if entries, err := cache.Entries(); err != nil || len(entries) != 3 {
		t.Errorf("got %d entries (%v), want 3", len(entries), err)
	}
}

func TestCacheAsksForAFreshToken(t *testing.T) {
	cache := newCache(t)
	if err := cache.Store(server, long("kept")); err != nil {
		t.Fatal(err)
	}
	o, _ := answeredAtOnce()
	o.Fresh = true
	if got, err := cache.Get(t.Context(), o); err != nil || got.Reveal() != "of-the-reply" {
		t.Errorf("got %v, want a fresh token", err)
	}
	if entry, err := cache.Load(server); err != nil || entry.Token.Reveal() != "of-the-reply" {
		t.Errorf("got %v, want the fresh token kept", err)
	}
}

// TestCacheDoesNotKeepWhatCameAfterASecondVisit is of another user who reads the short
// address in the list of processes.
func TestCacheDoesNotKeepWhatCameAfterASecondVisit(t *testing.T) {
	cache := newCache(t)
	o, warnings := answeredAtOnce()
	o.Open = func(address string) error {
		client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		answer, err := client.Get(address)
		if err != nil {
			return err
		}
		_ = answer.Body.Close()
		return reply(address, "")
	}
	if got, err := cache.Get(t.Context(), o); err != nil || got.Reveal() != "of-the-reply" {
		t.Fatalf("got %v, want the token", err)
	}
	if len(*warnings) != 1 || !errors.Is((*warnings)[0], token2go.ErrVisitedTwice) {
		t.Errorf("got the warnings %v, want one of a second visit", *warnings)
	}
	if entry, err := cache.Load(server); err != nil || !entry.Token.Absent() {
		t.Errorf("got %v (%v), want nothing kept", entry, err)
	}
}

// TestBackgroundWaitsAfterAnUnansweredQuestion is of a program that opened a tab at every
// call while no one answers.
func TestBackgroundWaitsAfterAnUnansweredQuestion(t *testing.T) {
	cache := newCache(t)
	asked := 0
	o := token2go.Options{Server: server, Timeout: 50 * time.Millisecond, Background: true, Show: func(token2go.Prompt) { asked++ }}
	for range 3 {
		if _, err := cache.Get(t.Context(), o); !errors.Is(err, token2go.ErrTimedOut) {
			t.Fatalf("got %v, want the end of the time", err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
	if _, err := cache.Get(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no one answered the last question; the next one is asked after ") {
		t.Errorf("got %v, want when it asks again", err)
	}
	o.Background = false
	if _, _ = cache.Get(t.Context(), o); asked != 2 {
		t.Error("a person's own call was not asked for")
	}
	o.Background = true
	if _, err := cache.Get(t.Context(), o); err == nil || !strings.Contains(err.Error(), "the last question") {
		t.Errorf("got %v, want the person's own call not counted", err)
	}
	person, _ := answeredAtOnce()
	if _, err := cache.Get(t.Context(), person); err != nil {
		t.Fatal(err)
	}
	person.Background = true
	if _, err := cache.Renew(t.Context(), person, token2go.NewToken("of-the-reply")); err != nil {
		t.Errorf("got %v, want the count ended by an answer", err)
	}
}

func TestCacheGetReturnsAValidToken(t *testing.T) {
	cache := newCache(t)
	if err := cache.Store(server, long("kept")); err != nil {
		t.Fatal(err)
	}
	got, err := cache.Get(t.Context(), token2go.Options{Server: server, Show: func(token2go.Prompt) { t.Error("the person was asked") }})
	if err != nil || got.Reveal() != "kept" {
		t.Errorf("got %v, want the token that was kept", err)
	}
}

// concurrentCallers has twenty callers ask at once, and answers each that reaches the person. It
// returns how many did, and what each caller got.
func concurrentCallers(t *testing.T, get func(context.Context, token2go.Options) (token2go.Token, error), answer string) (asked int, all []result) {
	t.Helper()
	var mu sync.Mutex
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			o := token2go.Options{Server: server, Open: func(address string) error {
				time.Sleep(200 * time.Millisecond) // the others queue up
				return reply(address, answer)
			}}
			o.Show = func(token2go.Prompt) { mu.Lock(); defer mu.Unlock(); asked++ }
			token, err := get(t.Context(), o)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, result{token, err})
		})
	}
	group.Wait()
	return asked, all
}

func TestCacheGetConcurrentlyAsksOnce(t *testing.T) {
	cache := newCache(t)
	asked, all := concurrentCallers(t, cache.Get, "")
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
	for _, one := range all {
		if one.err != nil || one.token.Reveal() != "of-the-reply" {
			t.Errorf("got %v, want the token", one.err)
		}
	}
}

func TestCacheGetConcurrentlySharesARefusal(t *testing.T) {
	cache := newCache(t)
	asked, all := concurrentCallers(t, cache.Get, "access_denied")
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
	for _, one := range all {
		if !errors.Is(one.err, token2go.ErrDenied) || !strings.Contains(one.err.Error(), "for the test") {
			t.Errorf("got %v, want the refusal", one.err)
		}
	}
	if asked, _ = concurrentCallers(t, cache.Get, ""); asked != 1 {
		t.Errorf("asked %d times after the refusal, want once: it holds for those who waited", asked)
	}
}

// TestCacheGetInterruptedLetsTheNextAsk has the first of two give up: the second asks.
func TestCacheGetInterruptedLetsTheNextAsk(t *testing.T) {
	cache := newCache(t)
	first, cancel := context.WithCancel(t.Context())
	shown := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		_, err := cache.Get(first, token2go.Options{Server: server, Show: func(token2go.Prompt) { close(shown) }})
		ended <- err
	}()
	<-shown
	second := cache
	second.Waiting = func() { cancel() }
	got, err := second.Get(t.Context(), token2go.Options{Server: server, Open: func(address string) error { return reply(address, "") }})
	if err != nil || got.Reveal() != "of-the-reply" {
		t.Errorf("got %v, want the second to have asked", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the interrupt", err)
	}
}

func TestCacheGetTimesOutWaitingForAnotherProgram(t *testing.T) {
	cache := newCache(t)
	ctx, cancel := context.WithCancel(t.Context())
	shown, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = cache.Get(ctx, token2go.Options{Server: server, Show: func(token2go.Prompt) { close(shown) }})
	}()
	<-shown
	if _, err := cache.Get(t.Context(), token2go.Options{Server: server, Timeout: 200 * time.Millisecond}); !errors.Is(err, token2go.ErrTimedOut) ||
		!strings.Contains(err.Error(), "another program") {
		t.Errorf("got %v, want the end of the wait for the other", err)
	}
	cancel()
	<-ended
}

func TestCacheGetRemovesOldTemporaryFiles(t *testing.T) {
	cache := newCache(t)
	if err := cache.Store(server, token2go.NewToken("x")); err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(filepath.Join(cache.Dir, "*.json"))
	base := strings.TrimSuffix(names[0], ".json")
	old, fresh, other := base+".1.tmp", base+".2.tmp", filepath.Join(cache.Dir, "other.1.tmp")
	for _, path := range []string{old, fresh, other} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if path != fresh {
			hour := time.Now().Add(-time.Hour)
			if err := os.Chtimes(path, hour, hour); err != nil {
				t.Fatal(err)
			}
		}
	}
	o := token2go.Options{Server: server, Open: func(address string) error { return reply(address, "") }}
	if _, err := cache.Renew(t.Context(), o, token2go.NewToken("x")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{old: false, fresh: true, other: true} {
		if _, err := os.Lstat(path); (err == nil) != want {
			t.Errorf("%s: there %t, want %t", filepath.Base(path), err == nil, want)
		}
	}
}

func TestCacheRenewReplacesARejectedToken(t *testing.T) {
	cache := newCache(t)
	if err := cache.Store(server, long("rejected")); err != nil {
		t.Fatal(err)
	}
	o := token2go.Options{Server: server, Open: func(address string) error { return reply(address, "") }}
	got, err := cache.Renew(t.Context(), o, long("rejected"))
	if err != nil || got.Reveal() != "of-the-reply" {
		t.Fatalf("got %v, want a new token", err)
	}
	o.Show = func(token2go.Prompt) { t.Error("the person was asked") }
	if got, err = cache.Renew(t.Context(), o, long("rejected")); err != nil || got.Reveal() != "of-the-reply" {
		t.Errorf("got %v, want the one that another program got", err)
	}
}

func TestDefaultCacheDir(t *testing.T) {
	own := t.TempDir()
	if err := os.Chmod(own, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"TOKEN2GO_CACHE_DIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", own)
	if runtime.GOOS != "linux" {
		t.Skip("the folders are Linux's")
	}
	runtimeDir := fmt.Sprintf("/run/user/%d", os.Getuid())
	if _, err := os.Lstat(runtimeDir); err != nil {
		checkDir(t, filepath.Join(own, ".cache", "token2go"))
		t.Setenv("XDG_CACHE_HOME", filepath.Join(own, "xdg"))
		checkDir(t, filepath.Join(own, "xdg", "token2go"))
		t.Setenv("XDG_CACHE_HOME", "relative")
		checkDir(t, filepath.Join(own, ".cache", "token2go"))
	}
	t.Setenv("XDG_RUNTIME_DIR", own)
	checkDir(t, filepath.Join(own, "token2go"))
	t.Setenv("TOKEN2GO_CACHE_DIR", "/somewhere")
	checkDir(t, "/somewhere")
	t.Setenv("TOKEN2GO_CACHE_DIR", "relative")
	if _, err := (token2go.Cache{}).Load(server); !errors.Is(err, token2go.ErrCache) {
		t.Errorf("got %v, want a relative folder refused", err)
	}
}

func checkDir(t *testing.T, want string) {
	t.Helper()
	if got, err := token2go.DefaultCacheDir(); err != nil || got != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}

package token2go_test

import (
	"context"
	"errors"
	"fmt"
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

func TestWhatIsStoredIsLoaded(t *testing.T) {
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

func TestNobodyElseReadsTheCache(t *testing.T) {
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

func TestACacheThatOthersCouldHaveTouchedIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing on Windows")
	}
	for _, test := range []struct {
		name, want string
		spoil      func(folder, file string) error
	}{
		{"a folder that others enter", "chmod 700", func(folder, _ string) error { return os.Chmod(folder, 0o755) }},
		{"a folder that is a link", "is a link", func(folder, _ string) error {
			return errors.Join(os.Rename(folder, folder+"2"), os.Symlink(folder+"2", folder))
		}},
		{"a file that others read", "chmod 600", func(_, file string) error { return os.Chmod(file, 0o640) }},
		{"a file that is a link", "no link", func(_, file string) error {
			return errors.Join(os.Rename(file, file+"2"), os.Symlink(file+"2", file))
		}},
		{"a file that is a folder", "another kind", func(_, file string) error {
			return errors.Join(os.Remove(file), os.Mkdir(file, 0o700))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cache := newCache(t)
			if err := cache.Store(server, long("kept")); err != nil {
				t.Fatal(err)
			}
			names, _ := filepath.Glob(filepath.Join(cache.Dir, "*.json"))
			if err := test.spoil(cache.Dir, names[0]); err != nil {
				t.Fatal(err)
			}
			got, err := cache.Load(server)
			if !errors.Is(err, token2go.ErrCache) || !strings.Contains(fmt.Sprint(err), test.want) || !got.Token.Absent() {
				t.Errorf("got %v, want a refusal with %q", err, test.want)
			}
			asked, err := cache.Get(t.Context(), token2go.Options{Server: server, Show: func(token2go.Prompt) { t.Error("the person was asked") }})
			if !errors.Is(err, token2go.ErrCache) || !asked.Absent() {
				t.Errorf("got %v, want a refusal before the person is asked", err)
			}
		})
	}
}

func TestAGoodTokenIsNotAskedForAgain(t *testing.T) {
	cache := newCache(t)
	if err := cache.Store(server, long("kept")); err != nil {
		t.Fatal(err)
	}
	got, err := cache.Get(t.Context(), token2go.Options{Server: server, Show: func(token2go.Prompt) { t.Error("the person was asked") }})
	if err != nil || got.Reveal() != "kept" {
		t.Errorf("got %v, want the token that was kept", err)
	}
}

// crowd has twenty callers ask at once, and answers each that reaches the person. It
// returns how many did, and what each caller got.
func crowd(t *testing.T, get func(context.Context, token2go.Options) (token2go.Token, error), answer string) (asked int, all []result) {
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

func TestTwentyThatAskAtOnceShareOneAnswer(t *testing.T) {
	cache := newCache(t)
	asked, all := crowd(t, cache.Get, "")
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
	for _, one := range all {
		if one.err != nil || one.token.Reveal() != "of-the-reply" {
			t.Errorf("got %v, want the token", one.err)
		}
	}
}

func TestTwentyThatAskAtOnceShareARefusal(t *testing.T) {
	cache := newCache(t)
	asked, all := crowd(t, cache.Get, "access_denied")
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
	for _, one := range all {
		if !errors.Is(one.err, token2go.ErrDenied) || !strings.Contains(one.err.Error(), "for the test") {
			t.Errorf("got %v, want the refusal", one.err)
		}
	}
	if asked, _ = crowd(t, cache.Get, ""); asked != 1 {
		t.Errorf("asked %d times after the refusal, want once: it holds for those who waited", asked)
	}
}

// TestAnInterruptIsNobodyElses has the first of two give up: the second asks.
func TestAnInterruptIsNobodyElses(t *testing.T) {
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

func TestWhoWaitsForAnotherProgramGivesUpInTime(t *testing.T) {
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

func TestLeftoversAreSwept(t *testing.T) {
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

func TestARejectedTokenIsAskedForAgain(t *testing.T) {
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

func TestTheCacheIsWhereTheUserSays(t *testing.T) {
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

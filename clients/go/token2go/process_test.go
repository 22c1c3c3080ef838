package token2go_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

// childDir names the cache in whose folder a copy of this program asks, in place of
// running tests.
const childDir = "TOKEN2GO_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(token2go.Cache{Dir: dir}))
	}
	os.Exit(m.Run())
}

// child asks for the server's token and says what came of it.
func child(cache token2go.Cache) int {
	token, err := cache.Get(context.Background(), token2go.Options{
		Server: server, Timeout: time.Minute,
		Show: func(token2go.Prompt) { fmt.Fprintln(os.Stdout, "asked") },
		Open: func(short string) error {
			time.Sleep(50 * time.Millisecond) // a person is slow
			return reply(short, "")
		},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stdout, "got", token.Fingerprint)
	return 0
}

func newChild(t *testing.T, cache token2go.Cache) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	command := exec.CommandContext(t.Context(), self)
	command.Env = append(os.Environ(), childDir+"="+cache.Dir)
	command.Stdout, command.Stderr = &out, &out
	return command, &out
}

func TestCacheGetFromTwentyProcessesAsksOnce(t *testing.T) {
	cache := newCache(t)
	var mu sync.Mutex
	var group sync.WaitGroup
	var all strings.Builder
	for range 20 {
		command, out := newChild(t, cache)
		group.Go(func() {
			err := command.Run()
			mu.Lock()
			defer mu.Unlock()
			all.WriteString(out.String())
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	group.Wait()
	got := "got " + token2go.NewToken("of-the-reply").Fingerprint
	if strings.Count(all.String(), "asked") != 1 || strings.Count(all.String(), got) != 20 {
		t.Errorf("got %s, want one that asked and twenty that got the token", all.String())
	}
}

// TestCacheGetAfterAKilledProcessAsks kills one at ever later moments, from its start to
// after its end.
func TestCacheGetAfterAKilledProcessAsks(t *testing.T) {
	for delay := time.Duration(0); delay <= 200*time.Millisecond; delay += 20 * time.Millisecond {
		cache := newCache(t)
		command, out := newChild(t, cache)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(delay)
		_ = command.Process.Kill()
		_ = command.Wait()
		o := token2go.Options{Server: server, Timeout: 20 * time.Second, Open: func(short string) error { return reply(short, "") }}
		if got, err := cache.Get(t.Context(), o); err != nil || got.Reveal() != "of-the-reply" {
			t.Errorf("killed after %s (%q): got %v, want the next to get the token", delay, out, err)
		}
		names, _ := filepath.Glob(filepath.Join(cache.Dir, "*"))
		for _, name := range names {
			if end := filepath.Ext(name); end != ".json" && end != ".lock" && end != ".tmp" {
				t.Errorf("killed after %s: got the file %s", delay, filepath.Base(name))
			}
		}
	}
}

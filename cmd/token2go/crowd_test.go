package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"token2go/internal/demo"
	"token2go/internal/t2gtest"
	"token2go/internal/t2gtest/process"
)

// many starts as many programs at once, and returns what each wrote and ended with.
func many(t *testing.T, s *sheller, count int, arguments ...string) (out []string, codes []int) {
	t.Helper()
	out, codes = make([]string, count), make([]int, count)
	var group sync.WaitGroup
	for i := range count {
		group.Go(func() {
			c := exec.Command("token2go", arguments...)
			c.Dir, c.Env = s.home, s.environment
			var stdout, stderr bytes.Buffer
			c.Stdout, c.Stderr = &stdout, &stderr
			_ = c.Run()
			out[i], codes[i] = stdout.String(), c.ProcessState.ExitCode()
			if codes[i] != 0 && codes[i] != 3 {
				t.Errorf("got %d: %s", codes[i], stderr.String())
			}
		})
	}
	group.Wait()
	return out, codes
}

func TestTwentyProgramsThatAskAtOnceOpenOneTab(t *testing.T) {
	t.Parallel()
	house := t2gtest.Start(t, t2gtest.Options{})
	for _, test := range []struct {
		decision string
		code     int
	}{{"allow", 0}, {"deny", 3}} {
		t.Run(test.decision, func(t *testing.T) {
			t.Parallel()
			s := newSheller(t)
			s.environment = append(s.environment, "DECISION="+test.decision, "SLOW=500ms")
			out, codes := many(t, s, 20, "get", house.Gateway)
			for i := range out {
				if codes[i] != test.code || out[i] != out[0] || (out[i] != "") != (test.code == 0) {
					t.Errorf("got exit code %d and %.20q, want %d and what the first got", codes[i], out[i], test.code)
				}
			}
			s.mustHaveTabs(t, 1)
		})
	}
}

// Wherever a program is killed, nothing of a token lies about but in the cache and in
// what the next call sweeps, and no lock stops that call.
func TestAKilledProgramLeavesNothingAndStopsNobody(t *testing.T) {
	t.Parallel()
	house := t2gtest.Start(t, t2gtest.Options{})
	for _, arguments := range [][]string{
		{"get", house.Gateway},
		{"run", house.Gateway, "--", "sleep", "0.3"},
		{"keep", "--file", "kept", house.Gateway},
	} {
		t.Run(arguments[0], func(t *testing.T) {
			t.Parallel()
			s := newSheller(t)
			var took time.Duration // of a whole call, so that the kills are spread over it
			for step := range 8 {
				_ = os.Remove(filepath.Join(s.home, "kept"))
				s.runs(t, "token2go logout --all 2>/dev/null")
				began := time.Now()
				c := exec.Command("token2go", arguments...)
				c.Dir, c.Env = s.home, s.environment
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				if step == 0 && arguments[0] != "keep" {
					_ = c.Wait()
					took = time.Since(began)
					continue
				}
				time.Sleep(max(took, 300*time.Millisecond) * time.Duration(step) / 7)
				_ = c.Process.Kill()
				_ = c.Wait()
				s.mustLieInPlaces(t, fmt.Sprint("after step ", step))
			}
			began := time.Now()
			s.runs(t, "token2go get "+house.Gateway)
			s.runs(t, "token2go run "+house.Gateway+" -- true")
			if took := time.Since(began); took > soon/2 {
				t.Errorf("the next call took %s, want no lock in its way", took)
			}
			if left := s.runs(t, "ls runtime/token2go/run | grep token || true"); left != "" {
				t.Errorf("got %s left by the killed, want it swept", left)
			}
		})
	}
}

// mustLieInPlaces: tokens are in the cache's own files, in the folder of run, and in what
// keep was told to write, and everywhere for their owner alone.
func (s *sheller) mustLieInPlaces(t *testing.T, when string) {
	t.Helper()
	err := filepath.WalkDir(s.home, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil //nolint:nilerr // what is gone meanwhile holds nothing
		}
		content, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(content, []byte("eyJ")) || entry.Name() == "tabs" {
			return nil //nolint:nilerr // likewise
		}
		cache := filepath.Join(s.home, "runtime", "token2go") + string(filepath.Separator)
		if !strings.HasPrefix(path, cache) && path != filepath.Join(s.home, "kept") && !strings.HasPrefix(entry.Name(), ".kept.token2go-") {
			t.Errorf("%s: %s holds a token", when, path)
		}
		if info, err := entry.Info(); err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %s has mode %v", when, path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestManyThatRenewAtOnceOpenOneTab(t *testing.T) {
	t.Parallel()
	house := t2gtest.Start(t, t2gtest.Options{Demo: func(o *demo.Options) { o.Lifetime, o.Renew = 10*time.Second, 8*time.Second }})
	s := newSheller(t)
	s.environment = append(s.environment, "SLOW=300ms")
	const count = 8
	kept := func(i int) string { return filepath.Join(s.home, fmt.Sprint("kept", i)) }
	first := s.runs(t, "token2go get --min-ttl 1s "+house.Gateway+" 2>/dev/null")
	for i := range count {
		c := exec.Command("token2go", "keep", "--min-ttl", "1s", "--renew", "open", "--file", kept(i), house.Gateway)
		c.Dir, c.Env = s.home, s.environment
		process.Start(t, c)
	}
	for i := range count {
		process.Until(t, "a new token is in "+kept(i), func() bool {
			text, err := os.ReadFile(kept(i))
			return err == nil && len(text) > 0 && string(text)+"\n" != first
		})
	}
	s.mustHaveTabs(t, 2)
}

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/demo"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// A program that begins to wait after an answer shares none, and asks: the person takes
// as long as all but one need to begin.
func TestGetInTwentyProcessesOpensOneTab(t *testing.T) {
	process.Slow(t)
	t.Parallel()
	server := t2gtest.Start(t, t2gtest.Options{})
	for _, test := range []struct {
		decision string
		code     int
	}{{"allow", 0}, {"deny", 3}} {
		t.Run(test.decision, func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			s.environment = append(s.environment, "DECISION="+test.decision, "READY="+filepath.Join(s.home, "ready"))
			var programs [20]*process.Process
			var out, said [len(programs)]process.Output
			for i := range programs {
				c := exec.Command("token2go", "get", server.Gateway)
				c.Dir, c.Env, c.Stdout, c.Stderr = s.home, s.environment, &out[i], &said[i]
				programs[i] = process.Start(t, c)
			}
			process.Until(t, "all but one wait", func() bool {
				waiting := 0
				for i := range said {
					waiting += strings.Count(said[i].String(), "waiting for its answer")
				}
				return waiting == len(programs)-1
			})
			if err := os.WriteFile(filepath.Join(s.home, "ready"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			for i, p := range programs {
				got, text := p.Code(t), out[i].String()
				if got != test.code || text != out[0].String() || (text != "") != (test.code == 0) {
					t.Errorf("got exit code %d and %.20q, want %d and what the first got: %s", got, text, test.code, &said[i])
				}
			}
			s.mustHaveTabs(t, 1)
		})
	}
}

// Wherever a program is killed, tokens are left only in the cache and in
// what the next call sweeps, and no lock stops that call.
func TestKilledProgramsLeaveNoTokenAndNoLock(t *testing.T) {
	process.Slow(t)
	t.Parallel()
	server := t2gtest.Start(t, t2gtest.Options{})
	for _, arguments := range [][]string{
		{"get", server.Gateway},
		{"run", server.Gateway, "--", "sleep", "0.3"},
		{"keep", "--file", "kept", server.Gateway},
	} {
		t.Run(arguments[0], func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			var took time.Duration // of a whole call, so that the kills are spread over it
			for step := range 8 {
				_ = os.Remove(filepath.Join(s.home, "kept"))
				s.run(t, "token2go logout --all 2>/dev/null")
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
				s.mustKeepTokensPrivate(t, fmt.Sprint("after step ", step))
			}
			began := time.Now()
			s.run(t, "token2go get "+server.Gateway)
			s.run(t, "token2go run "+server.Gateway+" -- true")
			if took := time.Since(began); took > soon/2 {
				t.Errorf("the next call took %s, want no lock in its way", took)
			}
			if left := s.run(t, "ls runtime/token2go/run | grep token || true"); left != "" {
				t.Errorf("got %s left by the killed, want it swept", left)
			}
		})
	}
}

// mustKeepTokensPrivate: tokens are in the cache's own files, in the folder of run, and in what
// keep was told to write, and everywhere for their owner alone.
func (s *shell) mustKeepTokensPrivate(t *testing.T, when string) {
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

func TestKeepInManyProcessesOpensOneTab(t *testing.T) {
	process.Slow(t)
	t.Parallel()
	server := t2gtest.Start(t, t2gtest.Options{Demo: func(o *demo.Options) { o.Lifetime, o.Renew = 10*time.Second, 8*time.Second }})
	s := newShell(t)
	s.environment = append(s.environment, "SLOW=300ms")
	const count = 8
	kept := func(i int) string { return filepath.Join(s.home, fmt.Sprint("kept", i)) }
	first := s.run(t, "token2go get --min-ttl 1s "+server.Gateway+" 2>/dev/null")
	for i := range count {
		c := exec.Command("token2go", "keep", "--min-ttl", "1s", "--renew", "open", "--file", kept(i), server.Gateway)
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

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// built is the program as it is handed out: static, stripped.
func built(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "token2go")
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	return path
}

func TestProgramIsBelow15MB(t *testing.T) {
	process.Slow(t)
	t.Parallel()
	info, err := os.Stat(built(t))
	const most = 15_000_000
	if err != nil || info.Size() > most {
		t.Errorf("got %d bytes and %v, want at most %d", info.Size(), err, most)
	}
}

// BenchmarkGetFromCache is the whole process, from start to end.
func BenchmarkGetFromCache(b *testing.B) {
	server := t2gtest.Start(b, t2gtest.Options{})
	s := newShell(b)
	s.run(b, "token2go get "+server.Gateway)
	program := built(b)
	for b.Loop() {
		c := exec.Command(program, "get", server.Gateway)
		c.Env = s.environment
		if out, err := c.Output(); err != nil || len(out) == 0 {
			b.Fatalf("got %q and %v", out, err)
		}
	}
}

//go:build unix

package atomicfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/atomicfile"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWriteReplacesTheFileThatLinksLeadTo(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file, link, second := filepath.Join(folder, "file"), filepath.Join(folder, "link"), filepath.Join(folder, "second")
	for _, err := range []error{os.WriteFile(file, []byte("old"), 0o600), os.Symlink("file", link), os.Symlink(link, second)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := atomicfile.Write(second, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(second); err != nil || info.Mode()&os.ModeSymlink == 0 || read(t, file) != "new" {
		t.Errorf("got %v, %v and %q, want the link kept and its file replaced", info, err, read(t, file))
	}
}

func TestWriteCreatesTheFileThatALinkLeadsTo(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	link := filepath.Join(folder, "link")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(link, []byte("new"), 0o600); err != nil || read(t, filepath.Join(folder, "file")) != "new" {
		t.Errorf("got %v, want the file created", err)
	}
}

func TestWriteAndCheckRefuseWhatIsNoRegularFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	pipe, link, loop := filepath.Join(folder, "pipe"), filepath.Join(folder, "link"), filepath.Join(folder, "loop")
	for _, err := range []error{syscall.Mkfifo(pipe, 0o600), os.Symlink("pipe", link), os.Symlink("loop", loop)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{pipe, link, loop, folder, os.DevNull} {
		if atomicfile.Write(path, nil, 0o600) == nil || atomicfile.Check(path) == nil {
			t.Errorf("%s: got it written, want it refused", path)
		}
	}
	if err := atomicfile.Check(link); !errors.Is(err, atomicfile.ErrNotRegular) {
		t.Errorf("got %v, want ErrNotRegular", err)
	}
}

// A link in /tmp under the name that a token is written to must not choose a victim.
func TestWriteRefusesALinkOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can make files of other users")
	}
	folder := t.TempDir()
	file, link := filepath.Join(folder, "file"), filepath.Join(folder, "link")
	for _, err := range []error{os.WriteFile(file, []byte("old"), 0o600), os.Symlink(file, link), os.Lchown(link, 1234, 1234)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := atomicfile.Write(link, []byte("new"), 0o600); err == nil || read(t, file) != "old" {
		t.Errorf("got %v and %q, want it refused", err, read(t, file))
	}
	if err := errors.Join(os.Remove(link), os.Symlink(file, link), os.Chown(file, 1234, 1234)); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(link, []byte("new"), 0o600); err == nil {
		t.Error("got another user's file replaced through a link, want it refused")
	}
}

func TestCheckLeavesTheFolderAsItWas(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := atomicfile.Check(filepath.Join(folder, "file")); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) > 0 {
		t.Errorf("got %v and %v, want an empty folder", entries, err)
	}
	missing := filepath.Join(folder, "missing", "file")
	if err := atomicfile.Check(missing); err == nil || err.Error() != "open "+missing+": no such file or directory" {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

func TestWriteSetsTheModeAndRemovesOldTemporaryFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	old, fresh := filepath.Join(folder, ".file.token2go-1"), filepath.Join(folder, ".file.token2go-2")
	for _, path := range []string{old, fresh} {
		if err := os.WriteFile(path, []byte("left"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(filepath.Join(folder, "file"), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(folder)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if got := strings.Join(names, " "); got != ".file.token2go-2 file" {
		t.Errorf("got %s, want the old temporary file gone and the fresh one left", got)
	}
	if info, err := os.Stat(filepath.Join(folder, "file")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("got %v and %v, want mode 0644", info, err)
	}
}

package cli

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"github.com/token2go/token2go/internal/atomicfile"
)

// tokenFile is a file with a token that is removed with this process. Its lock file shows
// whether the owner is alive: the system releases the lock with the process.
type tokenFile struct {
	lock *flock.Flock
	path string
}

// newTokenFile makes a claim in a folder of this person's, and sweeps what killed processes
// left there.
func newTokenFile(folder string) (*tokenFile, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	sweepTokenFiles(folder)
	for {
		name := make([]byte, 8)
		_, _ = rand.Read(name) // never returns an error
		path := filepath.Join(folder, hex.EncodeToString(name))
		lock := flock.New(path+".lock", flock.SetPermissions(0o600))
		locked, err := lock.TryLock()
		if err != nil {
			return nil, err
		}
		if locked && isCurrent(lock) {
			return &tokenFile{lock: lock, path: path + ".token"}, nil
		}
		_ = lock.Close() // it was swept before it was locked
	}
}

// isCurrent reports whether a lock's file is still the one under its name.
func isCurrent(lock *flock.Flock) bool {
	held, err := lock.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(lock.Path())
	return err == nil && os.SameFile(held, named)
}

func (c *tokenFile) write(token string) error { return atomicfile.Write(c.path, []byte(token), 0o600) }

// end removes the file, and then the claim to it.
func (c *tokenFile) end() { removeTokenFile(c.lock) }

// sweepTokenFiles removes the files whose owners are gone.
func sweepTokenFiles(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".lock") {
			continue
		}
		lock := flock.New(filepath.Join(folder, entry.Name()), flock.SetPermissions(0o600))
		if locked, err := lock.TryLock(); err == nil && locked {
			removeTokenFile(lock)
		}
	}
}

// removeTokenFile removes all that belongs to a lock that this process holds. The lock goes
// last, so that a call that is killed meanwhile leaves something that is swept.
func removeTokenFile(lock *flock.Flock) {
	folder, name := filepath.Split(strings.TrimSuffix(lock.Path(), ".lock"))
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		if strings.HasPrefix(strings.TrimPrefix(entry.Name(), "."), name+".token") {
			_ = os.Remove(filepath.Join(folder, entry.Name()))
		}
	}
	_ = os.Remove(lock.Path())
	_ = lock.Close()
	_ = os.Remove(lock.Path()) // where a file in use cannot be removed
}

// lockFile makes this process the only one that keeps a file.
func lockFile(folder, path string) (*flock.Flock, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(path))
	lock := flock.New(filepath.Join(folder, "keep-"+hex.EncodeToString(sum[:8])), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, err
	}
	if !locked {
		return nil, usage("another token2go keeps %s already", path)
	}
	return lock, nil
}

// Package atomicfile replaces a file in one step, so that a reader finds the old content or the new.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrNotRegular marks a path at which a device, a pipe, a socket or a directory is.
var ErrNotRegular = errors.New("not a regular file")

// Write replaces the file at path, or creates it. Symbolic links of this user's, or of
// root's, are followed: the file that they lead to is replaced, which must be this
// user's. Temporary files that killed calls for the same path left behind are removed.
func Write(path string, content []byte, mode fs.FileMode) error {
	target, err := resolve(path)
	if err != nil {
		return err
	}
	temporary, err := create(target, content, mode)
	if err == nil {
		err = os.Rename(temporary, target)
	}
	if err != nil && temporary != "" {
		_ = os.Remove(temporary)
	}
	return err
}

// Check reports why Write could not replace the file at path, as far as that can be
// known without replacing it.
func Check(path string) error {
	target, err := resolve(path)
	if err != nil {
		return err
	}
	temporary, err := create(target, make([]byte, 4096), 0o600) // some bytes, for a file system that is full
	if temporary != "" {
		_ = os.Remove(temporary)
	}
	return err
}

// create writes a temporary file beside target. The path that it returns is empty where
// there is none to remove.
func create(target string, content []byte, mode fs.FileMode) (path string, err error) {
	folder, name := filepath.Split(target)
	if folder == "" {
		folder = "."
	}
	prefix := "." + name + ".token2go-"
	sweep(folder, prefix)
	file, err := os.CreateTemp(folder, prefix) // mode 0600
	if err != nil {
		if failed, isPath := errors.AsType[*fs.PathError](err); isPath {
			failed.Path = target // the caller knows no other
		}
		return "", err
	}
	_, err = file.Write(content)
	if mode != 0o600 {
		err = errors.Join(err, file.Chmod(mode))
	}
	return file.Name(), errors.Join(err, file.Close())
}

// resolve returns the path of the file to replace. Links of other users are refused: in
// a folder that many can write to, they would choose which of this user's files is lost.
func resolve(path string) (string, error) {
	const maxLinks = 40
	for range maxLinks {
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path, nil
		case err != nil:
			return "", err
		case info.Mode()&fs.ModeSymlink == 0 && !info.Mode().IsRegular():
			return "", &fs.PathError{Op: "write", Path: path, Err: ErrNotRegular}
		case info.Mode()&fs.ModeSymlink == 0:
			return path, nil
		case !ownedBy(info, os.Getuid()) && !ownedBy(info, 0):
			return "", &fs.PathError{Op: "write", Path: path, Err: errors.New("it is a link of another user's")}
		}
		next, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(path), next)
		}
		if target, err := os.Stat(next); err == nil && target.Mode().IsRegular() && !ownedBy(target, os.Getuid()) {
			return "", &fs.PathError{Op: "write", Path: path, Err: fmt.Errorf("it is a link to %s, which is another user's", next)}
		}
		path = next
	}
	return "", &fs.PathError{Op: "write", Path: path, Err: errors.New("too many links")}
}

// sweep removes temporary files of this user's that no living call can still write.
func sweep(folder, prefix string) {
	const leftover = time.Minute
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), prefix) || !entry.Type().IsRegular() {
			continue
		}
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > leftover && ownedBy(info, os.Getuid()) {
			_ = os.Remove(filepath.Join(folder, entry.Name()))
		}
	}
}

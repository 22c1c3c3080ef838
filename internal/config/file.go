package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

const fileBytes = 1 << 20 // more than any token, key or certificate chain has

// readRegular reads a regular file of at most fileBytes. Anything else could block
// the start (a pipe) or never end (a device). The error holds no path.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, fileBytes+1))
	switch {
	case err != nil:
		return nil, withoutPath(err)
	case len(content) > fileBytes:
		return nil, errors.New("more than 1 MiB")
	case len(content) == 0:
		return nil, errors.New("the file is empty")
	}
	return content, nil
}

func withoutPath(err error) error {
	if wrapped, found := errors.AsType[*fs.PathError](err); found {
		return wrapped.Err
	}
	return err
}

// pathShown quotes a path. A text that names no file and does not begin as a path
// does may be the secret itself, put where its file's path belongs.
func pathShown(path string, exists bool) string {
	looks := filepath.IsAbs(path) || strings.HasPrefix(path, "./") || strings.HasPrefix(path, "../")
	if credential.MatchString(path) || !exists && !looks {
		return size(path)
	}
	return strconv.Quote(clipped(path))
}

func (r *reader) pem(name, path string) ([]byte, bool) {
	if path == "" {
		r.refuse(name, "nothing")
		return nil, false
	}
	content, err := readRegular(path)
	if err != nil {
		r.refuse(name, pathShown(path, false)+because(err))
	}
	return content, err == nil
}

// fileWarnings names the private files that every user of the computer can read.
func (c Config) fileWarnings() []string {
	var warnings []string
	for i, row := range table() {
		if path := c.path(i); row.kind.private && path != "" && othersMayRead(path) {
			warnings = append(warnings, row.Name+": every user of this computer can read the file; take that right away, for example with chmod o= "+strconv.Quote(path))
		}
	}
	return warnings
}

// path is the value of row i of the table.
func (c Config) path(i int) string {
	if i >= len(c.settings) {
		return "" // Load did not make c
	}
	return c.settings[i].Value
}

const (
	othersRead, othersWrite, othersPass = 0o004, 0o002, 0o001
)

// othersMayRead reports whether the mode of the file and those of the directories above
// it let every user read it.
func othersMayRead(path string) bool {
	path, err := filepath.Abs(path)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil || !hasMode(path, othersRead) {
		return false
	}
	for path != filepath.Dir(path) {
		path = filepath.Dir(path)
		if !hasMode(path, othersPass) {
			return false
		}
	}
	return true
}

// othersMayWrite reports whether every user can make files beside the one at path.
func othersMayWrite(path string) bool { return hasMode(filepath.Dir(path), othersWrite) }

func hasMode(path string, bits fs.FileMode) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&bits != 0 && runtime.GOOS != "windows" // which has no such modes
}

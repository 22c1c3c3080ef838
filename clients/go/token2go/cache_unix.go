//go:build unix

package token2go

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

const noFollow = syscall.O_NOFOLLOW

// DefaultCacheDir is TOKEN2GO_CACHE_DIR; else, in the memory of the session, a folder in
// XDG_RUNTIME_DIR or, on Linux, in /run/user/UID, since a kernel that a hub starts lacks
// the variable; else the user's folder for caches.
func DefaultCacheDir() (string, error) {
	if dir := os.Getenv("TOKEN2GO_CACHE_DIR"); dir != "" {
		return dir, nil
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return inHome("Library", "Caches", "token2go")
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) && isOwn(dir, 0o777) {
		return filepath.Join(dir, "token2go"), nil
	}
	if dir := "/run/user/" + strconv.Itoa(os.Getuid()); runtime.GOOS == "linux" && isOwn(dir, 0o700) {
		return filepath.Join(dir, "token2go"), nil
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "token2go"), nil
	}
	return inHome(".cache", "token2go")
}

func inHome(parts ...string) (string, error) {
	home := os.Getenv("HOME")
	if !filepath.IsAbs(home) {
		found, err := user.Current()
		if err != nil || !filepath.IsAbs(found.HomeDir) {
			return "", &Error{Kind: ErrCache, Detail: "there is no home directory", Cause: err}
		}
		home = found.HomeDir
	}
	return filepath.Join(append([]string{home}, parts...)...), nil
}

// isOwn reports whether a path is a folder of ours with no bits of its mode beyond some.
func isOwn(path string, allowed fs.FileMode) bool {
	info, err := os.Lstat(path) //nolint:gosec // G703: the user names the folder, in the environment
	if err != nil || !info.IsDir() || info.Mode().Perm()&^allowed != 0 {
		return false
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	return known && int(owner.Uid) == os.Getuid()
}

// checkOwn refuses what is not of the kind that is wanted, is another user's, or can be
// read or entered by others. The error's advice is a command where there is one.
func checkOwn(path string, info fs.FileInfo, kind fs.FileMode) error {
	owner, known := info.Sys().(*syscall.Stat_t)
	const elsewhere = "set TOKEN2GO_CACHE_DIR to a folder that only you can enter"
	switch mode := info.Mode(); {
	case mode.Type() != kind:
		return &Error{Kind: ErrCache, Detail: path + " is a link or of another kind than expected", advice: "look at it, and remove it: rm " + strconv.Quote(path)}
	case !known || int(owner.Uid) != os.Getuid():
		return &Error{Kind: ErrCache, Detail: path + " belongs to another user", advice: elsewhere}
	case mode.Perm()&0o077 != 0:
		return &Error{Kind: ErrCache, Detail: fmt.Sprintf("%s has mode %04o, so that others may have read it", path, mode.Perm()), advice: elsewhere}
	}
	return nil
}

// openOwn follows no link, and does not wait for the other end of a pipe.
func openOwn(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
}

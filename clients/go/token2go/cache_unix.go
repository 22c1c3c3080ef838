//go:build unix

package token2go

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

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
	home, err := os.UserHomeDir()
	if err != nil {
		return "", &Error{Kind: ErrCache, Detail: "no folder for it: set TOKEN2GO_CACHE_DIR or HOME", Cause: err}
	}
	return filepath.Join(append([]string{home}, parts...)...), nil
}

// isOwn reports whether a path is a folder of ours with no bits of its mode beyond some.
func isOwn(path string, most fs.FileMode) bool {
	info, err := os.Lstat(path) //nolint:gosec // G703: the user names the folder, in the environment
	if err != nil || !info.IsDir() || info.Mode().Perm()&^most != 0 {
		return false
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	return known && int(owner.Uid) == os.Getuid()
}

// checkOwn refuses what is not of the kind that is wanted, is another user's, or can be
// read or entered by others, and says what mends it.
func checkOwn(path string, info fs.FileInfo, kind fs.FileMode) error {
	owner, known := info.Sys().(*syscall.Stat_t)
	quoted, want := strconv.Quote(path), fs.FileMode(0o600)
	if kind == fs.ModeDir {
		want = 0o700
	}
	var fault string
	switch mode := info.Mode(); {
	case mode.Type() != kind:
		fault = fmt.Sprintf("%s is a link or of another kind than expected; look at it, and remove it: rm %s", path, quoted)
	case !known || int(owner.Uid) != os.Getuid():
		fault = fmt.Sprintf("%s belongs to another user; set TOKEN2GO_CACHE_DIR to a folder of your own", path)
	case mode.Perm()&0o077 != 0:
		fault = fmt.Sprintf("%s has mode %04o, want %04o; others may have read it: chmod %o %s", path, mode.Perm(), want, want, quoted)
	default:
		return nil
	}
	return &Error{Kind: ErrCache, Detail: fault}
}

// openOwn follows no link, and does not wait for whoever writes into a pipe.
func openOwn(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
}

//go:build !unix

package token2go

import (
	"io/fs"
	"os"
	"path/filepath"
)

const noFollow = 0

// DefaultCacheDir is TOKEN2GO_CACHE_DIR, or a folder in the user's folder for caches.
func DefaultCacheDir() (string, error) {
	if dir := os.Getenv("TOKEN2GO_CACHE_DIR"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir() // %LOCALAPPDATA% on Windows
	if err != nil {
		return "", &Error{Kind: ErrCache, Detail: "no folder for it: set TOKEN2GO_CACHE_DIR", Cause: err}
	}
	return filepath.Join(dir, "token2go", "cache"), nil
}

// checkOwn looks at no owner: the access rules of the user's profile hold.
func checkOwn(path string, info fs.FileInfo, kind fs.FileMode) error {
	if info.Mode().Type() == kind {
		return nil
	}
	return &Error{Kind: ErrCache, Detail: path + " is a link or of another kind than expected", advice: "look at it, and remove it"}
}

func openOwn(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if err := checkOwn(path, info, 0); err != nil {
		return nil, err
	}
	return os.Open(path)
}

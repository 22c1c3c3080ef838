//go:build unix

package cli

import (
	"io/fs"
	"os"
	"syscall"
)

// writableByOthers reports whether someone besides this person and root can change a file.
func writableByOthers(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return info.Mode().Perm()&0o022 != 0 || ok && stat.Uid != 0 && int(stat.Uid) != os.Getuid()
}

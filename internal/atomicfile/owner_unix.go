//go:build unix

package atomicfile

import (
	"io/fs"
	"syscall"
)

func ownedBy(info fs.FileInfo, user int) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == user
}

package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// leftover is how long a temporary file may lie before it is taken for that of a
// process that was killed.
const leftover = time.Minute

// writeFile replaces a file in one step, so that whoever reads it finds the old text or
// the new one. The file's mode is 0600. Temporary files that killed calls for the same
// path left behind are swept.
func writeFile(path string, text []byte) error {
	folder, name := filepath.Split(path)
	if folder == "" {
		folder = "."
	}
	prefix := "." + name + ".token2go-"
	sweep(folder, prefix)
	file, err := os.CreateTemp(folder, prefix) // 0600, and never a file that is there
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

func sweep(folder, prefix string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), prefix) || entry.Type()&fs.ModeType != 0 {
			continue
		}
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > leftover && ownedByUser(info) {
			_ = os.Remove(filepath.Join(folder, entry.Name()))
		}
	}
}

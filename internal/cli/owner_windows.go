package cli

import "io/fs"

// writableByOthers is left to the access rules of the person's own folders.
func writableByOthers(fs.FileInfo) bool { return false }

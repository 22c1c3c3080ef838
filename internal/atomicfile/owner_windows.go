package atomicfile

import "io/fs"

// ownedBy is left to the access rules of the user's folders.
func ownedBy(fs.FileInfo, int) bool { return true }

//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package serve

// lockDirectory does nothing where directories cannot be locked: of two servers that start
// at once and find a left-over socket, one can remove the other's.
func lockDirectory(string) (unlock func()) { return func() {} }

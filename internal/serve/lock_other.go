//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package serve

// lockDirectory does nothing where directories cannot be locked: two servers that start at
// the same moment with a socket left over can take it from each other.
func lockDirectory(string) (unlock func()) { return func() {} }

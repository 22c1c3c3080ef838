//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package main

// lockFolder is for systems whose folders can be locked; here two servers that start at
// the same moment with a socket left over can take it from each other.
func lockFolder(string) (unlock func()) { return func() {} }

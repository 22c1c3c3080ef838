package main

import (
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest"
)

// work is how long processors have been at work for a process. It is negative where that
// is not known: without /proc, or without a process.
func (c contender) work() time.Duration {
	spent, err := t2gtest.Work(c.process)
	if c.process == 0 || err != nil {
		return -1
	}
	return spent
}

// resident is how much memory a process has, in MB, what is shared with others included.
func resident(b *testing.B, process int) float64 {
	b.Helper()
	size, err := t2gtest.Resident(process)
	if err != nil {
		b.Skip("SKIPPED, for want of /proc: ", err)
	}
	return size
}

package main

import (
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest"
)

// work is the processor time that a process has used; 0 where it is not known.
func (c benchServer) work() time.Duration {
	spent, _ := t2gtest.Work(c.process)
	return spent
}

// resident is how much memory a process has, in MB, what is shared with others included.
func resident(b *testing.B, process int) float64 {
	b.Helper()
	size, err := t2gtest.Resident(process)
	if err != nil {
		b.Skip("SKIPPED, no /proc: ", err)
	}
	return size
}

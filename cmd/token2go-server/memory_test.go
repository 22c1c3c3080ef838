package main

import (
	"runtime"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

func TestMemoryIsGivenBackWhenAllIsQuiet(t *testing.T) {
	done := make(chan struct{})
	defer close(done)
	before := keptFromSystem()
	garbage := make([]byte, 64<<20)
	for i := range garbage {
		garbage[i] = 1
	}
	runtime.KeepAlive(garbage)
	go releaseMemory(50*time.Millisecond, done)
	process.Until(t, "the garbage is given back", func() bool { return keptFromSystem() < before+(16<<20) })
}

// keptFromSystem is how many bytes the heap holds, used or not.
func keptFromSystem() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapSys - stats.HeapReleased
}

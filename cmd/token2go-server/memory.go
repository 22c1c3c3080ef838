package main

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// ballast makes garbage be collected when there are 16 MB of it, where Go would collect
// after 4 and a busy server more than a hundred times a second: what lives is 2 MB, and
// what dies 15 kB a request. Go waits for as much garbage as there is of what lives, and
// the ballast counts as alive. Nobody touches it, so that it takes no memory; and unlike
// a larger GOGC it does not multiply what many connections need.
//
// An operator who tells Go how to collect is not interfered with.
func ballast() []byte {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	return make([]byte, 14<<20)
}

const (
	// quiet is how long little must have happened before memory is given back.
	quiet = 10 * time.Second
	// little and much are bytes of garbage: of some sixty requests, and what is worth it.
	little, much = 1 << 20, 4 << 20
)

// releaseMemory returns memory to the system when a server that was busy is quiet, until done
// is closed. Go alone keeps what it may fill before it collects again.
func releaseMemory(quiet time.Duration, done <-chan struct{}) {
	ticker := time.NewTicker(quiet)
	defer ticker.Stop()
	allocated := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	var before, given uint64 // allocated since the start: when last looked, when last given back
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
		}
		metrics.Read(allocated)
		now := allocated[0].Value.Uint64()
		if now-before < little && now-given > much {
			debug.FreeOSMemory()
			given = now
		}
		before = now
	}
}

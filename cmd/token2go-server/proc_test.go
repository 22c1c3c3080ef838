package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tick is the unit of processor times in Linux's /proc.
const tick = 10 * time.Millisecond

// work is how long processors have been at work for a process, itself and the system on
// its behalf. It is negative where that is not known: without /proc, or without a process.
func (c contender) work(b *testing.B) time.Duration {
	b.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.process))
	if c.process == 0 || err != nil {
		return -1
	}
	// The name of the program, in brackets, may hold anything; times are 12th and 13th after it.
	fields := strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
	var ticks int
	for _, field := range fields[11:13] {
		count, err := strconv.Atoi(field)
		if err != nil {
			b.Fatal(err)
		}
		ticks += count
	}
	return time.Duration(ticks) * tick
}

// resident is how much memory a process has, in MB, what is shared with others included.
func resident(b *testing.B, process int) float64 {
	b.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	if err != nil {
		b.Skip("SKIPPED, for want of /proc: ", err)
	}
	_, rest, _ := strings.Cut(string(content), "VmRSS:")
	kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return float64(kilobytes) * 1024 / 1e6
}

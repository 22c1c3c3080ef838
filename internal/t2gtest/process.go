package t2gtest

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of processor times in Linux's /proc.
const tick = 10 * time.Millisecond

// Work is how long processors have been at work for a process, itself and the system on
// its behalf, as Linux's /proc reports.
func Work(process int) (time.Duration, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
	if err != nil {
		return 0, err
	}
	// The name of the program, in brackets, may hold anything; times are 12th and 13th after it.
	fields := strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
	var ticks int
	for _, field := range fields[11:13] {
		count, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		ticks += count
	}
	return time.Duration(ticks) * tick, nil
}

// Resident is how much memory a process has, in MB, what is shared with others included.
func Resident(process int) (float64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(content), "VmRSS:")
	if !found {
		return 0, fmt.Errorf("process %d has ended", process)
	}
	kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
	return float64(kilobytes) * 1024 / 1e6, err
}

// Descriptors is how many a process has open.
func Descriptors(process int) (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", process))
	return len(entries), err
}

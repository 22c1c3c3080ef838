package t2gtest

import (
	"bytes"
	"sync"
)

// Record counts the lines that a process writes, and keeps the last of them. It is safe
// for concurrent use, and as large after millions of lines as after a few.
type Record struct {
	mu     sync.Mutex
	marks  [][]byte
	counts []int
	rest   []byte // of a line that has not ended
	last   []byte
}

// keep is how much of the end a Record remembers, in bytes.
const keep = 16 << 10

// NewRecord makes a Record that counts how often each of the marks is written. No mark
// may span two lines.
func NewRecord(marks ...string) *Record {
	r := &Record{counts: make([]int, len(marks))}
	for _, mark := range marks {
		r.marks = append(r.marks, []byte(mark))
	}
	return r
}

func (r *Record) Write(text []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = append(r.last, text...)
	r.last = append(r.last[:0], r.last[max(0, len(r.last)-keep):]...)
	end := bytes.LastIndexByte(text, '\n') + 1
	if end == 0 {
		r.rest = append(r.rest, text...)
		return len(text), nil
	}
	r.rest = append(r.rest, text[:end]...)
	for i, mark := range r.marks {
		r.counts[i] += bytes.Count(r.rest, mark)
	}
	r.rest = append(r.rest[:0], text[end:]...)
	return len(text), nil
}

// Count is how often a mark has been written, in lines that have ended.
func (r *Record) Count(mark string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.marks {
		if string(r.marks[i]) == mark {
			return r.counts[i]
		}
	}
	return -1
}

// String is the end of what was written.
func (r *Record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.last)
}

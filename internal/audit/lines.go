package audit

import (
	"io"
	"sync"
	"time"
)

// Lines writes two kinds of lines to one output, in order: audit lines are written at
// once, others are held back for a moment and written together.
type Lines struct {
	mu   sync.Mutex
	out  io.Writer
	held []byte
	torn bool // the last write ended within a line
}

// maxHeld is how much is held back, in bytes.
const maxHeld = 32 << 10

// NewLines makes a Lines that writes to out.
func NewLines(out io.Writer) *Lines {
	return &Lines{out: out, held: make([]byte, 0, maxHeld+4<<10)}
}

// Direct returns a writer that writes a line, after all that is held back, before it
// returns.
func (l *Lines) Direct() io.Writer { return directLines{l} }

// Held returns a writer whose lines wait for Flush, for a line of Direct, or until 32 KiB
// are held back.
func (l *Lines) Held() io.Writer { return heldLines{l} }

// Flush writes what is held back.
func (l *Lines) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flush()
}

// FlushEvery flushes until done is closed, and once more then.
func (l *Lines) FlushEvery(interval time.Duration, done <-chan struct{}) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = l.Flush() // a full disk shows in the audit line, whose error counts
		case <-done:
			_ = l.Flush()
			return
		}
	}
}

func (l *Lines) flush() error {
	if len(l.held) == 0 {
		return nil
	}
	written, err := l.out.Write(l.held)
	if written > 0 {
		l.torn = l.held[written-1] != '\n'
	}
	l.held = l.held[:0]
	if l.torn {
		l.held = append(l.held, '\n') // ends the torn line before the next one
	}
	return err
}

type directLines struct{ *Lines }

func (d directLines) Write(line []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = append(d.held, line...)
	if err := d.flush(); err != nil {
		return 0, err
	}
	return len(line), nil
}

type heldLines struct{ *Lines }

func (h heldLines) Write(line []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = append(h.held, line...)
	if len(h.held) < maxHeld {
		return len(line), nil
	}
	return len(line), h.flush()
}

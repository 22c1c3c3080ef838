package audit

import (
	"io"
	"sync"
	"time"
)

// Lines lets two kinds of lines share one output in the order in which they are made:
// audit lines, on record when they are written, and others, held back for a moment so
// that several go out at once.
type Lines struct {
	mu   sync.Mutex
	out  io.Writer
	held []byte
	torn bool // what was written last ends amid a line
}

// maxHeld is how much is held back, in bytes.
const maxHeld = 32 << 10

// NewLines makes a Lines that writes to out.
func NewLines(out io.Writer) *Lines {
	return &Lines{out: out, held: make([]byte, 0, maxHeld+4<<10)}
}

// Direct is the writer whose lines are out, along with all before them, on return.
func (l *Lines) Direct() io.Writer { return directLines{l} }

// Held is the writer whose lines may wait until Flush, Direct or much else comes.
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
		l.held = append(l.held, '\n') // so that no line goes on with half of one that did not fit
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

package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

const (
	// pause is how long nothing comes when a paste is over. A text that was copied from
	// several lines arrives with its line breaks, all at once.
	pause = 150 * time.Millisecond
	// maxPaste is far above what a sealed token needs.
	maxPaste = 4 << 20
)

// errInterrupted ends a wait that the person ended, by Ctrl-C or a signal.
var errInterrupted = errors.New("interrupted")

// terminal reads what a person pastes. A terminal in line mode cuts a line at 4,095
// bytes without a word (N_TTY), so this one is switched to hand over every byte. Keys
// that interrupt and suspend go on doing what they always do.
type terminal struct {
	file *os.File

	mu      sync.Mutex
	restore func() // nil: not switched
	forget  func() // ends the watch for being suspended
	over    bool
}

// isTerminal reports whether a person can type into a file.
func isTerminal(file *os.File) bool {
	return file != nil && term.IsTerminal(int(file.Fd()))
}

// begin switches the terminal, once.
func (t *terminal) begin() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || t.restore != nil {
		return nil
	}
	if t.forget == nil {
		t.forget = t.attend()
	}
	return t.enter()
}

// end restores the terminal for good.
func (t *terminal) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	t.leave()
	if t.forget != nil {
		t.forget()
	}
}

func (t *terminal) enter() error {
	restore, err := byteMode(t.file)
	if err == nil {
		t.restore = restore
		_, _ = t.file.WriteString(pasteOn)
	}
	return err
}

func (t *terminal) leave() {
	if t.restore != nil {
		_, _ = t.file.WriteString(pasteOff)
		t.restore()
		t.restore = nil
	}
}

// Codes by which terminals mark what is pasted, for those that were asked to.
const (
	pasteOn    = "\x1b[?2004h"
	pasteOff   = "\x1b[?2004l"
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
)

// read returns the next paste, all lines of it. It waits for Enter only where the terminal
// does not mark the end of a paste.
func (t *terminal) read(ctx context.Context) (string, error) {
	if err := t.begin(); err != nil {
		return "", err
	}
	var collected []byte
	var ended time.Time // when a line was ended, and nothing has come since
	part := make([]byte, 64<<10)
	for ctx.Err() == nil {
		n, err := readSoon(t.file, part)
		if n == 0 && err != nil {
			return "", err
		}
		if collected, err = edit(collected, part[:n]); err != nil {
			return "", err
		}
		switch {
		case bytes.HasSuffix(collected, []byte(pasteEnd)), n == 0 && !ended.IsZero() && time.Since(ended) >= pause:
			if text := pasted(collected); text != "" {
				return text + "\n", nil
			}
			collected, ended = nil, time.Time{}
		case n > 0 && bytes.ContainsAny(collected[max(0, len(collected)-1):], "\r\n"):
			ended = time.Now()
		case n > 0:
			ended = time.Time{}
		}
	}
	return "", ctx.Err()
}

// edit adds to a text what was typed or pasted, with the keys that a terminal in line mode
// has for that.
func edit(text, typed []byte) ([]byte, error) {
	for _, b := range typed {
		switch b {
		case 0x03: // Ctrl-C, where the system leaves it to us
			return nil, errInterrupted
		case 0x04: // Ctrl-D
			if len(text) == 0 {
				return nil, io.EOF
			}
		case 0x08, 0x7f: // one letter back
			text = text[:max(0, len(text)-1)]
		case 0x15: // Ctrl-U
			text = nil
		default:
			text = append(text, b)
		}
	}
	if len(text) > maxPaste {
		return nil, nil
	}
	return text, nil
}

// pasted returns a text without white space, one line for each word, and without the marks
// that terminals put around it.
func pasted(raw []byte) string {
	text := strings.NewReplacer(pasteBegin, "\n", pasteEnd, "\n").Replace(string(raw))
	return strings.Join(strings.Fields(text), "\n")
}

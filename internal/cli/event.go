package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// Event is a line of JSON on stderr, for programs. Event says
// which of the other members are there; none ever holds a token.
//
//   - open: URL has to be opened (or ShortURL, on this computer; or PasteURL, which
//     ends in a text to paste) and to compare Words, before Until
//   - waiting: another program asks for the same server already
//   - warning: Text is what did not end the wait
//   - token: the token with that Fingerprint is there
//   - kept: File contains it
//   - same: the gateway has handed out the token that is there already
//   - removed: File is gone
//   - note: Text is for a person
//   - error: the end, with Error and ExitCode
type Event struct {
	Event       string    `json:"event"`
	Text        string    `json:"text,omitempty"`
	Server      string    `json:"server,omitempty"`
	URL         string    `json:"url,omitempty"`
	ShortURL    string    `json:"shortUrl,omitempty"`
	PasteURL    string    `json:"pasteUrl,omitempty"`
	Words       []string  `json:"words,omitempty"`
	Until       time.Time `json:"until,omitzero"`
	Fingerprint string    `json:"fingerprint,omitempty"`
	Expires     time.Time `json:"expires,omitzero"`
	File        string    `json:"file,omitempty"`
	Error       string    `json:"error,omitempty"`
	ExitCode    int       `json:"exitCode,omitempty"`
}

// emit writes an event, where events are wanted.
func (e Env) emit(event Event) {
	if !e.JSON {
		return
	}
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false) // an address stays one that can be read
	_ = encoder.Encode(event)    // texts, numbers and times cannot fail
	_, _ = e.Stderr.Write(line.Bytes())
}

// say writes a sentence, where sentences are wanted. One call is one write, so that the
// sentences of several programs do not mix.
func (e Env) say(format string, values ...any) {
	e.plain("token2go: %s\n", fmt.Sprintf(format, values...))
}

// note emits an event and, in text mode, prints its text.
func (e Env) note(event Event, format string, values ...any) {
	event.Text = fmt.Sprintf(format, values...)
	e.emit(event)
	e.say("%s", event.Text)
}

// plain writes lines, where sentences are wanted.
func (e Env) plain(format string, values ...any) {
	if !e.JSON {
		_, _ = io.WriteString(e.Stderr, printable(fmt.Sprintf(format, values...)))
	}
}

// printable makes lines fit for a terminal: what a server, a file, a variable or another
// program said may hold escape sequences. Everything that is printed for a person goes
// through it.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

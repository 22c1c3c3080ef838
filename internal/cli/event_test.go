package cli

import (
	"bytes"
	"testing"
)

func TestPrintedTextHasNoEscapeSequences(t *testing.T) {
	t.Parallel()
	var screen bytes.Buffer
	e := Env{Stderr: &screen}
	e.say("%s", "\x1b]0;mine\a")
	e.note(Event{Event: "note"}, "%s", "a\rb\u202ec")
	e.plain("%s\n", "\x9b31mü")
	if got, want := screen.String(), "token2go: ?]0;mine?\ntoken2go: a?b?c\n\ufffd31mü\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

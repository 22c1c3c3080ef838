package cli

import (
	"bytes"
	"strings"
	"testing"
)

func TestCopyOverSSHUsesTheTerminal(t *testing.T) {
	t.Parallel()
	ssh := map[string]string{"SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22", "DISPLAY": "localhost:10"}
	s := onComputer("linux", false, []string{"xclip"}, ssh) // which would be the clipboard over there
	var screen bytes.Buffer
	if err := (Env{Stderr: &screen}).copy(s, "token", true); err != nil || screen.String() != "\x1b]52;c;dG9rZW4=\a" {
		t.Errorf("got %q and %v, want it asked of the terminal", screen.String(), err)
	}
	if err := (Env{Stderr: &screen}).copy(s, "token", false); err == nil || !strings.Contains(err.Error(), "no clipboard") {
		t.Errorf("got %v without a terminal, want it said that there is no way", err)
	}
}

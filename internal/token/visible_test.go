package token

import (
	"strings"
	"testing"
)

func TestIsVisibleRejectsEachOtherByteAtEachPosition(t *testing.T) {
	for b := range 256 {
		for at := range 19 {
			text := []byte(strings.Repeat("~!", 10)[:19])
			text[at] = byte(b)
			if got, want := isVisible(string(text)), '!' <= b && b <= '~'; got != want {
				t.Errorf("byte %#x at %d: got %t, want %t", b, at, got, want)
			}
		}
	}
}

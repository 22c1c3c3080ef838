package seal

import (
	"strings"
	"testing"
)

func TestWordReturnsEveryWord(t *testing.T) {
	for i, want := range strings.Fields(english) {
		if got := Word(i); got != want {
			t.Fatalf("%d: got %q, want %q", i, got, want)
		}
	}
}

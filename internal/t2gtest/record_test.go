package t2gtest_test

import (
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest"
)

func TestRecordCountsMarksAcrossWrites(t *testing.T) {
	text := strings.Repeat("one red line\none blue line\n", 1000) + "a red line that has not ended"
	for _, size := range []int{1, 7, 26, 4096, len(text)} {
		r := t2gtest.NewRecord("red", "blue", "green")
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			if written, err := r.Write([]byte(rest[:n])); written != n || err != nil {
				t.Fatalf("got %d, %v", written, err)
			}
			rest = rest[n:]
		}
		for mark, want := range map[string]int{"red": 1000, "blue": 1000, "green": 0, "never asked for": -1} {
			if got := r.Count(mark); got != want {
				t.Errorf("in pieces of %d: %q was counted %d times, want %d", size, mark, got, want)
			}
		}
		if got := r.String(); !strings.HasSuffix(text, got) || len(got) != 16<<10 {
			t.Errorf("in pieces of %d: %d bytes are kept, want the last 16 kB", size, len(got))
		}
	}
}

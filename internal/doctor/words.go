package doctor

import (
	"fmt"
	"strings"
	"time"
)

// size writes a number of bytes for a person: exact below 4 KB, rounded above.
func size(bytes int) string {
	switch {
	case bytes == 1:
		return "1 byte"
	case bytes < 4096:
		return fmt.Sprintf("%d bytes", bytes)
	}
	return fmt.Sprintf("%.1f KB", float64(bytes)/1024)
}

// relative writes when something is or was, seen from now.
func relative(when, now time.Time) string {
	span := when.Sub(now)
	switch {
	case span >= 0:
		return "in " + Spell(span)
	default:
		return Spell(-span) + " ago"
	}
}

// Spell writes a length of time in its largest fitting unit, rounded down.
func Spell(span time.Duration) string {
	switch {
	case span < 2*time.Minute:
		return count(int(span/time.Second), "second")
	case span < 2*time.Hour:
		return count(int(span/time.Minute), "minute")
	case span < 48*time.Hour:
		return count(int(span/time.Hour), "hour")
	}
	return count(int(span/(24*time.Hour)), "day")
}

func count(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// List joins names as a sentence does.
func List(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

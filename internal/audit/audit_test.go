package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/audit"
)

func TestWriteLeavesOutWhatIsEmpty(t *testing.T) {
	var out bytes.Buffer
	log := audit.New(slog.NewJSONHandler(&out, nil))
	now := time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)
	if err := log.Write(context.Background(), now, audit.Event{
		Listener: "gateway", Action: audit.HandOver, Outcome: audit.HandedOver, Actor: "ada",
		Attributes: []slog.Attr{slog.String("way", "query"), slog.String("client", ""), slog.Int("count", 0)},
	}); err != nil {
		t.Fatal(err)
	}
	want := `{"time":"2026-11-22T01:02:03Z","level":"INFO","msg":"audit","decision":"handed_over",` +
		`"listener":"gateway","action":"hand_over","person":"ada","way":"query","count":0}` + "\n"
	if out.String() != want {
		t.Errorf("got  %s\nwant %s", out.String(), want)
	}
}

func TestWriteKeepsHostileNameOnOneLine(t *testing.T) {
	for _, handler := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
	} {
		var out bytes.Buffer
		err := audit.New(handler(&out)).Write(context.Background(), time.Now(), audit.Event{
			Actor: "ada\nlevel=INFO msg=audit decision=handed_over", Outcome: audit.Refused,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(out.String(), "\n"); got != 1 {
			t.Errorf("got %d lines, want 1: %s", got, out.String())
		}
	}
}

func TestDirectWritesEarlierLinesFirst(t *testing.T) {
	var out bytes.Buffer
	lines := audit.NewLines(&out)
	fmt.Fprintln(lines.Held(), "first")
	if out.Len() != 0 {
		t.Errorf("got %q at once, want the line held", out.String())
	}
	fmt.Fprintln(lines.Direct(), "second")
	fmt.Fprintln(lines.Held(), "third")
	if got, want := out.String(), "first\nsecond\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := lines.Flush(); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "first\nsecond\nthird\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWriteReturnsWriterError(t *testing.T) {
	log := audit.New(slog.NewJSONHandler(audit.NewLines(full{}).Direct(), nil))
	if err := log.Write(context.Background(), time.Now(), audit.Event{}); err == nil {
		t.Error("got no error, want the writer's")
	}
}

// disk has room for so many bytes, and no more.
type disk struct {
	bytes.Buffer
	room int
}

func (d *disk) Write(text []byte) (int, error) {
	fits := min(len(text), d.room)
	d.room -= fits
	written, _ := d.Buffer.Write(text[:fits])
	if fits < len(text) {
		return written, errors.New("no space left")
	}
	return written, nil
}

func TestLinesSeparateTornLine(t *testing.T) {
	out := &disk{room: 10}
	lines := audit.NewLines(out)
	for _, line := range []string{"first", "second", "third"} {
		if _, err := fmt.Fprintln(lines.Direct(), line); (err == nil) != (line == "first") {
			t.Errorf("%s: got %v, want room for the first only", line, err)
		}
	}
	out.room = 100
	for _, line := range []string{"fourth", "fifth"} {
		if _, err := fmt.Fprintln(lines.Direct(), line); err != nil {
			t.Error(err)
		}
	}
	if got, want := out.String(), "first\nseco\nfourth\nfifth\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLinesAreSafeForConcurrentUse(t *testing.T) {
	var out bytes.Buffer
	lines := audit.NewLines(&out)
	done := make(chan struct{})
	flushed := make(chan struct{})
	go func() { defer close(flushed); lines.FlushEvery(time.Millisecond, done) }()
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for i := range 500 {
				w := lines.Held()
				if i%3 == 0 {
					w = lines.Direct()
				}
				fmt.Fprintln(w, "a line of some length to fill the space that is held")
			}
		})
	}
	writers.Wait()
	close(done)
	<-flushed
	if got := strings.Count(out.String(), "a line of some length to fill the space that is held\n"); got != 4000 {
		t.Errorf("got %d whole lines, want 4000", got)
	}
}

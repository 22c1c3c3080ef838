package passes_test

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/passes"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/store/storetest"
)

func TestUsesAreWrittenInBatches(t *testing.T) {
	s := storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "t2g.db"))
	uses := passes.NewUses(s, slog.New(slog.DiscardHandler))
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	address := netip.MustParseAddr("192.0.2.1")
	for range 3 {
		uses.Count("A", at, address, "curl\xff")
	}
	uses.Count("A", at.Add(-time.Hour), netip.MustParseAddr("192.0.2.2"), "wget")
	if got, err := s.PassUsage(t.Context(), "A"); err != nil || got.Count != 0 {
		t.Errorf("before the flush: %+v, %v", got, err)
	}
	for range 2 {
		uses.Flush(t.Context())
		want := store.PassUsage{Pass: "A", Count: 4, Last: at, Address: "192.0.2.1", Agent: "curl"}
		if got, err := s.PassUsage(t.Context(), "A"); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

func TestUsesOutliveAFlushThatFails(t *testing.T) {
	s := storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "t2g.db"))
	uses := passes.NewUses(s, slog.New(slog.DiscardHandler))
	want := store.PassUsage{Pass: "A", Count: 1, Last: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), Address: "192.0.2.1", Agent: "curl"}
	uses.Count("A", want.Last, netip.MustParseAddr(want.Address), want.Agent)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	uses.Flush(canceled)
	uses.Flush(t.Context())
	if got, err := s.PassUsage(t.Context(), "A"); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

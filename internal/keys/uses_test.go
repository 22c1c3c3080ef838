package keys_test

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/keys"
)

func TestUsesAreWrittenInBatchesAndKeptAfterAFailure(t *testing.T) {
	f := newFixture(t, policy)
	ann := f.person(t, "ann")
	made, err := f.Make(t.Context(), ann, keys.Request{Name: "job"})
	if err != nil {
		t.Fatal(err)
	}
	id, address := made.Key.ID, netip.MustParseAddr("192.0.2.7")
	uses := keys.NewUses(f.store, slog.New(slog.DiscardHandler))
	agent := strings.Repeat("x", 199) + "é" // cut in the middle of a character
	uses.Count(id, now(), address, "curl/8")
	uses.Count(id, now().Add(time.Second), address, agent)
	uses.Count(id, now().Add(-time.Hour), address, "late")
	if pending := uses.Pending(id); pending.Count != 3 {
		t.Errorf("pending %+v", pending)
	}
	uses.Flush(t.Context())
	uses.Flush(t.Context())
	usage, days, err := f.Usage(t.Context(), ann, id, now().Add(-day))
	if err != nil || usage.Count != 3 || usage.Agent != agent[:199] || len(days) != 1 || days[0].Count != 3 {
		t.Errorf("usage %+v, %v, %v", usage, days, err)
	}
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	uses.Count(id, now(), address, "a")
	uses.Flush(t.Context()) // fails
	uses.Count(id, now(), address, "b")
	if pending := uses.Pending(id); pending.Count != 2 || pending.Agent != "b" {
		t.Errorf("after a failure, pending %+v", pending)
	}
}

package passes

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/token2go/token2go/internal/store"
)

// FlushInterval is how often uses are written: what is lost when the process is killed is
// at most that of one interval.
const FlushInterval = 10 * time.Second

// Uses counts the uses of passes in memory and writes them in batches, since a call must
// not wait for a write. It is safe for concurrent use.
type Uses struct {
	store *store.Store
	log   *slog.Logger

	mu   sync.Mutex
	uses map[string]*store.PassUsage
}

// NewUses makes a counter. Its Run must run for uses to be written.
func NewUses(s *store.Store, log *slog.Logger) *Uses {
	return &Uses{store: s, log: log, uses: map[string]*store.PassUsage{}}
}

// maxAgent is how much of a client's User-Agent is kept, in bytes.
const maxAgent = 200

// Count counts one use of a pass.
func (u *Uses) Count(id string, at time.Time, address netip.Addr, agent string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	use := u.of(id)
	use.Count++
	if at.Before(use.Last) {
		return
	}
	use.Last, use.Address = at, address.String()
	use.Agent = strings.ToValidUTF8(agent[:min(len(agent), maxAgent)], "") // PostgreSQL refuses anything else
}

func (u *Uses) of(id string) *store.PassUsage {
	use, known := u.uses[id]
	if !known {
		use = &store.PassUsage{Pass: id}
		u.uses[id] = use
	}
	return use
}

// Run writes at intervals until the context ends, and once more then.
func (u *Uses) Run(ctx context.Context) {
	ticker := time.NewTicker(FlushInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			const lastTimeout = 5 * time.Second
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTimeout)
			defer cancel()
			u.Flush(last)
			return
		case <-ticker.C:
			u.Flush(ctx)
		}
	}
}

// Flush writes what was counted. What cannot be written waits for the next time.
func (u *Uses) Flush(ctx context.Context) {
	u.mu.Lock()
	var uses []store.PassUsage
	for _, use := range u.uses {
		uses = append(uses, *use)
	}
	clear(u.uses)
	u.mu.Unlock()
	if len(uses) == 0 {
		return
	}
	if err := u.store.AddPassUsage(ctx, uses); err != nil {
		u.log.Error("uses of passes are not written; they wait", "passes", len(uses), "cause", err)
		u.mu.Lock()
		defer u.mu.Unlock()
		for _, use := range uses {
			if newer, known := u.uses[use.Pass]; known {
				newer.Count += use.Count
			} else {
				u.uses[use.Pass] = &use
			}
		}
	}
}

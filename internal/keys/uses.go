package keys

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/store"
)

// FlushInterval is how often uses are written: what is lost when the process is killed is
// at most that of one interval.
const FlushInterval = 10 * time.Second

// Uses counts the uses of keys in memory and writes them in batches, since a check must
// not wait for a write. It is safe for concurrent use.
type Uses struct {
	store  *store.Store
	log    *slog.Logger
	shards [useShards]useShard
}

const useShards = 64

type useShard struct {
	mu   sync.Mutex
	uses map[apikey.ID]*store.Usage
}

// NewUses makes a counter. Its Run must run for uses to be written.
func NewUses(s *store.Store, log *slog.Logger) *Uses {
	u := &Uses{store: s, log: log}
	for i := range u.shards {
		u.shards[i].uses = map[apikey.ID]*store.Usage{}
	}
	return u
}

// maxAgent is how much of a client's User-Agent is kept, in bytes.
const maxAgent = 200

// Count counts one use.
func (u *Uses) Count(id apikey.ID, at time.Time, address netip.Addr, agent string) {
	shard := &u.shards[id%useShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	use, known := shard.uses[id]
	if !known {
		use = &store.Usage{Key: id}
		shard.uses[id] = use
	}
	use.Count++
	if at.Before(use.Last) {
		return
	}
	use.Last = at
	use.Address = address.String()
	use.Agent = strings.ToValidUTF8(agent[:min(len(agent), maxAgent)], "") // PostgreSQL refuses anything else
}

// Pending is what was counted of a key and is not written yet.
func (u *Uses) Pending(id apikey.ID) store.Usage {
	shard := &u.shards[id%useShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if use, known := shard.uses[id]; known {
		return *use
	}
	return store.Usage{Key: id}
}

// Run writes at intervals until the context ends, and once more then.
func (u *Uses) Run(ctx context.Context) {
	ticker := time.NewTicker(FlushInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
			defer cancel()
			u.Flush(last)
			return
		case <-ticker.C:
			u.Flush(ctx)
		}
	}
}

const flushTimeout = 5 * time.Second

// Flush writes what was counted. What cannot be written waits for the next time.
func (u *Uses) Flush(ctx context.Context) {
	uses := u.take()
	if len(uses) == 0 {
		return
	}
	if err := u.store.AddUsage(ctx, uses); err != nil {
		u.log.Error("uses of keys are not written; they wait", "keys", len(uses), "cause", err)
		for _, use := range uses {
			u.putBack(use)
		}
	}
}

func (u *Uses) take() []store.Usage {
	var uses []store.Usage
	for i := range u.shards {
		shard := &u.shards[i]
		shard.mu.Lock()
		for _, use := range shard.uses {
			uses = append(uses, *use)
		}
		clear(shard.uses)
		shard.mu.Unlock()
	}
	return uses
}

func (u *Uses) putBack(use store.Usage) {
	shard := &u.shards[use.Key%useShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	newer, known := shard.uses[use.Key]
	if !known {
		shard.uses[use.Key] = &use
		return
	}
	newer.Count += use.Count
}

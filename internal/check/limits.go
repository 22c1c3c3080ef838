package check

import (
	"context"
	"math"
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/token2go/token2go/internal/apikey"
)

// refreshInterval bounds how often unknown keys make the database be asked.
const refreshInterval = 100 * time.Millisecond

// refresher lets any number of callers wait for a refresh that began after they asked.
// One refresh serves all of them, and at most one begins each interval.
type refresher struct {
	run   func(context.Context) error
	every time.Duration

	mu      sync.Mutex
	next    *refresh // not begun
	earlier time.Time
}

type refresh struct {
	done chan struct{}
	err  error
}

// wait returns when a refresh is done, with its error, or when the context ends.
func (r *refresher) wait(ctx context.Context) error {
	pending := r.join()
	select {
	case <-pending.done:
		return pending.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join returns the refresh that begins next, and plans it if there is none.
func (r *refresher) join() *refresh {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next = &refresh{done: make(chan struct{})}
		time.AfterFunc(time.Until(r.earlier.Add(r.every)), r.begin)
	}
	return r.next
}

func (r *refresher) begin() {
	r.mu.Lock()
	current := r.next
	r.next, r.earlier = nil, time.Now()
	r.mu.Unlock()
	// No caller's context: one who leaves must not end the refresh of the others.
	current.err = r.run(context.Background())
	close(current.done)
}

// maxAddresses bounds the memory that failures take; the addresses that failed last stay.
const maxAddresses = 65536

// failures counts refused keys by address.
type failures struct {
	rate      apikey.Rate
	addresses *lru.Cache[netip.Prefix, *rate.Limiter]
}

func newFailures(limit apikey.Rate) failures {
	addresses, _ := lru.New[netip.Prefix, *rate.Limiter](maxAddresses) // fails for sizes below 1
	return failures{limit, addresses}
}

// add counts a failure. It returns how long the address has to wait if it had too many
// before this one.
func (f failures) add(address netip.Addr, now time.Time) time.Duration {
	if f.rate.Requests == 0 {
		return 0
	}
	network := neighbors(address)
	limiter, found := f.addresses.Get(network)
	if !found {
		limiter = newLimiter(f.rate)
		if earlier, there, _ := f.addresses.PeekOrAdd(network, limiter); there {
			limiter = earlier
		}
	}
	if limiter.AllowN(now, 1) {
		return 0
	}
	return untilNext(limiter, now)
}

// wait returns how long the address has to wait before the next failure is taken.
func (f failures) wait(address netip.Addr, now time.Time) time.Duration {
	if f.rate.Requests == 0 {
		return 0
	}
	limiter, found := f.addresses.Get(neighbors(address))
	if !found {
		return 0
	}
	return untilNext(limiter, now)
}

// neighbors is the network that one subscriber has: an IPv4 address, or an IPv6 /64.
func neighbors(address netip.Addr) netip.Prefix {
	address = address.Unmap().WithZone("")
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	network, _ := address.Prefix(bits) // the zero prefix for the zero address
	return network
}

// RateState is what the RateLimit fields say of a key
// (draft-ietf-httpapi-ratelimit-headers). The zero value is a key without a rate.
type RateState struct {
	Limit     apikey.Rate
	Remaining int
	Reset     time.Duration // until Remaining is the whole limit again
}

// rates holds the limiters of the keys that have a rate, in shards.
type rates struct{ shards *[rateShards]rateShard }

const rateShards = 64

type rateShard struct {
	mu       sync.Mutex
	limiters map[slot]keyLimiter
}

type keyLimiter struct {
	rate    apikey.Rate
	limiter *rate.Limiter
}

func newRates() rates {
	r := rates{new([rateShards]rateShard)}
	for i := range r.shards {
		r.shards[i].limiters = map[slot]keyLimiter{}
	}
	return r
}

// take uses the key once. The error is a *Refusal of the kind RateExceeded.
func (r rates) take(key slot, limit apikey.Rate, now time.Time) (RateState, error) {
	if limit.Requests == 0 {
		return RateState{}, nil
	}
	limiter := r.limiter(key, limit)
	good := limiter.AllowN(now, 1)
	tokens := limiter.TokensAt(now)
	state := RateState{
		Limit:     limit,
		Remaining: max(0, int(tokens)),
		Reset:     time.Duration((float64(limit.Requests) - tokens) / float64(limiter.Limit()) * float64(time.Second)),
	}
	if !good {
		return state, &Refusal{Kind: RateExceeded, RetryAfter: untilNext(limiter, now), Rate: state}
	}
	return state, nil
}

// limiter returns the key's limiter, a new one when its rate was changed.
func (r rates) limiter(key slot, limit apikey.Rate) *rate.Limiter {
	shard := &r.shards[key.hash()%rateShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	held, found := shard.limiters[key]
	if !found || held.rate != limit {
		held = keyLimiter{limit, newLimiter(limit)}
		shard.limiters[key] = held
	}
	return held.limiter
}

func newLimiter(limit apikey.Rate) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(limit.Requests)/limit.Per.Seconds()), limit.Requests)
}

// untilNext is the time until one more is allowed, in whole seconds as Retry-After has
// them; 0 when it is allowed now.
func untilNext(limiter *rate.Limiter, now time.Time) time.Duration {
	missing := 1 - limiter.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return time.Duration(math.Ceil(missing/float64(limiter.Limit()))) * time.Second
}

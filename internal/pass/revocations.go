package pass

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Revocation ends one pass, or all of a service's, of a subject's or both that were issued
// before a time. Passes made from one that is revoked end with it.
type Revocation struct {
	ID      string    // of the pass; empty: see below
	Service string    // empty: every service
	Subject string    // empty: every subject
	Before  time.Time // counts where ID is empty; see EndAll
}

// EndAll is the time before which everything was issued that exists now: the time of issue
// is in whole seconds, so passes made in the rest of this second are ended too.
func EndAll(now time.Time) time.Time { return now.Truncate(time.Second).Add(time.Second) }

// scope is whose passes a revocation ends.
type scope struct{ service, subject string }

// Revocations are what was revoked. The zero value is nothing. It is safe for concurrent
// use.
type Revocations struct {
	mu      sync.Mutex
	current atomic.Pointer[revoked]
}

// revoked is never written to once it is in Revocations.
type revoked struct {
	ids    map[string]bool
	before map[scope]time.Time
}

// Set replaces all revocations.
func (r *Revocations) Set(list []Revocation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := &revoked{map[string]bool{}, map[scope]time.Time{}}
	next.add(list)
	r.current.Store(next)
}

// Add adds revocations.
func (r *Revocations) Add(list ...Revocation) {
	if len(list) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	next := &revoked{map[string]bool{}, map[scope]time.Time{}}
	if current := r.current.Load(); current != nil {
		next = &revoked{maps.Clone(current.ids), maps.Clone(current.before)}
	}
	next.add(list)
	r.current.Store(next)
}

func (r *revoked) add(list []Revocation) {
	for _, revocation := range list {
		if revocation.ID != "" {
			r.ids[revocation.ID] = true
			continue
		}
		whose := scope{revocation.Service, revocation.Subject}
		if revocation.Before.After(r.before[whose]) {
			r.before[whose] = revocation.Before
		}
	}
}

// Cover reports whether the pass, or one that it was made from, was revoked.
func (r *Revocations) Cover(p Pass) bool {
	current := r.current.Load()
	if current == nil {
		return false
	}
	if current.ids[p.ID] {
		return true
	}
	for _, ancestor := range p.Ancestors {
		if current.ids[ancestor.ID] {
			return true
		}
	}
	issued := p.First().Issued
	for _, whose := range []scope{{}, {service: p.Service}, {subject: p.Subject}, {p.Service, p.Subject}} {
		if issued.Before(current.before[whose]) {
			return true
		}
	}
	return false
}

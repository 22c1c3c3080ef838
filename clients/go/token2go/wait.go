package token2go

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// wait collects what the listener and the pasted text bring. The first verdict ends it.
type wait struct {
	done     chan struct{} // closed when there is a verdict
	warnings chan error
	mu       sync.Mutex
	verdict  verdict // set once, before done is closed
	over     bool
	visits   int  // of the short address
	foreign  bool // a connection of another user was refused
}

func newWait() *wait { return &wait{done: make(chan struct{}), warnings: make(chan error, 64)} }

// end reports whether the verdict was the first.
func (w *wait) end(v verdict) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return false
	}
	w.over, w.verdict = true, v
	close(w.done)
	return true
}

// ended returns the verdict, if there is one.
func (w *wait) ended() (verdict, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.verdict, w.over
}

// endedBy reports whether the wait was ended by the same answer.
func (w *wait) endedBy(v verdict) bool {
	ended, _ := w.ended()
	return ended.answer == v.answer
}

// visit counts the visits of the short address. From the second on, someone else may
// have read it in the list of processes: the person is warned, and the token not kept.
func (w *wait) visit() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.visits++; w.visits == 2 {
		w.warn(&Error{Kind: ErrVisitedTwice})
	}
}

// refuseUser warns once of a connection of another user.
func (w *wait) refuseUser(uid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.foreign {
		w.foreign = true
		w.warn(&Error{Kind: ErrOtherUser, Detail: fmt.Sprintf("uid %d", uid)})
	}
}

// warn never blocks: beyond the capacity of the channel, warnings are dropped.
func (w *wait) warn(err error) {
	select {
	case w.warnings <- err:
	default:
	}
}

// await passes warnings on until there is a verdict, the time is up or ctx is done.
func (w *wait) await(ctx context.Context, o Options) (Token, error) {
	timer := time.NewTimer(o.Timeout)
	defer timer.Stop()
	for {
		select {
		case warning := <-w.warnings:
			o.warn(warning)
			continue
		case <-w.done:
		case <-timer.C:
			w.end(verdict{err: &Error{Kind: ErrTimedOut}})
		case <-ctx.Done():
			w.end(verdict{err: context.Cause(ctx)})
		}
		break
	}
	for len(w.warnings) > 0 {
		o.warn(<-w.warnings)
	}
	v, _ := w.ended() // an answer may have come just before the time was up
	if v.warning != nil {
		o.warn(v.warning)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	v.token.doubtful = w.visits > 1
	return v.token, v.err
}

func (o Options) warn(err error) {
	if o.Warn != nil {
		o.Warn(err)
	}
}

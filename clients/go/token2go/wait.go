package token2go

import (
	"context"
	"sync"
	"time"
)

// wait is what the listener and the paste report to. The first verdict ends it.
type wait struct {
	done     chan struct{} // closed when there is a verdict
	warnings chan error
	mu       sync.Mutex
	verdict  verdict // set once, before done is closed
	over     bool
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

// warn never blocks: whoever makes more warnings than a person reads is not heard.
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
	v, _ := w.ended() // an answer may have come before the time was up
	if v.warning != nil {
		o.warn(v.warning)
	}
	return v.token, v.err
}

func (o Options) warn(err error) {
	if o.Warn != nil {
		o.Warn(err)
	}
}

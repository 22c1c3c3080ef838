package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

// obtain returns a token: the one that is kept, or a new one, for which it asks.
func (e Env) obtain(ctx context.Context, r Request) (token2go.Token, error) {
	if !r.NoCache && !r.Fresh {
		entry, err := r.cache().Load(r.Server)
		if err == nil {
			sweepRuns()
		}
		if err == nil && entry.Good(r.minTTL()) {
			return entry.Token, nil
		}
	}
	o, end, err := e.options(r)
	if err != nil {
		return token2go.Token{}, err
	}
	defer end()
	if !r.NoCheck {
		if err := token2go.Probe(ctx, o); err != nil {
			return token2go.Token{}, fmt.Errorf("%w (where your browser gets through all the same: --no-check)", err)
		}
	}
	var token token2go.Token
	if r.NoCache {
		token, err = token2go.Get(ctx, o)
	} else {
		cache := r.cache()
		cache.Waiting = func() {
			e.note(Event{Event: "waiting", Server: r.Server}, "another program is asking for this token; waiting for its answer")
		}
		token, err = cache.Get(ctx, o)
	}
	if err != nil {
		return token2go.Token{}, err
	}
	e.emit(Event{Event: "token", Server: r.Server, Fingerprint: token.Fingerprint, Expires: token.Expiry})
	return token, nil
}

func (r Request) cache() token2go.Cache {
	return token2go.Cache{Lifetime: time.Duration(r.UnknownTTL)}
}

// least is what MinTTL says; the client package takes 0 for its own default.
func (r Request) minTTL() time.Duration { return max(time.Duration(r.MinTTL), 1) }

// kept is what the cache holds and can be used.
func (r Request) kept() (token2go.Token, bool) {
	if r.NoCache {
		return token2go.Token{}, false
	}
	entry, err := r.cache().Load(r.Server)
	return entry.Token, err == nil && entry.Good(0)
}

// runFolder is where the files of run lie. The cache's folder is made and looked at on
// the way.
func (r Request) runFolder() (string, error) {
	if _, err := r.cache().Load(r.Server); err != nil {
		return "", err
	}
	folder, err := token2go.DefaultCacheDir()
	return filepath.Join(folder, "run"), err
}

// sweepRuns removes the tokens that killed calls of run left, of whichever server. The
// cache's folder was looked at.
func sweepRuns() {
	if folder, err := token2go.DefaultCacheDir(); err == nil {
		sweepTokenFiles(filepath.Join(folder, "run"))
	}
}

// forget removes a token from the cache, if it still is that one.
func (r Request) forget(token string) error {
	entry, err := r.cache().Load(r.Server)
	if err != nil || token == "" || entry.Token.Reveal() != token {
		return err
	}
	_, err = r.remove()
	return err
}

// remove removes the token from the cache, and reports whether there was one.
func (r Request) remove() (bool, error) { return r.cache().Remove(r.Server) }

package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

// obtain returns the token in the cache, or asks the person for one.
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
			return token2go.Token{}, fmt.Errorf("%w (if your browser can reach it: --no-check)", err)
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
	return token2go.Cache{Profile: r.Key, Lifetime: time.Duration(r.UnknownTTL)}
}

// minTTL is what MinTTL says; the client package takes 0 for its own default.
func (r Request) minTTL() time.Duration { return max(time.Duration(r.MinTTL), 1) }

// kept returns the valid token in the cache.
func (r Request) kept() (token2go.Token, bool) {
	if r.NoCache {
		return token2go.Token{}, false
	}
	entry, err := r.cache().Load(r.Server)
	return entry.Token, err == nil && entry.Good(0)
}

// runFolder returns a folder for the files of run and keep, and a function that ends its
// use. It is in the cache's folder, or where nothing is or can be kept, one of this
// call's own.
func (e Env) runFolder(r Request) (folder string, end func(), err error) {
	if !r.NoCache {
		_, err := r.cache().Load(r.Server) // makes and checks the cache's folder
		if folder, also := token2go.DefaultCacheDir(); err == nil && also == nil {
			return filepath.Join(folder, runName), func() {}, nil
		}
	}
	base := e.Getenv("XDG_RUNTIME_DIR")
	if base == "" {
		base = os.TempDir()
	}
	sweepTemporary(base)
	folder, err = os.MkdirTemp(base, temporaryPrefix)
	return folder, func() { _ = os.RemoveAll(folder) }, err
}

const (
	runName         = "run" // in the cache's folder
	temporaryPrefix = "token2go-run-"
)

// sweepTemporary removes what killed calls without a cache left behind.
func sweepTemporary(base string) {
	const leftover = time.Minute // a call that just began has locked nothing
	folders, _ := os.ReadDir(base)
	for _, folder := range folders {
		info, err := folder.Info()
		if err == nil && folder.IsDir() && strings.HasPrefix(folder.Name(), temporaryPrefix) && time.Since(info.ModTime()) > leftover {
			sweepTokenFiles(filepath.Join(base, folder.Name()))
			_ = os.Remove(filepath.Join(base, folder.Name())) // if it is empty, and this user's
		}
	}
}

// sweepRuns removes the tokens that killed calls of run left behind, of any server, in a
// cache's folder that was checked.
func sweepRuns() {
	if folder, err := token2go.DefaultCacheDir(); err == nil {
		sweepTokenFiles(filepath.Join(folder, runName))
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

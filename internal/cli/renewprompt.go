package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/token2go/token2go/clients/go/token2go"
	"github.com/token2go/token2go/internal/atomicfile"
)

// questionOpen is how long the address of a renewal is good.
const questionOpen = 24 * time.Hour

// renewPrompt asks the person for the token that follows one that expires. There is one at
// a time for a server, however many programs want it: the holder of the lock asks, the
// others show the same address and share its answer.
type renewPrompt struct {
	Env
	request Request
	mode    string // one of Renewals
	pastes  bool   // stdin is this program's own
}

// ask returns the new token, or the old one where the gateway hands that out again.
func (q renewPrompt) ask(ctx context.Context, old token2go.Token, until time.Time) (token2go.Token, error) {
	if q.request.NoCache {
		return q.open(ctx, until, "")
	}
	began := time.Now()
	folder, end, err := q.runFolder(q.request)
	if err != nil {
		return token2go.Token{}, err
	}
	defer end()
	sum := sha256.Sum256([]byte(strings.TrimRight(q.request.Server, "/") + "\x00" + q.request.Key))
	path := filepath.Join(folder, "renew-"+hex.EncodeToString(sum[:8]))
	unlock, err := q.turn(ctx, path)
	if err != nil {
		return token2go.Token{}, err
	}
	defer unlock()
	entry, err := q.request.cache().Load(q.request.Server)
	switch {
	case err != nil:
		return token2go.Token{}, err
	case entry.Good(0) && (entry.Token.Fingerprint != old.Fingerprint || entry.Obtained.After(began)):
		return entry.Token, nil
	case changedSince(path+".refused", began):
		return token2go.Token{}, fmt.Errorf("%w: another token2go asked", token2go.ErrDenied)
	}
	token, err := q.open(ctx, until, path+".text")
	_ = os.Remove(path + ".text")
	switch {
	case err == nil:
		err = q.request.cache().Store(q.request.Server, token)
	case ctx.Err() == nil:
		_ = os.WriteFile(path+".refused", nil, 0o600) // its time is what counts
	}
	return token, err
}

// turn waits for the lock, and meanwhile shows what its holder asks.
func (q renewPrompt) turn(ctx context.Context, path string) (unlock func(), err error) {
	const pause = 500 * time.Millisecond
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(path, flock.SetPermissions(0o600))
	for shown := ""; ; {
		locked, err := lock.TryLock()
		if err != nil {
			return nil, err
		}
		if locked {
			return func() { _ = lock.Close() }, nil
		}
		if text, err := os.ReadFile(path + ".text"); err == nil && string(text) != shown {
			shown = string(text)
			q.note(Event{Event: "waiting", Server: q.request.Server}, "%s", shown)
		}
		if !pauseFor(ctx, pause) {
			_ = lock.Close()
			return nil, ctx.Err()
		}
	}
}

func changedSince(path string, since time.Time) bool {
	info, err := os.Stat(path)
	return err == nil && info.ModTime().After(since)
}

// open asks, and leaves the text in a file for the others.
func (q renewPrompt) open(ctx context.Context, until time.Time, path string) (token2go.Token, error) {
	r := q.request
	r.Timeout, r.Paste = Duration(questionOpen), false
	o, end, err := q.options(r)
	if err != nil {
		return token2go.Token{}, err
	}
	defer end()
	where, err := currentPlatform(q.Getenv).browse(r.Browser)
	if err != nil {
		return token2go.Token{}, err
	}
	o.MinTTL = 0 // what the gateway has is what can be had
	if !q.pastes {
		o.Paste = nil
	}
	o.Open = nil
	if q.mode == "open" && (where.local || o.Paste != nil) {
		o.Open = where.open
	}
	o.Show = func(p token2go.Prompt) {
		text := q.text(p, where, o, until)
		if path != "" {
			_ = atomicfile.Write(path, []byte(text), 0o600) // the others wait all the same
		}
		q.note(openEvent(r, p), "%s", text)
		if where.local && o.Open == nil {
			currentPlatform(q.Getenv).notify(text)
		}
	}
	if where.pasteFirst(r, o.Paste != nil) {
		openPaste(&o)
	}
	return token2go.Get(ctx, o)
}

// text returns the line that asks.
func (q renewPrompt) text(p token2go.Prompt, where browserAccess, o token2go.Options, until time.Time) string {
	ends := "the token ends at " + clock(until, time.Now())
	words := "(words: " + strings.Join(p.Words[:], " ") + ")"
	switch {
	case o.Open != nil && where.local:
		return ends + "; your browser is opened for a new one: " + p.ShortURL + " " + words
	case where.local:
		return ends + "; for a new one open " + p.ShortURL + " " + words
	case o.Paste != nil:
		return ends + "; for a new one open this anywhere and paste here what it shows " + words + ": " + p.PasteURL
	default:
		return fmt.Sprintf("%s; for a new one call, in another terminal: token2go get --min-ttl %s %s",
			ends, (time.Until(until) + time.Minute).Round(time.Minute), quoted(q.request.Server))
	}
}

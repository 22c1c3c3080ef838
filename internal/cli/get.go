package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
	"github.com/token2go/token2go/internal/atomicfile"
)

// What holds unless the person says otherwise.
const (
	DefaultMinTTL     = token2go.DefaultMinTTL
	DefaultUnknownTTL = token2go.DefaultLifetime
)

// Request is what every command says that may ask for a token.
type Request struct {
	Profile
	Paste   bool // no listener: the sealed text comes from stdin, whatever that is
	Fresh   bool // a new token, whatever the cache holds
	NoCache bool
	Program bool // a program asks, perhaps with no one at the screen
}

// GetOptions say how get hands a token over.
type GetOptions struct {
	Request
	Output string // one of Outputs; empty: the token alone
	Copy   bool   // into the clipboard, and to stdout only where Output says so
}

// Get hands over a token.
func (e Env) Get(ctx context.Context, o GetOptions) error {
	f, err := parseForm(o.Server, o.Output)
	if err != nil {
		return err
	}
	if f.path != "" {
		if err := checkFile(f.path); err != nil {
			return err
		}
	}
	token, err := e.obtain(ctx, o.Request)
	if err != nil {
		return err
	}
	if o.Copy {
		if err := e.copy(currentPlatform(e.Getenv), token.Reveal(), isTerminal(asFile(e.Stderr))); err != nil {
			return err
		}
		e.note(Event{Event: "note"}, "the token is in the clipboard, %s", lifetime(token, time.Now()))
		if o.Output == "" {
			return nil
		}
	}
	if f.path != "" {
		if err := atomicfile.Write(f.path, []byte(token.Reveal()), 0o600); err != nil {
			return err
		}
		e.note(Event{Event: "kept", File: f.path, Expires: token.Expiry}, "%s holds the token, %s", f.path, lifetime(token, time.Now()))
		return nil
	}
	_, err = io.WriteString(e.Stdout, f.text(token))
	return err
}

// checkFile reports why a file cannot be written, before the person is asked for a token.
func checkFile(path string) error {
	switch err := atomicfile.Check(path); {
	case err == nil:
		return nil
	case errors.Is(err, atomicfile.ErrNotRegular):
		return usage("%w; name another file, or redirect stdout", err)
	default:
		return fmt.Errorf("%w; name another file", err)
	}
}

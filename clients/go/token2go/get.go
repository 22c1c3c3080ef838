package token2go

import (
	"context"
	"fmt"
	"time"
)

// Get asks the person for a token and waits for it. An error is an *Error, whose kind
// errors.Is finds, or the cause of ctx being done. When Get returns, its listener and
// its key are gone.
func Get(ctx context.Context, options Options) (Token, error) {
	o, server, err := options.checked()
	if err != nil {
		return Token{}, err
	}
	if ctx.Err() != nil {
		return Token{}, context.Cause(ctx)
	}
	c, err := newCall(o.Format)
	if err != nil {
		return Token{}, &Error{Kind: ErrOptions, Detail: "no key could be made", Cause: err}
	}
	w := newWait()
	prompt := Prompt{PasteURL: c.toPaste(server, o), Words: c.key.Words(c.state), Until: c.began.Add(o.Timeout)}
	prompt.URL = prompt.PasteURL
	if !o.PasteOnly {
		l, err := listen(c, w, server, o)
		if err != nil {
			return Token{}, err
		}
		defer l.close(ctx)
		prompt.URL, prompt.ShortURL = l.flow, l.shortURL()
	}
	if o.Show != nil {
		o.Show(prompt)
	}
	defer o.beside(ctx, c, w, prompt)()
	return w.await(ctx, o)
}

// beside starts what runs beside the wait: the browser, and the reading of what is
// pasted. What it returns ends the latter.
func (o Options) beside(ctx context.Context, c *call, w *wait, prompt Prompt) (stop func()) {
	if o.Open != nil {
		address := prompt.ShortURL
		if address == "" {
			address = prompt.URL
		}
		go func() {
			if err := o.Open(address); err != nil {
				w.warn(fmt.Errorf("the browser was not opened: %w", err))
			}
		}()
	}
	if o.Paste == nil {
		return func() {}
	}
	const grace = time.Second // for a Paste that does not keep its word
	ctx, cancel := context.WithCancel(ctx)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		readPastes(ctx, o.Paste, c, w)
		if o.PasteOnly && ctx.Err() == nil {
			w.end(verdict{err: &Error{Kind: ErrOptions, Option: "PasteOnly", Detail: "the input ended without an answer"}})
		}
	}()
	return func() {
		cancel()
		select {
		case <-gone:
		case <-time.After(grace):
		}
	}
}

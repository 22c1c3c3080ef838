package token2go

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// Source keeps a token and asks for another when less than MinTTL (or DefaultMinTTL) of
// it is left. Any number of goroutines may use it: one of them asks, and all share its
// token, or its refusal. After a question that no one answered it waits before the next,
// longer each time, and meanwhile returns ErrTimedOut. It is an oauth2.TokenSource.
type Source struct {
	ctx     context.Context // of Token, which has none
	options Options
	cache   *Cache        // may be nil
	turn    chan struct{} // holds one value; the goroutine that takes it may ask

	mu        sync.Mutex
	held      Entry
	refused   error
	refusedAt time.Time
	unheard   unanswered
	fresh     bool   // a token was obtained, so Options.Fresh is done
	stuck     string // the fingerprint of a token that was rejected and came again
}

var _ oauth2.TokenSource = (*Source)(nil)

// NewSource makes a Source. With a cache it shares the token with all programs that use
// the same folder; without one, nil, the token stays in memory. While ctx is done, Token
// returns the cause.
func NewSource(ctx context.Context, options Options, cache *Cache) *Source {
	options.MinTTL = cmp.Or(options.MinTTL, DefaultMinTTL)
	options.Background = true
	s := &Source{ctx: ctx, options: options, cache: cache, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

// Token is Get for users of golang.org/x/oauth2. A token of unknown expiry has the moment
// as its expiry at which it is no longer used here.
func (s *Source) Token() (*oauth2.Token, error) {
	e, err := s.get(s.ctx, "")
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: e.Token.Reveal(), TokenType: e.Token.TokenType, Expiry: e.Until}, nil
}

// Get returns the token that is held, or asks.
func (s *Source) Get(ctx context.Context) (Token, error) {
	e, err := s.get(ctx, "")
	return e.Token, err
}

// Renew returns another token than one that a server rejected. It asks once for each:
// where the gateway hands out the same again, or the token is not older than a minute,
// asking is of no use, and the result is the one that is held.
func (s *Source) Renew(ctx context.Context, rejected Token) (Token, error) {
	e, err := s.get(ctx, rejected.Fingerprint)
	return e.Token, err
}

func (s *Source) get(ctx context.Context, rejected string) (Entry, error) {
	began := time.Now()
	if e, held := s.look(rejected); held {
		return e, nil
	}
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return Entry{}, context.Cause(ctx)
	}
	if e, held := s.look(rejected); held {
		return e, nil
	}
	if err := s.refusal(began); err != nil {
		return Entry{}, err
	}
	e, err := s.ask(ctx, rejected)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil {
			s.refused, s.refusedAt = err, time.Now()
		}
		if typed, is := errors.AsType[*Error](err); is && errors.Is(err, ErrTimedOut) && !typed.early {
			s.unheard = unanswered{count: s.unheard.count + 1, last: time.Now()}
		}
		return Entry{}, err
	}
	s.held, s.fresh, s.unheard = e, true, unanswered{}
	if e.Token.Fingerprint == rejected {
		s.stuck = rejected
	}
	return e, nil
}

// look returns the token that is held, where it will do.
func (s *Source) look(rejected string) (Entry, bool) {
	const young = time.Minute
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.held.Good(s.options.MinTTL) {
		return Entry{}, false
	}
	same := rejected != "" && rejected == s.held.Token.Fingerprint
	return s.held, !same || s.stuck == rejected || time.Since(s.held.Obtained) < young
}

func (s *Source) refusal(began time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused != nil && !s.refusedAt.Before(began) {
		return s.refused
	}
	return s.unheard.refusal(time.Now())
}

func (s *Source) ask(ctx context.Context, rejected string) (Entry, error) {
	o := s.options
	s.mu.Lock()
	o.Fresh = o.Fresh && !s.fresh
	s.mu.Unlock()
	if s.cache != nil {
		return s.cache.get(ctx, o, rejected)
	}
	token, err := Get(ctx, o)
	if err != nil {
		return Entry{}, err
	}
	return Cache{}.entry(s.options.Server, token, time.Now()), nil
}

package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/token2go/token2go/internal/identity"
	"github.com/token2go/token2go/internal/page"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/token"
)

// identify proves who sent a request. The error is page.ErrNotFound where this server
// stores nothing about people, token.ErrNotFound, a *token.Unusable, or that of the
// verifier.
func (s *Server) identify(ctx context.Context, h http.Header) (identity.Person, error) {
	if s.options.People == nil {
		return identity.Person{}, page.ErrNotFound
	}
	found, unusable := s.options.Tokens.Extract(h) // headers may prove a person without a token
	person, err := s.options.People.Identify(ctx, h, found)
	if errors.Is(err, token.ErrNotFound) {
		err = unusable
	}
	return person, err
}

func storedPerson(p identity.Person, now time.Time) store.Person {
	return store.Person{
		Issuer: p.Issuer, Subject: p.Subject, Login: p.Login, Email: p.Email,
		Roles: p.Roles, Groups: p.Groups, Seen: now,
	}
}

// maxWait is how long a page or a hand-over waits for the identity provider to learn a
// name that it only shows or logs.
const maxWait = 300 * time.Millisecond

// person returns the name to show and to log, and whether it is known to be an
// administrator's. No decision depends on either. With a verifier the name is the verified
// one; while the identity provider cannot be asked, a header counts that belongs to the
// same gateway as the one that held the token. The visit is recorded in the background.
func (s *Server) person(h http.Header) (name string, admin bool) {
	if s.options.People == nil {
		return forwardedName(h, s.options.Identity), false
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxWait)
	defer cancel()
	person, err := s.identify(ctx, h)
	switch {
	case errors.Is(err, identity.ErrUnavailable):
		found, _ := s.options.Tokens.Extract(h)
		return forwardedName(h, sameFamily(s.options.Identity, found.Header)), false
	case err != nil:
		return "", false
	}
	s.visits.record(person, s.options.Now())
	return shownName(person.Login, person.Email, person.Subject), person.Admin
}

// shownName returns the first name that can be shown.
func shownName(names ...string) string {
	for _, name := range names {
		if name != "" && showable(name) {
			return name
		}
	}
	return ""
}

// forwardedName returns the first name that one of the headers holds.
func forwardedName(h http.Header, headers []string) string {
	for _, name := range headers {
		for _, value := range h.Values(name) {
			if value = strings.TrimSpace(value); value != "" && showable(value) {
				return value
			}
		}
	}
	return ""
}

// sameFamily returns those of the headers that the gateway sets which sets the other one,
// as far as their names tell.
func sameFamily(headers []string, other string) []string {
	var same []string
	for _, name := range headers {
		if family(name) != "" && family(name) == family(other) {
			same = append(same, name)
		}
	}
	return same
}

// family is the beginning that a gateway's headers have in common; empty for other names.
func family(header string) string {
	header = strings.ToLower(header)
	for _, beginning := range []string{"x-forwarded-", "x-auth-request-", "oidc_"} {
		if strings.HasPrefix(header, beginning) {
			return beginning
		}
	}
	return ""
}

// maxPerson is how much of a name is shown, in characters.
const maxPerson = 256

func showable(text string) bool {
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > maxPerson {
		return false
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

const (
	visitInterval = time.Minute     // between two recorded visits of one person
	visitTimeout  = 5 * time.Second // for recording one
	maxRecording  = 8               // visits recorded at once; further ones wait for a later request
	maxVisitors   = 100_000         // remembered at once, so that memory is bounded
)

// visits records visits in the background, so that no answer waits for the database.
type visits struct {
	store  *store.Store
	failed func(error)
	slots  chan struct{}

	mu   sync.Mutex
	last map[[2]string]time.Time // by issuer and subject
}

func newVisits(people *store.Store, failed func(error)) *visits {
	return &visits{store: people, failed: failed, slots: make(chan struct{}, maxRecording), last: map[[2]string]time.Time{}}
}

// record stores the visit unless one of the same person was stored a moment ago, or nothing
// is stored.
func (v *visits) record(person identity.Person, now time.Time) {
	if v.store == nil {
		return
	}
	key := [2]string{person.Issuer, person.Subject}
	if !v.due(key, now) {
		return
	}
	go func() {
		defer func() { <-v.slots }()
		ctx, cancel := context.WithTimeout(context.Background(), visitTimeout)
		defer cancel()
		if _, err := v.store.Visit(ctx, storedPerson(person, now)); err != nil {
			v.failed(err)
			v.forget(key)
		}
	}()
}

// forget has the next visit stored however soon it is.
func (v *visits) forget(key [2]string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.last, key)
}

// due reports whether a visit is to be stored now, and takes a slot for that.
func (v *visits) due(key [2]string, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if last, known := v.last[key]; known && now.Sub(last).Abs() < visitInterval {
		return false
	}
	select {
	case v.slots <- struct{}{}:
	default:
		return false
	}
	if len(v.last) >= maxVisitors {
		clear(v.last)
	}
	v.last[key] = now
	return true
}

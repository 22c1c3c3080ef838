package demo

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const sessionCookie = "_demo_session"

// session is one person signed in in one browser.
type session struct {
	person Person
	issuer string

	mu     sync.Mutex
	tokens tokens
}

// tokens are the current tokens of a session.
type tokens struct {
	access, id string
	expires    time.Time
}

// current returns the session's tokens, new ones if fewer than renew is left of the old.
// Requests that arrive together get the same.
func (s *session) current(m *mint, now time.Time, renew time.Duration) (tokens, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := s.tokens.access != ""
	if fresh && renew >= 0 {
		fresh = s.tokens.expires.Sub(now) >= renew
	}
	if fresh {
		return s.tokens, nil
	}
	minted, err := m.tokens(s.person, s.issuer, now)
	if err != nil {
		return tokens{}, err
	}
	s.tokens = minted
	return minted, nil
}

// SignIn opens a session without any page, and returns the cookie that the client
// or browser has to send. Origin is where that client reaches the gateway,
// as in http://127.0.0.1:8080; it names the issuer of the tokens.
func (g *Gateway) SignIn(origin, username string) (*http.Cookie, error) {
	person, known := g.person(username)
	if !known {
		return nil, fmt.Errorf("sign in: no person is called %q", username)
	}
	return g.open(person, origin), nil
}

// open starts a session and returns its cookie.
func (g *Gateway) open(person Person, origin string) *http.Cookie {
	issuer := origin
	if g.provider != nil {
		issuer = originOf(g.provider)
	}
	id := random()
	g.sessions.put(id, &session{person: person, issuer: issuer})
	cookie := g.cookie(sessionCookie, id, strings.HasPrefix(origin, "https:"))
	cookie.SameSite = g.flags.CookieSameSite
	return cookie
}

// session finds the request's session; nil if there is none.
func (g *Gateway) session(r *http.Request) *session {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	found, _ := g.sessions.get(cookie.Value)
	return found
}

// end deletes the request's session.
func (g *Gateway) end(r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		g.sessions.take(cookie.Value)
	}
}

func (g *Gateway) cookie(name, value string, secure bool) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: secure}
}

func (g *Gateway) viaTLS(r *http.Request) bool { return g.secure || r.TLS != nil }

// originOfRequest is the origin by which the browser reached the gateway.
func (g *Gateway) originOfRequest(r *http.Request) string {
	scheme, host := "http", r.Host
	if g.viaTLS(r) {
		scheme = "https"
	}
	if g.flags.ReverseProxy {
		scheme = cmp.Or(r.Header.Get("X-Forwarded-Proto"), scheme)
		host = cmp.Or(r.Header.Get("X-Forwarded-Host"), host)
	}
	return scheme + "://" + host
}

// random returns 256 random bits as text.
func random() string {
	var bits [32]byte
	_, _ = rand.Read(bits[:]) // never fails: the program ends instead (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(bits[:])
}

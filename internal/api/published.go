package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/token2go/token2go/internal/signing"
	"github.com/token2go/token2go/internal/web"
)

// Rings are the signing keys of each purpose. A nil one is not published.
type Rings struct{ APIKeys, Statuses, Passes, Assertions *signing.Ring }

// StatusLists returns a signed status list (IETF Token Status List) and how long it may be
// kept. The error wraps ErrNoList for one that does not exist.
type StatusLists func(ctx context.Context, n int) (jwt string, ttl time.Duration, err error)

// ErrNoList is returned for a status list that does not exist.
var ErrNoList = errors.New("no such status list")

// published lists the documents of public keys, by path.
func (r Rings) published() map[string]*signing.Ring {
	all := map[string]*signing.Ring{
		"/jwks.json":                           r.APIKeys,
		"/.well-known/token2go/status.json":    r.Statuses,
		"/.well-known/token2go/pass.json":      r.Passes,
		"/.well-known/token2go/assertion.json": r.Assertions,
	}
	for path, ring := range all {
		if ring == nil {
			delete(all, path)
		}
	}
	return all
}

// keysTTL is how long a reader may keep public keys. A new key is published that long
// before it signs.
const keysTTL = 5 * time.Minute

// jwks publishes the public keys of a ring.
func jwks(ring *signing.Ring) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		return publish(w, r, "application/jwk-set+json", string(ring.JWKS()), keysTTL)
	}
}

// apikeyserv are the routes of apikeyserv that its verifiers and monitors ask. Compatibility
// routes are not in the API document: they are documented where their system is.
func (s *Server) apikeyserv() []endpoint {
	if !s.options.BareJWTs || s.options.Rings.APIKeys == nil {
		return nil
	}
	return []endpoint{
		{"GET", "/signingkeys/", func(w http.ResponseWriter, r *http.Request) error {
			return publish(w, r, web.JSON, string(s.options.Rings.APIKeys.JWKS()), keysTTL)
		}},
		{"GET", "/signingkeys", func(w http.ResponseWriter, r *http.Request) error {
			http.Redirect(w, r, "/signingkeys/", http.StatusMovedPermanently)
			return nil
		}},
		{"GET", "/status/health/", s.healthOfApikeyserv},
	}
}

func (s *Server) healthOfApikeyserv(w http.ResponseWriter, r *http.Request) error {
	current := s.options.Checker == nil || s.options.Checker.Current == nil || s.options.Checker.Current(r.Context()) == nil
	status := http.StatusOK
	if !current {
		status = http.StatusServiceUnavailable
	}
	return writeJSON(w, status, map[string]bool{"app": true, "database": current})
}

// statusList answers which signed keys are revoked.
func (s *Server) statusList(w http.ResponseWriter, r *http.Request) error {
	n, err := strconv.Atoi(chi.URLParam(r, "n"))
	if err != nil || n < 0 {
		return ErrNoList
	}
	jwt, ttl, err := s.options.StatusLists(r.Context(), n)
	if err != nil {
		return err
	}
	return publish(w, r, "application/statuslist+jwt", jwt, ttl)
}

// publish answers with what anyone may read and keep, or that the caller has it already.
func publish(w http.ResponseWriter, r *http.Request, mediaType, body string, ttl time.Duration) error {
	sum := sha256.Sum256([]byte(body))
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "public, max-age="+seconds(ttl))
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return web.Write(w, http.StatusOK, mediaType, body)
}

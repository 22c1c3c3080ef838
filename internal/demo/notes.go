package demo

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

const notesPath = "/api/notes"

// Notes is an API that checks access tokens itself: GET /api/notes returns the notes of
// the person whom the token names, and with the API's own token those of everyone. Any
// other token gets 401 (RFC 6750, section 3).
func (g *Gateway) Notes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+notesPath, g.notes)
	return mux
}

// notesBehind serves the notes through the gateway: with the caller's token, or with
// that of the caller's session.
func (g *Gateway) notesBehind(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") == "" {
		session := g.session(r)
		if session == nil {
			g.signInFirst(w, r)
			return
		}
		held, err := session.current(g.mint, g.now(), g.renew)
		if err != nil {
			g.broken(w, r)
			return
		}
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+held.access)
	}
	g.Notes().ServeHTTP(w, r)
}

func (g *Gateway) notes(w http.ResponseWriter, r *http.Request) {
	scheme, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		refuseNotes(w, "Bearer", "no token: send Authorization: Bearer and an access token")
		return
	}
	if g.notesKey != "" && subtle.ConstantTimeCompare([]byte(raw), []byte(g.notesKey)) == 1 {
		g.everyonesNotes(w)
		return
	}
	claims, err := g.mint.verify(raw, g.now())
	if err != nil {
		refuseNotes(w, `Bearer error="invalid_token"`, err.Error())
		return
	}
	encodeIndented(w, http.StatusOK, struct {
		Person  string   `json:"person"`
		Expires string   `json:"tokenExpires"`
		Notes   []string `json:"notes"`
	}{claims.username, claims.expires.Format(time.RFC3339), []string{"Buy milk", "Read docs/using-the-token.md"}})
}

// everyonesNotes answers the API's own token.
func (g *Gateway) everyonesNotes(w http.ResponseWriter) {
	notes := map[string][]string{}
	for _, person := range g.people {
		notes[person.Username] = []string{"Buy milk"}
	}
	encodeIndented(w, http.StatusOK, struct {
		Notes map[string][]string `json:"notes"`
	}{notes})
}

func refuseNotes(w http.ResponseWriter, challenge, reason string) {
	w.Header().Set("WWW-Authenticate", challenge)
	encodeIndented(w, http.StatusUnauthorized, struct {
		Error string `json:"error"`
	}{reason})
}

// encodeIndented answers with JSON that is read in a terminal.
func encodeIndented(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(value) // fails only where the client is gone
}

package demo

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
)

// auth serves /oauth2/auth, by which other gateways ask whether a request may pass:
// 202 with the identity in headers, or 401. Unlike oauth2-proxy it needs no
// --set-xauthrequest for that.
func (g *Gateway) auth(w http.ResponseWriter, r *http.Request) {
	session := g.session(r)
	if session == nil {
		http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
		return
	}
	held, err := session.current(g.mint, g.now(), g.renew)
	if err != nil {
		g.broken(w, r)
		return
	}
	g.answerHeaders(w.Header(), session.person, held)
	g.authRequestHeaders(w.Header(), session.person, held)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusAccepted)
}

// answerHeaders are those that every answer to a person who is signed in gets.
func (g *Gateway) answerHeaders(header http.Header, person Person, held tokens) {
	header.Set("Gap-Auth", cmp.Or(person.Email, person.Subject))
	if g.flags.SetXAuthRequest {
		g.authRequestHeaders(header, person, held)
	}
	if g.flags.SetAuthorizationHeader {
		header.Set("Authorization", "Bearer "+held.id)
	}
}

func (g *Gateway) authRequestHeaders(header http.Header, person Person, held tokens) {
	for _, set := range identity("X-Auth-Request-", person) {
		set.put(header)
	}
	if !g.flags.NoPassAccessToken {
		header.Set("X-Auth-Request-Access-Token", held.access)
	}
}

// userInfo serves /oauth2/userinfo.
func (g *Gateway) userInfo(w http.ResponseWriter, r *http.Request) {
	session := g.session(r)
	if session == nil {
		http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
		return
	}
	encode(w, http.StatusOK, struct {
		User              string   `json:"user"`
		Email             string   `json:"email"`
		Groups            []string `json:"groups,omitempty"`
		PreferredUsername string   `json:"preferredUsername,omitempty"`
	}{session.person.Subject, session.person.Email, session.person.Groups, session.person.Username})
}

// keys serves the public half of the signing key (RFC 7517, section 5).
func (g *Gateway) keys(w http.ResponseWriter, _ *http.Request) {
	encode(w, http.StatusOK, g.mint.public)
}

// configuration serves as much of OpenID Connect Discovery as checking a token takes.
// The pretend provider does not implement OpenID Connect, so no endpoint is named.
func (g *Gateway) configuration(w http.ResponseWriter, r *http.Request) {
	issuer := g.originOfRequest(r)
	if g.provider != nil {
		issuer = originOf(g.provider)
	}
	encode(w, http.StatusOK, map[string]any{
		"issuer":                                issuer,
		"jwks_uri":                              issuer + "/.well-known/jwks.json",
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
	})
}

// wantsJSON reports whether the request comes from a script rather than a person, by the
// rule of oauth2-proxy: Accept contains application/json without any parameter.
func wantsJSON(r *http.Request) bool {
	for media := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		if strings.TrimSpace(media) == "application/json" {
			return true
		}
	}
	return false
}

func encode(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // fails only where the client is gone
}

package gateway

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/web"
)

// token hands the token over in clear, to the page's script and to programs that have
// the gateway's session.
func (s *Server) token(r *http.Request, h *handOver) (reply, error) {
	h.way = wayToken
	if err := checkFetchMetadata(r.Header); err != nil {
		return nil, err
	}
	found, err := s.Tokens.Extract(r.Header)
	if err != nil {
		return nil, err
	}
	h.outcome, h.fingerprint, h.header = audit.HandedOver, found.Fingerprint(), found.Header
	return func(w http.ResponseWriter) error {
		return web.Write(w, http.StatusOK, web.JSON, found.Document(s.Now()).Reveal())
	}, nil
}

// maxPerson is how much of a forwarded name is shown, in characters.
const maxPerson = 256

// person is who is signed in, as the gateway forwards it. It is for display: no decision
// depends on it.
func (s *Server) person(h http.Header) string {
	for _, name := range s.Identity {
		for _, value := range h.Values(name) {
			if value = strings.TrimSpace(value); value != "" && showable(value) {
				return value
			}
		}
	}
	return ""
}

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

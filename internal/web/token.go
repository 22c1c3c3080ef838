package web

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/token"
)

const mediaJSON = "application/json"

// token hands the token over in clear, to the page's script and to programs that have
// the gateway's session.
func (s *Server) token(w http.ResponseWriter, r *http.Request) error {
	if err := own(r.Header); err != nil {
		return s.recordRefusal(r, audit.WayToken, err)
	}
	found, err := s.Tokens.Extract(r.Header)
	if err != nil {
		return s.recordRefusal(r, audit.WayToken, err)
	}
	if r.Method != http.MethodHead { // which gets no body, and so no token
		if err := s.record(r, handedOver(audit.WayToken, found), nil); err != nil {
			return err
		}
	}
	return write(w, http.StatusOK, mediaJSON, found.Document(s.Now()).Reveal())
}

func handedOver(way audit.Way, found token.Found) audit.Entry {
	return audit.Entry{Way: way, Decision: audit.HandedOver, Fingerprint: found.Fingerprint(), Header: found.Header}
}

// recordRefusal records a refusal for the reason that its answer gives.
func (s *Server) recordRefusal(r *http.Request, way audit.Way, err error) error {
	return s.record(r, audit.Entry{Way: way, Decision: audit.Refused, Reason: string(s.explain(r, err).Kind)}, err)
}

// record writes the audit line and counts it. It returns err, or the log's own error:
// what cannot be put on record is not handed over.
func (s *Server) record(r *http.Request, entry audit.Entry, err error) error {
	entry.Person = s.person(r.Header)
	failure := s.Audit.Write(r.Context(), s.Now(), entry)
	if failure != nil && err == nil {
		return failure
	}
	s.metrics.handOver(entry)
	return err
}

// maxPerson is how much of a forwarded name is shown, in characters.
const maxPerson = 256

// person is who is signed in, as the gateway says. It is for showing: no decision
// rests on it.
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

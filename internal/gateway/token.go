package gateway

import (
	"net/http"

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
	found, err := s.options.Tokens.Extract(r.Header)
	if err != nil {
		return nil, err
	}
	h.outcome, h.fingerprint, h.header = audit.HandedOver, found.Fingerprint(), found.Header
	return func(w http.ResponseWriter) error {
		return web.Write(w, http.StatusOK, web.JSON, found.Document(s.options.Now()).Reveal())
	}, nil
}

package gateway

import (
	"log/slog"
	"net/http"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/web"
)

// handOver is what is recorded of a request for a token. The decision fills it in.
type handOver struct {
	outcome     audit.Outcome
	reason      string // of a refusal: the kind of the problem
	way         string // token: in clear, or the response mode
	target      string // host and port where the answer goes
	client      string // the program's name as it gives it, not verified
	key         string // the thumbprint of the client's key (RFC 7638)
	fingerprint string // of the token
	header      string // the header that held the token
}

// wayToken is the way of a token in clear; the other ways are the flow's response modes.
const wayToken = "token"

func (h *handOver) attributes() []slog.Attr {
	return []slog.Attr{
		slog.String("way", h.way),
		slog.String("target", h.target),
		slog.String("client", h.client),
		slog.String("key", h.key),
		slog.String("fingerprint", h.fingerprint),
		slog.String("header", h.header),
	}
}

// reply sends an answer that was decided on before.
type reply func(http.ResponseWriter) error

// decision decides on a hand-over and sends nothing. A reply returned with an error is sent
// instead of the problem: it reports the refusal to the client.
type decision func(*http.Request, *handOver) (reply, error)

// audited makes a Handler of a decision. Each decision is recorded and counted before its
// answer is sent, and a token whose hand-over cannot be recorded is not handed over. A HEAD
// that succeeds has no body, so it hands nothing over.
func (s *Server) audited(decide decision) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var h handOver
		send, err := decide(r, &h)
		switch {
		case err != nil:
			refusal := s.adapter.Refuse(w, r, err)
			h.outcome, h.reason = audit.Refused, string(refusal.Problem.Kind)
			_ = s.record(r, &h) // nothing is handed over, so the line may be lost
			if send == nil {
				return refusal
			}
		case r.Method != http.MethodHead:
			if err := s.record(r, &h); err != nil {
				return err
			}
			web.SkipAccessLine(w)
		}
		return send(w)
	}
}

func (s *Server) record(r *http.Request, h *handOver) error {
	name, _ := s.person(r.Header)
	event := audit.Event{
		Listener: listener, Action: audit.HandOver, Outcome: h.outcome, Reason: h.reason,
		Actor: name, Attributes: h.attributes(),
	}
	err := s.options.Audit.Write(r.Context(), s.options.Now(), event)
	if err == nil || h.outcome == audit.Refused {
		s.metrics.count(h)
	}
	return err
}

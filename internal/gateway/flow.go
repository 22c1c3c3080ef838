package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/doctor"
	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/problem"
)

// beginFlow answers a program's request for a sealed token, or asks the person.
func (s *Server) beginFlow(r *http.Request, h *handOver) (reply, error) {
	if err := flow.CheckNavigation(r.Header); err != nil {
		return nil, err
	}
	outcome, err := s.flow.Begin(r.URL.RawQuery, r.Header)
	return s.conclude(r, h, outcome, err)
}

// decideFlow takes the person's answer.
func (s *Server) decideFlow(r *http.Request, h *handOver) (reply, error) {
	if err := flow.CheckNavigation(r.Header); err != nil {
		return nil, err
	}
	if err := s.sameOrigin(r); err != nil {
		return nil, err
	}
	decision, err := decodeDecision(r)
	if err != nil {
		return nil, err
	}
	outcome, err := s.flow.Decide(r.URL.RawQuery, r.Header, decision)
	return s.conclude(r, h, outcome, err)
}

// maxForm bounds the body of an answer in bytes; the page's form has about 200.
const maxForm = 16 << 10

func decodeDecision(r *http.Request) (flow.Decision, error) {
	r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return flow.Decision{}, err
		}
		return flow.Decision{}, &problem.Problem{Kind: problem.InvalidRequest, Detail: "the answer is not a form (application/x-www-form-urlencoded)"}
	}
	choice := flow.Choice(r.PostForm.Get("decision"))
	switch choice {
	case flow.Allow, flow.Deny, flow.Review, flow.Chosen:
	default:
		return flow.Decision{}, &problem.Problem{Kind: problem.InvalidRequest, Detail: "`decision` must be `allow`, `deny`, `review` or `word`"}
	}
	return flow.Decision{Choice: choice, Word: r.PostForm.Get("word"), Binding: flow.Binding{
		Fingerprint: r.PostForm.Get("fingerprint"),
		Expiry:      r.PostForm.Get("expiry"),
		MAC:         r.PostForm.Get("mac"),
	}}, nil
}

// conclude makes the reply to what the flow decided.
func (s *Server) conclude(r *http.Request, h *handOver, outcome flow.Outcome, err error) (reply, error) {
	h.describe(outcome)
	if err != nil {
		return refuse(outcome.Request, err)
	}
	if outcome.Question != nil {
		h.outcome = audit.Asked
		return s.question(r, outcome), nil
	}
	h.outcome, h.way = audit.HandedOver, string(outcome.Answer.Mode)
	return s.answer(r, outcome), nil
}

func (h *handOver) describe(outcome flow.Outcome) {
	h.way = string(outcome.Request.Mode)
	h.target = outcome.Request.Target.Host()
	h.client = outcome.Request.Client
	h.fingerprint = outcome.Found.Fingerprint()
	h.header = outcome.Found.Header
	if outcome.Request.Key != nil {
		h.key = outcome.Request.Key.ID()
	}
}

// refuse reports an error to the client by redirect where that is possible.
func refuse(request flow.Request, err error) (reply, error) {
	refusal, found := errors.AsType[*flow.Refusal](err)
	if !found {
		refusal = request.Refuse(flow.ServerError, "something went wrong inside the server; the operator's log has the cause")
		err = fmt.Errorf("%w: %w", refusal, err)
	}
	location, found := refusal.Location()
	if !found || errors.Is(err, flow.ErrEdited) {
		return nil, err
	}
	return seeOther(location), err
}

// seeOther redirects without a body. 303 turns a POST into a GET and is not kept by
// the browser's cache, unlike 301 and 308; 307 would repeat the POST.
func seeOther(location string) reply {
	return func(w http.ResponseWriter) error {
		h := w.Header()
		h["Location"] = []string{location}
		h["Content-Length"] = []string{"0"}
		w.WriteHeader(http.StatusSeeOther)
		return nil
	}
}

// answer sends the sealed token.
func (s *Server) answer(r *http.Request, outcome flow.Outcome) reply {
	answer, request := outcome.Answer, outcome.Request
	switch answer.Mode {
	case flow.ModeQuery:
		return seeOther(answer.Location)
	case flow.ModeFormPost:
		return func(w http.ResponseWriter) error {
			return s.showUnder(policyFormPost+answer.Source, w, http.StatusOK, "form", formView{
				chrome: s.chrome(r), Client: request.Client, TargetHost: request.Target.Host(),
				Action: answer.Action, Fields: fields(answer.Fields),
			})
		}
	default:
		return func(w http.ResponseWriter) error {
			return s.show(w, http.StatusOK, "paste", pasteView{
				chrome: s.chrome(r), Client: request.Client, Sealed: answer.Sealed,
				Words: request.Key.Words(request.State), Expires: answer.Expires,
			})
		}
	}
}

func fields(answer []flow.Field) []field {
	shown := make([]field, len(answer))
	for i, one := range answer {
		shown[i] = field(one)
	}
	return shown
}

// question asks the person. Its form posts to the same address with the same query, so
// that a sign-in that loses the body leads to the question again.
func (s *Server) question(r *http.Request, outcome flow.Outcome) reply {
	return func(w http.ResponseWriter) error {
		w.Header().Set("Referrer-Policy", "same-origin") // with no-referrer, browsers send Origin: null
		return s.showUnder(policyQuestion, w, http.StatusOK, "question", s.questionView(r, outcome))
	}
}

func (s *Server) questionView(r *http.Request, outcome flow.Outcome) questionView {
	request, question := outcome.Request, outcome.Question
	expires := outcome.Found.Claims().Expires
	return questionView{
		chrome:      s.chrome(r),
		Client:      request.Client,
		Target:      request.Target.String(),
		TargetHost:  request.Target.Host(),
		Loopback:    request.Target.Loopback,
		Paste:       request.Mode == flow.ModePage,
		Fingerprint: outcome.Found.Fingerprint(),
		Expires:     expires,
		Lifetime:    lifetime(expires, s.options.Now()),
		Words:       question.Words,
		Choices:     question.Choices,
		Action:      s.prefix(r) + flowPath + "?" + r.URL.RawQuery,
		Notice:      question.Again,
		Fields: []field{
			{"fingerprint", question.Binding.Fingerprint},
			{"expiry", question.Binding.Expiry},
			{"mac", question.Binding.MAC},
		},
	}
}

// Content security policies of the flow's pages; other pages have web.PagePolicy.
const (
	// policyQuestion has no form-action: with one, the browser blocks the redirect from
	// the answered form to the client, and to the identity provider where the gateway's
	// session has ended meanwhile. The page contains escaped text and one script.
	policyQuestion = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"

	// policyFormPost is followed by the one origin that the page posts to.
	policyFormPost = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; " +
		"frame-ancestors 'none'; form-action "
)

// lifetime is how long a token is still valid, in words; empty where unknown.
func lifetime(expires, now time.Time) string {
	if expires.IsZero() {
		return ""
	}
	return doctor.Spell(expires.Sub(now))
}

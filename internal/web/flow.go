package web

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/problem"
)

// beginFlow answers a program's request for a sealed token, or asks the person.
func (s *Server) beginFlow(w http.ResponseWriter, r *http.Request) error {
	if err := flow.CheckNavigation(r.Header); err != nil {
		return s.recordRefusal(r, "", err)
	}
	outcome, err := s.flow.Begin(r.URL.RawQuery, r.Header)
	return s.conclude(w, r, outcome, err)
}

// decideFlow takes the person's answer.
func (s *Server) decideFlow(w http.ResponseWriter, r *http.Request) error {
	if err := flow.CheckNavigation(r.Header); err != nil {
		return s.recordRefusal(r, "", err)
	}
	if err := s.sameOrigin(r); err != nil {
		return s.recordRefusal(r, "", err)
	}
	decision, err := decodeDecision(w, r)
	if err != nil {
		return s.recordRefusal(r, "", err)
	}
	outcome, err := s.flow.Decide(r.URL.RawQuery, r.Header, decision)
	return s.conclude(w, r, outcome, err)
}

// maxForm bounds the body of an answer in bytes; ours has about 200.
const maxForm = 16 << 10

func decodeDecision(w http.ResponseWriter, r *http.Request) (flow.Decision, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
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

// conclude sends what the flow came to, and puts it on record first.
func (s *Server) conclude(w http.ResponseWriter, r *http.Request, outcome flow.Outcome, err error) error {
	entry := describe(outcome)
	if err != nil {
		return s.refuse(w, r, outcome, entry, err)
	}
	if outcome.Question != nil {
		entry.Decision = audit.Asked
		if err := s.record(r, entry, nil); err != nil {
			return err
		}
		return s.ask(w, r, outcome)
	}
	entry.Decision, entry.Way = audit.HandedOver, audit.Way(outcome.Answer.Mode)
	if err := s.record(r, entry, nil); err != nil {
		return err
	}
	return s.answer(w, r, outcome)
}

func describe(outcome flow.Outcome) audit.Entry {
	entry := audit.Entry{
		Way:         audit.Way(outcome.Request.Mode),
		Target:      outcome.Request.Target.Host(),
		Client:      outcome.Request.Client,
		Fingerprint: outcome.Found.Fingerprint(),
		Header:      outcome.Found.Header,
	}
	if outcome.Request.Key != nil {
		entry.Key = outcome.Request.Key.ID()
	}
	return entry
}

// refuse tells the client where there is one to tell, and otherwise whoever is here.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, outcome flow.Outcome, entry audit.Entry, err error) error {
	var refusal *flow.Refusal
	if !errors.As(err, &refusal) {
		s.Log.Error("failed", "route", flowPath, "cause", err)
		refusal = outcome.Request.Refuse(flow.ServerError, "something went wrong inside the server; the operator's log says more")
		err = refusal
	}
	kind := s.explain(r, err).Kind
	entry.Decision, entry.Reason = audit.Refused, string(kind)
	if err := s.record(r, entry, err); !errors.Is(err, refusal) {
		return err
	}
	location, found := refusal.Location()
	if !found || errors.Is(err, flow.ErrEdited) {
		return err
	}
	s.metrics.refused(kind)
	seeOther(w, location)
	return nil
}

// seeOther redirects without a body. 303 turns a POST into a GET and is not kept by
// the browser's cache, unlike 301 and 308; 307 would repeat the POST.
func seeOther(w http.ResponseWriter, location string) {
	h := w.Header()
	h["Location"] = []string{location}
	h["Content-Length"] = []string{"0"}
	w.WriteHeader(http.StatusSeeOther)
}

// answer sends the sealed token on its way.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, outcome flow.Outcome) error {
	answer, request := outcome.Answer, outcome.Request
	switch answer.Mode {
	case flow.ModeQuery:
		seeOther(w, answer.Location)
		return nil
	case flow.ModeFormPost:
		w.Header().Set("Content-Security-Policy", policyFormPost+answer.Source)
		return s.pages.render(w, http.StatusOK, "form", formView{
			chrome: s.chrome(r), Client: request.Client, TargetHost: request.Target.Host(),
			Action: answer.Action, Fields: fields(answer.Fields),
		})
	default:
		return s.pages.render(w, http.StatusOK, "paste", pasteView{
			chrome: s.chrome(r), Client: request.Client, Sealed: answer.Sealed,
			Words: request.Key.Words(request.State), Expires: answer.Expires,
		})
	}
}

func fields(answer []flow.Field) []field {
	shown := make([]field, len(answer))
	for i, one := range answer {
		shown[i] = field(one)
	}
	return shown
}

// ask shows the question. Its form posts to the same address with the same query, so
// that a sign-in which swallows the body ends at the question again.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, outcome flow.Outcome) error {
	request, question := outcome.Request, outcome.Question
	expires := outcome.Found.Claims().Expires
	h := w.Header()
	h.Set("Content-Security-Policy", policyQuestion)
	h.Set("Referrer-Policy", "same-origin") // with no-referrer, browsers send Origin: null
	return s.pages.render(w, http.StatusOK, "question", questionView{
		chrome:      s.chrome(r),
		Client:      request.Client,
		Target:      request.Target.String(),
		TargetHost:  request.Target.Host(),
		Loopback:    request.Target.Loopback,
		Paste:       request.Mode == flow.ModePage,
		Fingerprint: outcome.Found.Fingerprint(),
		Expires:     expires,
		Lifetime:    lifetime(expires, s.Now()),
		Words:       question.Words,
		Choices:     question.Choices,
		Action:      s.prefix(r) + flowPath + "?" + r.URL.RawQuery,
		Notice:      question.Again,
		Fields: []field{
			{"fingerprint", question.Binding.Fingerprint},
			{"expiry", question.Binding.Expiry},
			{"mac", question.Binding.MAC},
		},
	})
}

// lifetime says in words how long a token is still valid; nothing where unknown.
func lifetime(expires, now time.Time) string {
	left := expires.Sub(now)
	switch {
	case expires.IsZero():
		return ""
	case left < 2*time.Minute:
		return fmt.Sprintf("%d seconds", int(left.Seconds()))
	case left < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(left.Minutes()))
	case left < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(left.Hours()))
	default:
		return fmt.Sprintf("%d days", int(left.Hours()/24))
	}
}

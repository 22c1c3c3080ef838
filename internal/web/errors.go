package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/token2go/token2go/internal/doctor"
	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/token"
)

// known maps what the rooms refuse to what the caller reads. All else is an opaque 500.
var known = []struct {
	sentinel error
	problem  problem.Problem
}{
	{flow.ErrPrefetch, problem.Problem{
		Kind: problem.PrefetchRefused, Detail: "the browser asked ahead of time, before anybody opened the page",
		Fix: "Open the address.",
	}},
	{flow.ErrNotNavigation, problem.Problem{
		Kind: problem.CrossSite, Detail: "the redirect flow answers only a page that a person opens, not a frame, a script or an image",
		Fix: "Open the address in a tab of its own.",
	}},
	{errOtherSite, problem.Problem{
		Kind: problem.CrossSite, Detail: "another site's page asked for this",
		Fix: "Open the address in a tab of its own.",
	}},
	{errForged, problem.Problem{
		Kind: problem.CrossSite, Detail: "the answer was not sent by the page that asked",
		Fix: "Begin again from the program that wants the token. If this happens each time, the operator sets `T2G_PUBLIC_URL` to the address in the browser.",
	}},
	{flow.ErrEdited, problem.Problem{
		Kind: problem.AnswerRefused, Detail: "the answer does not belong to the question on the page",
		Fix: "Begin again from the program that wants the token.",
	}},
	{errNotFound, problem.Problem{
		Kind: problem.NotFound, Detail: "this address leads nowhere", Fix: "Begin at the front page.",
	}},
}

// fail answers with an error: a page for a browser, a document for a program.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := s.explain(r, err)
	if p.Kind == problem.InternalError {
		s.Log.Error("failed", "route", pattern(w), "cause", err)
	}
	s.metrics.refused(p.Kind)
	h := w.Header()
	switch p.Kind.Status() {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="token2go"`)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	h.Add("Vary", "Accept")
	if wantsPage(r) {
		err = s.pages.render(w, p.Kind.Status(), "problem", s.problemView(r, p))
	} else {
		err = writeJSON(w, p.Kind.Status(), problem.MediaType, p)
	}
	if err != nil {
		s.Log.Debug("answer not sent", "route", pattern(w), "cause", err)
	}
}

// explain finds the problem in an error.
func (s *Server) explain(r *http.Request, err error) *problem.Problem {
	if p, found := errors.AsType[*problem.Problem](err); found {
		return p
	}
	for _, row := range known {
		if errors.Is(err, row.sentinel) {
			p := row.problem
			return &p
		}
	}
	if errors.Is(err, token.ErrNotFound) {
		detail, fix, wanted, arrived := doctor.Missing(r.Header, s.Tokens)
		return &problem.Problem{Kind: problem.TokenNotFound, Detail: detail, Fix: fix, Wanted: wanted, Arrived: arrived}
	}
	if errors.Is(err, token.ErrUnusable) {
		return unusable(err)
	}
	if refusal, found := errors.AsType[*flow.Refusal](err); found {
		return refusedHere(refusal)
	}
	if tooLarge, found := errors.AsType[*http.MaxBytesError](err); found {
		return &problem.Problem{Kind: problem.BodyTooLarge, Detail: "the body is larger than " + strconv.FormatInt(tooLarge.Limit, 10) + " bytes"}
	}
	return &problem.Problem{Kind: problem.InternalError, Detail: "the operator's log says more"}
}

func unusable(err error) *problem.Problem {
	detail := "a header holds something else in the token's place"
	if reason, found := errors.AsType[*token.Unusable](err); found {
		detail = reason.Error()
	}
	return &problem.Problem{
		Kind: problem.TokenUnusable, Detail: detail,
		Fix: "The gateway must overwrite this header, not add to it. `/echo` shows what arrives.",
	}
}

// refusedHere is a refusal of the flow that no client can be told of.
func refusedHere(refusal *flow.Refusal) *problem.Problem {
	p := &problem.Problem{Kind: problem.InvalidRequest, Detail: refusal.Detail, Fix: "Begin again from the program that wants the token."}
	switch {
	case errors.Is(refusal, flow.ErrTarget):
		p.Kind = problem.TargetNotAllowed
		p.Fix = "The answer goes to a program on your own computer. Where a target beyond it is wanted, the operator lists it in `T2G_FLOW_TARGETS`."
	case refusal.Code == flow.AccessDenied:
		p.Kind, p.Detail, p.Fix = problem.AccessDenied, "you said no, so nothing was handed over", "You can close this page."
	case refusal.Code == flow.TokenExpiring:
		p.Kind, p.Fix = problem.TokenExpiring, "Sign out, sign in again and begin once more."
	case refusal.Code == flow.ServerError:
		p.Kind, p.Fix = problem.InternalError, ""
	}
	return p
}

// wantsPage reports whether a browser is to be answered. Our own scripts ask for JSON.
func wantsPage(r *http.Request) bool {
	for _, accept := range r.Header["Accept"] {
		if strings.Contains(accept, "text/html") {
			return true
		}
	}
	return false
}

func pattern(w http.ResponseWriter) string {
	if v, isVisit := w.(*visit); isVisit {
		return v.pattern
	}
	return noRoute
}

// writeJSON writes value whole or, where it cannot be encoded, not at all.
func writeJSON(w http.ResponseWriter, status int, mediaType string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return write(w, status, mediaType, string(body))
}

func write(w http.ResponseWriter, status int, mediaType, body string) error {
	h := w.Header()
	h["Content-Type"] = []string{mediaType}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, err := io.WriteString(w, body) //nolint:gosec // JSON or YAML, and nosniff keeps it from being read as HTML
	return err
}

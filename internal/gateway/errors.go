package gateway

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/token2go/token2go/internal/doctor"
	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/identity"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/page"
	"github.com/token2go/token2go/internal/passes"
	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/token"
	"github.com/token2go/token2go/internal/web"
)

func (s *Server) errors() web.Errors { return web.Errors{Table: table, Other: s.explain} }

// table lists the problems that sentinel errors are reported as.
var table = []web.Row{
	{Err: flow.ErrPrefetch, Problem: problem.Problem{
		Kind: problem.PrefetchRefused, Detail: "the browser fetched the page before anyone opened it",
		Fix: "Open the address.",
	}},
	{Err: flow.ErrNotNavigation, Problem: problem.Problem{
		Kind: problem.CrossSite, Detail: "the redirect flow answers only a page that a person opens, not a frame, a script or an image",
		Fix: "Open the address in a tab of its own.",
	}},
	{Err: errOtherSite, Problem: problem.Problem{
		Kind: problem.CrossSite, Detail: "another site's page asked for this",
		Fix: "Open the address in a tab of its own.",
	}},
	{Err: errForged, Problem: problem.Problem{
		Kind: problem.CrossSite, Detail: "the answer was not sent by the page that asked",
		Fix: "Begin again from the program that wants the token. If this happens each time, the operator sets `T2G_PUBLIC_URL` to the address in the browser.",
	}},
	{Err: flow.ErrEdited, Problem: problem.Problem{
		Kind: problem.AnswerRefused, Detail: "the answer does not belong to the question on the page",
		Fix: "Begin again from the program that wants the token.",
	}},
	{Err: errForeignForm, Problem: problem.Problem{
		Kind: problem.CrossSite, Detail: "the form was not sent by a page of this server",
		Fix: "Open the page and send the form from there. If this happens each time, the operator sets `T2G_PUBLIC_URL` to the address in the browser.",
	}},
	{Err: errInactive, Problem: problem.Problem{
		Kind: problem.PersonDisabled, Detail: "an administrator has disabled your account on this server, and with it your API keys",
		Fix: "Ask an administrator.",
	}},
	{Err: errNotAdmin, Problem: problem.Problem{
		Kind: problem.NotAdministrator, Detail: "you are not an administrator of this server",
		Fix: "Administrators are those who have the claim in `T2G_ADMIN_CLAIM`. Sign out and in again if you were given it a moment ago.",
	}},
	{Err: errRepeated, Problem: problem.Problem{
		Kind: problem.AlreadyDone, Detail: "this form was sent before, and made a key then; it is not shown again",
		Fix: "If the key was not copied, replace it by a new one.",
	}},
	{Err: store.ErrNotFound, Problem: problem.Problem{
		Kind: problem.NotFound, Detail: "you have nothing with this ID here", Fix: "Open the list of your keys.",
	}},
	{Err: errNoPass, Problem: problem.Problem{
		Kind: problem.NotFound, Detail: "you have no pass with this ID", Fix: "Open the list of your passes.",
	}},
	{Err: passes.ErrNotStored, Problem: problem.Problem{
		Kind: problem.PolicyRefused, Detail: passes.ErrNotStored.Error(),
		Fix: "The operator can end passes in the services file. Passes with a short life need no revocation.",
	}},
	{Err: page.ErrNotFound, Problem: problem.Problem{
		Kind: problem.NotFound, Detail: "no page has this address", Fix: "Open the token page.",
	}},
	{Err: web.ErrPeer, Problem: problem.Problem{
		Kind: problem.PeerNotAllowed, Detail: "the address that this request comes from is not the gateway's",
		Fix: "Go through the gateway. If this is the gateway, its address belongs in `T2G_GATEWAY_CIDRS`.",
	}},
	{Err: web.ErrHost, Problem: problem.Problem{
		Kind: problem.HostNotAllowed, Detail: "this server does not answer for the host name of the request",
		Fix: "Use the address that your operator gave you. The operator lists names in `T2G_ALLOWED_HOSTS` or sets `T2G_PUBLIC_URL`.",
	}},
}

// explain finds the problem in errors whose detail depends on the request.
func (s *Server) explain(r *http.Request, err error) *problem.Problem {
	if errors.Is(err, token.ErrNotFound) {
		detail, fix, wanted, arrived := doctor.Missing(r.Header, s.options.Tokens)
		return &problem.Problem{Kind: problem.TokenNotFound, Detail: detail, Fix: fix, Wanted: wanted, Arrived: arrived}
	}
	if errors.Is(err, token.ErrUnusable) {
		return unusable(err)
	}
	if p := explainKeys(err); p != nil {
		return p
	}
	if refusal, found := errors.AsType[*flow.Refusal](err); found {
		return refusedHere(refusal)
	}
	if tooLarge, found := errors.AsType[*web.HeadersError](err); found {
		return &problem.Problem{
			Kind: problem.HeadersTooLarge, Detail: tooLarge.Error(),
			Fix: "Sign out and in again to drop old cookies. If tokens are that large here, raise `T2G_MAX_HEADER_BYTES`.",
		}
	}
	return nil
}

// explainKeys finds the problem in errors about people and keys.
func explainKeys(err error) *problem.Problem {
	if wrong, found := errors.AsType[*fieldError](err); found {
		return &problem.Problem{Kind: problem.InvalidRequest, Detail: wrong.Error()}
	}
	if wrong, found := errors.AsType[*keys.Invalid](err); found {
		return &problem.Problem{Kind: problem.InvalidRequest, Detail: "`" + wrong.Field + "`: " + invalidText(wrong)}
	}
	if denied, found := errors.AsType[*keys.Denied](err); found {
		p := &problem.Problem{Kind: problem.PolicyRefused, Detail: denied.Reason, Fix: "Ask the operator if you need it."}
		if denied.SignIn {
			p.Fix = "Sign out, sign in again, and send the form once more."
		}
		return p
	}
	switch {
	case errors.Is(err, identity.ErrUnproven):
		return &problem.Problem{
			Kind: problem.IdentityNotProven, Detail: err.Error(),
			Fix: "Sign out and in again. If that does not help, show this to the operator: `/echo` shows what arrives.",
		}
	case errors.Is(err, identity.ErrUnavailable):
		return &problem.Problem{Kind: problem.ProviderUnavailable, Detail: "the identity provider could not be asked who you are", Fix: "Try again in a moment."}
	}
	return nil
}

func unusable(err error) *problem.Problem {
	detail := "a header holds something that is not a token"
	if reason, found := errors.AsType[*token.Unusable](err); found {
		detail = reason.Error()
	}
	return &problem.Problem{
		Kind: problem.TokenUnusable, Detail: detail,
		Fix: "The gateway must overwrite this header, not add to it. `/echo` shows what arrives.",
	}
}

// refusedHere is a refusal of the flow that cannot be sent to the client.
func refusedHere(refusal *flow.Refusal) *problem.Problem {
	p := &problem.Problem{Kind: problem.InvalidRequest, Detail: refusal.Detail, Fix: "Begin again from the program that wants the token."}
	switch {
	case errors.Is(refusal, flow.ErrTarget):
		p.Kind = problem.TargetNotAllowed
		p.Fix = "Answers go to programs on your own computer. The operator can allow other targets in `T2G_FLOW_TARGETS`."
	case refusal.Code == flow.AccessDenied:
		p.Kind, p.Detail, p.Fix = problem.AccessDenied, "you said no, so nothing was handed over", "You can close this page."
	case refusal.Code == flow.TokenExpiring:
		p.Kind, p.Fix = problem.TokenExpiring, "Sign out, sign in again and begin once more."
	case refusal.Code == flow.ServerError:
		p.Kind, p.Fix = problem.InternalError, ""
	}
	return p
}

// wantsPage reports whether the caller names HTML and prefers it to JSON (RFC 9110,
// section 12.5.1), as browsers do. Our own scripts ask for JSON.
func wantsPage(r *http.Request) bool {
	accept := strings.Join(r.Header["Accept"], ",")
	html := quality(accept, "text/html")
	json := max(quality(accept, "application/json", "application/*", "*/*"), quality(accept, problem.MediaType))
	return html > 0 && html >= json
}

// quality returns the weight of the first of the media ranges that is listed, from 0 to 1;
// 0 if none is.
func quality(accept string, ranges ...string) float64 {
	for _, wanted := range ranges {
		for listed := range strings.SplitSeq(accept, ",") {
			name, parameters, _ := strings.Cut(listed, ";")
			if strings.EqualFold(strings.TrimSpace(name), wanted) {
				return weight(parameters)
			}
		}
	}
	return 0
}

func weight(parameters string) float64 {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(parameter, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil || !(q >= 0 && q <= 1) {
				return 0
			}
			return q
		}
	}
	return 1
}

// renderProblem answers a browser with a page and a program with JSON.
func (s *Server) renderProblem(w http.ResponseWriter, r *http.Request, p *problem.Problem) error {
	h := w.Header()
	switch p.Kind.Status() {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="token2go"`)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	h.Add("Vary", "Accept")
	if wantsPage(r) {
		return s.show(w, p.Kind.Status(), "problem", s.problemView(r, p))
	}
	return web.RenderJSON(w, r, p)
}

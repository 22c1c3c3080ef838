package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/web"
)

func (s *Server) errors() web.Errors { return web.Errors{Table: table, Other: explain} }

// table lists the problems that sentinel errors are reported as.
var table = []web.Row{
	{Err: errNoCredential, Problem: problem.Problem{
		Kind: problem.NoCredential, Detail: "the request holds no API key of this server",
		Fix: "Send the key as `Authorization: Bearer KEY`, as `X-Api-Key: KEY` or as the password of `Authorization: Basic`.",
	}},
	{Err: errAmbiguous, Problem: problem.Problem{
		Kind: problem.AmbiguousCredential, Detail: "the request holds two different API keys of this server",
		Fix: "Send one.",
	}},
	{Err: ErrNoList, Problem: problem.Problem{Kind: problem.NotFound, Detail: "there is no such list"}},
	{Err: check.ErrUnavailable, Problem: problem.Problem{
		Kind: problem.DatabaseUnavailable, Detail: "the key is not known here, and the database cannot be asked whether it is new",
		Fix: "Try again in a moment.",
	}},
	{Err: web.ErrPeer, Problem: problem.Problem{
		Kind: problem.PeerNotAllowed, Detail: "the address that this request comes from may not use this listener",
		Fix: "The operator lists addresses in `T2G_API_CIDRS`.",
	}},
	{Err: web.ErrHost, Problem: problem.Problem{
		Kind: problem.HostNotAllowed, Detail: "this server does not answer for the host name of the request",
		Fix: "Use the address that your operator gave you. The operator lists names in `T2G_API_ALLOWED_HOSTS` and proxies in `T2G_API_TRUSTED_PROXIES`.",
	}},
}

// refusals are the problems of refused keys.
var refusals = map[check.Kind]problem.Problem{
	check.InvalidKey: {
		Kind: problem.InvalidKey, Detail: "there is no such key, or it has ended",
		Fix: "Copy the key whole. Its owner sees on the page of keys whether it is still good.",
	},
	check.TooManyFailures: {
		Kind: problem.TooManyFailures, Detail: "there is no such key, or it has ended; this address has sent too many like it",
		Fix: "Wait as long as `Retry-After` says. Good keys are not affected.",
	},
	check.AddressNotAllowed: {
		Kind: problem.AddressNotAllowed, Detail: "the key is bound to networks, and the request comes from none of them",
		Fix: "Its owner sees the networks on the page of keys.",
	},
	check.PageNotAllowed: {
		Kind: problem.PageNotAllowed, Detail: "the key is for some web pages, and Origin and Referer name none of them",
		Fix: "Its owner sees the hosts on the page of keys.",
	},
	check.NotInURL: {
		Kind: problem.NotInURL, Detail: "the key came in a URL, which it does not allow",
		Fix: "Send it as `Authorization: Bearer KEY`. What was in a URL may be in logs by now: rotate the key.",
	},
	check.ApplicationNotAllowed: {
		Kind: problem.ApplicationNotAllowed, Detail: "the key is for other applications than the one that was asked for",
		Fix: "Its owner sees the applications on the page of keys.",
	},
	check.RateExceeded: {
		Kind: problem.RateExceeded, Detail: "the key has been used as often as it may be for now",
		Fix: "Wait as long as `Retry-After` says.",
	},
}

// explain finds the problem in errors whose detail depends on the request.
func explain(_ *http.Request, err error) *problem.Problem {
	if refusal, found := errors.AsType[*check.Refusal](err); found {
		p := refusals[refusal.Kind]
		return &p
	}
	if p := explainPassError(err); p != nil {
		return p
	}
	if tooLarge, found := errors.AsType[*web.HeadersError](err); found {
		return &problem.Problem{
			Kind: problem.HeadersTooLarge, Detail: tooLarge.Error(),
			Fix: "Send fewer or shorter headers. The operator sets `T2G_MAX_HEADER_BYTES`.",
		}
	}
	return nil
}

// reason is why a key was refused: the kind of the problem, and what the caller does not
// learn.
func reason(err error) (kind problem.Kind, cause string) {
	if refusal, found := errors.AsType[*check.Refusal](err); found {
		return problem.Kind(refusal.Kind), string(refusal.Reason)
	}
	return problem.DatabaseUnavailable, ""
}

func (s *Server) notFound(http.ResponseWriter, *http.Request) error {
	return &problem.Problem{Kind: problem.NotFound, Detail: "nothing has this address", Fix: "The API document lists the paths."}
}

func (s *Server) methodNotAllowed(w http.ResponseWriter, r *http.Request) error {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		if s.router.Match(chi.NewRouteContext(), method, r.URL.Path) {
			allowed = append(allowed, method)
		}
	}
	methods := strings.Join(allowed, ", ")
	w.Header().Set("Allow", methods)
	return &problem.Problem{Kind: problem.MethodNotAllowed, Detail: "this path answers " + methods}
}

// renderProblem answers with JSON, and with what HTTP wants beside it.
func (s *Server) renderProblem(w http.ResponseWriter, r *http.Request, p *problem.Problem) error {
	h := w.Header()
	if verifies(r.URL.Path) {
		h.Set("X-Token2go-Reason", string(p.Kind))
		told := *p
		told.Status = statusFor(r.URL.Path, p.Kind.Status())
		p = &told
	}
	switch p.Kind.Status() {
	case http.StatusUnauthorized:
		s.challenge(h, r, p.Kind)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	return web.RenderJSON(w, r, p)
}

// challenge says how to authenticate (RFC 9110, section 11.6.1). git and wget send Basic
// only after they were asked for it; a browser would ask the person for a password.
func (s *Server) challenge(h http.Header, r *http.Request, kind problem.Kind) {
	bearer := `Bearer realm="token2go", error="invalid_token"`
	if kind == problem.NoCredential {
		bearer = `Bearer realm="token2go"` // RFC 6750, section 3.1: no error where nothing was sent
	}
	h.Add("WWW-Authenticate", bearer)
	if s.options.AskBrowsers || !isBrowser(r.Header) {
		h.Add("WWW-Authenticate", `Basic realm="token2go"`)
	}
}

// isBrowser reports whether a request shows the marks of a browser.
func isBrowser(h http.Header) bool {
	if strings.Contains(h.Get("User-Agent"), "Mozilla/") {
		return true
	}
	for _, name := range []string{"Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-User"} {
		if h.Get(name) != "" {
			return true
		}
	}
	return false
}

// setRate sets the RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10) of a key
// that has a rate.
func setRate(h http.Header, state check.RateState) {
	if state.Limit.Requests == 0 {
		return
	}
	h.Set("RateLimit-Policy", `"key";q=`+strconv.Itoa(state.Limit.Requests)+";w="+seconds(state.Limit.Per))
	h.Set("RateLimit", `"key";r=`+strconv.Itoa(state.Remaining)+";t="+seconds(state.Reset))
}

// seconds are whole seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

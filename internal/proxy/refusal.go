package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/pass/lockbox"
	"github.com/token2go/token2go/internal/pass/magic"
	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/rule"
)

// Refusal is why a call was not made, or not answered. Cause is for the event alone.
type Refusal struct {
	Problem    problem.Problem
	Cause      error
	RetryAfter time.Duration // 0: not said
	Text       string        // in the words of an older system; empty: the problem is the answer
}

func (r *Refusal) Error() string { return r.Problem.Error() }

// Unwrap has the listener report the problem.
func (r *Refusal) Unwrap() error { return &r.Problem }

func (r *Refusal) reason() string {
	if r.Cause == nil {
		return ""
	}
	return r.Cause.Error()
}

func refuse(p problem.Problem, cause error) error { return &Refusal{Problem: p, Cause: cause} }

func tooMany(wait time.Duration) error { return &Refusal{Problem: tooManyCalls, RetryAfter: wait} }

// inWords is a refusal in the words and with the status of an older system, whose callers
// compare them.
func inWords(p problem.Problem, cause error, status int, text string) error {
	p.Status = status
	return &Refusal{Problem: p, Cause: cause, Text: text}
}

// answerInWords answers a refusal that has words of an older system.
func (r *recorder) answerInWords(err error) error {
	refused, found := errors.AsType[*Refusal](err)
	if !found || refused.Text == "" {
		return err
	}
	h := r.Header()
	h.Set("Token2go-Error", string(refused.Problem.Kind))
	h.Set("Cache-Control", "no-store")
	return writeText(r.ResponseWriter, refused.Problem.StatusCode(), refused.Text)
}

func writeText(w http.ResponseWriter, status int, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, err := io.WriteString(w, text)
	return err
}

// explain sets the headers that go with a refusal.
func (r *recorder) explain(err *error) {
	refused, found := errors.AsType[*Refusal](*err)
	if !found {
		return
	}
	h := r.Header()
	if refused.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((refused.RetryAfter+time.Second-1)/time.Second)))
	}
	if refused.Problem.Kind == problem.BodyTooLarge {
		h.Set("Connection", "close")
	}
}

// The problems.
var (
	noCredential = problem.Problem{
		Kind: problem.NoCredential, Detail: "the request holds no pass or API key of this server",
		Fix: "Send it as `Authorization: Bearer PASS`.",
	}
	ambiguous = problem.Problem{
		Kind: problem.AmbiguousCredential, Detail: "the request holds two different credentials of this server", Fix: "Send one.",
	}
	invalidPass = problem.Problem{
		Kind: problem.InvalidPass, Detail: "the pass is not valid here: it was made for another service or by another server, has ended, or was revoked",
		Fix: "Get a new one where this one was made.",
	}
	notAccepted = problem.Problem{
		Kind: problem.InvalidPass, Detail: "the credential does not open this service", Fix: "Get a pass for this service.",
	}
	addressNotAllowed = problem.Problem{
		Kind: problem.AddressNotAllowed, Detail: "the credential or the service is bound to networks, and the request comes from none of them",
	}
	unknownService = problem.Problem{
		Kind: problem.UnknownService, Detail: "there is no service of this name", Fix: "The operator lists services in the services file.",
	}
	ruleRefused = problem.Problem{
		Kind: problem.RuleRefused, Detail: "no rule allows this call", Fix: "The rules are in the pass and in the services file.",
	}
	bodyTooLarge = problem.Problem{
		Kind: problem.BodyTooLarge, Detail: "the body is larger than the service takes", Fix: "The operator sets `max_request_bytes`.",
	}
	tooManyCalls = problem.Problem{
		Kind: problem.TooManyCalls, Detail: "the service is called more often, or by more callers at once, than it may be", Fix: "Try again in a moment.",
	}
	noPersonToken = problem.Problem{
		Kind: problem.InvalidPass, Detail: "this service is called with a person's own token, and the credential carries none",
		Fix: "Make a pass for it while signed in.",
	}
	credentialMissing = problem.Problem{
		Kind: problem.CredentialMissing, Detail: "the service's own credential cannot be read now", Fix: "The operator finds the cause in the log.",
	}
	upstreamRefused = problem.Problem{Kind: problem.UpstreamRefused, Detail: "the service could not be reached"}
	upstreamReset   = problem.Problem{Kind: problem.UpstreamReset, Detail: "the service broke the connection off before it answered"}
	upstreamTLS     = problem.Problem{Kind: problem.UpstreamTLS, Detail: "no TLS connection to the service could be made: its certificate is not valid for it, or it does not offer TLS"}
	upstreamAddress = problem.Problem{Kind: problem.UpstreamAddress, Detail: "the service's name means an address that may not be called", Fix: "The operator may set `allow_private` for a private address."}
	upstreamTimeout = problem.Problem{Kind: problem.UpstreamTimeout, Detail: "the service did not answer in time"}
)

func pathNotCanonical(err error) problem.Problem {
	p := problem.Problem{Kind: problem.PathNotCanonical, Detail: "the path can be read in more than one way", Fix: "Write the path without such characters."}
	if refused, found := errors.AsType[*rule.PathError](err); found {
		p.Detail += ": " + string(refused.Reason)
	}
	return p
}

// ruleProblem says which call no rule allows, or which rule denies it.
func ruleProblem(d rule.Decision, method string, path rule.Path) problem.Problem {
	p := ruleRefused
	p.Detail = fmt.Sprintf("no rule allows %s %s", method, path)
	if d.Denied {
		p.Detail = fmt.Sprintf("%s %s is denied by the service's rule %q", method, path, d.Rule)
	}
	return p
}

// refusal is the error for a caller who was not identified. Those of older systems' tokens
// have texts of their own, which the listener answers under their compatibility.
func refusal(err error) error {
	switch {
	case errors.Is(err, ErrNoCredential):
		return refuse(noCredential, err)
	case errors.Is(err, ErrAmbiguous):
		return refuse(ambiguous, err)
	case errors.Is(err, ErrNotAccepted):
		return refuse(notAccepted, err)
	case errors.Is(err, ErrNetwork):
		return refuse(addressNotAllowed, err)
	case errors.Is(err, pass.ErrInvalid), errors.Is(err, pass.ErrService), errors.Is(err, pass.ErrExpired),
		errors.Is(err, pass.ErrNotYet), errors.Is(err, pass.ErrRevoked), errors.Is(err, pass.ErrSealed):
		return refuse(invalidPass, err)
	case errors.Is(err, magic.ErrNoToken):
		return inWords(noCredential, err, http.StatusUnauthorized, err.Error())
	case errors.Is(err, magic.ErrInvalid):
		return inWords(invalidPass, err, http.StatusBadRequest, err.Error())
	}
	if refused, found := errors.AsType[*lockbox.Refusal](err); found {
		return inWords(invalidPass, err, refused.Status, refused.Text)
	}
	if _, found := errors.AsType[*check.Refusal](err); found {
		return err // the listener has a table for these
	}
	return err
}

func writeJSON(w http.ResponseWriter, status int, answer any) error {
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err = w.Write(body)
	return err
}

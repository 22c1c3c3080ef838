// Package flow decides whether and how a token may be handed to the program that asks.
//
// It reads the request, checks where the answer may go, decides whether the person must
// be asked first, and makes the answer. It keeps nothing between requests. docs/protocol.md
// describes the same on the wire.
package flow

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/token"
)

var (
	// ErrPrefetch means that a browser prefetches a page that no one has opened.
	ErrPrefetch = errors.New("fetched ahead of time")

	// ErrNotNavigation means that a frame, a script or an image asks, not a page that a
	// person sees.
	ErrNotNavigation = errors.New("not a page that a person opened")

	// ErrEdited means that an answer does not belong to a question of this server.
	ErrEdited = errors.New("answer does not fit the question")
)

// Modes is the set of response modes on offer; the zero value offers all.
type Modes []Mode

func (m Modes) offers(mode Mode) bool {
	return len(m) == 0 || slices.Contains(m, mode)
}

// Rules are what the operator allows.
type Rules struct {
	Targets []Pattern // targets beyond loopback; none by default
	Consent Consent   // required
	Modes   Modes     // all by default
	MaxURL  int       // bytes of the longest Location that auto answers; required
	Issuer  string    // the public URL, sent to clients; may be empty
}

// Flow applies the rules to requests. It is safe for concurrent use.
type Flow struct {
	Rules  Rules
	Tokens *token.Extractor
	Now    func() time.Time
}

// Outcome is the result of a request. With an error it holds what was read so far.
type Outcome struct {
	Request  Request
	Found    token.Found
	Question *Question // the person must be asked
	Answer   *Answer   // the token, sealed
}

// Question is what the person is asked, beyond what Request and Found hold.
type Question struct {
	Words   [4]string // the client shows the same four
	Choices []string  // second step: the person must choose the one that is among Words; else nil
	Binding Binding
	Again   string // why the person is asked once more; empty the first time
}

// CheckNavigation refuses requests other than for a page that a person opened: prefetches,
// frames, scripts and images (Fetch Metadata, W3C). A client without a browser sends none
// of these headers. The error is ErrPrefetch or ErrNotNavigation.
func CheckNavigation(h http.Header) error {
	if anyContains(h["Sec-Purpose"], "prefetch") {
		return ErrPrefetch
	}
	for _, destination := range h["Sec-Fetch-Dest"] {
		if destination != "document" {
			return ErrNotNavigation
		}
	}
	return nil
}

// Begin handles a request by its raw query and headers. The outcome is a question for the
// person, or an answer. The error is a *Refusal, or that of sealing.
func (f *Flow) Begin(rawQuery string, h http.Header) (Outcome, error) {
	outcome, err := f.read(rawQuery, h)
	if err != nil {
		return outcome, err
	}
	if f.Rules.Consent.mustAsk(outcome.Request, h) {
		f.ask(&outcome, "")
		return outcome, nil
	}
	return f.deliver(outcome)
}

// Choice is the button that the person pressed.
type Choice string

// The choices. The page's script turns Review into Allow when the person presses the button
// on a page that was readable for a while. Without the script, a website may have led the
// person to press it, so Review leads to a second step.
const (
	Deny   Choice = "deny"
	Allow  Choice = "allow"
	Review Choice = "review" // ask for a word that the client shows
	Chosen Choice = "word"   // the answer to that
)

// Decision is what the person answered, as the form brought it back.
type Decision struct {
	Choice  Choice
	Word    string // with Chosen; may be empty
	Binding Binding
}

// Decide continues a request whose question the person has answered. A decision counts only
// for the question that it is bound to; if the token was renewed meanwhile, or the question
// is too old, the person is asked again.
func (f *Flow) Decide(rawQuery string, h http.Header, decision Decision) (Outcome, error) {
	outcome, err := f.read(rawQuery, h)
	if err != nil {
		return outcome, err
	}
	switch decision.Binding.check(outcome.Request, outcome.Found, f.Now()) {
	case edited:
		return outcome, (&Refusal{Code: InvalidRequest, Detail: "the answer does not belong to the question on this page"}).because(ErrEdited)
	case renewed:
		f.ask(&outcome, "Your token was renewed while you were reading. Please answer once more.")
		return outcome, nil
	case expired:
		f.ask(&outcome, "The question was open for more than ten minutes. Please answer once more.")
		return outcome, nil
	}
	return f.conclude(outcome, decision)
}

// conclude acts on a decision whose binding is valid.
func (f *Flow) conclude(outcome Outcome, decision Decision) (Outcome, error) {
	words := outcome.Request.Key.Words(outcome.Request.State)
	switch {
	case decision.Choice == Allow, decision.Choice == Chosen && slices.Contains(words[:], decision.Word):
		return f.deliver(outcome)
	case decision.Choice == Review:
		f.review(&outcome, "")
		return outcome, nil
	case decision.Choice == Chosen && decision.Word == "":
		f.review(&outcome, "Choose a word first.")
		return outcome, nil
	case decision.Choice == Chosen:
		return outcome, outcome.Request.Refuse(AccessDenied, "the person chose a word that the program does not show")
	default:
		return outcome, outcome.Request.Refuse(AccessDenied, "the person said no")
	}
}

// read parses the request and finds a token that is valid for long enough.
func (f *Flow) read(rawQuery string, h http.Header) (outcome Outcome, err error) {
	if outcome.Request, err = f.Rules.parse(rawQuery); err != nil {
		return outcome, err
	}
	outcome.Found, err = f.Tokens.Extract(h)
	if err != nil {
		return outcome, outcome.Request.Refuse(TokenNotFound, f.missing(err)).because(err)
	}
	if detail := f.expiring(outcome.Request, outcome.Found); detail != "" {
		return outcome, outcome.Request.Refuse(TokenExpiring, detail)
	}
	return outcome, nil
}

func (f *Flow) missing(err error) string {
	if errors.Is(err, token.ErrNotFound) {
		return "the gateway sent no token; looked for " + strings.Join(f.Tokens.Names(), ", ")
	}
	return "the gateway sent no usable token; " + err.Error()
}

// expiring returns why the token is not valid for long enough; empty if it is, or if its
// expiry is unknown.
func (f *Flow) expiring(r Request, found token.Found) string {
	expires := found.Claims().Expires
	if expires.IsZero() {
		return ""
	}
	left := expires.Sub(f.Now())
	if left <= 0 {
		return "the token expired"
	}
	if left < r.MinTTL {
		return fmt.Sprintf("the token is valid for %d more seconds, want %d", int(left.Seconds()), int(r.MinTTL.Seconds()))
	}
	return ""
}

func (f *Flow) ask(outcome *Outcome, again string) {
	outcome.Question = &Question{
		Words:   outcome.Request.Key.Words(outcome.Request.State),
		Binding: bind(outcome.Request, outcome.Found, f.Now()),
		Again:   again,
	}
}

// review asks for one of the client's words. A key or click that a website led the
// person into cannot know which of the choices it is.
func (f *Flow) review(outcome *Outcome, again string) {
	f.ask(outcome, again)
	q := outcome.Question
	q.Choices = q.Binding.choices(outcome.Request, outcome.Found, q.Words)
}

func (f *Flow) deliver(outcome Outcome) (Outcome, error) {
	answer, err := f.Rules.answer(outcome.Request, outcome.Found, f.Now())
	if err != nil {
		return outcome, fmt.Errorf("hand over: %w", err)
	}
	outcome.Answer = answer
	return outcome, nil
}

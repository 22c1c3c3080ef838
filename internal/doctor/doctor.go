// Package doctor reports what the headers of a request show about the gateway in front,
// without showing a credential.
//
// It decides nothing: headers can be forged, so what it finds is advice to an operator
// and never a reason to trust someone. What gateways send, strip and let pass is
// measured; no verdict rests on a manual alone where it could be tried.
package doctor

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/token2go/token2go/internal/token"
)

// Options is what Examine needs beside the request.
type Options struct {
	// Tokens finds the token as /token does. Required.
	Tokens *token.Extractor

	// Identity are the names of the headers that say who is signed in. A UUID in one
	// of them stays readable. Empty: only the names that are known to be such.
	Identity []string

	// Verified says that the name which is shown and logged is not read from those headers
	// but proven.
	Verified bool

	// PublicURL is T2G_PUBLIC_URL and BasePath is T2G_BASE_PATH; both may be empty.
	PublicURL string
	BasePath  string

	// MaxHeaderBytes is the limit of this server's own, in bytes. Zero: no verdict on it.
	MaxHeaderBytes int

	// MaxURL is the length of a redirect, in bytes, from which `auto` posts a form
	// instead. Zero: 3072, the default of T2G_FLOW_MAX_URL.
	MaxURL int

	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Report is the answer of /echo. No slice or map in it is nil.
type Report struct {
	Parameters map[string][]string `json:"parameters"` // the query, values masked like those of headers
	Headers    map[string][]string `json:"headers"`    // names as net/http spells them, Host among them
	RemoteAddr string              `json:"remoteAddr"`
	Token      Token               `json:"token"`
	Verdicts   []Verdict           `json:"verdicts"` // worst first
}

// Token is the header that was taken as the token, and why.
type Token struct {
	Found       bool   `json:"found"`
	Header      string `json:"header,omitempty"` // as the operator writes it; empty for the fallback token
	Fingerprint string `json:"fingerprint,omitempty"`
	Why         string `json:"why"`
}

// Level is how much a Verdict matters.
type Level string

// The levels, worst first.
const (
	Bad  Level = "bad"  // no one gets a usable token, or a credential is in danger
	Warn Level = "warn" // it works and should be changed
	Good Level = "good" // it is as it should be
	Note Level = "note" // worth knowing
)

func (l Level) rank() int { return slices.Index([]Level{Bad, Warn, Good, Note}, l) }

// Verdict is one finding, in words for a person.
type Verdict struct {
	Level Level  `json:"level"`
	Title string `json:"title"`
	Text  string `json:"text"`
	Fixes []Fix  `json:"fixes"` // those for the gateways that seem to be in front come first
}

// Fix is what to change at one gateway, or in this server's own settings, where
// Gateway is Token2go.
type Fix struct {
	Gateway string `json:"gateway"`
	Text    string `json:"text"`
	Code    string `json:"code,omitempty"` // flags or configuration lines; may be empty
}

// Examine reports on a request. Nothing in the report shows a credential.
func Examine(r *http.Request, options Options) Report {
	e := newExamination(r, options)
	m := newMasker(options.Tokens.Names(), options.Identity)
	return Report{
		Parameters: m.parameters(r.URL.Query()),
		Headers:    m.headers(r),
		RemoteAddr: r.RemoteAddr,
		Token:      e.token(),
		Verdicts:   e.verdicts(),
	}
}

// examination is what all findings look at.
type examination struct {
	request    *http.Request
	options    Options
	now        time.Time
	found      token.Found
	err        error       // of the extraction: token.ErrNotFound or a *token.Unusable
	candidates []candidate // every configured name, in the operator's order
	seen       recognised
	unlisted   []unlisted // headers that look like a token and are not configured
}

func newExamination(r *http.Request, options Options) *examination {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.MaxURL == 0 {
		options.MaxURL = 3072
	}
	e := &examination{
		request:    r,
		options:    options,
		now:        options.Now(),
		candidates: look(r.Header, options.Tokens.Names()),
		seen:       recognise(r.Header),
		unlisted:   findUnlisted(r.Header, options.Tokens.Names()),
	}
	e.found, e.err = options.Tokens.Extract(r.Header)
	return e
}

// verdicts asks every finding; the order among equals is that of the list.
func (e *examination) verdicts() []Verdict {
	verdicts := []Verdict{}
	for _, find := range findings() {
		if verdict := find(e); verdict.Level != "" {
			verdict.Fixes = e.seen.sort(verdict.Fixes)
			verdicts = append(verdicts, verdict)
		}
	}
	slices.SortStableFunc(verdicts, func(a, b Verdict) int { return cmp.Compare(a.Level.rank(), b.Level.rank()) })
	return verdicts
}

// finding looks for one thing. The zero Verdict means that it is not there.
type finding func(*examination) Verdict

func findings() []finding {
	return []finding{
		noToken, underAnotherName, unusable, unusableBehind, expired, expiringSoon, clockBehind, notYetValid, idToken,
		refreshToken, clientSent, tokenNames, forgedName, identityNames, lookalike, sharedHost, plainHTTP, noGateway,
		headersNearLimit, lineNearLimit, longRedirect,
		wellFound, fallback, bothTokens, opaque, noExpiry, longLived,
		otherScheme, sessionCookie, loopbackGateway, gatewaysSeen,
	}
}

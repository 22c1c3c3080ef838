package doctor

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/token"
)

// candidate is one configured header, looked at alone.
type candidate struct {
	name  string
	found token.Found
	err   error
}

func look(h http.Header, names []string) []candidate {
	candidates := make([]candidate, 0, len(names))
	for _, name := range names {
		found, err := token.NewExtractor([]string{name}, secret.Value{}).Extract(h)
		candidates = append(candidates, candidate{name: name, found: found, err: err})
	}
	return candidates
}

func (c candidate) holds() bool { return c.err == nil }

// token reports which header was taken, in words that name headers and show no value.
func (e *examination) token() Token {
	if e.err != nil {
		return Token{Why: e.whyNot()}
	}
	return Token{
		Found:       true,
		Header:      e.found.Header,
		Fingerprint: e.found.Fingerprint(),
		Why:         e.why(),
	}
}

func (e *examination) whyNot() string {
	if broken, ok := errors.AsType[*token.Unusable](e.err); ok {
		return fmt.Sprintf("%s comes first and holds something that is not one token: %s. No further header is tried.", broken.Header, broken.Reason)
	}
	return fmt.Sprintf("None of the configured names holds a token: %s.", List(e.options.Tokens.Names()))
}

func (e *examination) why() string {
	if e.found.Header == "" {
		return "No header holds a token, so the fallback token of T2G_FALLBACK_TOKEN is used."
	}
	var why strings.Builder
	fmt.Fprintf(&why, "%s is the first of the configured names that holds a token.", e.found.Header)
	for _, name := range e.passedOver() {
		fmt.Fprintf(&why, " %s came without one and was passed over.", name)
	}
	if others := e.others(); len(others) > 0 {
		names := make([]string, len(others))
		for i, other := range others {
			names[i] = other.name + " (" + e.describe(other.found) + ")"
		}
		fmt.Fprintf(&why, " Also there: %s.", List(names))
	}
	return why.String()
}

// passedOver are the names before the one taken whose header came without a token.
func (e *examination) passedOver() []string {
	var names []string
	for _, p := range e.candidates {
		if p.name == e.found.Header {
			break
		}
		if present(e.request.Header, key(p.name)) {
			names = append(names, p.name)
		}
	}
	return names
}

// others are the candidates beside the one taken that hold a token.
func (e *examination) others() []candidate {
	var others []candidate
	for _, p := range e.candidates {
		if p.holds() && p.name != e.found.Header {
			others = append(others, p)
		}
	}
	return others
}

// describe names what a token is, compared with the one taken.
func (e *examination) describe(other token.Found) string {
	switch {
	case other.Fingerprint() == e.found.Fingerprint():
		return "the same token"
	case other.Claims().IDToken():
		return "an ID token"
	}
	return "another token"
}

// Missing explains a request without a token, for the problem token_not_found: what is
// wrong, what to switch on at the gateway that seems to be in front, the names that were
// looked for, and the names of the headers that came. It shows no value of a header.
func Missing(h http.Header, tokens *token.Extractor) (detail, fix string, wanted, arrived []string) {
	seen := recognise(h)
	wanted = append([]string{}, tokens.Names()...)
	detail = "None of the headers that are looked at holds a token." + seen.sentence()
	if name, scheme := schemeInstead(h, wanted); scheme != "" {
		detail += fmt.Sprintf(" %s holds %s credentials, which are never a token.", name, scheme)
	}
	if came, meant := similar(h, wanted); came != "" {
		detail += fmt.Sprintf(" %s came, which is not the same as %s.", came, meant)
	}
	list := findUnlisted(h, wanted)
	if len(list) > 0 {
		detail += " " + sentences(list)
	}
	for _, one := range accessTokens(list) {
		fix += fmt.Sprintf("%s: set `%s` if your gateway sets this header on every request. ", ourselves, one.fix().Code)
	}
	return detail, fix + seen.advice(append(seen.elsewhereFixes(), passTokenFixes()...)), wanted, arrivedNames(h)
}

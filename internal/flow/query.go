package flow

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// param is a parameter that the flow knows, an index into query.given.
type param int

const (
	paramTarget param = iota
	paramPort
	paramPath
	paramState
	paramPublicKeyType
	paramPublicKey
	paramFormat
	paramResponseMode
	paramClient
	paramMinTTL
	paramCount
)

func (p param) String() string {
	return [paramCount]string{
		"target", "port", "path", "state", "publicKeyType", "publicKey",
		"format", "responseMode", "client", "minTTL",
	}[p]
}

// query is a request's query as parseQuery reads it.
type query struct {
	given   [paramCount]string
	times   [paramCount]int
	unknown []string // the first few names that the flow does not know
}

// errEncoding means that a query is refused as a whole: url.ParseQuery would return the
// other parameters, and no check would see the broken one.
var errEncoding = errors.New("query not readable")

// maxUnknown bounds the unknown names that are kept, to suggest one for a missing name.
const maxUnknown = 16

// parseQuery reads a raw query. It fails on bad percent-encoding, on what is not UTF-8,
// on NUL and on a raw semicolon.
func parseQuery(raw string) (query, error) {
	var q query
	if strings.IndexByte(raw, ';') >= 0 {
		return q, fmt.Errorf("%w: it holds a raw semicolon, want %%3B", errEncoding)
	}
	for raw != "" {
		var piece string
		piece, raw, _ = strings.Cut(raw, "&")
		name, value, _ := strings.Cut(piece, "=")
		name, err := decode(name)
		if err != nil {
			return q, err
		}
		value, err = decode(value)
		if err != nil {
			return q, err
		}
		q.take(name, value)
	}
	return q, nil
}

func decode(text string) (string, error) {
	decoded, err := url.QueryUnescape(text)
	if err != nil {
		return "", fmt.Errorf("%w: it holds a %% that two hexadecimal digits do not follow", errEncoding)
	}
	if !utf8.ValidString(decoded) {
		return "", fmt.Errorf("%w: it is not UTF-8", errEncoding)
	}
	if strings.IndexByte(decoded, 0) >= 0 {
		return "", fmt.Errorf("%w: it holds a NUL", errEncoding)
	}
	return decoded, nil
}

func (q *query) take(name, value string) {
	for p := range paramCount {
		if name == p.String() {
			q.given[p] = value
			q.times[p]++
			return
		}
	}
	if len(q.unknown) < maxUnknown && isName(name) {
		q.unknown = append(q.unknown, name)
	}
}

// isName reports whether a name may be repeated in a refusal: it is short, and has only
// characters that are safe in pages, logs and URLs.
func isName(name string) bool {
	if name == "" || len(name) > 32 {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == ""
}

// twice returns the first of the parameters that is given more than once.
func (q *query) twice(params ...param) (param, bool) {
	for _, p := range params {
		if q.times[p] > 1 {
			return p, true
		}
	}
	return 0, false
}

// missing returns the message that p is missing, with an unknown name that may have been
// meant for p or for one of the parameters instead of it.
func (q *query) missing(p param, instead ...param) string {
	for _, name := range q.unknown {
		for _, meant := range append(instead, p) {
			if near(name, meant) {
				return fmt.Sprintf("`%s` is missing; `%s` was given, was that meant?", p, name)
			}
		}
	}
	return fmt.Sprintf("`%s` is missing", p)
}

// near reports whether name may be a misspelling of p's: other letter case, other
// separators, one wrong letter, or what OAuth calls the same thing.
func near(name string, p param) bool {
	plain := strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(name))
	want := strings.ToLower(p.String())
	if plain == want || oneEditApart(plain, want) {
		return true
	}
	switch p {
	case paramTarget:
		return plain == "redirecturi" || plain == "redirecturl" || plain == "redirect" || plain == "callback"
	case paramPublicKey:
		return plain == "pubkey" || plain == "key" || plain == "jwk"
	case paramPublicKeyType:
		return plain == "keytype" || plain == "pubkeytype"
	default:
		return false
	}
}

// oneEditApart reports whether one letter more, less or other makes a into b.
func oneEditApart(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) == len(b) {
		return i == len(a) || a[i+1:] == b[i+1:]
	}
	return a[i:] == b[i+1:]
}

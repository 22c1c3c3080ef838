// Package token finds the access token that a gateway put into a request.
//
// It does not verify the token. Its claims are for display and to know when it expires,
// never to decide who someone is.
package token

import (
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/token2go/token2go/internal/secret"
)

var (
	// ErrNotFound means that no header of the request holds a token.
	ErrNotFound = errors.New("no token in the request")

	// ErrUnusable means that a configured header holds something that is not one whole
	// token. The next header is not tried: a client may have smuggled a value past the
	// gateway.
	ErrUnusable = errors.New("token unusable")
)

// Unusable is an ErrUnusable that names the header and the reason, never the value.
type Unusable struct {
	Header string
	Reason string
}

func (u *Unusable) Error() string { return u.Header + ": " + u.Reason }

// Is makes every Unusable an ErrUnusable.
func (u *Unusable) Is(target error) bool { return target == ErrUnusable }

// Found is the token of one request.
type Found struct {
	Secret secret.Value
	Header string // the name as the operator writes it; empty for the fallback token
	Bearer bool   // the header said that it is a bearer token (RFC 6750)

	fingerprint string
	claims      Claims
}

// Fingerprint identifies a token without showing it: 64 hex characters, the same on
// every replica and after every restart.
func (f Found) Fingerprint() string { return f.fingerprint }

// Claims are the token's own claims if it is a JWT, unverified.
func (f Found) Claims() Claims { return f.claims }

// Extractor finds the token in request headers. It is safe for concurrent use.
type Extractor struct {
	fields   []field
	names    []string
	fallback secret.Value
}

// field is one header that may carry the token.
type field struct {
	name   string // as the operator writes it
	key    string // as net/http spells it
	scheme bool   // it is Authorization, so a value names its scheme
}

// NewExtractor makes an Extractor that looks into the named headers, first name first,
// letter case ignored. The fallback, unless absent, is used where no header has a token.
func NewExtractor(names []string, fallback secret.Value) *Extractor {
	e := &Extractor{fallback: fallback}
	seen := map[string]bool{}
	for _, name := range names {
		key := textproto.CanonicalMIMEHeaderKey(name)
		if seen[key] {
			continue
		}
		seen[key] = true
		e.names = append(e.names, name)
		e.fields = append(e.fields, field{name: name, key: key, scheme: key == "Authorization"})
	}
	return e
}

// Names are the headers that Extract looks into, in its order.
func (e *Extractor) Names() []string { return e.names }

// Extract returns the token of the first header that holds one. The error is
// ErrNotFound, or an *Unusable where a header holds something else.
func (e *Extractor) Extract(header http.Header) (Found, error) {
	for _, field := range e.fields {
		values := header[field.key]
		if len(values) == 0 {
			continue
		}
		text, bearer, err := field.only(values)
		if err != nil {
			return Found{}, err
		}
		if text != "" {
			return newFound(secret.New(text), field.name, bearer), nil
		}
	}
	if e.fallback.Absent() {
		return Found{}, ErrNotFound
	}
	return newFound(e.fallback, "", false), nil
}

func newFound(value secret.Value, header string, bearer bool) Found {
	claims := parseClaims(value.Reveal())
	return Found{
		Secret:      value,
		Header:      header,
		Bearer:      bearer || strings.EqualFold(claims.Type, "Bearer"),
		fingerprint: Fingerprint(value),
		claims:      claims,
	}
}

// only returns the one token that the values of a header hold, the empty text if none
// does. The same token twice is one; two different ones are refused.
func (f field) only(values []string) (text string, bearer bool, err error) {
	for _, value := range values {
		candidate, isBearer := f.strip(value)
		if candidate == "" {
			continue
		}
		if reason := fault(candidate); reason != "" {
			return "", false, &Unusable{Header: f.name, Reason: reason}
		}
		if text != "" && candidate != text {
			return "", false, &Unusable{Header: f.name, Reason: "it came twice with different values"}
		}
		text, bearer = candidate, bearer || isBearer
	}
	return text, bearer, nil
}

// strip removes the scheme and the space around it from a header value. Authorization holds
// a token only after the scheme Bearer (RFC 9110, section 11.4); in other headers the scheme
// is optional.
func (f field) strip(value string) (text string, bearer bool) {
	value = strings.TrimSpace(value)
	const scheme = "bearer"
	if len(value) >= len(scheme) && strings.EqualFold(value[:len(scheme)], scheme) {
		rest := strings.TrimLeftFunc(value[len(scheme):], unicode.IsSpace)
		if rest == "" || len(rest) < len(value)-len(scheme) {
			return rest, true
		}
	}
	if f.scheme {
		return "", false
	}
	return value, false
}

// fault returns why text is not one token, empty if it may be one. JSON would alter
// what is not UTF-8; a comma means that a proxy joined two values.
func fault(text string) string {
	switch {
	case strings.IndexByte(text, ',') >= 0:
		return "it holds a comma, so it is more than one value"
	case isPlaceholder(text):
		return Placeholder
	case isVisible(text):
		return ""
	case !utf8.ValidString(text):
		return "it is not UTF-8"
	case strings.IndexFunc(text, unicode.IsSpace) >= 0:
		return "it has a space inside"
	case strings.IndexFunc(text, unicode.IsControl) >= 0:
		return "it holds a control character"
	}
	return ""
}

// Placeholder is the reason of an Unusable whose header holds what a proxy writes where it
// has no token: Apache the text (null), programs null or undefined, a configuration a
// variable that nothing replaced.
const Placeholder = "it is a placeholder, so whatever sends it has no token"

func isPlaceholder(text string) bool {
	if len(text) > 64 { // as most tokens are
		return false
	}
	switch strings.ToLower(text) {
	case "(null)", "null", "undefined", "none", "nil", "<nil>", "%!s(<nil>)":
		return true
	}
	for _, start := range []string{"${", "$(", "{{", "%{", "%("} {
		if strings.HasPrefix(text, start) {
			return true
		}
	}
	name, isVariable := strings.CutPrefix(text, "$")
	return isVariable && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
}

// isVisible reports whether text consists of visible ASCII characters. It checks eight at a
// time, because tokens are often longer than a thousand.
func isVisible(text string) bool {
	const each = 0x0101010101010101
	for ; len(text) >= 8; text = text[8:] {
		word := binary.LittleEndian.Uint64([]byte(text[:8]))
		if (word|(word+each)|(word-'!'*each))&(0x80*each) != 0 {
			return false
		}
	}
	for i := range len(text) {
		if text[i] < '!' || '~' < text[i] {
			return false
		}
	}
	return true
}

// fingerprintSalt makes fingerprints differ from plain hashes of tokens. It is not secret:
// token2go-server 1.0.3 uses the same text.
const fingerprintSalt = "03c49494-c1f3-4b3c-a9e3-28b1c4e42177"

// Fingerprint is hex of SHA-512/256 over the salt followed by the token: 64 characters.
// It reveals nothing about a token with 128 random bits or a signature. A password could be
// guessed from its fingerprint, so pass access tokens only.
func Fingerprint(value secret.Value) string {
	text := value.Reveal()
	var space [2048]byte // on the stack, since most tokens are shorter
	input := append(append(space[:0], fingerprintSalt...), text...)
	sum := sha512.Sum512_256(input)
	return hex.EncodeToString(sum[:])
}

// String describes the token without showing it.
func (f Found) String() string {
	return fmt.Sprintf("token %s from %s", f.fingerprint, f.Header)
}

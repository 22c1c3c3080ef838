// Package rule decides which methods and paths of an upstream may be called.
//
// A path is examined once, and what was examined is both matched and sent: a rule cannot
// be passed by a spelling that the matcher and the upstream read differently. What could
// be read in more than one way is refused, never rewritten.
package rule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Reason is why a path is refused, in the words of the problem document.
type Reason string

// The reasons.
const (
	NotAbsolute   Reason = "not_absolute"   // it does not begin with a slash
	TooLong       Reason = "too_long"       // over MaxLength bytes
	NotASCII      Reason = "not_ascii"      // a raw byte beyond ASCII
	RawCharacter  Reason = "raw_character"  // a raw #, ?, space or control character
	BadEscape     Reason = "bad_escape"     // % without two hexadecimal digits
	NotUTF8       Reason = "not_utf8"       // decoded, it is no UTF-8 where rules are to match it
	Overlong      Reason = "overlong"       // an ASCII character in more bytes than it needs
	Control       Reason = "control"        // a control character, decoded
	Backslash     Reason = "backslash"      // raw or encoded
	DotSegment    Reason = "dot_segment"    // . or .. between separators of any spelling
	EmptySegment  Reason = "empty_segment"  // two slashes in a row
	Semicolon     Reason = "semicolon"      // where rules are to match it
	EncodedSlash  Reason = "encoded_slash"  // %2F
	DoubleEncoded Reason = "double_encoded" // decoding it again changes its structure
	Lookalike     Reason = "lookalike"      // a character that Unicode normalization turns into one of structure
)

// PathError is a path that is not canonical.
type PathError struct{ Reason Reason }

func (e *PathError) Error() string { return "path is not canonical: " + string(e.Reason) }

// MaxLength is the longest path that is examined, in bytes.
const MaxLength = 8 << 10

// Options say what a service allows in its paths. The zero value is the strictest.
type Options struct {
	Unscoped      bool // no rule is to match: what is not UTF-8 and semicolons are allowed
	EncodedSlash  bool // %2F is allowed and stays as it is
	Semicolon     bool
	EmptySegments bool
}

// Path is an absolute path without its query that was examined.
type Path struct {
	raw     string
	decoded string   // once; an encoded slash is the literal %2F
	others  []string // how upstreams may read it that decode again, cut or join pieces
}

// Raw is the path byte for byte, as it came and as it is to be sent.
func (p Path) Raw() string { return p.raw }

// String is the path decoded once, as rules match it, with an encoded slash as %2F.
func (p Path) String() string { return p.decoded }

// Examine reads the path of a request target, without its query. The error is a *PathError.
func Examine(raw string, o Options) (Path, error) {
	if reason := checkRaw(raw); reason != "" {
		return Path{}, &PathError{reason}
	}
	decoded, slashes, valid := decode(raw)
	if !valid {
		return Path{}, &PathError{BadEscape}
	}
	reason := o.check(decoded)
	if (reason == "" || reason == EncodedSlash) && strings.Count(strings.ToUpper(decoded), encodedSlash) != slashes {
		reason = DoubleEncoded // a percent sign was encoded, and reads as part of an encoded slash
	}
	if reason == "" {
		reason = o.checkAgain(decoded)
	}
	others := readings(decoded)
	if reason == "" && slices.ContainsFunc(others, hasDotSegment) {
		reason = DotSegment
	}
	if reason != "" {
		return Path{}, &PathError{reason}
	}
	return Path{raw: raw, decoded: decoded, others: others}, nil
}

// checkRaw looks at the bytes as they came.
func checkRaw(raw string) Reason {
	switch {
	case !strings.HasPrefix(raw, "/"):
		return NotAbsolute
	case len(raw) > MaxLength:
		return TooLong
	}
	for i := range len(raw) {
		switch c := raw[i]; {
		case c >= utf8.RuneSelf:
			return NotASCII
		case c == '\\':
			return Backslash
		case c <= ' ' || c == 0x7f || c == '#' || c == '?':
			return RawCharacter
		}
	}
	return ""
}

// encodedSlash represents an encoded slash in a decoded path.
const encodedSlash = "%2F"

// decode decodes percent-encoding once. It leaves encoded slashes encoded, and counts them.
func decode(text string) (decoded string, slashes int, valid bool) {
	if !strings.Contains(text, "%") {
		return text, 0, true
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			out.WriteByte(text[i])
			continue
		}
		c, valid := unescape(text[i:])
		if !valid {
			return "", 0, false
		}
		i += 2
		if c == '/' {
			out.WriteString(encodedSlash)
			slashes++
		} else {
			out.WriteByte(c)
		}
	}
	return out.String(), slashes, true
}

// unescape reads the escape that text begins with.
func unescape(text string) (byte, bool) {
	if len(text) < 3 {
		return 0, false
	}
	high, low := digit(text[1]), digit(text[2])
	return byte(high<<4 | low&0xf), high >= 0 && low >= 0 //nolint:gosec // both are below 16 where it counts
}

func digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// check looks at a decoded path.
func (o Options) check(decoded string) Reason {
	if reason := checkEncoding(decoded, o.Unscoped); reason != "" {
		return reason
	}
	switch {
	case strings.Contains(decoded, "\\"):
		return Backslash
	case hasDotSegment(decoded):
		return DotSegment
	case !o.EmptySegments && strings.Contains(withoutParameters(decoded), "//"):
		return EmptySegment
	case !o.Semicolon && !o.Unscoped && strings.Contains(decoded, ";"):
		return Semicolon
	case !o.EncodedSlash && strings.Contains(decoded, encodedSlash):
		return EncodedSlash
	}
	return ""
}

// checkEncoding refuses control characters and what is not UTF-8. Overlong forms are
// refused also where no rule matches: old decoders read C0 AF as a slash.
func checkEncoding(decoded string, unscoped bool) Reason {
	for i := 0; i < len(decoded); {
		r, size := utf8.DecodeRuneInString(decoded[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			if isOverlong(decoded[i:]) {
				return Overlong
			}
			if !unscoped {
				return NotUTF8
			}
		case unicode.IsControl(r):
			return Control
		}
		i += size
	}
	return ""
}

// isOverlong reports whether text begins with a UTF-8 sequence that is longer than the
// character needs (RFC 3629, section 3). Decoders that take such sequences also take them
// with a wrong second byte, so that is not looked at.
func isOverlong(text string) bool {
	switch text[0] {
	case 0xC0, 0xC1:
		return true
	case 0xE0, 0xF0, 0xF8, 0xFC:
		return len(text) > 1 && text[1]&0xE0 == 0x80
	}
	return false
}

// hasDotSegment reports whether a segment would be resolved. Slash, encoded slash and
// backslash separate; what follows a semicolon is cut off, as Java servers do; spaces and
// further dots count as dots, as Windows ignores them at the end of a name.
func hasDotSegment(decoded string) bool {
	if !strings.Contains(decoded, ".") {
		return false
	}
	for _, separator := range []string{encodedSlash, "%2f", `\`} {
		decoded = strings.ReplaceAll(decoded, separator, "/")
	}
	for segment := range strings.SplitSeq(decoded, "/") {
		name, _, _ := strings.Cut(segment, ";")
		if strings.Contains(name, ".") && strings.Trim(name, ". ") == "" {
			return true
		}
	}
	return false
}

// checkAgain looks at what a path becomes in an upstream that decodes once more, or that
// normalizes Unicode.
func (o Options) checkAgain(decoded string) Reason {
	twice := decodeValid(decoded)
	switch {
	case twice == decoded:
	case twice != decodeValid(twice): // encoded three times and more
		return DoubleEncoded
	case o.check(twice) != "" || structure(twice) != structure(decoded):
		return DoubleEncoded
	}
	normal := norm.NFKC.String(decoded)
	if normal == decoded {
		return "" // ASCII, most of the time
	}
	if structure(normal) != structure(decoded) || strings.Count(normal, "%") != strings.Count(decoded, "%") || hasDotSegment(normal) {
		return Lookalike
	}
	return ""
}

// decodeValid decodes each valid escape but the encoded slash, and
// leaves the others, as lenient decoders do.
func decodeValid(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		c, valid := byte(0), false
		if text[i] == '%' {
			c, valid = unescape(text[i:])
		}
		switch {
		case !valid:
			out.WriteByte(text[i])
			continue
		case c == '/':
			out.WriteString(encodedSlash)
		default:
			out.WriteByte(c)
		}
		i += 2
	}
	return out.String()
}

// structure counts the characters that part a URL or a path.
func structure(text string) [6]int {
	var counts [6]int
	for i, c := range []string{"/", `\`, ";", "?", "#", encodedSlash} {
		counts[i] = strings.Count(text, c)
	}
	return counts
}

// readings are the other paths that an upstream may take a decoded path for: one that
// decodes again, that looks for the query or a fragment only after it has decoded, that
// cuts parameters, that makes one slash of many, or several of these.
func readings(decoded string) []string {
	if !strings.ContainsAny(decoded, "%;?#") && !strings.Contains(decoded, "//") {
		return nil
	}
	var readings []string
	for _, text := range []string{decoded, decodeValid(decoded)} {
		before, _ := cutAny(text, "?#")
		for _, reading := range []string{text, before, withoutParameters(text), withoutParameters(before)} {
			for _, reading := range []string{reading, merged(reading)} {
				if reading != decoded && !slices.Contains(readings, reading) {
					readings = append(readings, reading)
				}
			}
		}
	}
	return readings
}

// withoutParameters cuts what follows a semicolon off each segment.
func withoutParameters(decoded string) string {
	if !strings.Contains(decoded, ";") {
		return decoded
	}
	segments := strings.Split(decoded, "/")
	for i, segment := range segments {
		segments[i], _, _ = strings.Cut(segment, ";")
	}
	return strings.Join(segments, "/")
}

// merged makes one slash of many.
func merged(decoded string) string {
	for strings.Contains(decoded, "//") {
		decoded = strings.ReplaceAll(decoded, "//", "/")
	}
	return decoded
}

// ErrTarget is returned for a request target that is not for this server.
var ErrTarget = errors.New("request target in a form that is not served")

// SplitTarget parts a request target (RFC 9112, section 3.2) into path and query, both byte
// for byte. An absolute-form target must name host, the Host header's value; the asterisk
// and authority forms are refused.
func SplitTarget(target, host string) (path, query string, err error) {
	for _, scheme := range []string{"http://", "https://"} {
		if len(target) < len(scheme) || !strings.EqualFold(target[:len(scheme)], scheme) {
			continue
		}
		authority, rest := cutAny(target[len(scheme):], "/?#")
		if !strings.EqualFold(authority, host) {
			return "", "", fmt.Errorf("%w: it names another host than the Host header", ErrTarget)
		}
		target = rest
	}
	if !strings.HasPrefix(target, "/") {
		return "", "", ErrTarget
	}
	path, query, _ = strings.Cut(target, "?")
	return path, query, nil
}

// cutAny cuts before the first of the characters.
func cutAny(text, characters string) (before, rest string) {
	if i := strings.IndexAny(text, characters); i >= 0 {
		return text[:i], text[i:]
	}
	return text, ""
}

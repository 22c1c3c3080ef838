package flow

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// ErrTarget means that an answer may not go to the request's target. The refusal is not
// sent there either: the target may belong to an attacker who made the link.
var ErrTarget = errors.New("target not allowed")

// Target is an address that an answer may go to. Its parts have been checked as text
// before anything parsed them, so that no two parsers can disagree about the host.
type Target struct {
	scheme   string
	host     string // with the port where one is given
	path     string // begins with a slash
	query    string // without the question mark, as given
	Loopback bool   // on the person's own machine
}

// String is the target as an absolute URL.
func (t Target) String() string {
	if t.query == "" {
		return t.scheme + "://" + t.host + t.path
	}
	return t.scheme + "://" + t.host + t.path + "?" + t.query
}

// Host is the host and, where given, the port.
func (t Target) Host() string { return t.host }

// Path is the path as given; it begins with a slash.
func (t Target) Path() string { return t.path }

// Source is the target as a Content-Security-Policy names it (CSP3, section 2.3.1).
// That grammar has no IPv6 address, so [::1] becomes any host on its port.
func (t Target) Source() string {
	if port, isIPv6 := strings.CutPrefix(t.host, "[::1]"); isIPv6 {
		if port == "" {
			port = ":80"
		}
		return t.scheme + "://*" + port
	}
	return t.scheme + "://" + t.host
}

// with adds fields to the target's own query.
func (t Target) with(fields []Field) string {
	size := len(t.scheme) + len(t.host) + len(t.path) + len(t.query) + len("://?&")
	for _, field := range fields {
		size += len(field.Name) + len(field.Value) + len(field.Value)/8 + len("=&") // of base64, one character in 16 is escaped
	}
	var whole strings.Builder
	whole.Grow(size)
	whole.WriteString(t.scheme)
	whole.WriteString("://")
	whole.WriteString(t.host)
	whole.WriteString(t.path)
	whole.WriteByte('?')
	if t.query != "" {
		whole.WriteString(t.query)
		whole.WriteByte('&')
	}
	writeFields(&whole, fields)
	return whole.String()
}

// parseTarget reads an absolute URL that an answer may go to: http on loopback, or one
// that matches a pattern. The error is an ErrTarget with the reason.
func parseTarget(text string, patterns []Pattern) (Target, error) {
	if rest, isPlain := strings.CutPrefix(text, "http://"); isPlain {
		t, err := split("http", rest)
		if err != nil {
			return Target{}, err
		}
		if !isLoopback(t.host) {
			return Target{}, fmt.Errorf("%w: over http the host must be written `localhost`, `127.0.0.1` or `[::1]`, with a port from 1 to 65535 or none", ErrTarget)
		}
		t.Loopback = true
		return t, nil
	}
	if rest, isTLS := strings.CutPrefix(text, "https://"); isTLS {
		t, err := split("https", rest)
		if err != nil {
			return Target{}, err
		}
		for _, pattern := range patterns {
			if pattern.matches(t) {
				return t, nil
			}
		}
		return Target{}, fmt.Errorf("%w: no pattern of `T2G_FLOW_TARGETS` matches it", ErrTarget)
	}
	return Target{}, fmt.Errorf("%w: want an absolute URL that begins with `http://127.0.0.1`", ErrTarget)
}

// loopbackTarget makes the target http://127.0.0.1:PORT/PATH; the path's leading slash
// is optional.
func loopbackTarget(port, path string) (Target, error) {
	if !isPort(port) {
		return Target{}, fmt.Errorf("%w: `port` must be a number from 1 to 65535", ErrTarget)
	}
	path = "/" + strings.TrimPrefix(path, "/")
	if !isPath(path) {
		return Target{}, fmt.Errorf("%w: `path` holds a character that a path cannot (RFC 3986, section 3.3)", ErrTarget)
	}
	return Target{scheme: "http", host: "127.0.0.1:" + port, path: path, Loopback: true}, nil
}

// split splits what follows the scheme. It refuses what RFC 3986 does not allow there, and
// a fragment, even an empty one: the answer's query would become a part of it.
func split(scheme, rest string) (Target, error) {
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	t := Target{scheme: scheme, host: rest[:end]}
	t.path, t.query, _ = strings.Cut(rest[end:], "?")
	if t.path == "" {
		t.path = "/"
	}
	switch {
	case strings.Contains(rest, "#"):
		return Target{}, fmt.Errorf("%w: it has a fragment", ErrTarget)
	case strings.Contains(t.host, "@"):
		return Target{}, fmt.Errorf("%w: it has a user name before the host", ErrTarget)
	case !isPath(t.path):
		return Target{}, fmt.Errorf("%w: its path holds a character that a path cannot (RFC 3986, section 3.3)", ErrTarget)
	case !isQuery(t.query):
		return Target{}, fmt.Errorf("%w: its query holds a character that a query cannot (RFC 3986, section 3.4)", ErrTarget)
	}
	if name, found := answerField(t.query); found {
		return Target{}, fmt.Errorf("%w: its query already has the parameter `%s`, which the answer sets", ErrTarget, name)
	}
	return t, nil
}

func isLoopback(host string) bool {
	for _, name := range []string{"localhost", "127.0.0.1", "[::1]"} {
		if rest, found := strings.CutPrefix(host, name); found {
			if rest == "" {
				return true
			}
			port, found := strings.CutPrefix(rest, ":")
			return found && isPort(port)
		}
	}
	return false
}

func isPort(text string) bool {
	if len(text) == 0 || len(text) > 5 || text[0] == '0' || strings.Trim(text, "0123456789") != "" {
		return false
	}
	number, err := strconv.Atoi(text)
	return err == nil && number <= 65535
}

func isPath(text string) bool  { return isURI(text, "/") }
func isQuery(text string) bool { return isURI(text, "/?") }

// isURI reports whether text consists of pchar (RFC 3986, section 3.3) and the other
// bytes named, with every percent sign followed by two hexadecimal digits.
func isURI(text, other string) bool {
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == '%':
			if i+2 >= len(text) || !isHex(text[i+1]) || !isHex(text[i+2]) {
				return false
			}
			i += 2
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		case strings.IndexByte("-._~!$&'()*+,;=:@", b) >= 0 || strings.IndexByte(other, b) >= 0:
		default:
			return false
		}
	}
	return true
}

func isHex(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}

// answerField finds a parameter of the target's query that an answer sets, too. A client
// could read that one, which the maker of the link has chosen.
func answerField(query string) (string, bool) {
	for _, piece := range strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(piece, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			continue // isQuery has refused what cannot be decoded
		}
		switch lower := strings.ToLower(name); lower {
		case "key", "nonce", "payload", "state", "response", "error", "error_description":
			return lower, true
		}
	}
	return "", false
}

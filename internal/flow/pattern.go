package flow

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pattern is an operator's permission for targets beyond loopback: an absolute https
// URL whose path may hold * for one whole segment and, last, ** for any rest.
type Pattern struct {
	host     string   // with the port where one is given, compared exactly
	segments []string // of the path, without its leading slash
}

// ParsePattern reads a pattern, for example https://hub.example.org/user/*/token2go/**.
// The error repeats nothing of it: people put passwords into URLs.
func ParsePattern(text string) (Pattern, error) {
	rest, isTLS := strings.CutPrefix(text, "https://")
	if !isTLS {
		return Pattern{}, errors.New("it must begin with https://")
	}
	host, path, found := strings.Cut(rest, "/")
	if !isHost(host) {
		return Pattern{}, errors.New("its host must be written in lower case letters, digits, dots and hyphens, without wildcards, and its port from 1 to 65535 or not at all")
	}
	if !found {
		return Pattern{}, errors.New("it has no path; write /** behind the host to allow every path")
	}
	p := Pattern{host: host, segments: strings.Split(path, "/")}
	for i, segment := range p.segments {
		if err := checkSegment(segment, i == len(p.segments)-1); err != nil {
			return Pattern{}, err
		}
	}
	return p, nil
}

func checkSegment(segment string, last bool) error {
	switch {
	case segment == "**" && !last:
		return errors.New("** may be only at its end")
	case segment == "" && !last:
		return errors.New("it has an empty path segment")
	case segment == "*" || segment == "**":
		return nil
	case strings.Contains(segment, "*"):
		return errors.New("* matches a whole path segment and cannot be part of one")
	case !isURI(segment, ""):
		return errors.New("its path holds a character that a path cannot (no query or fragment either)")
	case isDots(segment) || hidesStructure(segment):
		return errors.New("its path holds a dot segment or an encoded slash, backslash or dot")
	}
	return nil
}

// isHost reports whether text is a host name in lower case, with or without a port.
func isHost(text string) bool {
	name, port, hasPort := strings.Cut(text, ":")
	if hasPort && !isPort(port) {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// matches reports whether the pattern allows the target. It never allows dot segments and
// encoded slashes, backslashes and dots: servers disagree on what they mean.
func (p Pattern) matches(t Target) bool {
	if t.host != p.host {
		return false
	}
	segments := strings.Split(t.path[1:], "/")
	for i, segment := range segments {
		if isDots(segment) || hidesStructure(segment) || segment == "" && i < len(segments)-1 {
			return false
		}
	}
	for i, want := range p.segments {
		if want == "**" {
			return len(segments) > i
		}
		if i >= len(segments) || segments[i] != want && (want != "*" || segments[i] == "") {
			return false
		}
	}
	return len(segments) == len(p.segments)
}

// isDots reports whether a segment is . or .., or nothing, once a parameter after a
// semicolon is removed, as some servers do before they resolve the path.
func isDots(segment string) bool {
	name, _, found := strings.Cut(segment, ";")
	return name == "." || name == ".." || name == "" && found
}

// hidesStructure reports whether a segment contains an encoded delimiter of URLs or paths,
// or bytes that some servers read as one: control characters, and what is not UTF-8, such
// as a dot encoded in two bytes.
func hidesStructure(segment string) bool {
	lower := strings.ToLower(segment)
	for _, encoded := range []string{"%2f", "%5c", "%2e", "%25", "%3b", "%3f", "%23"} {
		if strings.Contains(lower, encoded) {
			return true
		}
	}
	decoded, err := url.PathUnescape(segment)
	return err != nil || !utf8.ValidString(decoded) || strings.ContainsFunc(decoded, unicode.IsControl)
}

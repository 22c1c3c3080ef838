package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The parsers. Their errors say what is wrong with a text and never quote it.

func anyText(text string) (string, error) { return text, nil }

// exact is the key of list items that differ by case.
func exact(text string) string { return text }

// list converts the items of a comma-separated list. Blanks and line breaks around
// items and empty items are dropped, and so is an item whose key is that of an earlier one.
func list[T any](convert func(string) (T, error), key func(T) string) func(string) ([]T, error) {
	return func(text string) ([]T, error) {
		var items []T
		seen := map[string]bool{}
		for i, part := range strings.Split(text, ",") {
			part = strings.TrimSpace(part)
			if part == "" {
				continue
			}
			err := legible(part, false)
			var item T
			if err == nil {
				item, err = convert(part)
			}
			if err != nil {
				return nil, fmt.Errorf("item %d: %w", i+1, err)
			}
			if !seen[key(item)] {
				seen[key(item)] = true
				items = append(items, item)
			}
		}
		if len(items) == 0 {
			return nil, errors.New("no item in the list")
		}
		return items, nil
	}
}

var digits = regexp.MustCompile(`^[0-9]{1,9}$`)

func number(lowest, highest int) func(string) (int, error) {
	return func(text string) (int, error) {
		if !digits.MatchString(text) {
			return 0, errors.New("not a whole number")
		}
		value, err := strconv.Atoi(text)
		if err != nil || value < lowest || value > highest {
			return 0, errors.New("out of range")
		}
		return value, nil
	}
}

const day = 24 * time.Hour

func duration(lowest, highest time.Duration) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		value, err := parseDuration(text)
		if err != nil {
			return 0, errors.New("not a number with a unit such as ms, s, m, h or d")
		}
		if value < lowest || value > highest {
			return 0, errors.New("out of range")
		}
		return value, nil
	}
}

// parseDuration also reads whole days, as 90d.
func parseDuration(text string) (time.Duration, error) {
	if whole, found := strings.CutSuffix(text, "d"); found && digits.MatchString(whole) && len(whole) < 6 {
		count, err := strconv.Atoi(whole)
		return time.Duration(count) * day, err
	}
	return time.ParseDuration(text)
}

func boolean(text string) (bool, error) {
	value, err := strconv.ParseBool(strings.ToLower(text))
	if err != nil {
		return false, errors.New("neither true nor false")
	}
	return value, nil
}

// oneOf takes the words in any case and returns them in lower case.
func oneOf(words ...string) func(string) (string, error) {
	return func(text string) (string, error) {
		word := strings.ToLower(text)
		if !slices.Contains(words, word) {
			return "", errors.New("not one of the words")
		}
		return word, nil
	}
}

func level(text string) (slog.Level, error) {
	word, err := oneOf("debug", "info", "warn", "error")(text)
	if err != nil {
		return 0, err
	}
	var level slog.Level
	return level, level.UnmarshalText([]byte(word))
}

// fieldName takes a token of RFC 9110, section 5.6.2, which header names are.
func fieldName(text string) (string, error) {
	const marks = "!#$%&'*+-.^_`|~"
	for _, char := range []byte(text) {
		if !alphanumeric(char) && !strings.ContainsRune(marks, rune(char)) {
			return "", errors.New("a character that no header name has")
		}
	}
	return text, nil
}

func alphanumeric(char byte) bool {
	return '0' <= char && char <= '9' || 'a' <= char && char <= 'z' || 'A' <= char && char <= 'Z'
}

func network(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, errors.New("neither a network nor an address")
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if prefix.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("an IPv4 network written as IPv6; write it as IPv4")
	}
	if prefix != prefix.Masked() {
		return netip.Prefix{}, fmt.Errorf("more bits than the length says; the network is %v", prefix.Masked())
	}
	return prefix, nil
}

// hostLabels is a host name by the letters of RFC 1123, section 2.1; an underscore
// passes, because names of containers have it.
var hostLabels = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`)

// numberLast matches a name whose last label is a number. Browsers and some resolvers
// take every such name for an IPv4 address.
var numberLast = regexp.MustCompile(`(^|\.)([0-9]+|0[xX][0-9a-fA-F]*)$`)

func hostName(text string) bool {
	return len(text) <= 253 && hostLabels.MatchString(text) && !numberLast.MatchString(text)
}

func listenHost(text string) (string, error) {
	bare := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		bare = text[1 : len(text)-1]
	}
	if addr, err := netip.ParseAddr(bare); err == nil && (bare == text || addr.Is6()) {
		return bare, nil
	}
	if !hostName(text) {
		return "", errors.New("neither an address nor a host name")
	}
	return text, nil
}

// hostPattern takes a host with or without a port as a Host header has it, or *.
func hostPattern(text string) (string, error) {
	if text == "*" {
		return text, nil
	}
	if addr, err := netip.ParseAddr(text); err == nil && addr.Is6() {
		text = "[" + text + "]"
	}
	host, port, err := splitHost(text)
	if err != nil {
		return "", err
	}
	if port != "" {
		port = ":" + port
	}
	return host + port, nil
}

// splitHost takes host or host:port apart and checks both. The host comes back in
// lower case, an IPv6 address in its shortest form and in brackets.
func splitHost(text string) (host, port string, err error) {
	host = text
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.HasSuffix(text, "]") {
		host, port = text[:i], text[i+1:]
		if value, err := number(1, 65535)(port); err != nil || strconv.Itoa(value) != port {
			return "", "", errors.New("no port from 1 to 65535 after the colon")
		}
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		addr, err := netip.ParseAddr(host[1 : len(host)-1])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", "", errors.New("no IPv6 address in the brackets")
		}
		return "[" + addr.String() + "]", port, nil
	}
	if addr, err := netip.ParseAddr(host); (err != nil || !addr.Is4()) && !hostName(host) {
		return "", "", errors.New("neither an address nor a host name; names of other scripts go in their xn-- form")
	}
	return strings.ToLower(host), port, nil
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

var pathSegment = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)

// basePath takes the slash at the end away, so that the root is the empty text.
func basePath(text string) (string, error) {
	if !strings.HasPrefix(text, "/") {
		return "", errors.New("no slash at the beginning")
	}
	path := strings.TrimSuffix(text, "/")
	if path == "" {
		return "", nil
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		switch {
		case segment == "":
			return "", errors.New("two slashes in a row")
		case segment == "." || segment == "..":
			return "", errors.New("a segment of dots")
		case !pathSegment.MatchString(segment):
			return "", errors.New("a character that is not allowed")
		}
	}
	return path, nil
}

func publicURL(text string) (*url.URL, error) {
	if strings.ContainsAny(text, `?#\`) {
		return nil, errors.New("a query, a fragment or a backslash")
	}
	parsed, err := webURL(text)
	if err != nil {
		return nil, err
	}
	host, port, err := splitHost(parsed.Host)
	if err != nil {
		return nil, err
	}
	if port != "" && port != map[string]string{"http": "80", "https": "443"}[parsed.Scheme] {
		host += ":" + port
	}
	path := ""
	if parsed.Path != "" {
		path, err = basePath(parsed.EscapedPath())
	}
	return &url.URL{Scheme: parsed.Scheme, Host: host, Path: path}, err
}

// webURL takes an absolute http or https URL without a user name.
func webURL(text string) (*url.URL, error) {
	parsed, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("not a URL")
	case parsed.Scheme != "http" && parsed.Scheme != "https":
		return nil, errors.New("neither http:// nor https://")
	case parsed.Opaque != "" || parsed.Host == "":
		return nil, errors.New("no host")
	case parsed.User != nil:
		return nil, errors.New("a user name")
	}
	return parsed, nil
}

// link takes what may stand in the page's href: browsers read //host and /\host as
// another site, and javascript: as a program.
func link(text string) (string, error) {
	if strings.ContainsAny(text, "\\ \"<>`") {
		return "", errors.New("a blank, a backslash, a quote or an angle bracket")
	}
	if strings.HasPrefix(text, "//") {
		return "", errors.New("two slashes at the beginning")
	}
	if strings.HasPrefix(text, "/") {
		if _, err := url.Parse(text); err != nil {
			return "", errors.New("not a path")
		}
		return text, nil
	}
	parsed, err := webURL(text)
	if err != nil {
		return "", err
	}
	_, _, err = splitHost(parsed.Host)
	return text, err
}

// socketPathBytes is what fits into an address of a Unix socket on Linux, less the
// zero byte at its end.
const socketPathBytes = 107

func socketPath(text string) (string, error) {
	if !filepath.IsAbs(text) {
		return "", errors.New("not an absolute path")
	}
	if len(text) > socketPathBytes {
		return "", fmt.Errorf("%d bytes long", len(text))
	}
	if info, err := os.Stat(filepath.Dir(text)); err != nil || !info.IsDir() {
		return "", errors.New("its directory is not there")
	}
	if info, err := os.Stat(text); err == nil && info.Mode().Type() != os.ModeSocket {
		return "", errors.New("something else than a socket has that name")
	}
	return text, nil
}

// issuer keeps the text: tokens hold it exactly so, with or without a slash at its end.
func issuer(text string) (string, error) {
	_, err := publicURL(text)
	return text, err
}

// origin takes a scheme, a host and perhaps a port (RFC 6454, section 6.2).
func origin(text string) (string, error) {
	parsed, err := publicURL(text)
	if err != nil {
		return "", err
	}
	if parsed.Path != "" || strings.HasSuffix(text, "/") {
		return "", errors.New("a path")
	}
	return parsed.String(), nil
}

func claimPath(text string) (string, error) {
	if slices.Contains(strings.Split(text, "."), "") {
		return "", errors.New("nothing before or after a dot")
	}
	return text, nil
}

// claimValue cuts at the first colon: the value may hold more of them.
func claimValue(text string) (string, error) {
	claim, value, found := strings.Cut(text, ":")
	if !found || claim == "" || value == "" {
		return "", errors.New("no colon between a claim and a value")
	}
	_, err := claimPath(claim)
	return text, err
}

var prefixPattern = regexp.MustCompile(`^[a-z0-9]{2,12}$`)

func keyPrefix(text string) (string, error) {
	if !prefixPattern.MatchString(text) {
		return "", errors.New("too short, too long, or another character")
	}
	return text, nil
}

package flow

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

func TestParsePatternAccepts(t *testing.T) {
	for _, text := range []string{
		"https://app.example.org/", "https://app.example.org/cb", "https://app.example.org/cb/",
		"https://app.example.org/**", "https://app.example.org/*", "https://app.example.org/*/",
		"https://app.example.org:8443/a/*/b/**", "https://app.example.org:443/", "https://localhost/cb",
		"https://xn--bcher-kva.example/cb", "https://hub.example.org/user/*/token2go/**",
		"https://app.example.org/a-._~!$&'()+,;=:@b", "https://app.example.org/a%20b",
	} {
		if _, err := ParsePattern(text); err != nil {
			t.Errorf("%s: got %v, want it read", text, err)
		}
	}
}

func TestParsePatternRefusesWithTheReason(t *testing.T) {
	for _, test := range []struct{ name, text, reason string }{
		{"empty", "", "begin with https://"},
		{"a space before it", " https://app.example.org/", "begin with https://"},
		{"another scheme", "http://127.0.0.1/", "begin with https://"},
		{"a scheme in upper case", "HTTPS://app.example.org/", "begin with https://"},
		{"no scheme", "app.example.org/**", "begin with https://"},
		{"a wildcard", "*", "begin with https://"},
		{"no path", "https://app.example.org", "no path"},
		{"no host", "https:///cb", "host"},
		{"a wildcard host", "https://*/cb", "host"},
		{"a wildcard in the host", "https://*.example.org/cb", "host"},
		{"upper case in the host", "https://App.example.org/cb", "host"},
		{"a trailing dot", "https://app.example.org./cb", "host"},
		{"two dots", "https://app..example.org/cb", "host"},
		{"a user name", "https://a@app.example.org/cb", "host"},
		{"letters beyond ASCII in the host", "https://bücher.example/cb", "host"},
		{"an encoded host", "https://app%2eexample.org/cb", "host"},
		{"an address in brackets", "https://[::1]/cb", "host"},
		{"a wildcard port", "https://app.example.org:*/cb", "host"},
		{"an empty port", "https://app.example.org:/cb", "host"},
		{"port zero", "https://app.example.org:0/cb", "host"},
		{"two ports", "https://app.example.org:80:80/cb", "host"},
		{"a space in the host", "https://app.example.org /cb", "host"},
		{"** before the end", "https://app.example.org/**/cb", "only at its end"},
		{"** with a slash behind it", "https://app.example.org/**/", "only at its end"},
		{"* beside letters", "https://app.example.org/a*/cb", "whole path segment"},
		{"three stars", "https://app.example.org/***", "whole path segment"},
		{"an empty segment", "https://app.example.org//cb", "empty path segment"},
		{"a query", "https://app.example.org/cb?a=1", "query"},
		{"an empty query", "https://app.example.org/cb?", "query"},
		{"a fragment", "https://app.example.org/cb#", "fragment"},
		{"a space behind it", "https://app.example.org/cb ", "character"},
		{"a backslash", "https://app.example.org/a\\b", "character"},
		{"bad encoding", "https://app.example.org/%2", "character"},
		{"a dot segment", "https://app.example.org/../cb", "dot segment"},
		{"a dot segment at the end", "https://app.example.org/.", "dot segment"},
		{"a dot segment with a parameter", "https://app.example.org/..;a/cb", "dot segment"},
		{"an encoded dot", "https://app.example.org/%2e%2e/cb", "dot segment"},
		{"an encoded slash", "https://app.example.org/a%2Fb", "encoded slash"},
		{"an encoded backslash", "https://app.example.org/a%5cb", "encoded slash"},
		{"an encoded percent sign", "https://app.example.org/a%252fb", "encoded slash"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParsePattern(test.text)
			if err == nil || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("got %v, want a reason with %q", err, test.reason)
			}
		})
	}
}

// The configuration's report shows a refused pattern with its password left out; the
// reason beside it once had the password in it.
func TestParsePatternErrorOmitsThePattern(t *testing.T) {
	for _, text := range []string{
		"https://somebody:hunter2@app.example.org", "https://somebody:hunter2@app.example.org/cb",
		"https://hunter2", "hunter2", "https://app.example.org/hunter2?", "https://app.example.org/hunter2*",
	} {
		if _, err := ParsePattern(text); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want a reason without a part of it", text, err)
		}
	}
}

func FuzzPattern(f *testing.F) {
	operator, cases := targetCases(f)
	for _, pattern := range operator {
		for _, test := range cases {
			if value, err := url.QueryUnescape(test.value); err == nil && strings.HasPrefix(value, "https://") {
				f.Add(pattern, value)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		pattern, err := ParsePattern(text)
		if err != nil || strings.HasPrefix(value, "http://") {
			return
		}
		target, err := parseTarget(value, []Pattern{pattern})
		if err == nil {
			checkMatch(t, text, target)
		}
	})
}

// checkMatch compares a match with what the pattern says before its first star, read
// in another way than matches does.
func checkMatch(t *testing.T, text string, target Target) {
	t.Helper()
	fixed, _, _ := strings.Cut(text, "*")
	if !strings.HasPrefix(target.String(), fixed) {
		t.Fatalf("%q does not begin as %q does", target, text)
	}
	parsed, err := url.Parse(target.String())
	if err != nil {
		t.Fatal(err)
	}
	decoded := parsed.Path
	if clean := path.Clean(decoded); strings.TrimSuffix(decoded, "/") != strings.TrimSuffix(clean, "/") {
		t.Fatalf("%q of %q means %q to a server that decodes and resolves", target, text, clean)
	}
	want, got := strings.Count(text, "/"), strings.Count(parsed.Path, "/")+2
	if got < want || got > want && !strings.HasSuffix(text, "/**") {
		t.Fatalf("%q has another depth than %q", target, text)
	}
	if strings.Contains(parsed.Path, "\\") || parsed.Host+"/" != hostOf(text) {
		t.Fatalf("%q is not within %q", target, text)
	}
}

func hostOf(pattern string) string {
	rest := strings.TrimPrefix(pattern, "https://")
	return rest[:strings.Index(rest, "/")+1]
}

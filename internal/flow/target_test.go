package flow

import (
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
)

type targetCase struct{ verdict, value, want string }

// targetCases reads testdata/targets.txt, whose head says how it is written.
func targetCases(t testing.TB) (operator []string, cases []targetCase) {
	t.Helper()
	text, err := os.ReadFile("testdata/targets.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		verdict, rest, _ := strings.Cut(line, "\t")
		value, want, _ := strings.Cut(rest, "\t")
		switch {
		case line == "" || line[0] == '#':
		case verdict == "pattern":
			operator = append(operator, value)
		case verdict == "accept", verdict == "refuse":
			cases = append(cases, targetCase{verdict, value, want})
		default:
			t.Fatalf("line of no known kind: %q", line)
		}
	}
	if len(cases) < 550 || len(operator) == 0 {
		t.Fatalf("got %d cases and %d patterns, want at least 550 and one", len(cases), len(operator))
	}
	return operator, cases
}

func TestParseTargetOnTheCorpus(t *testing.T) {
	operator, cases := targetCases(t)
	f := newFlow()
	f.Rules.Targets = patterns(t, operator...)
	rest := "&" + ask(t, "-target")
	for _, test := range cases {
		t.Run(test.verdict+" "+test.value, func(t *testing.T) {
			outcome, err := f.Begin("target="+test.value+rest, headers("t0ken"))
			if test.verdict == "accept" {
				checkTaken(t, outcome, err, test.want)
			} else {
				checkRefused(t, err, test.want)
			}
		})
	}
}

// checkTaken wants loopback targets answered, and those of a pattern asked for.
func checkTaken(t *testing.T, outcome Outcome, err error, want string) {
	t.Helper()
	if err != nil {
		t.Fatalf("got %v, want it taken", err)
	}
	if got := outcome.Request.Target.String(); got != want {
		t.Errorf("got target %s, want %s", got, want)
	}
	if strings.HasPrefix(want, "https://") {
		if outcome.Question == nil || outcome.Answer != nil {
			t.Error("answered without asking, want a question")
		}
		return
	}
	if got := added(t, outcome.Answer.Location, want).Get("state"); got != "st4te" {
		t.Errorf("got state %q, want st4te", got)
	}
}

func checkRefused(t *testing.T, err error, words string) {
	t.Helper()
	if err == nil {
		t.Fatal("taken, want it refused")
	}
	refusal := refused(t, err)
	if location, redirects := refusal.Location(); redirects {
		t.Errorf("redirects to %s, want no redirect", location)
	}
	if !strings.Contains(describe(refusal.Detail), words) || words == "" {
		t.Errorf("got %q, want a reason with %q", refusal.Detail, words)
	}
}

func TestCorpusFitsIntoARequestLine(t *testing.T) {
	_, cases := targetCases(t)
	for _, test := range cases {
		if _, err := url.ParseRequestURI("/flow/redirect/token?target=" + test.value); err != nil || strings.Contains(test.value, "#") {
			t.Errorf("%q cannot be sent: %v", test.value, err)
		}
	}
}

func TestLoopbackTargetAccepts(t *testing.T) {
	for _, test := range []struct{ name, port, path, want string }{
		{"a port alone", "41234", "", "http://127.0.0.1:41234/"},
		{"a path with a slash", "41234", "/cb", "http://127.0.0.1:41234/cb"},
		{"a path without a slash", "41234", "cb", "http://127.0.0.1:41234/cb"},
		{"only one slash is optional", "41234", "//cb", "http://127.0.0.1:41234//cb"},
		{"a slash alone", "41234", "/", "http://127.0.0.1:41234/"},
		{"the lowest port", "1", "", "http://127.0.0.1:1/"},
		{"the highest port", "65535", "", "http://127.0.0.1:65535/"},
		{"encoding stays as it is", "80", "a%3Fb%23", "http://127.0.0.1:80/a%3Fb%23"},
		{"every character of a path", "80", "-._~!$&'()*+,;=:@", "http://127.0.0.1:80/-._~!$&'()*+,;=:@"},
		{"a path is no authority", "80", "@evil.example/", "http://127.0.0.1:80/@evil.example/"},
	} {
		t.Run(test.name, func(t *testing.T) {
			target, err := loopbackTarget(test.port, test.path)
			if err != nil {
				t.Fatal(err)
			}
			if got := target.String(); got != test.want || !target.Loopback {
				t.Errorf("got %s, loopback %t, want %s on loopback", got, target.Loopback, test.want)
			}
		})
	}
}

func TestLoopbackTargetRefuses(t *testing.T) {
	for _, test := range []struct{ name, port, path string }{
		{"zero", "0", ""},
		{"a leading zero", "080", ""},
		{"too large", "65536", ""},
		{"far too large", "4294967376", ""},
		{"a sign", "+80", ""},
		{"a space", " 80", ""},
		{"hexadecimal", "0x50", ""},
		{"digits of another script", "８０", ""},
		{"a host behind it", "80@evil.example", ""},
		{"a host before it", "evil.example:80", ""},
		{"a path behind it", "80/", ""},
		{"no digits", "http", ""},
		{"a query", "80", "a?b"},
		{"a fragment", "80", "a#b"},
		{"an empty fragment", "80", "#"},
		{"a backslash", "80", "\\evil.example"},
		{"a space in the path", "80", "a b"},
		{"a line end", "80", "a\r\nb"},
		{"a tab", "80", "a\tb"},
		{"bad encoding", "80", "a%2"},
		{"letters beyond ASCII", "80", "ä"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if target, err := loopbackTarget(test.port, test.path); !errors.Is(err, ErrTarget) {
				t.Errorf("got %v (%v), want %v", target, err, ErrTarget)
			}
		})
	}
}

func TestTargetSource(t *testing.T) {
	allowed := patterns(t, "https://p.example.org:8443/**", "https://app.example.org/**")
	for target, want := range map[string]string{
		"http://127.0.0.1:41234/cb?a=1": "http://127.0.0.1:41234",
		"http://localhost:80/":          "http://localhost:80",
		"http://localhost/":             "http://localhost",
		"http://[::1]:41234/cb":         "http://*:41234",
		"http://[::1]/cb":               "http://*:80",
		"https://p.example.org:8443/x":  "https://p.example.org:8443",
		"https://app.example.org/x":     "https://app.example.org",
	} {
		parsed, err := parseTarget(target, allowed)
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed.Source(); got != want {
			t.Errorf("%s: got %s, want %s", target, got, want)
		}
	}
}

var ownFields = []string{"key", "nonce", "payload", "state", "response", "error", "error_description"}

func FuzzTarget(f *testing.F) {
	operator, cases := targetCases(f)
	for _, test := range cases {
		if value, err := url.QueryUnescape(test.value); err == nil {
			f.Add(value)
		}
	}
	allowed := patterns(f, operator...)
	f.Fuzz(func(t *testing.T, text string) {
		target, err := parseTarget(text, allowed)
		if err != nil {
			if !errors.Is(err, ErrTarget) || target != (Target{}) {
				t.Fatalf("got %v and %v, want %v and no target", target, err, ErrTarget)
			}
			return
		}
		checkTarget(t, target)
		again, err := parseTarget(target.String(), allowed)
		if err != nil || again != target {
			t.Fatalf("%q: reads again as %v (%v)", target, again, err)
		}
	})
}

// checkTarget compares a target with how net/url understands it.
func checkTarget(t *testing.T, target Target) {
	t.Helper()
	parsed, err := url.Parse(target.String())
	if err != nil {
		t.Fatal(err)
	}
	if parsed.User != nil || parsed.Opaque != "" || strings.Contains(target.String(), "#") || parsed.Host != target.Host() {
		t.Fatalf("%q has host %q, user %v, opaque %q", target, parsed.Host, parsed.User, parsed.Opaque)
	}
	if parsed.EscapedPath() != target.Path() || parsed.RawQuery != target.query {
		t.Fatalf("%q has path %q and query %q", target, parsed.EscapedPath(), parsed.RawQuery)
	}
	switch name := parsed.Hostname(); {
	case target.Loopback != (parsed.Scheme == "http"):
		t.Fatalf("%q: loopback is %t", target, target.Loopback)
	case target.Loopback && name != "localhost" && name != "127.0.0.1" && name != "::1":
		t.Fatalf("%q goes to %s", target, name)
	case !target.Loopback && !strings.HasSuffix(name, ".example.org"):
		t.Fatalf("%q goes to %s", target, name)
	}
	values, _ := url.ParseQuery(strings.ReplaceAll(parsed.RawQuery, ";", "&"))
	for name := range values {
		for _, own := range ownFields {
			if strings.EqualFold(name, own) {
				t.Fatalf("%q holds our field %s", target, own)
			}
		}
	}
}

package flow

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseQueryRefusesWhole(t *testing.T) {
	for _, test := range []struct{ name, raw, words string }{
		{"bad encoding in a value", "a=%", "two hexadecimal digits"},
		{"bad encoding in a name", "%zz=a", "two hexadecimal digits"},
		{"bad encoding in an unknown parameter", "unknown=%4", "two hexadecimal digits"},
		{"a raw semicolon", "a;b", "semicolon"},
		{"a raw semicolon in a value", "a=b;c", "semicolon"},
		{"bytes that are not UTF-8", "a=%ff", "UTF-8"},
		{"raw bytes that are not UTF-8", "a=\xff", "UTF-8"},
		{"a name that is not UTF-8", "%ff", "UTF-8"},
		{"half a surrogate pair", "a=%ED%A0%80", "UTF-8"},
		{"NUL in a value", "a=%00", "NUL"},
		{"NUL in a name", "targ%00et=x", "NUL"},
		{"raw NUL", "a\x00b=c", "NUL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, raw := range []string{test.raw + "&" + ask(t), ask(t) + "&" + test.raw} {
				_, err := newFlow().Begin(raw, headers("t0ken"))
				checkRefused(t, err, test.words)
			}
		})
	}
}

func TestParseQueryReadsOddQueries(t *testing.T) {
	for _, odd := range []string{"", "&", "&&&", "=", "=x", "a", "a=", "a=b=c", "a+b=c+d", "%3B=%3B", "?", "/", "%EF%BF%BD=x", "ä=ö"} {
		for _, raw := range []string{odd + "&" + ask(t), ask(t) + "&" + odd} {
			if _, err := newFlow().Begin(raw, headers("t0ken")); err != nil {
				t.Errorf("%q: got %v, want it taken", odd, err)
			}
		}
	}
}

func TestParseQueryComparesNamesExactly(t *testing.T) {
	raw := strings.Replace(ask(t), "state=", "%73t%61te=", 1)
	if _, err := newFlow().Begin(raw, headers("t0ken")); err != nil {
		t.Errorf("got %v, want an encoded name read", err)
	}
	_, err := newFlow().Begin(raw+"&state=x", headers("t0ken"))
	checkSent(t, refused(t, err), InvalidRequest, "state is given more than once", "")
}

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "&", "=", "a=b&a=c", "target=x&target=y", "target=&target=", "state=%26", "a;b", "%", "%00", "%ff", "a=%C3%A4",
		"client=a+b", "publicKey=%2B", "minTTL=1&mintTTL=2", "?target=x", "t%61rget=x", "&&port=1&&", "path==", "state",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw)
		values, lenient := url.ParseQuery(raw)
		if err != nil {
			if !errors.Is(err, errEncoding) {
				t.Fatalf("got %v, want %v", err, errEncoding)
			}
			if lenient == nil && allReadable(values) {
				t.Fatalf("%q: refused with %v, want it read", raw, err)
			}
			return
		}
		if lenient != nil || !allReadable(values) {
			t.Fatalf("%q: read, want it refused (%v)", raw, lenient)
		}
		for p := range paramCount {
			given := values[p.String()]
			if q.times[p] != len(given) || len(given) > 0 && q.given[p] != given[len(given)-1] {
				t.Fatalf("%q: got %s %d times, last %q; want %q", raw, p, q.times[p], q.given[p], given)
			}
		}
		_ = q.missing(paramTarget)
	})
}

func allReadable(values url.Values) bool {
	for name, list := range values {
		for _, text := range append(list, name) {
			if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
				return false
			}
		}
	}
	return true
}

package token_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/token"
)

var names = []string{"X-Forwarded-Access-Token", "OIDC_access_token", "Token", "Authorization"}

// header makes a header as net/http would from lines as a client writes them.
func header(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

func TestExtractTakesTheFirstUsableHeader(t *testing.T) {
	for _, test := range []struct {
		name, want, from string
		header           http.Header
	}{
		{"letter case is ignored", "a", "Token", header("tOKEN: a")},
		{"underscores are part of the name", "a", "OIDC_access_token", header("OIDC_access_token: a")},
		{"the order of the list decides, not that of the request", "b", "X-Forwarded-Access-Token", header("Token: a", "X-Forwarded-Access-Token: b")},
		{"an access token goes before an ID token in Authorization", "access", "X-Forwarded-Access-Token", header("Authorization: Bearer id", "X-Forwarded-Access-Token: access")},
		{"Bearer is taken off", "a", "Authorization", header("Authorization: Bearer a")},
		{"Bearer in any case, with any space", "a", "Authorization", header("Authorization: \t bEARER \t  a  ")},
		{"Bearer is taken off in other headers too", "a", "Token", header("Token: bearer a")},
		{"a token that begins with bearer stays whole", "bearerabc", "Token", header("Token: bearerabc")},
		{"an empty value falls through", "a", "Token", header("X-Forwarded-Access-Token: ", "Token: a")},
		{"a blank value falls through", "a", "Token", header("X-Forwarded-Access-Token:  \t ", "Token: a")},
		{"Bearer without a token falls through", "a", "Authorization", header("Token: Bearer", "Authorization: Bearer a")},
		{"the same value twice is one", "a", "Token", header("Token: a", "Token: a")},
		{"the same value with and without Bearer is one", "a", "Token", header("Token: a", "Token: Bearer a")},
		{"an empty value beside a token does not count", "a", "Token", header("Token: ", "Token: a")},
		{"Basic beside Bearer does not count", "a", "Authorization", header("Authorization: Basic eDp5", "Authorization: Bearer a")},
		{"letters beyond ASCII are kept", "tökén", "Token", header("Token: tökén")},
	} {
		t.Run(test.name, func(t *testing.T) {
			found, err := token.NewExtractor(names, secret.Value{}).Extract(test.header)
			if err != nil {
				t.Fatal(err)
			}
			if got := found.Secret.Reveal(); got != test.want || found.Header != test.from {
				t.Errorf("got %q from %s, want %q from %s", got, found.Header, test.want, test.from)
			}
		})
	}
}

func TestExtractFindsNoToken(t *testing.T) {
	for _, test := range []struct {
		name   string
		header http.Header
	}{
		{"no header at all", header()},
		{"another header", header("X-Other: a")},
		{"Basic is never a token", header("Authorization: Basic eDp5")},
		{"Negotiate is never a token", header("Authorization: Negotiate abc")},
		{"Digest is never a token", header("Authorization: Digest username=\"x\", realm=\"y\"")},
		{"an unknown scheme is never a token", header("Authorization: DPoP abc")},
		{"Authorization without a scheme is never a token", header("Authorization: abc")},
		{"a scheme that begins with Bearer is another scheme", header("Authorization: Bearerish abc")},
		{"hyphens are not underscores", header("OIDC-access-token: a")},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := token.NewExtractor(names, secret.Value{}).Extract(test.header)
			if !errors.Is(err, token.ErrNotFound) {
				t.Errorf("got %v, want %v", err, token.ErrNotFound)
			}
		})
	}
}

func TestExtractRefusesPlaceholders(t *testing.T) {
	for value, want := range map[string]bool{
		"(null)": true, "null": true, "Bearer undefined": true, "NONE": true, "<nil>": true,
		"$access_token": true, "${pomerium.access_token}": true, "{{.AccessToken}}": true, "%{OIDC_access_token}e": true,
		"nullable": false, "$2a$10$abc": false, "(null)x": false, "none-of-these": false, "$": true, "%41": false,
	} {
		_, err := token.NewExtractor([]string{"Token"}, secret.Value{}).Extract(header("Token: " + value))
		var unusable *token.Unusable
		if got := errors.As(err, &unusable) && unusable.Reason == token.Placeholder; got != want {
			t.Errorf("%q: got %v, want a placeholder: %v", value, err, want)
		}
	}
}

func TestExtractRefusesWhatIsNotOneToken(t *testing.T) {
	const marked = "s3cr3t-marked"
	for _, test := range []struct {
		name, reason string
		header       http.Header
	}{
		{"a comma means two values", "comma", header("Token: spoof,"+marked, "Authorization: Bearer good")},
		{"two different values of one header", "twice", header("Token: spoof", "Token: "+marked)},
		{"two Bearer values", "twice", header("Authorization: Bearer spoof", "Authorization: Bearer "+marked)},
		{"a space inside", "space", header("Token: spoof " + marked)},
		{"a space inside after Bearer", "space", header("Authorization: Bearer Bearer " + marked)},
		{"a no-break space inside", "space", header("Token: spoof\u00a0" + marked)},
		{"a tab inside", "space", header("Token: spoof\t" + marked)},
		{"a control character", "control", header("Token: spoof\x01" + marked)},
		{"a delete character", "control", header("Token: spoof\x7f" + marked)},
		{"bytes that are not UTF-8", "UTF-8", header("Token: spoof\xff" + marked)},
	} {
		t.Run(test.name, func(t *testing.T) {
			fallback := secret.New("fallback")
			_, err := token.NewExtractor(names, fallback).Extract(test.header)
			if !errors.Is(err, token.ErrUnusable) {
				t.Fatalf("got %v, want %v", err, token.ErrUnusable)
			}
			if !strings.Contains(err.Error(), test.reason) {
				t.Errorf("got %q, want a reason with %q", err, test.reason)
			}
			if strings.Contains(err.Error(), marked) {
				t.Errorf("the error contains the value: %q", err)
			}
		})
	}
}

func TestExtractReturnsFallback(t *testing.T) {
	extractor := token.NewExtractor(names, secret.New("fallback"))
	for want, h := range map[string]http.Header{"fallback": header("X-Other: a"), "a": header("Token: a")} {
		found, err := extractor.Extract(h)
		if err != nil {
			t.Fatal(err)
		}
		if got := found.Secret.Reveal(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestNewExtractorDropsDoubledNames(t *testing.T) {
	got := token.NewExtractor([]string{"Token", "token", "TOKEN", "X"}, secret.Value{}).Names()
	if len(got) != 2 || got[0] != "Token" || got[1] != "X" {
		t.Errorf("got %q, want Token and X", got)
	}
}

func TestFingerprintIsThatOf103(t *testing.T) {
	// The values are what token2go-server 1.0.3 answers for these tokens.
	for text, want := range map[string]string{
		"x":        "3a114dc6a4ef77a9986619bb8f6940d92db4ae1ff5207146e4bab6f3a9369fa1",
		"mysecret": "cfc1ae1eae223e2e5fdced1f2f06454bedefa9aa6c14447036682b060012dcc8",
	} {
		if got := token.Fingerprint(secret.New(text)); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func FuzzExtract(f *testing.F) {
	for _, seed := range []string{"", "a", "Bearer a", "a,b", "a b", "\xff", "Basic eDp5", "bearer\u2003a", "eyJhbGciOiJub25lIn0.e30."} {
		f.Add(seed, seed, seed)
	}
	extractor := token.NewExtractor(names, secret.Value{})
	f.Fuzz(func(t *testing.T, first, second, authorization string) {
		found, err := extractor.Extract(http.Header{"Token": {first, second}, "Authorization": {authorization}})
		if err != nil {
			if !errors.Is(err, token.ErrNotFound) && !errors.Is(err, token.ErrUnusable) {
				t.Fatalf("got %v, want one of the sentinels", err)
			}
			return
		}
		text := found.Secret.Reveal()
		if text == "" || !utf8.ValidString(text) || strings.ContainsAny(text, ", \t\r\n\x00") {
			t.Fatalf("handed over %q", text)
		}
		if !strings.Contains(first, text) && !strings.Contains(second, text) && !strings.Contains(authorization, text) {
			t.Fatalf("%q is not a header value", text)
		}
	})
}

package token_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/token"
)

func find(t *testing.T, text string) token.Found {
	t.Helper()
	found, err := token.NewExtractor([]string{"Authorization"}, secret.Value{}).Extract(header("Authorization: Bearer " + text))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestDocumentHoldsWhatIsKnown(t *testing.T) {
	now := time.Date(2026, 11, 22, 1, 2, 3, 4, time.FixedZone("", 3600))
	for _, test := range []struct {
		name, header, value string
		want                map[string]string
	}{
		{"a JWT", "Authorization", "Bearer " + jwt(`{"alg":"none"}`, `{"exp":1795305600}`), map[string]string{
			"timestamp": "2026-11-22T00:02:03Z", "secret": jwt(`{"alg":"none"}`, `{"exp":1795305600}`),
			"expires": "2026-11-22T00:00:00Z", "header": "Authorization", "tokenType": "Bearer",
		}},
		{"an opaque token", "Token", "abc", map[string]string{
			"timestamp": "2026-11-22T00:02:03Z", "secret": "abc", "header": "Token",
		}},
		{"what JSON escapes", "Token", `"\<&>ü`, map[string]string{
			"timestamp": "2026-11-22T00:02:03Z", "secret": `"\<&>ü`, "header": "Token",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			found, err := token.NewExtractor([]string{test.header}, secret.Value{}).Extract(single(test.header, test.value))
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]string
			if err := json.Unmarshal([]byte(found.Document(now).Reveal()), &got); err != nil {
				t.Fatal(err)
			}
			test.want["fingerprint"] = found.Fingerprint()
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func single(name, value string) map[string][]string { return map[string][]string{name: {value}} }

func FuzzClaims(f *testing.F) {
	f.Add(`{"alg":"none"}`, `{"exp":1795305600,"aud":["x"]}`)
	f.Add(`{"alg":"none"}`, `{"exp":1e300}`)
	f.Add(`{}`, ``)
	f.Add(`{"typ":"at+jwt", "alg" : "\u0052S256","x":{"a":[{},"]\\""]} }`, ` {}`)
	f.Add(`{"alg":"none"}`, `{ "x":[1,{"y":"}\"]"}],"\u0069ss":"\u00fc" ,"sub":null,"exp":-1.5e3,"iat":1,"at_hash":true}`)
	f.Add(`{"alg":"none"}`, `{"aud":null,"azp":"a\tb","scope":"ü","typ":"ID"}`)
	f.Fuzz(func(t *testing.T, head, body string) {
		found := find(t, jwt(head, body))
		document := found.Document(time.Unix(0, 0))
		var got struct{ Secret, Expires string }
		if err := json.Unmarshal([]byte(document.Reveal()), &got); err != nil || got.Secret != found.Secret.Reveal() {
			t.Fatalf("got %v, want a document that holds the token", err)
		}
		if diff := cmp.Diff(plainly(head, body), found.Claims(), cmpopts.IgnoreUnexported(token.Claims{})); diff != "" && !deep(head) && !deep(body) {
			t.Fatalf("(-want +got)\n%s", diff)
		}
		if expires := found.Claims().Expires; !expires.IsZero() && math.Abs(float64(expires.Year())-5000) > 5000 {
			t.Fatalf("got a year of %d", expires.Year())
		}
	})
}

// plainly reads claims by encoding/json alone, as Extract must.
func plainly(head, body string) token.Claims {
	var header, payload map[string]json.RawMessage
	if json.Unmarshal([]byte(head), &header) != nil || header == nil || textIn(header, "alg") == "" {
		return token.Claims{}
	}
	if json.Unmarshal([]byte(body), &payload) != nil || payload == nil {
		return token.Claims{}
	}
	c := token.Claims{
		JWT: true, MediaType: textIn(header, "typ"), Issuer: textIn(payload, "iss"), Subject: textIn(payload, "sub"),
		Scope: textIn(payload, "scope"), Username: textIn(payload, "preferred_username"), Type: textIn(payload, "typ"),
		Expires: timeIn(payload, "exp"), NotBefore: timeIn(payload, "nbf"), IssuedAt: timeIn(payload, "iat"),
	}
	var list []any
	if one := ""; json.Unmarshal(payload["aud"], &one) == nil && string(payload["aud"]) != "null" {
		c.Audience = []string{one}
	} else if json.Unmarshal(payload["aud"], &list) == nil && list != nil {
		_ = json.Unmarshal(payload["aud"], &c.Audience)
		if slices.ContainsFunc(list, func(item any) bool { _, isText := item.(string); return !isText }) {
			c.Audience = nil
		}
	}
	return c
}

func textIn(members map[string]json.RawMessage, name string) (text string) {
	if json.Unmarshal(members[name], &text) != nil {
		return ""
	}
	return text
}

func timeIn(members map[string]json.RawMessage, name string) time.Time {
	var seconds float64
	if json.Unmarshal(members[name], &seconds) != nil || seconds <= 0 || seconds >= 253402300800 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// deep reports whether a text may be nested deeper than is read.
func deep(text string) bool { return strings.Count(text, "[")+strings.Count(text, "{") > 100 }

func BenchmarkExtract(b *testing.B) {
	text := jwt(`{"alg":"RS256","typ":"JWT","kid":"k"}`, `{"exp":1795305600,"iat":1795305300,"iss":"https://id.example.org/realms/x","aud":["api","account"],"scope":"openid email profile","typ":"Bearer","pad":"`+strings.Repeat("x", 500)+`"}`)
	extractor := token.NewExtractor(names, secret.Value{})
	h := header("X-Forwarded-Access-Token: " + text)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := extractor.Extract(h); err != nil {
			b.Fatal(err)
		}
	}
}

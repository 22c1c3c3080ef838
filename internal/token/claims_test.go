package token_test

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/token"
)

// jwt makes an unsigned text in the shape of a JWT.
func jwt(head, body string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(head)) + "." + encode([]byte(body)) + ".c2lnbmF0dXJl"
}

func find(t *testing.T, text string) token.Found {
	t.Helper()
	found, err := token.NewExtractor([]string{"Authorization"}, secret.Value{}).Extract(header("Authorization: Bearer " + text))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTheClaimsOfAJWTAreRead(t *testing.T) {
	got := find(t, jwt(`{"alg":"RS256","typ":"JWT"}`, `{"iss":"https://id.example.org","sub":"ada","aud":["api","web"],
		"azp":"gateway","scope":"openid email","typ":"Bearer","exp":1795305600.9,"iat":1795305300}`)).Claims()
	want := token.Claims{
		JWT: true, Algorithm: "RS256", MediaType: "JWT", Issuer: "https://id.example.org", Subject: "ada",
		Audience: []string{"api", "web"}, AuthorizedParty: "gateway", Scope: "openid email", Type: "Bearer",
		Expires: time.Unix(1795305600, 0).UTC(), IssuedAt: time.Unix(1795305300, 0).UTC(),
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(token.Claims{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAnAudienceMayBeOneText(t *testing.T) {
	got := find(t, jwt(`{"alg":"none"}`, `{"aud":"api"}`)).Claims().Audience
	if !cmp.Equal(got, []string{"api"}) {
		t.Errorf("got %q, want api", got)
	}
}

func TestAnythingMalformedIsAnOpaqueToken(t *testing.T) {
	good, head, body := jwt(`{"alg":"RS256"}`, `{"exp":1}`), `{"alg":"RS256"}`, `{"exp":1}`
	for name, text := range map[string]string{
		"no dots":               "abc",
		"two parts":             "abc.def",
		"five parts, a JWE":     "a.b.c.d.e",
		"four parts":            good + ".x",
		"header not base64url":  "+" + good,
		"padding":               strings.Replace(good, ".", "=.", 1),
		"header not JSON":       jwt("nonsense", body),
		"header a list":         jwt("[]", body),
		"header without alg":    jwt("{}", body),
		"payload a list":        jwt(head, "[]"),
		"payload null":          jwt(head, "null"),
		"payload cut off":       jwt(head, `{"exp":1`),
		"exp a text":            jwt(head, `{"exp":"1"}`),
		"aud a number":          jwt(head, `{"aud":1}`),
		"empty parts":           "..",
		"larger than is read":   jwt(head, `{"x":"`+strings.Repeat("x", 64<<10)+`"}`),
		"a number out of range": jwt(head, `{"exp":1e999}`),
	} {
		t.Run(name, func(t *testing.T) {
			found := find(t, text)
			if found.Claims().JWT || !found.Claims().Expires.IsZero() {
				t.Errorf("got %+v, want an opaque token", found.Claims())
			}
			if got := found.Secret.Reveal(); got != text {
				t.Errorf("got %q, want %q", got, text)
			}
		})
	}
}

func TestATimeThatCannotBeSaidIsAbsent(t *testing.T) {
	for _, exp := range []string{"0", "-1", "1e300", "253402300800", "null"} {
		claims := find(t, jwt(`{"alg":"none"}`, `{"exp":`+exp+`}`)).Claims()
		if !claims.JWT || !claims.Expires.IsZero() {
			t.Errorf("exp %s: got %+v, want a JWT without a lifetime", exp, claims)
		}
	}
}

func TestAnIDTokenIsTold(t *testing.T) {
	for _, test := range []struct {
		name, head, body string
		want             bool
	}{
		{"Keycloak's ID token", `{"alg":"RS256"}`, `{"typ":"ID"}`, true},
		{"an ID token by its access token hash", `{"alg":"RS256"}`, `{"at_hash":"x"}`, true},
		{"Keycloak's access token", `{"alg":"RS256"}`, `{"typ":"Bearer"}`, false},
		{"an access token by its media type", `{"alg":"RS256","typ":"at+jwt"}`, `{"at_hash":"x"}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := find(t, jwt(test.head, test.body)).Claims().IDToken(); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestTheDocumentSaysWhatIsKnown(t *testing.T) {
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
		if diff := cmp.Diff(plainly(head, body), found.Claims(), cmpopts.IgnoreUnexported(token.Claims{})); diff != "" && !ambiguous(head, body) {
			t.Fatalf("(-want +got)\n%s", diff)
		}
		if expires := found.Claims().Expires; !expires.IsZero() && math.Abs(float64(expires.Year())-5000) > 5000 {
			t.Fatalf("got a year of %d", expires.Year())
		}
	})
}

// plainly reads claims by encoding/json alone, as Extract must.
func plainly(head, body string) token.Claims {
	var header struct{ Alg, Typ string }
	var payload struct {
		Iss, Sub, Azp, Scope, Typ string
		Aud                       json.RawMessage
		Exp, Iat                  *float64
		AccessHash                string `json:"at_hash"`
	}
	isObject := func(text string) bool { return strings.HasPrefix(text, "{") }
	if !isObject(head) || !isObject(body) || json.Unmarshal([]byte(head), &header) != nil || header.Alg == "" || json.Unmarshal([]byte(body), &payload) != nil {
		return token.Claims{}
	}
	c := token.Claims{
		JWT: true, Algorithm: header.Alg, MediaType: header.Typ, Issuer: payload.Iss, Subject: payload.Sub,
		AuthorizedParty: payload.Azp, Scope: payload.Scope, Type: payload.Typ, Expires: date(payload.Exp), IssuedAt: date(payload.Iat),
	}
	var one string
	switch {
	case strings.HasPrefix(string(payload.Aud), `"`):
		_ = json.Unmarshal(payload.Aud, &one)
		c.Audience = []string{one}
	case payload.Aud != nil && json.Unmarshal(payload.Aud, &c.Audience) != nil:
		return token.Claims{}
	}
	return c
}

func date(seconds *float64) time.Time {
	if seconds == nil || *seconds <= 0 || *seconds >= 253402300800 {
		return time.Time{}
	}
	return time.Unix(int64(*seconds), 0).UTC()
}

// ambiguous reports whether a JWT has aud twice, of which plainly reads the last only, or
// a member whose name differs from a claim's in letter case, which encoding/json takes
// for the claim and we do not.
func ambiguous(head, body string) bool {
	members := map[string]json.RawMessage{}
	_ = json.Unmarshal([]byte(head), &members)
	_ = json.Unmarshal([]byte(body), &members)
	for name := range members {
		for _, claim := range []string{"alg", "iss", "sub", "aud", "azp", "scope", "typ", "exp", "iat", "at_hash"} {
			if name != claim && strings.EqualFold(name, claim) {
				return true
			}
		}
	}
	return strings.Count(body, `"aud"`) > 1
}

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

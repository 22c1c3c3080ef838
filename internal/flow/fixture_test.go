package flow

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/token"
)

// now is when every test happens.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var madeRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// testRSA is the RSA key of this test run, which takes a moment to make.
func testRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	private, err := madeRSA()
	if err != nil {
		t.Fatal(err)
	}
	return private
}

func testEC(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return private
}

func x509PEM(t testing.TB, public any) string {
	t.Helper()
	body, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: body}))
}

func pkcs1PEM(public *rsa.PublicKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(public)}))
}

func jwkOf(t testing.TB, public any) string {
	t.Helper()
	key, err := seal.NewKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key.JWK()
}

// pair is a parameter of a query.
type pair struct{ name, value string }

func encodePairs(pairs []pair) string {
	texts := make([]string, len(pairs))
	for i, p := range pairs {
		texts[i] = url.QueryEscape(p.name) + "=" + url.QueryEscape(p.value)
	}
	return strings.Join(texts, "&")
}

const plainTarget = "http://127.0.0.1:41234/cb"

// ask is the raw query of a good request after changes: name=value sets or adds a
// parameter, -name takes it away and +name=value adds it once more.
func ask(t testing.TB, changes ...string) string {
	t.Helper()
	pairs := []pair{
		{"target", plainTarget}, {"state", "st4te"}, {"publicKeyType", string(seal.X509PEM)},
		{"publicKey", x509PEM(t, &testRSA(t).PublicKey)},
	}
	for _, change := range changes {
		name, value, _ := strings.Cut(change, "=")
		added, more := strings.CutPrefix(name, "+")
		named := func(p pair) bool { return p.name == strings.TrimPrefix(name, "-") }
		i := slices.IndexFunc(pairs, named)
		switch {
		case more:
			pairs = append(pairs, pair{added, value})
		case strings.HasPrefix(name, "-"):
			pairs = slices.DeleteFunc(pairs, named)
		case i >= 0:
			pairs[i].value = value
		default:
			pairs = append(pairs, pair{name, value})
		}
	}
	return encodePairs(pairs)
}

// jwt is an unsigned JWT of about the given length in bytes; zero expires means no exp.
func jwt(t testing.TB, expires time.Time, size int) string {
	t.Helper()
	claims := map[string]any{"iss": "https://id.example.org", "sub": "alice"}
	if !expires.IsZero() {
		claims["exp"] = expires.Unix()
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(body) + "."
	return text + strings.Repeat("s", max(1, size-len(text)))
}

// headers makes what net/http would of "Name: value" lines, beside a token.
func headers(accessToken string, lines ...string) http.Header {
	h := http.Header{}
	if accessToken != "" {
		h.Set("X-Forwarded-Access-Token", accessToken)
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

// byProgram is what a browser sends that a program has opened.
var byProgram = []string{
	"Sec-Fetch-Site: none", "Sec-Fetch-User: ?1", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document",
	"Accept: text/html", "User-Agent: Mozilla/5.0",
}

// newFlow is a flow that never asks for loopback targets.
func newFlow() *Flow {
	return &Flow{
		Rules:  Rules{Consent: ConsentNever, MaxURL: 3072, Issuer: "https://t2g.example.org"},
		Tokens: token.NewExtractor([]string{"X-Forwarded-Access-Token", "Authorization"}, secret.Value{}),
		Now:    func() time.Time { return now },
	}
}

func patterns(t testing.TB, texts ...string) (parsed []Pattern) {
	t.Helper()
	for _, text := range texts {
		pattern, err := ParsePattern(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		parsed = append(parsed, pattern)
	}
	return parsed
}

// answered begins a request that must be answered at once.
func answered(t testing.TB, f *Flow, rawQuery string) *Answer {
	t.Helper()
	outcome, err := f.Begin(rawQuery, headers("t0ken"))
	if err != nil {
		t.Fatal(err)
	}
	if outcome.Answer == nil {
		t.Fatal("got a question, want an answer")
	}
	return outcome.Answer
}

// refused makes sure that err is a Refusal.
func refused(t testing.TB, err error) *Refusal {
	t.Helper()
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("got %v, want a refusal", err)
	}
	return refusal
}

// added is the query that an address has beyond the target's own.
func added(t testing.TB, location, target string) url.Values {
	t.Helper()
	rest, found := strings.CutPrefix(location, target)
	if !found || rest == "" || (rest[0] != '?') == !strings.Contains(target, "?") {
		t.Fatalf("got %q, want it to go to %s", location, target)
	}
	values, err := url.ParseQuery(rest[1:])
	if err != nil {
		t.Fatalf("%s: %v", location, err)
	}
	return values
}

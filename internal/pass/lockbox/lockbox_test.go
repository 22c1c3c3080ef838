package lockbox_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/token2go/token2go/internal/pass/lockbox"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// keyText is as the tools of an operator write it: with a line break.
const keyText = "a signing key of more than 32 bytes\n"

func newKey(t testing.TB, content string) lockbox.Key {
	t.Helper()
	key, err := lockbox.NewKey(content)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign signs any claims, as someone who has the key can.
func sign(t testing.TB, algorithm jose.SignatureAlgorithm, key string, claims any) string {
	t.Helper()
	padded := append([]byte(key), make([]byte, max(0, 64-len(key)))...)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: padded}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// now is the clock's time: the original has no other.
func now() time.Time { return time.Now().Truncate(time.Second) }

// refusal is a case of a table: claims are changed from good ones.
type refusal struct {
	name      string
	change    map[string]any // nil removes the claim
	key       string         // empty: the right one
	algorithm jose.SignatureAlgorithm
	raw       string // instead of a token
	audiences lockbox.Audiences
	want      string // after "Invalid service_name token"; "good": accepted
}

func refusals() []refusal {
	at := func(after time.Duration) int64 { return now().Add(after).Unix() }
	return []refusal{
		{name: "any audience", want: "good"},
		{name: "one of the audiences", audiences: lockbox.Audiences{"b", "a"}, want: "good"},
		{name: "a list that meets the audiences", change: map[string]any{"aud": []string{"x", "a"}}, audiences: lockbox.Audiences{"a"}, want: "good"},
		{name: "an exp with a fraction", change: map[string]any{"exp": float64(at(time.Hour)) + 0.5}, want: "good"},
		{name: "other claims", change: map[string]any{"iat": at(-time.Minute), "nbf": at(-time.Minute), "sub": "s", "jti": "1", "x": []int{1}}, want: "good"},
		{name: "no JWT", raw: "x", want: ""},
		{name: "empty", raw: "", want: ""},
		{name: "two dots alone", raw: "..", want: ""},
		{name: "no issuer", change: map[string]any{"iss": nil}, want: ""},
		{name: "no end", change: map[string]any{"exp": nil}, want: ""},
		{name: "an end that is a text", change: map[string]any{"exp": "4102444800"}, want: ""},
		{name: "no service", change: map[string]any{"service_name": nil}, want: ""},
		{name: "an admin token", change: map[string]any{"service_name": nil, "aud": nil, "admin": true}, want: ""},
		{name: "another issuer", change: map[string]any{"iss": "x", "exp": 0, "service_name": "x"}, want: " (bad issuer)"},
		{name: "expired", change: map[string]any{"exp": at(-time.Minute), "service_name": "x"}, want: " (expired)"},
		{name: "expired since 1970", change: map[string]any{"exp": 0}, want: " (expired)"},
		{name: "another service", change: map[string]any{"service_name": "x", "aud": nil}, want: " (wrong service_name)"},
		{name: "another audience", audiences: lockbox.Audiences{"b"}, want: " (bad audience)"},
		{name: "no audience is accepted", audiences: lockbox.Audiences{}, want: " (bad audience)"},
		{name: "none is accepted, and none is there", change: map[string]any{"aud": nil}, audiences: lockbox.Audiences{}, want: " (bad audience)"},
		{name: "none is accepted, and the list is empty", change: map[string]any{"aud": []string{}}, audiences: lockbox.Audiences{}, want: " (bad audience)"},
		{name: "no audience", change: map[string]any{"aud": nil}, want: " (bad audience)"},
		{name: "an empty audience", change: map[string]any{"aud": ""}, want: " (bad audience)"},
		{name: "a list where any audience is accepted", change: map[string]any{"aud": []string{"a"}}, want: " (bad audience)"},
		{name: "a list with a number", change: map[string]any{"aud": []any{"a", 1}}, audiences: lockbox.Audiences{"a"}, want: " (bad audience)"},
		{name: "issued in the future", change: map[string]any{"iat": at(time.Hour)}, want: " (bad audience)"},
		{name: "valid in the future", change: map[string]any{"nbf": at(time.Hour)}, want: " (bad audience)"},
		{name: "an iat that is no number", change: map[string]any{"iat": "x"}, want: " (bad audience)"},
		{name: "a subject that is no text", change: map[string]any{"sub": 1}, want: " (bad audience)"},
		{name: "another key", key: "another signing key of 32 bytes or more\n", want: " (bad audience)"},
		{name: "the key without its line break", key: strings.TrimSpace(keyText), want: " (bad audience)"},
		{name: "HS512", algorithm: jose.HS512, want: " (bad audience)"},
		{name: "HS384 of another issuer", algorithm: jose.HS384, change: map[string]any{"iss": "x"}, want: " (bad issuer)"},
	}
}

func (r refusal) token(t testing.TB) string {
	t.Helper()
	claims := map[string]any{"iss": "lockbox", "exp": now().Add(time.Hour).Unix(), "service_name": "notes", "aud": "a"}
	for name, value := range r.change {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	if r.raw != "" || r.change == nil && r.want == "" {
		return r.raw
	}
	key, algorithm := r.key, r.algorithm
	if key == "" {
		key = keyText
	}
	if algorithm == "" {
		algorithm = jose.HS256
	}
	return sign(t, algorithm, key, claims)
}

func TestVerifyService(t *testing.T) {
	key := newKey(t, keyText)
	for _, test := range refusals() {
		want := "Invalid service_name token" + test.want
		if test.want == "good" {
			want = ""
		}
		if got := text(t, key, test.token(t), test.audiences); got != want {
			t.Errorf("%s: got %q, want %q", test.name, got, want)
		}
	}
}

// text is the text of the refusal, or empty.
func text(t testing.TB, key lockbox.Key, token string, audiences lockbox.Audiences) string {
	t.Helper()
	_, err := key.VerifyService([]string{"Bearer " + token}, "notes", audiences, time.Now())
	return textOf(t, err, 401)
}

func textOf(t testing.TB, err error, status int) string {
	t.Helper()
	if err == nil {
		return ""
	}
	refusal, found := errors.AsType[*lockbox.Refusal](err)
	if !found || refusal.Status != status {
		t.Errorf("got %#v, want a refusal with the status %d", err, status)
	}
	return err.Error()
}

func TestVerifyServiceReadsTheHeader(t *testing.T) {
	key := newKey(t, keyText)
	good := refusal{want: "good"}.token(t)
	unsigned := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + unsigned[1] + "."
	for _, test := range []struct {
		headers []string
		want    string
	}{
		{[]string{"Bearer " + good}, ""},
		{nil, "Missing Authorization header"},
		{[]string{""}, "Invalid Authorization header"},
		{[]string{good}, "Invalid Authorization header"},
		{[]string{"bearer " + good}, "Invalid Authorization header"},
		{[]string{"Basic " + good}, "Invalid Authorization header"},
		{[]string{"Bearer  " + good}, "Invalid service_name token"},
		{[]string{"Bearer " + good, "Bearer " + good}, "Invalid service_name token"},
		{[]string{"Bearer " + none}, "Invalid service_name token (bad audience)"},
		{[]string{"Bearer " + good[:len(good)-2]}, "Invalid service_name token (bad audience)"},
		{[]string{"Bearer " + strings.Repeat("a", 9<<10) + "." + good}, "Invalid service_name token"},
	} {
		_, err := key.VerifyService(test.headers, "notes", nil, time.Now())
		if got := textOf(t, err, 401); got != test.want {
			t.Errorf("%.40q: got %q, want %q", test.headers, got, test.want)
		}
	}
	audiences, err := key.VerifyService([]string{"Bearer " + good}, "notes", nil, time.Now())
	if err != nil || len(audiences) != 1 || audiences[0] != "a" {
		t.Errorf("audiences %q, %v", audiences, err)
	}
}

func TestVerifyAdmin(t *testing.T) {
	key := newKey(t, keyText)
	hour := now().Add(time.Hour).Unix()
	for _, test := range []struct {
		name   string
		claims map[string]any
		status int
		want   string
	}{
		{"good", map[string]any{"iss": "lockbox", "exp": hour, "admin": true}, 0, ""},
		{"expired", map[string]any{"iss": "lockbox", "exp": now().Add(-time.Minute).Unix(), "admin": true}, 401, "Invalid token"},
		{"expired since 1970", map[string]any{"iss": "lockbox", "exp": 0, "admin": true}, 401, "Invalid token"},
		{"no end", map[string]any{"iss": "lockbox", "admin": true}, 401, "Invalid token (expired)"},
		{"another issuer", map[string]any{"iss": "x", "exp": hour, "admin": true}, 401, "Invalid token (bad issuer)"},
		{"no issuer", map[string]any{"exp": hour, "admin": true}, 401, "Invalid token (bad issuer)"},
		{"no admin", map[string]any{"iss": "lockbox", "exp": hour}, 403, "Invalid token (not an admin token)"},
		{"an admin that is not true", map[string]any{"iss": "lockbox", "exp": hour, "admin": "true"}, 403, "Invalid token (not an admin token)"},
		{"a service token", map[string]any{"iss": "lockbox", "exp": hour, "service_name": "notes", "aud": "a", "admin": true}, 401, "Invalid token"},
		{"issued in the future", map[string]any{"iss": "lockbox", "exp": hour, "iat": hour, "admin": true}, 401, "Invalid token"},
	} {
		err := key.VerifyAdmin([]string{"Bearer " + sign(t, jose.HS256, keyText, test.claims)}, time.Now())
		if got := textOf(t, err, test.status); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	for header, want := range map[string]string{
		"": "Invalid Authorization header", "Bearer x": "Invalid token",
		"Bearer " + sign(t, jose.HS512, keyText, map[string]any{"iss": "lockbox", "exp": hour, "admin": true}): "Invalid token",
		"Bearer " + sign(t, jose.HS256, "x", map[string]any{"iss": "lockbox", "exp": hour, "admin": true}):     "Invalid token",
	} {
		if got := textOf(t, key.VerifyAdmin([]string{header}, time.Now()), 401); got != want {
			t.Errorf("%.20q: got %q, want %q", header, got, want)
		}
	}
	if got := textOf(t, key.VerifyAdmin(nil, time.Now()), 401); got != "Missing Authorization header" {
		t.Errorf("without a header: got %q", got)
	}
}

func TestMintedTokens(t *testing.T) {
	key := newKey(t, "short") // weak, and accepted all the same
	service, err := key.ServiceToken("notes", "a", now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, key, service.Reveal(), nil); got != "" {
		t.Errorf("own service token: %s", got)
	}
	admin, err := key.AdminToken(now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := key.VerifyAdmin([]string{"Bearer " + admin.Reveal()}, now()); err != nil {
		t.Errorf("own admin token: %v", err)
	}
	decoded, err := base64.RawURLEncoding.DecodeString(strings.Split(service.Reveal(), ".")[0])
	if err != nil || string(decoded) != `{"alg":"HS256","typ":"JWT"}` {
		t.Errorf("header %s, %v", decoded, err)
	}
}

func TestReadKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	for content, weak := range map[string]bool{keyText: false, "short\n": true, strings.Repeat("a", 31) + "\n": true, strings.Repeat("a", 32): false} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if key, err := lockbox.ReadKey(path); err != nil || key.Weak() != weak {
			t.Errorf("%q: weak %v, %v", content, key.Weak(), err)
		}
	}
	for _, content := range []string{"", "\n", " \r\n"} {
		if _, err := lockbox.NewKey(content); err == nil || !strings.Contains(err.Error(), "empty") {
			t.Errorf("%q: got %v", content, err)
		}
	}
	if _, err := lockbox.ReadKey(path + ".none"); err == nil {
		t.Error("a missing file is a key")
	}
}

// original is lockbox's own check of a token, beside its commands.
const original = `
import json, os, sys
os.environ["LOCKBOX_CONFIG_PATH"] = sys.argv[1]
from lockbox.app import validate_service_token
key = open(sys.argv[2]).read()
print(json.dumps([validate_service_token(a, "notes", t, key).error_message for t, a in json.load(sys.stdin)]))
`

// The programs of lockbox take our tokens, we take theirs, and both refuse with the same
// text.
func TestOriginal(t *testing.T) {
	process.Slow(t)
	python := process.Need(t, "T2G_TEST_LOCKBOX", "../../../.cache/originals/lockbox/bin/python")
	folder := t.TempDir()
	config := filepath.Join(folder, "config.json")
	if err := os.WriteFile(config, []byte(`{"services":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"a line break": keyText, "no line break": strings.TrimSpace(keyText), "a line break of Windows": "a signing key of more than 32 bytes\r\n"} {
		path := filepath.Join(folder, "key")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := lockbox.ReadKey(path)
		if err != nil {
			t.Fatal(err)
		}
		theirs := strings.TrimSuffix(run(t, nil, python, "-m", "lockbox.generate_service_token", "--service-name", "notes", "--audience", "a", "--signing-key-file", path), "\n")
		if got := text(t, key, theirs, nil); got != "" {
			t.Errorf("%s: their token: %s", name, got)
		}
		ours, err := key.ServiceToken("notes", "a", now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if got := askOriginal(t, python, config, path, [][2]any{{ours.Reveal(), nil}}); got[0] != "" {
			t.Errorf("%s: our token: %s", name, got[0])
		}
	}
	path := filepath.Join(folder, "key")
	if err := os.WriteFile(path, []byte(keyText), 0o600); err != nil {
		t.Fatal(err)
	}
	var asked [][2]any
	for _, test := range refusals() {
		asked = append(asked, [2]any{test.token(t), test.audiences})
	}
	for i, got := range askOriginal(t, python, config, path, asked) {
		test := refusals()[i]
		if ours := text(t, newKey(t, keyText), test.token(t), test.audiences); ours != got {
			t.Errorf("%s: lockbox answers %q, we %q", test.name, got, ours)
		}
	}
}

func askOriginal(t *testing.T, python, config, key string, asked [][2]any) (texts []string) {
	t.Helper()
	question, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, question, python, "-c", original, config, key)
	lines := strings.Split(strings.TrimSpace(out), "\n") // it prints its exceptions before
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &texts); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return texts
}

func run(t *testing.T, input []byte, name string, arguments ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, arguments...)
	c.Stdin = strings.NewReader(string(input))
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	return string(out)
}

func FuzzVerifyService(f *testing.F) {
	key := newKey(f, keyText)
	for _, test := range refusals() {
		f.Add(test.token(f))
	}
	foreign, err := newKey(f, "another key").ServiceToken("notes", "a", now().Add(24*time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(foreign.Reveal())
	strict, _ := key.ServiceToken("elsewhere", "a", now().Add(24*time.Hour))
	f.Add(strict.Reveal())
	f.Fuzz(func(t *testing.T, token string) {
		audiences, err := key.VerifyService([]string{"Bearer " + token}, "fuzzed", nil, time.Now())
		if err == nil { // no token for this service was ever signed
			t.Errorf("%q is accepted for %q", token, audiences)
		}
		if _, found := errors.AsType[*lockbox.Refusal](err); !found {
			t.Errorf("%q: %v is no refusal", token, err)
		}
		_ = key.VerifyAdmin([]string{"Bearer " + token}, time.Now())
	})
}

package signing_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/token2go/token2go/internal/signing"
)

func start() time.Time { return time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC) }

func purposes() []signing.Purpose {
	return []signing.Purpose{signing.APIKeys, signing.Statuses, signing.Passes, signing.Assertions}
}

func newKey(t testing.TB, purpose signing.Purpose, state signing.State, age time.Duration) signing.Key {
	t.Helper()
	key, err := signing.New(purpose, state, start().Add(-age))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRing(t testing.TB, purpose signing.Purpose, keys ...signing.Key) *signing.Ring {
	t.Helper()
	r := signing.NewRing(purpose)
	if err := r.Set(keys); err != nil {
		t.Fatal(err)
	}
	return r
}

type claims struct {
	Subject string `json:"sub"`
}

func sign(t testing.TB, r *signing.Ring) string {
	t.Helper()
	compact, err := r.Sign(claims{"7"})
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func published(t testing.TB, r *signing.Ring) []string {
	t.Helper()
	var document jose.JSONWebKeySet
	if err := json.Unmarshal(r.JWKS(), &document); err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, key := range document.Keys {
		if !key.IsPublic() || key.Use != "sig" || key.Algorithm != "EdDSA" {
			t.Errorf("published %+v", key)
		}
		ids = append(ids, key.KeyID)
	}
	return ids
}

// Every kind of JWT is refused by the verifier of every other kind, even where both would
// have the same keys.
func TestVerifyTakesItsOwnKindAlone(t *testing.T) {
	var keys []signing.Key
	for _, purpose := range purposes() {
		keys = append(keys, newKey(t, purpose, signing.Active, 0))
	}
	for _, signer := range purposes() {
		compact := sign(t, newRing(t, signer, keys...))
		for _, verifier := range purposes() {
			var got claims
			err := newRing(t, verifier, keys...).Verify(compact, &got)
			if good := signer == verifier; (err == nil) != good || good && got.Subject != "7" || !good && !errors.Is(err, signing.ErrInvalid) {
				t.Errorf("%s by the verifier of %s: got %+v, %v", signer, verifier, got, err)
			}
		}
	}
}

func TestRingFollowsTheLifeOfAKey(t *testing.T) {
	keys := []signing.Key{
		newKey(t, signing.APIKeys, signing.Retired, 3*time.Hour), newKey(t, signing.APIKeys, signing.Active, 2*time.Hour),
		newKey(t, signing.APIKeys, signing.Active, time.Hour), newKey(t, signing.APIKeys, signing.Next, 0),
	}
	r := newRing(t, signing.APIKeys, keys...)
	if got, want := fmt.Sprint(published(t, r)), fmt.Sprint([]string{keys[3].ID, keys[2].ID, keys[1].ID, keys[0].ID}); got != want {
		t.Errorf("published %s, want %s", got, want)
	}
	parsed, err := jose.ParseSignedCompact(sign(t, r), []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil || parsed.Signatures[0].Header.KeyID != keys[2].ID {
		t.Errorf("signed by %s, %v, want the newest active key, %s", parsed.Signatures[0].Header.KeyID, err, keys[2].ID)
	}
	old := sign(t, newRing(t, signing.APIKeys, keys[1]))
	for _, test := range []struct {
		state signing.State
		good  bool
	}{{signing.Active, true}, {signing.Retired, true}, {signing.Next, true}, {signing.Revoked, false}} {
		keys[1].State = test.state
		if err := r.Set(keys); err != nil {
			t.Fatal(err)
		}
		if err := r.Verify(old, new(claims)); (err == nil) != test.good {
			t.Errorf("signed by a key that is %s now: got %v", test.state, err)
		}
	}
	if err := r.Set(keys[3:]); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Sign(claims{}); !errors.Is(err, signing.ErrNoKey) {
		t.Errorf("without an active key: got %v, want %v", err, signing.ErrNoKey)
	}
}

func TestVerifyRefuses(t *testing.T) {
	key := newKey(t, signing.Passes, signing.Active, 0)
	r := newRing(t, signing.Passes, key)
	good := sign(t, r)
	parts := strings.Split(good, ".")
	stranger := sign(t, newRing(t, signing.Passes, newKey(t, signing.Passes, signing.Active, 0)))
	for name, compact := range map[string]string{
		"empty":            "",
		"no JWT":           "a.b.c",
		"another server's": stranger,
		"no signature":     parts[0] + "." + parts[1] + ".",
		"alg none":         "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		"another payload":  parts[0] + "." + "eyJzdWIiOiI4In0" + "." + parts[2],
		"another header":   strings.Split(stranger, ".")[0] + "." + parts[1] + "." + parts[2],
		"too long":         good + strings.Repeat("A", 20<<10),
		"an array":         mustSign(t, r, []int{1}),
		"spaces around it": " " + good,
	} {
		if err := r.Verify(compact, new(claims)); !errors.Is(err, signing.ErrInvalid) {
			t.Errorf("%s: got %v, want %v", name, err, signing.ErrInvalid)
		}
	}
}

// apikeyserv names no key in its JWTs.
func TestVerifyWithoutKeyID(t *testing.T) {
	for _, purpose := range purposes() {
		first, second := newKey(t, purpose, signing.Active, 0), newKey(t, purpose, signing.Retired, 1)
		r := newRing(t, purpose, first, second)
		for name, test := range map[string]struct {
			key  signing.Key
			good bool
		}{
			"the active key's":   {first, purpose == signing.APIKeys},
			"the retired key's":  {second, purpose == signing.APIKeys},
			"another ring's key": {newKey(t, purpose, signing.Active, 0), false},
		} {
			compact := signing.SignWithoutKeyID(t, test.key, map[string]string{"sub": "7"})
			if err := r.Verify(compact, new(claims)); (err == nil) != test.good {
				t.Errorf("%s, %s: got %v", purpose, name, err)
			}
		}
	}
}

func mustSign(t testing.TB, r *signing.Ring, value any) string {
	t.Helper()
	compact, err := r.Sign(value)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func TestReadRingVerifiesAndSignsNothing(t *testing.T) {
	signer := newRing(t, signing.APIKeys, newKey(t, signing.APIKeys, signing.Active, 0))
	compact := sign(t, signer)
	r, err := signing.ReadRing(signing.APIKeys, signer.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Verify(compact, new(claims)); err != nil {
		t.Error(err)
	}
	if _, err := r.Sign(claims{}); !errors.Is(err, signing.ErrNoKey) {
		t.Errorf("got %v, want %v", err, signing.ErrNoKey)
	}
	for name, document := range map[string]string{
		"of another": string(newRing(t, signing.APIKeys, newKey(t, signing.APIKeys, signing.Active, 0)).JWKS()),
		"empty":      `{"keys":[]}`,
		"without ID": strings.ReplaceAll(string(signer.JWKS()), `"kid"`, `"unknown"`),
	} {
		r, err := signing.ReadRing(signing.APIKeys, []byte(document))
		if err != nil || !errors.Is(r.Verify(compact, new(claims)), signing.ErrInvalid) {
			t.Errorf("key set %s: got %v", name, err)
		}
	}
	if _, err := signing.ReadRing(signing.APIKeys, []byte("<html>")); err == nil {
		t.Error("a page is a key set")
	}
}

func TestSealer(t *testing.T) {
	first, second := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	one, both, other := newSealer(t, first), newSealer(t, second, first), newSealer(t, second)
	key := newKey(t, signing.APIKeys, signing.Active, 0)
	sealed := one.Seal(key)
	compact := sign(t, newRing(t, signing.APIKeys, key))
	for _, sealer := range []*signing.Sealer{one, both} {
		opened, err := sealer.Open(sealed)
		if err != nil || opened.ID != key.ID || newRing(t, signing.APIKeys, opened).Verify(compact, new(claims)) != nil {
			t.Errorf("got %+v, %v", opened.ID, err)
		}
	}
	if _, err := other.Open(sealed); !errors.Is(err, signing.ErrSealed) {
		t.Errorf("under another database key: got %v, want %v", err, signing.ErrSealed)
	}
	moved := sealed
	moved.Purpose = signing.Passes
	if _, err := one.Open(moved); !errors.Is(err, signing.ErrSealed) {
		t.Errorf("moved to another purpose: got %v, want %v", err, signing.ErrSealed)
	}
	if bytes.Equal(one.Seal(key).Private, sealed.Private) {
		t.Error("sealing twice gives the same text")
	}
}

func TestKeyIsNotPrinted(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := signing.ImportPEM(pemOf(t, private), signing.APIKeys, signing.Active, start())
	if err != nil {
		t.Fatal(err)
	}
	seed := strings.Trim(fmt.Sprint(private.Seed()), "[]") //nolint:staticcheck // the numbers, as a slice is printed
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(verb, []any{key, &key}); strings.Contains(text, seed) || strings.Contains(text, fmt.Sprintf("%x", private.Seed())) {
			t.Errorf("%s prints the private key", verb)
		}
	}
}

func newSealer(t testing.TB, keys ...[]byte) *signing.Sealer {
	t.Helper()
	s, err := signing.NewSealer(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestImportPEM(t *testing.T) {
	_, good, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		text []byte
		want string
	}{
		{"Ed25519", pemOf(t, good), ""},
		{"with a line break after it", append(pemOf(t, good), '\n'), ""},
		{"RSA", pemOf(t, rsaKey), "want Ed25519"},
		{"P-256", pemOf(t, ecKey), "want Ed25519"},
		{"two keys", append(pemOf(t, good), pemOf(t, good)...), "one key"},
		{"no PEM", []byte("secret"), "no PEM block"},
		{"a public key", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{1}}), "want an unencrypted PRIVATE KEY"},
		{"broken", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}), "PKCS#8"},
	} {
		key, err := signing.ImportPEM(test.text, signing.APIKeys, signing.Active, start())
		if test.want == "" && (err != nil || key.ID == "") || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}

func pemOf(t testing.TB, key any) []byte {
	t.Helper()
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

func TestStatusList(t *testing.T) {
	r := newRing(t, signing.Statuses, newKey(t, signing.Statuses, signing.Active, 0))
	list := signing.NewStatusList(1 << 20)
	revoked := []int{0, 1, 8, 4095, 1<<20 - 1}
	for _, index := range revoked {
		if err := list.Revoke(index); err != nil {
			t.Fatal(err)
		}
	}
	if list.Revoke(1<<20) == nil || list.Revoke(-1) == nil {
		t.Error("an index outside the list was marked")
	}
	const address = "https://t2g.example.org/status-lists/1"
	compact, err := signing.SignStatusList(r, list, address, start(), 5*time.Minute)
	if err != nil || len(compact) > 4096 {
		t.Fatalf("%d bytes, %v", len(compact), err)
	}
	opened, until, err := signing.OpenStatusList(r, compact, address, start())
	if err != nil || !until.Equal(start().Add(5*time.Minute)) {
		t.Fatalf("got %s, %v", until, err)
	}
	for _, index := range revoked {
		if !opened.Revoked(index) {
			t.Errorf("index %d is not revoked", index)
		}
	}
	for index, want := range map[int]bool{2: false, 9: false, 4096: false, -1: true, 1 << 20: true} {
		if opened.Revoked(index) != want {
			t.Errorf("index %d: got revoked %v", index, !want)
		}
	}
	if _, _, err := signing.OpenStatusList(r, compact, address+"2", start()); !errors.Is(err, signing.ErrInvalid) {
		t.Errorf("under another address: got %v", err)
	}
	if _, _, err := signing.OpenStatusList(r, compact, address, start().Add(16*time.Minute)); !errors.Is(err, signing.ErrInvalid) {
		t.Errorf("too old: got %v", err)
	}
}

// The vector is that of the specification (draft-ietf-oauth-status-list, section 4.1):
// bits 1001 1101 1100 0101 with the lowest first are the bytes B9 A3.
// Revocations at random do not compress: a full list is larger than any other JWT.
func TestOpenStatusListTakesFullList(t *testing.T) {
	list := signing.NewStatusList(8 << 20)
	random := make([]byte, list.Size()/8)
	_, _ = rand.Read(random)
	for index := range list.Size() {
		if random[index/8]>>(index%8)&1 == 0 {
			continue
		}
		if err := list.Revoke(index); err != nil {
			t.Fatal(err)
		}
	}
	r := newRing(t, signing.Statuses, newKey(t, signing.Statuses, signing.Active, 0))
	compact, err := signing.SignStatusList(r, list, "https://t2g.example.org/status-lists/1", start(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := signing.OpenStatusList(r, compact, "https://t2g.example.org/status-lists/1", start()); err != nil {
		t.Errorf("a list of %d bytes: %v", len(compact), err)
	}
}

func TestStatusListBitOrder(t *testing.T) {
	list := signing.NewStatusList(16)
	for index, bit := range []int{1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1} {
		if bit == 1 {
			if err := list.Revoke(index); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := fmt.Sprintf("%x", signing.Bits(list)); got != "b9a3" {
		t.Errorf("got %s, want b9a3", got)
	}
}

func BenchmarkVerify(b *testing.B) {
	r := newRing(b, signing.APIKeys, newKey(b, signing.APIKeys, signing.Active, 0))
	compact := sign(b, r)
	for b.Loop() {
		if err := r.Verify(compact, new(claims)); err != nil {
			b.Fatal(err)
		}
	}
}

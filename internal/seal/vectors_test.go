package seal_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

const (
	vectorFolder = "../../openapi/vectors"
	warning      = "TEST KEYS. The private keys in this file are public. Use them for nothing but tests."
)

// update makes the vectors anew: go test ./internal/seal -run TestVectors -update.
var update = flag.Bool("update", false, "make the files in openapi/vectors anew, with fresh keys")

// vectorKey is a key pair as every file of vectors holds it.
type vectorKey struct {
	PublicKeyType seal.KeyType    `json:"publicKeyType"`
	PublicKey     string          `json:"publicKey"`
	Thumbprint    string          `json:"thumbprint"`
	PrivateJWK    json.RawMessage `json:"testPrivateKeyJwk,omitempty"`
	PrivatePEM    string          `json:"testPrivateKeyPem,omitempty"`
}

type tripleVector struct {
	Name string `json:"name"`
	vectorKey
	State     string    `json:"state"`
	Words     [4]string `json:"words"`
	Plaintext string    `json:"plaintext"`
	Key       string    `json:"key"`
	Nonce     string    `json:"nonce"`
	Payload   string    `json:"payload"`
}

type jweVector struct {
	Name string `json:"name"`
	vectorKey
	State     string         `json:"state"`
	Words     [4]string      `json:"words"`
	Plaintext string         `json:"plaintext"`
	Header    map[string]any `json:"header"`
	Response  string         `json:"response"`
}

type wordsVector struct {
	Name string `json:"name"`
	vectorKey
	State string    `json:"state"`
	Words [4]string `json:"words"`
}

type fingerprintVector struct {
	Name        string `json:"name"`
	Token       string `json:"token"`
	Fingerprint string `json:"fingerprint"`
}

type vectorFile[V any] struct {
	Warning string `json:"warning,omitempty"`
	Vectors []V    `json:"vectors"`
}

type vectorSet struct {
	triples      vectorFile[tripleVector]
	jwes         vectorFile[jweVector]
	words        vectorFile[wordsVector]
	fingerprints vectorFile[fingerprintVector]
}

// files pairs each file's name with what it holds.
func (s *vectorSet) files() map[string]any {
	return map[string]any{"triple.json": &s.triples, "jwe.json": &s.jwes, "words.json": &s.words, "fingerprint.json": &s.fingerprints}
}

func (s *vectorSet) write(t *testing.T, folder string) {
	t.Helper()
	for name, file := range s.files() {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(file); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readVectors(t testing.TB, folder string) *vectorSet {
	t.Helper()
	set := &vectorSet{}
	for name, file := range set.files() {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return set
}

// Made anew, from here.

// newVectors makes every vector with fresh keys.
func newVectors(t *testing.T) *vectorSet {
	t.Helper()
	small, large, curve := testRSA(t, 2048), testRSA(t, 3072), testEC(t, elliptic.P256())
	set := &vectorSet{
		triples: vectorFile[tripleVector]{Warning: warning}, jwes: vectorFile[jweVector]{Warning: warning},
		words: vectorFile[wordsVector]{},
	}
	set.triples.Vectors = []tripleVector{
		newTriple(t, "X.509 PEM", newVectorKey(t, seal.X509PEM, small), "state-1", answer("an-access-token")),
		newTriple(t, "PKCS #1 PEM", newVectorKey(t, seal.PKCS1PEM, small), "zustand ü ☂", answer(strings.Repeat("token", 400))),
		newTriple(t, "JWK of 2048 bits", newVectorKey(t, seal.JWK, small), strings.Repeat("s", 1024), answer(`quote " and backslash \`)),
		newTriple(t, "JWK of 3072 bits", newVectorKey(t, seal.JWK, large), "a&b=c d", answer("an-access-token")),
		newTriple(t, "an empty plaintext", newVectorKey(t, seal.X509PEM, small), "state-1", ""),
	}
	moment := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	with, without := seal.Header{Issuer: "https://token2go.example/base", IssuedAt: moment}, seal.Header{IssuedAt: moment}
	set.jwes.Vectors = []jweVector{
		newJWE(t, "RSA of 2048 bits", newVectorKey(t, seal.JWK, small), "state-1", answer("an-access-token"), with),
		newJWE(t, "RSA of 3072 bits", newVectorKey(t, seal.JWK, large), "zustand ü ☂", answer(strings.Repeat("token", 400)), with),
		newJWE(t, "P-256", newVectorKey(t, seal.JWK, curve), "state-1", answer("an-access-token"), with),
		newJWE(t, "P-256, no issuer", newVectorKey(t, seal.JWK, curve), strings.Repeat("s", 1024), answer("an-access-token"), without),
		newJWE(t, "X.509 PEM", newVectorKey(t, seal.X509PEM, small), "state-1", answer("an-access-token"), with),
	}
	for kind, private := range map[seal.KeyType]crypto.Signer{seal.X509PEM: small, seal.PKCS1PEM: small, seal.JWK: curve} {
		for _, state := range []string{"", "state-1", "zustand ü ☂", strings.Repeat("s", 1024)} {
			set.words.Vectors = append(set.words.Vectors, newWords(t, newVectorKey(t, kind, private).public(), state))
		}
	}
	slices.SortFunc(set.words.Vectors, func(a, b wordsVector) int { return strings.Compare(a.Name, b.Name) })
	for name, token := range map[string]string{
		"one letter": "a", "opaque": "an-access-token", "not ASCII": "tøken", "long": strings.Repeat("0123456789", 800),
		"shaped like a JWT": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ0ZXN0In0.",
	} {
		set.fingerprints.Vectors = append(set.fingerprints.Vectors, fingerprintVector{name, token, fingerprint(token)})
	}
	slices.SortFunc(set.fingerprints.Vectors, func(a, b fingerprintVector) int { return strings.Compare(a.Name, b.Name) })
	return set
}

func answer(token string) string {
	text, _ := json.Marshal(map[string]string{
		"timestamp": "2026-01-02T03:04:05Z", "fingerprint": fingerprint(token), "secret": token, "tokenType": "Bearer",
	})
	return string(text)
}

func fingerprint(token string) string {
	return fmt.Sprintf("%x", sha512.Sum512_256([]byte("03c49494-c1f3-4b3c-a9e3-28b1c4e42177"+token)))
}

func newVectorKey(t *testing.T, kind seal.KeyType, private crypto.Signer) vectorKey {
	t.Helper()
	key := newKey(t, private.Public())
	public := key.JWK()
	switch kind {
	case seal.X509PEM:
		public = x509PEM(t, private.Public())
	case seal.PKCS1PEM:
		public = pkcs1PEM(private.Public().(*rsa.PublicKey))
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: private})
	if err != nil {
		t.Fatal(err)
	}
	body, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return vectorKey{kind, public, key.ID(), jwk, block("PRIVATE KEY", body)}
}

// public is the key without its private half, which the words do not need.
func (k vectorKey) public() vectorKey {
	return vectorKey{PublicKeyType: k.PublicKeyType, PublicKey: k.PublicKey, Thumbprint: k.Thumbprint}
}

func (k vectorKey) parse(t testing.TB) *seal.Key {
	t.Helper()
	key, err := seal.ParseKey(k.PublicKeyType, k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// private reads the private half from both its forms, which must agree.
func (k vectorKey) private(t testing.TB) crypto.PrivateKey {
	t.Helper()
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(k.PrivateJWK, &jwk); err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode([]byte(k.PrivatePEM))
	if block == nil || len(rest) > 0 {
		t.Fatal("got no single PEM block for the private key")
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !private.(interface{ Equal(crypto.PrivateKey) bool }).Equal(jwk.Key) {
		t.Fatal("got two different private keys in PEM and JWK")
	}
	return private
}

func newTriple(t *testing.T, name string, key vectorKey, state, plaintext string) tripleVector {
	t.Helper()
	sealed := sealTriple(t, key.parse(t), secret.New(plaintext))
	return tripleVector{name, key, state, key.parse(t).Words(state), plaintext, sealed.Key, sealed.Nonce, sealed.Payload}
}

func newJWE(t *testing.T, name string, key vectorKey, state, plaintext string, header seal.Header) jweVector {
	t.Helper()
	header.State = state
	text := sealJWE(t, key.parse(t), secret.New(plaintext), header)
	return jweVector{name, key, state, key.parse(t).Words(state), plaintext, headerOf(t, text), text}
}

func newWords(t *testing.T, key vectorKey, state string) wordsVector {
	t.Helper()
	name := fmt.Sprintf("%s, a state of %d bytes", key.PublicKeyType, len(state))
	return wordsVector{name, key, state, key.parse(t).Words(state)}
}

// And read, from here.

func TestVectors(t *testing.T) {
	if *update {
		newVectors(t).write(t, vectorFolder)
	}
	set := readVectors(t, vectorFolder)
	if len(set.triples.Vectors) == 0 || len(set.jwes.Vectors) == 0 || len(set.words.Vectors) == 0 || len(set.fingerprints.Vectors) == 0 {
		t.Fatal("got a file without vectors")
	}
	for _, vector := range set.triples.Vectors {
		t.Run("triple, "+vector.Name, vector.check)
	}
	for _, vector := range set.jwes.Vectors {
		t.Run("JWE, "+vector.Name, vector.check)
	}
	for _, vector := range set.words.Vectors {
		t.Run("words, "+vector.Name, func(t *testing.T) { checkNames(t, vector.vectorKey, vector.State, vector.Words) })
	}
	for _, vector := range set.fingerprints.Vectors {
		if got := fingerprint(vector.Token); got != vector.Fingerprint {
			t.Errorf("fingerprint, %s: got %s, want %s", vector.Name, got, vector.Fingerprint)
		}
	}
}

// TestVectorsAreReproduced compares all but what is fresh in each
// run, so that the files cannot fall behind the program that writes them.
func TestVectorsAreReproduced(t *testing.T) {
	got, want := lasting(t, readVectors(t, vectorFolder)), lasting(t, newVectors(t))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v\nrun go test ./internal/seal -run TestVectors -update", got, want)
	}
}

// lasting leaves out of the vectors what depends on keys and chance.
func lasting(t *testing.T, set *vectorSet) map[string][]map[string]any {
	t.Helper()
	out := map[string][]map[string]any{}
	for name, file := range set.files() {
		text, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		var plain struct{ Vectors []map[string]any }
		if err := json.Unmarshal(text, &plain); err != nil {
			t.Fatal(err)
		}
		for _, vector := range plain.Vectors {
			if header, held := vector["header"].(map[string]any); held {
				vector["header"] = slices.Sorted(maps.Keys(header))
			}
			for _, fresh := range []string{"publicKey", "thumbprint", "testPrivateKeyJwk", "testPrivateKeyPem", "words", "key", "nonce", "payload", "response"} {
				if _, held := vector[fresh]; held {
					vector[fresh] = "fresh"
				}
			}
		}
		out[name] = plain.Vectors
	}
	return out
}

func checkNames(t *testing.T, key vectorKey, state string, words [4]string) {
	t.Helper()
	parsed := key.parse(t)
	if got := parsed.ID(); got != key.Thumbprint {
		t.Errorf("got the thumbprint %s, want %s", got, key.Thumbprint)
	}
	if got := parsed.Words(state); got != words {
		t.Errorf("got the words %v, want %v", got, words)
	}
}

func (v tripleVector) check(t *testing.T) {
	checkNames(t, v.vectorKey, v.State, v.Words)
	opened, err := seal.OpenTriple(v.private(t).(*rsa.PrivateKey), seal.Triple{Key: v.Key, Nonce: v.Nonce, Payload: v.Payload})
	if err != nil || opened.Reveal() != v.Plaintext {
		t.Errorf("got %v, want the plaintext", err)
	}
}

func (v jweVector) check(t *testing.T) {
	checkNames(t, v.vectorKey, v.State, v.Words)
	opened, err := seal.OpenJWE(v.private(t), v.Response, v.State)
	if err != nil || opened.Plaintext.Reveal() != v.Plaintext {
		t.Errorf("got %v, want the plaintext", err)
	}
	if got := headerOf(t, v.Response); !reflect.DeepEqual(got, v.Header) {
		t.Errorf("got the header %v, want %v", got, v.Header)
	}
	issuer, _ := v.Header["iss"].(string)
	if opened.Issuer != issuer || float64(opened.IssuedAt.Unix()) != v.Header["iat"] || float64(opened.Expires.Unix()) != v.Header["exp"] {
		t.Errorf("got %v, want what the header says", opened)
	}
}

// python names the interpreter that has the packages cryptography and jwcrypto.
func python(t *testing.T) string {
	t.Helper()
	path := os.Getenv("T2G_TEST_PYTHON")
	if path != "" {
		return path
	}
	const reason = "T2G_TEST_PYTHON names no Python with the packages cryptography and jwcrypto: no independent implementation opens the vectors"
	process.Missing(t, reason)
	return ""
}

func verify(t *testing.T, folders ...string) (string, error) {
	t.Helper()
	script := filepath.Join(vectorFolder, "verify.py")
	out, err := exec.Command(python(t), append([]string{"-B", script}, folders...)...).CombinedOutput()
	return string(out), err
}

func TestVerifyOpensTheVectors(t *testing.T) {
	fresh := t.TempDir()
	newVectors(t).write(t, fresh)
	out, err := verify(t, vectorFolder, fresh)
	want := fmt.Sprintf("%d passed, 0 failed\n", count(readVectors(t, vectorFolder))+count(readVectors(t, fresh)))
	if err != nil || !strings.HasSuffix(out, want) {
		t.Errorf("got %v and\n%s\nwant %s", err, out, want)
	}
}

func count(set *vectorSet) int {
	return len(set.triples.Vectors) + len(set.jwes.Vectors) + len(set.words.Vectors) + len(set.fingerprints.Vectors)
}

// TestVerifyRejectsWrongVectors keeps it honest.
func TestVerifyRejectsWrongVectors(t *testing.T) {
	for name, spoil := range map[string]func(*vectorSet){
		"the plaintext of a triple":   func(s *vectorSet) { s.triples.Vectors[0].Plaintext += " " },
		"the payload of a triple":     func(s *vectorSet) { s.triples.Vectors[0].Payload = s.triples.Vectors[1].Payload },
		"the public key of a triple":  func(s *vectorSet) { s.triples.Vectors[0].PublicKey = s.triples.Vectors[3].PublicKey },
		"the words of a triple":       func(s *vectorSet) { s.triples.Vectors[0].Words[3] = "zoo" },
		"the plaintext of a JWE":      func(s *vectorSet) { s.jwes.Vectors[2].Plaintext += " " },
		"the state of a JWE":          func(s *vectorSet) { s.jwes.Vectors[2].State += " " },
		"the header of a JWE":         func(s *vectorSet) { s.jwes.Vectors[2].Header["exp"] = 0 },
		"the envelope of a JWE":       func(s *vectorSet) { s.jwes.Vectors[2].Response = s.jwes.Vectors[3].Response },
		"a thumbprint":                func(s *vectorSet) { s.words.Vectors[0].Thumbprint = strings.Repeat("A", 43) },
		"words in another order":      func(s *vectorSet) { w := &s.words.Vectors[0].Words; w[0], w[1] = w[1], w[0]+"s" },
		"a fingerprint":               func(s *vectorSet) { s.fingerprints.Vectors[0].Fingerprint = strings.Repeat("0", 64) },
		"a file that has no vectors":  func(s *vectorSet) { s.fingerprints.Vectors = nil },
		"the private key of a triple": func(s *vectorSet) { s.triples.Vectors[0].PrivateJWK = s.triples.Vectors[3].PrivateJWK },
	} {
		t.Run(name, func(t *testing.T) {
			set, folder := readVectors(t, vectorFolder), t.TempDir()
			spoil(set)
			set.write(t, folder)
			out, err := verify(t, folder)
			exit, failed := errors.AsType[*exec.ExitError](err)
			if !failed || exit.ExitCode() != 1 || !strings.Contains(out, ", 1 failed") {
				t.Errorf("got %v and\n%s\nwant exit code 1 and one failure", err, out)
			}
		})
	}
}

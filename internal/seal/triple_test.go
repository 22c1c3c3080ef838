package seal_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/secret"
)

// plaintexts are the absent one, a short one, one that is no text, and a long one.
func plaintexts() map[string]secret.Value {
	return map[string]secret.Value{
		"nothing": secret.New(""), "an answer": secret.New(`{"secret":"abc"}`),
		"bytes": secret.New("\x00\xff\"\\"), "64 KiB": secret.New(strings.Repeat("0123456789abcdef", 4096)),
	}
}

func sealTriple(t testing.TB, key *seal.Key, plaintext secret.Value) seal.Triple {
	t.Helper()
	triple, err := seal.SealTriple(key, plaintext)
	if err != nil {
		t.Fatal(err)
	}
	return triple
}

func TestOpenTripleWithTheKey(t *testing.T) {
	for name, good := range goodKeys(t) {
		private, is := good.private.(*rsa.PrivateKey)
		if !is {
			continue
		}
		key, err := seal.ParseKey(good.kind, good.text)
		if err != nil {
			t.Fatal(err)
		}
		for kind, plaintext := range plaintexts() {
			opened, err := seal.OpenTriple(private, sealTriple(t, key, plaintext))
			if err != nil || opened.Reveal() != plaintext.Reveal() {
				t.Errorf("%s, %s: got %v, want what was sealed", name, kind, err)
			}
		}
	}
}

// TestSealTripleFollowsTheProtocol opens one with nothing but the standard library.
func TestSealTripleFollowsTheProtocol(t *testing.T) {
	private := testRSA(t, 2048)
	for kind, plaintext := range plaintexts() {
		triple := sealTriple(t, newKey(t, &private.PublicKey), plaintext)
		contentKey, err := rsa.DecryptOAEP(sha256.New(), nil, private, standard(t, triple.Key), nil)
		if err != nil || len(contentKey) != 32 {
			t.Fatalf("got %d bytes and %v, want a key of 32 bytes", len(contentKey), err)
		}
		opened, err := gcm(t, contentKey).Open(nil, standard(t, triple.Nonce), standard(t, triple.Payload), nil)
		if err != nil || string(opened) != plaintext.Reveal() {
			t.Errorf("%s: got %v, want what was sealed", kind, err)
		}
	}
}

func standard(t *testing.T, text string) []byte {
	t.Helper()
	content, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func gcm(t *testing.T, contentKey []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(contentKey)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

func TestSealTripleNeverRepeatsKeyOrNonce(t *testing.T) {
	key := newKey(t, &testRSA(t, 2048).PublicKey)
	seen := map[string]bool{}
	for range 50 {
		triple := sealTriple(t, key, secret.New("the same"))
		for _, part := range []string{triple.Key, triple.Nonce, triple.Payload} {
			if seen[part] {
				t.Fatal("got a part twice, want all of them fresh")
			}
			seen[part] = true
		}
	}
}

func TestSealTripleKeepsThePlaintext(t *testing.T) {
	plaintext := secret.New("unchanged")
	sealTriple(t, newKey(t, &testRSA(t, 2048).PublicKey), plaintext)
	if got := plaintext.Reveal(); got != "unchanged" {
		t.Errorf("got %q, want it unchanged", got)
	}
}

func TestSealTripleRefusesECKey(t *testing.T) {
	key := newKey(t, &testEC(t, elliptic.P256()).PublicKey)
	triple, err := seal.SealTriple(key, secret.New("x"))
	if !errors.Is(err, seal.ErrKey) || triple != (seal.Triple{}) {
		t.Errorf("got %v, want ErrKey", err)
	}
}

func TestOpenTripleRefusesAltered(t *testing.T) {
	private := testRSA(t, 2048)
	key := newKey(t, &private.PublicKey)
	triple, other := sealTriple(t, key, secret.New("marked")), sealTriple(t, key, secret.New("marked"))
	touched := map[string]seal.Triple{
		"the key of another":     {Key: other.Key, Nonce: triple.Nonce, Payload: triple.Payload},
		"the nonce of another":   {Key: triple.Key, Nonce: other.Nonce, Payload: triple.Payload},
		"the payload of another": {Key: triple.Key, Nonce: triple.Nonce, Payload: other.Payload},
		"parts in another order": {Key: triple.Key, Nonce: triple.Payload, Payload: triple.Nonce},
		"nothing":                {},
	}
	for name, change := range changes(base64.StdEncoding) {
		for kind, changed := range change(triple.Key, 16) {
			touched[name+" of the key: "+kind] = seal.Triple{Key: changed, Nonce: triple.Nonce, Payload: triple.Payload}
		}
		for kind, changed := range change(triple.Nonce, 1) {
			touched[name+" of the nonce: "+kind] = seal.Triple{Key: triple.Key, Nonce: changed, Payload: triple.Payload}
		}
		for kind, changed := range change(triple.Payload, 1) {
			touched[name+" of the payload: "+kind] = seal.Triple{Key: triple.Key, Nonce: triple.Nonce, Payload: changed}
		}
	}
	for name, triple := range touched {
		opened, err := seal.OpenTriple(private, triple)
		if !errors.Is(err, seal.ErrEnvelope) || !opened.Absent() {
			t.Errorf("%s: got %v, want ErrEnvelope and nothing opened", name, err)
			continue
		}
		checkText(t, err, triple.Key+" "+triple.Payload)
	}
}

func TestOpenTripleRefusesAnotherKey(t *testing.T) {
	triple := sealTriple(t, newKey(t, &testRSA(t, 3072).PublicKey), secret.New("x"))
	if _, err := seal.OpenTriple(testRSA(t, 2048), triple); !errors.Is(err, seal.ErrEnvelope) {
		t.Errorf("got %v, want ErrEnvelope", err)
	}
	made.Delete(2048)
	triple = sealTriple(t, newKey(t, &testRSA(t, 2048).PublicKey), secret.New("x"))
	made.Delete(2048)
	if _, err := seal.OpenTriple(testRSA(t, 2048), triple); !errors.Is(err, seal.ErrEnvelope) {
		t.Errorf("got %v, want ErrEnvelope", err)
	}
}

// changes are ways to touch one base64 text; each returns variants of it, by what was
// done. The character at every step-th place is replaced, the last one always.
func changes(encoding *base64.Encoding) map[string]func(text string, step int) map[string]string {
	return map[string]func(string, int) map[string]string{
		"a character": func(text string, step int) map[string]string {
			out := map[string]string{}
			for i := range text {
				if i%step != 0 && i != len(text)-1 && i != len(strings.TrimRight(text, "="))-1 {
					continue
				}
				other := "A"
				if text[i] == 'A' {
					other = "B"
				}
				out[text[i:]] = text[:i] + other + text[i+1:]
			}
			return out
		},
		"the form": func(text string, _ int) map[string]string {
			content, _ := encoding.DecodeString(text)
			return map[string]string{
				"a line end more": text[:4] + "\n" + text[4:], "white space around": " " + text, "cut short": text[:len(text)-4],
				"a byte less": encoding.EncodeToString(content[:len(content)-1]), "a byte more": encoding.EncodeToString(append(content, 0)),
				"the other alphabet": text + "-_+/", "empty": "", "padding more": text + "=",
			}
		},
	}
}

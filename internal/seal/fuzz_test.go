package seal_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/token2go/token2go/internal/seal"
)

func FuzzParseKey(f *testing.F) {
	for _, good := range goodKeys(f) {
		f.Add(string(good.kind), good.text)
	}
	f.Add("jwk", `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`)
	f.Add("jwk", `{"kty":"OKP","crv":"X25519","x":"AA","d":null}`)
	f.Add("pem", "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n")
	f.Fuzz(func(t *testing.T, kind, text string) {
		key, err := seal.ParseKey(seal.KeyType(kind), text)
		if err != nil {
			if key != nil || !errors.Is(err, seal.ErrKey) && !errors.Is(err, seal.ErrKeyType) {
				t.Fatalf("got %v, want no key and ErrKey or ErrKeyType", err)
			}
			checkText(t, err, "")
			return
		}
		again, err := seal.ParseKey(seal.JWK, key.JWK())
		if err != nil || again.ID() != key.ID() || again.RSA() != key.RSA() {
			t.Fatalf("got %v for its JWK, want an equal key", err)
		}
		checkAsOthersReadIt(t, key)
		if kind != string(seal.JWK) {
			checkPEM(t, seal.KeyType(kind), text, key)
		}
	})
}

// checkAsOthersReadIt has go-jose read the key's JWK and checks its size.
func checkAsOthersReadIt(t *testing.T, key *seal.Key) {
	t.Helper()
	var jwk jose.JSONWebKey
	if err := json.Unmarshal([]byte(key.JWK()), &jwk); err != nil {
		t.Fatal(err)
	}
	if public, is := jwk.Key.(*rsa.PublicKey); is && !slices.Contains([]int{2048, 3072, 4096}, public.N.BitLen()) {
		t.Fatalf("got %d bits, want 2048, 3072 or 4096", public.N.BitLen())
	}
	thumbprint, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil || url64(thumbprint) != key.ID() {
		t.Fatalf("got %s, want %s (%v)", key.ID(), url64(thumbprint), err)
	}
}

// checkPEM has the standard library read the same text and write it again: the key is
// the same, and its DER has no second form.
func checkPEM(t *testing.T, kind seal.KeyType, text string, key *seal.Key) {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	var public *rsa.PublicKey
	var again []byte
	if kind == seal.X509PEM {
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		public = parsed.(*rsa.PublicKey)
		again = infoDER(t, public)
	} else {
		parsed, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		public, again = parsed, x509.MarshalPKCS1PublicKey(parsed)
	}
	if string(again) != string(block.Bytes) || public.N.BitLen() != 2048 {
		t.Fatalf("got %d bits and the DER %x, want 2048 and %x", public.N.BitLen(), block.Bytes, again)
	}
	same, err := seal.ParseKey(seal.JWK, rsaJWK(public.N, big.NewInt(int64(public.E))))
	if err != nil || same.ID() != key.ID() {
		t.Fatalf("got %v, want the key that the standard library reads", err)
	}
}

// FuzzOpenJWE takes its keys from the vectors, so that every process of a fuzzing run
// has the same ones.
func FuzzOpenJWE(f *testing.F) {
	vectors := readVectors(f, vectorFolder).jwes.Vectors
	genuine := map[string]jweVector{}
	privates := map[string]crypto.PrivateKey{}
	for _, vector := range vectors {
		genuine[vector.Response] = vector
		private := vector.private(f)
		privates[vector.Thumbprint] = private
		f.Add(vector.Response, vector.State)
		public := private.(interface{ Public() crypto.PublicKey }).Public()
		alg := jose.RSA_OAEP_256
		if _, is := public.(*rsa.PublicKey); !is {
			alg = jose.ECDH_ES
		}
		f.Add(forged(f, public, alg, jose.A256GCM, map[string]any{"zip": "DEF"}), state)
		f.Add(forged(f, public, alg, jose.A256GCM, map[string]any{"crit": []string{"exp"}}), state)
	}
	f.Add(forged(f, &testEC(f, elliptic.P256()).PublicKey, jose.ECDH_ES_A128KW, jose.A128GCM, nil), state)
	f.Fuzz(func(t *testing.T, text, state string) {
		for thumbprint, private := range privates {
			opened, err := seal.OpenJWE(private, text, state)
			if err != nil {
				if !errors.Is(err, seal.ErrEnvelope) || opened != (seal.Opened{}) {
					t.Fatalf("got %v, want ErrEnvelope and nothing opened", err)
				}
				checkText(t, err, "")
				continue
			}
			vector, known := genuine[text]
			if !known || vector.State != state || vector.Thumbprint != thumbprint || opened.Plaintext.Reveal() != vector.Plaintext {
				t.Fatal("opened an envelope that was not sealed")
			}
		}
	})
}

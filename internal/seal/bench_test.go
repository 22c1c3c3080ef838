package seal_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/secret"
)

var plain = secret.New(`{"secret":"` + strings.Repeat("x", 2000) + `"}`)

// bareX509 and its kin do what any program must that hands a sealed text over, and
// nothing else: no check of the key, no thumbprint.
func bareX509(b *testing.B, text string) *rsa.PublicKey {
	block, _ := pem.Decode([]byte(text))
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		b.Fatal(err)
	}
	return public.(*rsa.PublicKey)
}

func barePKCS1(b *testing.B, text string) *rsa.PublicKey {
	block, _ := pem.Decode([]byte(text))
	public, err := x509.ParsePKCS1PublicKey(block.Bytes)
	if err != nil {
		b.Fatal(err)
	}
	return public
}

func bareTriple(b *testing.B, public *rsa.PublicKey, plaintext string) (key, nonce, payload string) {
	contentKey, iv := make([]byte, 32), make([]byte, 12)
	_, _ = rand.Read(contentKey)
	_, _ = rand.Read(iv)
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public, contentKey, nil)
	if err != nil {
		b.Fatal(err)
	}
	block, err := aes.NewCipher(contentKey)
	if err != nil {
		b.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	sealed := aead.Seal(nil, iv, []byte(plaintext), nil)
	encode := base64.StdEncoding.EncodeToString
	return encode(wrapped), encode(iv), encode(sealed)
}

// BenchmarkHandOver reports how many times the bare sequence fits into the time of
// parsing a PEM key and sealing a Triple: 1 is as fast as bare. The two take turns,
// so that what else the machine does weighs on both.
func BenchmarkHandOver(b *testing.B) {
	private := testRSA(b, 2048)
	for _, kind := range []struct {
		name seal.KeyType
		text string
		bare func(*testing.B, string) *rsa.PublicKey
	}{
		{seal.X509PEM, x509PEM(b, &private.PublicKey), bareX509},
		{seal.PKCS1PEM, pkcs1PEM(&private.PublicKey), barePKCS1},
	} {
		b.Run(string(kind.name), func(b *testing.B) {
			var bare, ours time.Duration
			for b.Loop() {
				start := time.Now()
				bareTriple(b, kind.bare(b, kind.text), plain.Reveal())
				middle := time.Now()
				key, err := seal.ParseKey(kind.name, kind.text)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := seal.SealTriple(key, plain); err != nil {
					b.Fatal(err)
				}
				bare += middle.Sub(start)
				ours += time.Since(middle)
			}
			b.ReportMetric(float64(bare)/float64(ours), "bare/ours")
			b.ReportMetric(float64(bare.Nanoseconds())/float64(b.N), "bare-ns")
			b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N), "ours-ns")
		})
	}
}

func BenchmarkParseKey(b *testing.B) {
	for name, key := range goodKeys(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := seal.ParseKey(key.kind, key.text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkBareParse(b *testing.B) {
	public := &testRSA(b, 2048).PublicKey
	b.Run("x509", func(b *testing.B) {
		text := x509PEM(b, public)
		b.ReportAllocs()
		for b.Loop() {
			bareX509(b, text)
		}
	})
	b.Run("pkcs1", func(b *testing.B) {
		text := pkcs1PEM(public)
		b.ReportAllocs()
		for b.Loop() {
			barePKCS1(b, text)
		}
	})
}

func BenchmarkSealTriple(b *testing.B) {
	key := newKey(b, &testRSA(b, 2048).PublicKey)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := seal.SealTriple(key, plain); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealJWE(b *testing.B) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for name, key := range map[string]*seal.Key{
		"RSA-2048": newKey(b, &testRSA(b, 2048).PublicKey), "P-256": newKey(b, &private.PublicKey),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := seal.SealJWE(key, plain, seal.Header{State: "state", IssuedAt: time.Now()}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWords(b *testing.B) {
	key := newKey(b, &testRSA(b, 2048).PublicKey)
	b.ReportAllocs()
	for b.Loop() {
		key.Words("state")
	}
}

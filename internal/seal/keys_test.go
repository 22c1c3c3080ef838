package seal_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"sync"
	"testing"

	"github.com/token2go/token2go/internal/seal"
)

// made keeps the keys of this test run by size: an RSA key takes a moment to make.
var made sync.Map

func testRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	if kept, found := made.Load(bits); found {
		return kept.(*rsa.PrivateKey)
	}
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	made.Store(bits, private)
	return private
}

func testEC(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return private
}

func newKey(t testing.TB, public crypto.PublicKey) *seal.Key {
	t.Helper()
	key, err := seal.NewKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func block(label string, body []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: body}))
}

func infoDER(t testing.TB, public crypto.PublicKey) []byte {
	t.Helper()
	body, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func x509PEM(t testing.TB, public crypto.PublicKey) string {
	return block("PUBLIC KEY", infoDER(t, public))
}

func pkcs1PEM(public *rsa.PublicKey) string {
	return block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(public))
}

// integers is DER of any modulus and exponent, also of such as no library would write.
func integers(t testing.TB, modulus, exponent *big.Int) []byte {
	t.Helper()
	body, err := asn1.Marshal(struct{ N, E *big.Int }{modulus, exponent})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// info is DER of a SubjectPublicKeyInfo around any body.
func info(t testing.TB, algorithm asn1.RawValue, body []byte) []byte {
	t.Helper()
	text, err := asn1.Marshal(struct {
		Algorithm struct {
			OID        asn1.ObjectIdentifier
			Parameters asn1.RawValue
		}
		Key asn1.BitString
	}{
		struct {
			OID        asn1.ObjectIdentifier
			Parameters asn1.RawValue
		}{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, algorithm},
		asn1.BitString{Bytes: body, BitLength: 8 * len(body)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func url64(content []byte) string { return base64.RawURLEncoding.EncodeToString(content) }

func rsaJWK(modulus, exponent *big.Int) string {
	return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":%q}`, url64(modulus.Bytes()), url64(exponent.Bytes()))
}

func ecJWK(t testing.TB, public *ecdsa.PublicKey) string {
	t.Helper()
	point, err := public.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	half := (len(point) - 1) / 2
	return fmt.Sprintf(`{"kty":"EC","crv":%q,"x":%q,"y":%q}`,
		public.Curve.Params().Name, url64(point[1:1+half]), url64(point[1+half:]))
}

type goodKey struct {
	kind    seal.KeyType
	text    string
	private crypto.PrivateKey
}

// goodKeys has a key of each type and size that is accepted.
func goodKeys(t testing.TB) map[string]goodKey {
	t.Helper()
	keys := map[string]goodKey{}
	for _, bits := range []int{2048, 3072, 4096} {
		private := testRSA(t, bits)
		keys[fmt.Sprintf("RSA-%d JWK", bits)] = goodKey{seal.JWK, rsaJWK(private.N, big.NewInt(int64(private.E))), private}
	}
	private := testRSA(t, 2048)
	keys["X.509 PEM"] = goodKey{seal.X509PEM, x509PEM(t, &private.PublicKey), private}
	keys["PKCS 1 PEM"] = goodKey{seal.PKCS1PEM, pkcs1PEM(&private.PublicKey), private}
	curve := testEC(t, elliptic.P256())
	keys["P-256 JWK"] = goodKey{seal.JWK, ecJWK(t, &curve.PublicKey), curve}
	return keys
}

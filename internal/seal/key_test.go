package seal_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/secret"
)

func TestParseKeyAcceptsEachTypeAndSize(t *testing.T) {
	for name, good := range goodKeys(t) {
		key, err := seal.ParseKey(good.kind, good.text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, want := key.RSA(), name != "P-256 JWK"; got != want {
			t.Errorf("%s: got RSA %v, want %v", name, got, want)
		}
	}
}

func TestParseKeyAcceptsOtherWritings(t *testing.T) {
	private := testRSA(t, 2048)
	x509Text, pkcs1Text := x509PEM(t, &private.PublicKey), pkcs1PEM(&private.PublicKey)
	n, e := url64(private.N.Bytes()), "AQAB"
	curve := ecJWK(t, &testEC(t, elliptic.P256()).PublicKey)
	for _, test := range []struct {
		name string
		kind seal.KeyType
		text string
	}{
		{"white space around the block", seal.X509PEM, "\r\n\t " + x509Text + " \n\n"},
		{"no line end at the end", seal.PKCS1PEM, strings.TrimSpace(pkcs1Text)},
		{"lines that end in CR LF", seal.X509PEM, strings.ReplaceAll(x509Text, "\n", "\r\n")},
		{"members in any order, with white space", seal.JWK, fmt.Sprintf("\n{ \"n\":%q,\t\"kty\": \"RSA\", \"e\":%q } ", n, e)},
		{"as a browser writes an RSA key", seal.JWK, fmt.Sprintf(`{"alg":"RSA-OAEP-256","e":%q,"ext":true,"key_ops":["encrypt","wrapKey"],"kty":"RSA","n":%q}`, e, n)},
		{"as a browser writes an EC key", seal.JWK, strings.Replace(curve, "{", `{"ext":true,"key_ops":[],`, 1)},
		{"with everything that says what it is for", seal.JWK, strings.Replace(curve, "{", `{"use":"enc","alg":"ECDH-ES","key_ops":["deriveKey","deriveBits"],`, 1)},
		{"with unknown members", seal.JWK, strings.Replace(curve, "{", `{"kid":"mine","x5t":[1,{"a":null}],"D":"not d",`, 1)},
		{"as base64url", seal.JWK, url64([]byte(curve))},
		{"RSA as base64url, spaces in its JSON", seal.JWK, url64(fmt.Appendf(nil, "{ \"n\":%q,\t\"kty\": \"RSA\", \"e\":%q } ", n, e))},
		{"with an escaped member name", seal.JWK, strings.Replace(curve, `"kty"`, `"\u006bty"`, 1)},
	} {
		if _, err := seal.ParseKey(test.kind, test.text); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestParseKeyAcceptsExponentsAtTheLimits(t *testing.T) {
	modulus := testRSA(t, 2048).N
	for _, exponent := range []int64{3, 5, 17, 65537, 1<<31 - 1} {
		e := big.NewInt(exponent)
		der := integers(t, modulus, e)
		for kind, text := range map[seal.KeyType]string{
			seal.X509PEM: block("PUBLIC KEY", info(t, asn1.NullRawValue, der)), seal.PKCS1PEM: block("RSA PUBLIC KEY", der),
			seal.JWK: rsaJWK(modulus, e),
		} {
			key, err := seal.ParseKey(kind, text)
			if err != nil {
				t.Errorf("e = %d, %s: %v", exponent, kind, err)
				continue
			}
			if _, err := seal.SealTriple(key, secret.New("x")); err != nil {
				t.Errorf("e = %d, %s: %v", exponent, kind, err)
			}
		}
	}
}

// notNumbers is the refusal of DER that is not of two good numbers.
const notNumbers = "its body is not DER of a positive modulus and an exponent from 3 to 2^31 - 1, and nothing else"

type badKey struct {
	name string
	kind seal.KeyType
	text string
	says string // what the refusal has to say
}

func TestParseKeyRefusesWithTheReason(t *testing.T) {
	bad := append(badPEMs(t), badNumbers(t)...)
	bad = append(append(bad, badJWKs(t)...), badCurves(t)...)
	for _, test := range bad {
		t.Run(test.name, func(t *testing.T) {
			key, err := seal.ParseKey(test.kind, test.text)
			if key != nil || !errors.Is(err, seal.ErrKey) {
				t.Fatalf("got %v, want a refusal that is ErrKey", err)
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("got  %v\nwant … %s …", err, test.says)
			}
			checkText(t, err, test.text)
		})
	}
}

// checkText checks that an error may be sent on: in RFC 6749's characters, of bounded
// length, and without any run of characters that could be key material.
func checkText(t *testing.T, err error, input string) {
	t.Helper()
	text := err.Error()
	if !regexp.MustCompile(`^[\x20\x21\x23-\x5b\x5d-\x7e]{1,300}$`).MatchString(text) {
		t.Errorf("got %q, want at most 300 characters of RFC 6749's error_description", text)
	}
	for _, run := range regexp.MustCompile(`[A-Za-z0-9+/_]{16,}`).FindAllString(input, -1) {
		if strings.Contains(text, run[:16]) {
			t.Errorf("got %q, which repeats a part of the key", text)
		}
	}
}

func TestParseKeyRefusesUnknownType(t *testing.T) {
	text := x509PEM(t, &testRSA(t, 2048).PublicKey)
	for _, kind := range []seal.KeyType{"", "JWK", "pem", "rsa2048-rfc8017-pkcs1-pem", "rsa2048-rfc5280-x509-pem ", seal.KeyType(text)} {
		_, err := seal.ParseKey(kind, text)
		if !errors.Is(err, seal.ErrKeyType) || errors.Is(err, seal.ErrKey) {
			t.Errorf("%.30q: got %v, want ErrKeyType", kind, err)
			continue
		}
		checkText(t, err, string(kind))
	}
}

func badPEMs(t *testing.T) []badKey {
	private := testRSA(t, 2048)
	public := &private.PublicKey
	good, pkcs1 := x509PEM(t, public), pkcs1PEM(public)
	body := infoDER(t, public)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return []badKey{
		{"an empty text", seal.X509PEM, "", "does not begin with -----BEGIN PUBLIC KEY-----"},
		{"white space alone", seal.PKCS1PEM, " \n", "does not begin with -----BEGIN RSA PUBLIC KEY-----"},
		{"base64 without its block", seal.X509PEM, strings.Split(good, "\n")[1], "does not begin"},
		{"a JWK where PEM was declared", seal.X509PEM, rsaJWK(public.N, big.NewInt(65537)), "does not begin"},
		{"text before the block", seal.X509PEM, "key:\n" + good, "does not begin"},
		{"a byte order mark before the block", seal.X509PEM, "\ufeff" + good, "does not begin"},
		{"a no-break space before the block", seal.X509PEM, "\u00a0" + good, "does not begin"},
		{"text after the block", seal.X509PEM, good + "and more", "text follows"},
		{"NUL after the block", seal.X509PEM, good + "\x00", "text follows"},
		{"the key twice", seal.X509PEM, good + good, "more than one PEM block"},
		{"a broken block that hides a second one", seal.X509PEM, "-----BEGIN PUBLIC KEY-----\n!\n" + good, "more than one PEM block"},
		{"a block that never ends", seal.X509PEM, strings.Split(good, "-----END")[0], "damaged"},
		{"a block that ends as another", seal.X509PEM, strings.Replace(good, "-----END PUBLIC", "-----END RSA PUBLIC", 1), "damaged"},
		{"a block on one line", seal.X509PEM, strings.ReplaceAll(good, "\n", " "), "damaged"},
		{"plus signs that became spaces", seal.X509PEM, withPlus(t), "write + as %2B"},
		{"a PEM header", seal.X509PEM, strings.Replace(good, "KEY-----\n", "KEY-----\nComment: mine\n\n", 1), "has headers"},
		{"an X.509 block where PKCS #1 was declared", seal.PKCS1PEM, good, "its block says PUBLIC KEY, want RSA PUBLIC KEY, or the type rsa2048-rfc5280-x509-pem"},
		{"a PKCS #1 block where X.509 was declared", seal.X509PEM, pkcs1, "its block says RSA PUBLIC KEY, want PUBLIC KEY, or the type rsa2048-rfc8017-pksc1-pem"},
		{"PKCS #1 in an X.509 block", seal.X509PEM, block("PUBLIC KEY", x509.MarshalPKCS1PublicKey(public)), "its body is PKCS #1"},
		{"X.509 in a PKCS #1 block", seal.PKCS1PEM, block("RSA PUBLIC KEY", body), "its body is a SubjectPublicKeyInfo"},
		{"a PKCS #8 private key", seal.X509PEM, block("PRIVATE KEY", pkcs8), "it is a private key"},
		{"a PKCS #1 private key", seal.PKCS1PEM, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(private)), "it is a private key"},
		{"a private key under a public label", seal.PKCS1PEM, block("RSA PUBLIC KEY", x509.MarshalPKCS1PrivateKey(private)), notNumbers},
		{"a certificate", seal.X509PEM, block("CERTIFICATE", body), "its block says CERTIFICATE, want PUBLIC KEY"},
		{"a label that is key material", seal.X509PEM, strings.ReplaceAll(good, "PUBLIC KEY", strings.Split(good, "\n")[1]), "says something else"},
		{"an EC key", seal.X509PEM, x509PEM(t, &testEC(t, elliptic.P256()).PublicKey), "it is an EC key on P-256; want RSA, or P-256 as a JWK"},
		{"an Ed25519 key", seal.X509PEM, x509PEM(t, edwards), "its algorithm is Ed25519, for signatures only"},
		{"an X25519 key in X.509", seal.X509PEM, block("PUBLIC KEY", octets(t, 110, 32)), "its algorithm is X25519;"},
		{"an X448 key in X.509", seal.X509PEM, block("PUBLIC KEY", octets(t, 111, 56)), "its algorithm is X448;"},
		{"an Ed448 key in X.509", seal.X509PEM, block("PUBLIC KEY", octets(t, 113, 57)), "its algorithm is Ed448, for signatures only"},
		{"a P-384 key", seal.X509PEM, x509PEM(t, &testEC(t, elliptic.P384()).PublicKey), "it is an EC key on P-384"},
		{"an RSASSA-PSS key", seal.X509PEM, block("PUBLIC KEY", bytes.Replace(body, []byte{0x01, 0x01, 0x01, 0x05, 0x00}, []byte{0x01, 0x01, 0x0a, 0x05, 0x00}, 1)), "RSASSA-PSS"},
		{"an unknown algorithm", seal.X509PEM, block("PUBLIC KEY", bytes.Replace(body, []byte{0x2a, 0x86, 0x48}, []byte{0x2a, 0x86, 0x47}, 1)), "is not RSA"},
		{"RSA without NULL", seal.X509PEM, block("PUBLIC KEY", info(t, asn1.RawValue{}, x509.MarshalPKCS1PublicKey(public))), "parameters other than NULL"},
		{"a body that is not DER", seal.X509PEM, block("PUBLIC KEY", []byte("hello")), "not DER"},
		{"a body that is not DER of PKCS #1", seal.PKCS1PEM, block("RSA PUBLIC KEY", []byte("hello")), "not DER"},
		{"an empty body", seal.PKCS1PEM, "-----BEGIN RSA PUBLIC KEY-----\n-----END RSA PUBLIC KEY-----\n", "not DER"},
		{"a body cut short", seal.X509PEM, block("PUBLIC KEY", body[:len(body)-1]), "not DER"},
		{"a length of more bytes than DER allows", seal.X509PEM, block("PUBLIC KEY", append([]byte{0x30, 0x83, 0x00}, body[2:]...)), "not DER"},
		{"more than 8192 bytes", seal.X509PEM, good + strings.Repeat("\n", 8192), "want at most 8192"},
	}
}

// octets is DER of a SubjectPublicKeyInfo with an algorithm of RFC 8410, 1.3.101.last, and
// a key of zeros.
func octets(t *testing.T, last, size int) []byte {
	t.Helper()
	text, err := asn1.Marshal(struct {
		Algorithm struct{ OID asn1.ObjectIdentifier }
		Key       asn1.BitString
	}{
		struct{ OID asn1.ObjectIdentifier }{asn1.ObjectIdentifier{1, 3, 101, last}},
		asn1.BitString{Bytes: make([]byte, size), BitLength: 8 * size},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// withPlus is a key in which a form decoder has turned + into a space.
func withPlus(t *testing.T) string {
	for {
		private := testRSA(t, 2048)
		lines := strings.Split(x509PEM(t, &private.PublicKey), "\n")
		if body := strings.Join(lines[1:len(lines)-2], "\n"); strings.Contains(body, "+") {
			return strings.Join([]string{lines[0], strings.ReplaceAll(body, "+", " "), lines[len(lines)-2]}, "\n")
		}
		made.Delete(2048)
	}
}

// badNumbers has moduli and exponents that no RSA key may have, in each way to write
// them, and bytes that follow where none may.
func badNumbers(t *testing.T) []badKey {
	fine, e := testRSA(t, 2048).N, big.NewInt(65537)
	power := func(n uint, plus int64) *big.Int {
		return new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), n), big.NewInt(plus))
	}
	var bad []badKey
	for _, test := range []struct {
		name              string
		modulus, exponent *big.Int
		says              string
	}{
		{"a modulus of 512 bits", power(511, 1), e, "has 512 bits"},
		{"a modulus of 1024 bits", testRSA(t, 1024).N, e, "has 1024 bits"},
		{"a modulus of 2047 bits", power(2046, 1), e, "has 2047 bits"},
		{"a modulus of 2049 bits", power(2048, 1), e, "has 2049 bits"},
		{"a modulus of 2056 bits", power(2055, 1), e, "has 2056 bits"},
		{"a modulus of 4104 bits", power(4103, 1), e, "has 4104 bits"},
		{"a modulus of 8192 bits", power(8191, 1), e, "has 8192 bits"},
		{"an even modulus", power(2047, 0), e, "modulus is even"},
		{"a modulus of zero", big.NewInt(0), e, "modulus is not positive"},
		{"an exponent of 0", fine, big.NewInt(0), "exponent is less than 3"},
		{"an exponent of 1", fine, big.NewInt(1), "exponent is less than 3"},
		{"an exponent of 2", fine, big.NewInt(2), "exponent is less than 3"},
		{"an exponent of 4", fine, big.NewInt(4), "exponent is even"},
		{"an exponent of 65536", fine, big.NewInt(65536), "exponent is even"},
		{"an exponent of 2^31", fine, power(31, 0), "exponent is 2^31 or more"},
		{"an exponent of 2^31 + 1", fine, power(31, 1), "exponent is 2^31 or more"},
		{"an exponent of 2^32 + 1", fine, power(32, 1), "exponent is 2^31 or more"},
		{"an exponent of 2^64 + 3", fine, power(64, 3), "exponent is 2^31 or more"},
	} {
		der := integers(t, test.modulus, test.exponent)
		number := "modulus" // crypto/x509 refuses some of them first
		if test.exponent != e {
			number = "exponent"
		}
		bad = append(bad,
			badKey{test.name + " in X.509", seal.X509PEM, block("PUBLIC KEY", info(t, asn1.NullRawValue, der)), number},
			badKey{test.name + " in PKCS #1", seal.PKCS1PEM, block("RSA PUBLIC KEY", der), number},
			badKey{test.name + " in a JWK", seal.JWK, rsaJWK(test.modulus, test.exponent), test.says})
	}
	for _, bits := range []int{3072, 4096} {
		public := &testRSA(t, bits).PublicKey
		says := fmt.Sprintf("has %d bits, want exactly 2048", bits)
		bad = append(bad,
			badKey{fmt.Sprintf("X.509 of %d bits", bits), seal.X509PEM, x509PEM(t, public), says},
			badKey{fmt.Sprintf("PKCS 1 of %d bits", bits), seal.PKCS1PEM, pkcs1PEM(public), says})
	}
	return append(bad, badDER(t)...)
}

func badDER(t *testing.T) []badKey {
	public := &testRSA(t, 2048).PublicKey
	e := big.NewInt(int64(public.E))
	pair, whole := x509.MarshalPKCS1PublicKey(public), infoDER(t, public)
	three, err := asn1.Marshal(struct{ N, E, More *big.Int }{public.N, e, e})
	if err != nil {
		t.Fatal(err)
	}
	negative := integers(t, new(big.Int).Neg(public.N), e)
	fourth := append(bytes.Clone(whole), 5, 0)
	fourth[3] += 2 // the outer sequence grows by the NULL
	oddBits := bytes.Clone(whole)
	oddBits[23] = 1 // the bit string's count of unused bits
	padded := append([]byte{0x30, 0x82, 0x01, 0x0b, 0x02, 0x82, 0x01, 0x02, 0x00}, pair[8:]...)
	return []badKey{
		{"bytes after X.509", seal.X509PEM, block("PUBLIC KEY", append(bytes.Clone(whole), 0)), notNumbers},
		{"a further member in X.509", seal.X509PEM, block("PUBLIC KEY", fourth), "the one form of its key"},
		{"bytes after the key inside X.509", seal.X509PEM, block("PUBLIC KEY", info(t, asn1.NullRawValue, append(bytes.Clone(pair), 0))), "the one form of its key"},
		{"a third integer inside X.509", seal.X509PEM, block("PUBLIC KEY", info(t, asn1.NullRawValue, three)), "the one form of its key"},
		{"bytes after PKCS #1", seal.PKCS1PEM, block("RSA PUBLIC KEY", append(bytes.Clone(pair), 0)), notNumbers},
		{"a third integer in PKCS #1", seal.PKCS1PEM, block("RSA PUBLIC KEY", three), "the one form of its key"},
		{"a bit string of odd bits", seal.X509PEM, block("PUBLIC KEY", oddBits), "not DER of a SubjectPublicKeyInfo"},
		{"a negative modulus in X.509", seal.X509PEM, block("PUBLIC KEY", info(t, asn1.NullRawValue, negative)), notNumbers},
		{"a negative modulus in PKCS #1", seal.PKCS1PEM, block("RSA PUBLIC KEY", negative), notNumbers},
		{"a negative exponent", seal.PKCS1PEM, block("RSA PUBLIC KEY", integers(t, public.N, big.NewInt(-3))), notNumbers},
		{"an integer with a byte too many", seal.PKCS1PEM, block("RSA PUBLIC KEY", padded), notNumbers},
		{"a modulus alone", seal.PKCS1PEM, block("RSA PUBLIC KEY", pair[:4+4+257]), "not DER"},
	}
}

func badJWKs(t *testing.T) []badKey {
	public := &testRSA(t, 2048).PublicKey
	good := rsaJWK(public.N, big.NewInt(int64(public.E)))
	with := func(member string) string { return strings.Replace(good, "{", "{"+member+",", 1) }
	n := url64(public.N.Bytes())
	member := func(name, text string) string {
		members := map[string]string{"n": n, "e": "AQAB"}
		members[name] = text
		return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":%q}`, members["n"], members["e"])
	}
	bad := []badKey{
		{"no JSON", seal.JWK, "", "not a JSON object"},
		{"PEM where a JWK was declared", seal.JWK, x509PEM(t, public), "not a JSON object"},
		{"base64url with padding", seal.JWK, base64.URLEncoding.EncodeToString([]byte(good + " ")), "base64url (without padding)"},
		{"standard base64 of a JWK", seal.JWK, base64.StdEncoding.EncodeToString([]byte(with(`"kid":"???>>>"`))), "base64url (without padding)"},
		{"base64url of base64url", seal.JWK, url64([]byte(url64([]byte(good)))), "base64url (without padding)"},
		{"base64url in two lines", seal.JWK, url64([]byte(good))[:40] + "\n" + url64([]byte(good))[40:], "base64url (without padding)"},
		{"base64url of a private key", seal.JWK, url64([]byte(with(`"d":"AAAA"`))), "private member d"},
		{"base64url of an object cut short", seal.JWK, url64([]byte(good[:len(good)-1])), "JSON is damaged"},
		{"an array", seal.JWK, "[" + good + "]", "not a JSON object"},
		{"null", seal.JWK, "null", "not a JSON object"},
		{"an empty object", seal.JWK, "{}", "no member kty"},
		{"a set of keys", seal.JWK, `{"keys":[` + good + `]}`, "no member kty"},
		{"two objects", seal.JWK, good + good, "text follows"},
		{"text after the object", seal.JWK, good + "x", "text follows"},
		{"an object cut short", seal.JWK, good[:len(good)-1], "JSON is damaged"},
		{"a comma too many", seal.JWK, good[:len(good)-1] + ",}", "JSON is damaged"},
		{"a member without a value", seal.JWK, `{"kty"}`, "JSON is damaged"},
		{"bytes that are not UTF-8", seal.JWK, with(`"kid":"` + "\xff" + `"`), "not UTF-8"},
		{"a member twice", seal.JWK, with(`"kty":"RSA"`), "member kty is given twice"},
		{"a member twice, once escaped", seal.JWK, with(`"\u006e":"AQAB"`), "member n is given twice"},
		{"an unknown member twice", seal.JWK, with(`"strange \" name":1,"strange \" name":1`), "member something else is given twice"},
		{"a kty that is null", seal.JWK, `{"kty":null}`, "member kty is not a text"},
		{"a kty that is a number", seal.JWK, `{"kty":1}`, "member kty is not a text"},
		{"a kty in small letters", seal.JWK, strings.Replace(good, "RSA", "rsa", 1), "its kty is rsa, want RSA or EC"},
		{"a kty that is key material", seal.JWK, fmt.Sprintf(`{"kty":%q}`, n), "its kty is something else"},
		{"an X25519 key", seal.JWK, `{"kty":"OKP","crv":"X25519","x":"` + url64(make([]byte, 32)) + `"}`, "its crv is X25519, which nothing can be sealed to here; want EC with P-256, or RSA"},
		{"an X448 key", seal.JWK, `{"kty":"OKP","crv":"X448","x":"` + url64(make([]byte, 56)) + `"}`, "its crv is X448,"},
		{"an Ed25519 key as a JWK", seal.JWK, `{"kty":"OKP","crv":"Ed25519","x":"` + url64(make([]byte, 32)) + `"}`, "its crv is Ed25519,"},
		{"an OKP key without a curve", seal.JWK, `{"kty":"OKP","x":"AAAA"}`, "no member crv"},
		{"a symmetric key", seal.JWK, `{"kty":"oct","k":"AAAA"}`, "private member k"},
		{"an ML-KEM key", seal.JWK, `{"kty":"AKP","alg":"ML-KEM-768"}`, "its kty is AKP"},
		{"no modulus", seal.JWK, `{"kty":"RSA","e":"AQAB"}`, "no member n"},
		{"no exponent", seal.JWK, fmt.Sprintf(`{"kty":"RSA","n":%q}`, n), "no member e"},
		{"an exponent that is a number", seal.JWK, fmt.Sprintf(`{"kty":"RSA","n":%q,"e":65537}`, n), "member e is not a text"},
		{"an empty exponent", seal.JWK, member("e", ""), "exponent is less than 3"},
		{"padding", seal.JWK, member("e", "AQAB===="), "member e is not base64url"},
		{"standard base64", seal.JWK, member("n", "+/+/"), "member n is not base64url"},
		{"a line end in base64url", seal.JWK, member("n", n[:40]+"\n"+n[40:]), "member n is not base64url"},
		{"stray bits in the last character", seal.JWK, member("e", "Ax"), "member e is not base64url"},
		{"a modulus that begins with a zero byte", seal.JWK, member("n", url64(append([]byte{0}, public.N.Bytes()...))), "member n begins with a zero byte"},
		{"an exponent that begins with a zero byte", seal.JWK, member("e", "AAEAAQ"), "member e begins with a zero byte"},
		{"OAEP with SHA-1", seal.JWK, with(`"alg":"RSA-OAEP"`), "its alg is RSA-OAEP, want RSA-OAEP-256 or none"},
		{"an alg of another kind of key", seal.JWK, with(`"alg":"ECDH-ES"`), "its alg is ECDH-ES"},
		{"an alg that is null", seal.JWK, with(`"alg":null`), "member alg is not a text"},
		{"a key for signatures", seal.JWK, with(`"use":"sig"`), "its use is sig, want enc or none"},
		{"an operation of signatures", seal.JWK, with(`"key_ops":["encrypt","verify"]`), "its key_ops holds verify, want encrypt and wrapKey only"},
		{"an operation of the private half", seal.JWK, with(`"key_ops":["decrypt"]`), "its key_ops holds decrypt"},
		{"an operation of another kind of key", seal.JWK, with(`"key_ops":["deriveKey"]`), "its key_ops holds deriveKey"},
		{"operations that are one text", seal.JWK, with(`"key_ops":"encrypt"`), "key_ops is not an array of texts"},
		{"operations that are null", seal.JWK, with(`"key_ops":null`), "key_ops is not an array of texts"},
		{"an operation that is a number", seal.JWK, with(`"key_ops":[1]`), "key_ops is not an array of texts"},
		{"nesting without end", seal.JWK, with(`"x5c":` + strings.Repeat("[", 7000)), "JSON is damaged"},
		{"more than 8192 bytes as a JWK", seal.JWK, with(`"kid":"` + strings.Repeat("x", 8192) + `"`), "want at most 8192"},
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		for _, value := range []string{`"AAAA"`, `""`, "null"} {
			bad = append(bad, badKey{"the private member " + private + " as " + value, seal.JWK, with(fmt.Sprintf("%q:%s", private, value)), "private member " + private + ","})
		}
	}
	return bad
}

func badCurves(t *testing.T) []badKey {
	good := ecJWK(t, &testEC(t, elliptic.P256()).PublicKey)
	other := func(x, y []byte) string {
		return fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q}`, url64(x), url64(y))
	}
	with := func(member string) string { return strings.Replace(good, "{", "{"+member+",", 1) }
	params := elliptic.P256().Params()
	x, y := params.Gx.Bytes(), params.Gy.Bytes()
	beyond := new(big.Int).Add(params.P, big.NewInt(5)).Bytes()
	bad := []badKey{
		{"a point off the curve", seal.JWK, other(x, x), "not on the curve"},
		{"the point at infinity", seal.JWK, other(make([]byte, 32), make([]byte, 32)), "not on the curve"},
		{"a coordinate beyond the field", seal.JWK, other(beyond, y), "not on the curve"},
		{"a coordinate of 31 bytes", seal.JWK, other(x[1:], y), "member x has 31 bytes, want exactly 32"},
		{"a coordinate of 33 bytes", seal.JWK, other(x, append([]byte{0}, y...)), "member y has 33 bytes, want exactly 32"},
		{"no y", seal.JWK, fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q}`, url64(x)), "no member y"},
		{"no curve", seal.JWK, fmt.Sprintf(`{"kty":"EC","x":%q,"y":%q}`, url64(x), url64(y)), "no member crv"},
		{"secp256k1", seal.JWK, strings.Replace(good, "P-256", "secp256k1", 1), "its crv is secp256k1, want P-256"},
		{"an EC key that says X25519", seal.JWK, strings.Replace(good, "P-256", "X25519", 1), "its crv is X25519, want P-256"},
		{"a private EC key", seal.JWK, with(`"d":"AAAA"`), "private member d"},
		{"an EC key for signatures", seal.JWK, with(`"use":"sig"`), "its use is sig"},
		{"ECDH-ES with key wrapping", seal.JWK, with(`"alg":"ECDH-ES+A256KW"`), "its alg is ECDH-ES+A256KW, want ECDH-ES or none"},
		{"an EC operation of signatures", seal.JWK, with(`"key_ops":["verify"]`), "its key_ops holds verify, want deriveKey and deriveBits only"},
	}
	for _, curve := range []elliptic.Curve{elliptic.P224(), elliptic.P384(), elliptic.P521()} {
		name := curve.Params().Name
		bad = append(bad, badKey{name, seal.JWK, ecJWK(t, &testEC(t, curve).PublicKey), "its crv is " + name + ", want P-256"})
	}
	return bad
}

func TestNewKeyRefusesBadKeys(t *testing.T) {
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	off := &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)} //nolint:staticcheck // no other way makes a point that is off the curve
	for name, public := range map[string]crypto.PublicKey{
		"Ed25519": edwards, "P-384": &testEC(t, elliptic.P384()).PublicKey, "off the curve": off,
		"RSA of 1024 bits": &testRSA(t, 1024).PublicKey, "nothing": nil,
		"an exponent of -3":       &rsa.PublicKey{N: testRSA(t, 2048).N, E: -3},
		"an exponent of 2^32 + 1": &rsa.PublicKey{N: testRSA(t, 2048).N, E: 1<<32 + 1},
	} {
		if key, err := seal.NewKey(public); key != nil || !errors.Is(err, seal.ErrKey) {
			t.Errorf("%s: got %v, want ErrKey", name, err)
		}
	}
}

func TestKeyIDIsTheSameInEveryWriting(t *testing.T) {
	for name, good := range goodKeys(t) {
		key, err := seal.ParseKey(good.kind, good.text)
		if err != nil {
			t.Fatal(err)
		}
		public := good.private.(interface{ Public() crypto.PublicKey }).Public()
		thumbprint, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := key.ID(), url64(thumbprint); got != want {
			t.Errorf("%s: got %s, want %s, as go-jose has it", name, got, want)
		}
		if got, want := newKey(t, public).ID(), key.ID(); got != want {
			t.Errorf("%s made by a program: got %s, want %s", name, got, want)
		}
		again, err := seal.ParseKey(seal.JWK, key.JWK())
		if err != nil || again.ID() != key.ID() || again.JWK() != key.JWK() {
			t.Errorf("%s: its JWK %s read again gives %v, want the same key", name, key.JWK(), err)
		}
	}
}

func TestKeyIDOfTheExampleInRFC7638(t *testing.T) {
	const example = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","kid":"2011-04-29"}`
	key, err := seal.ParseKey(seal.JWK, example)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := key.ID(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

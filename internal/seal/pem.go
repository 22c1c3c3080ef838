package seal

import (
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

const (
	x509Label  = "PUBLIC KEY"
	pkcs1Label = "RSA PUBLIC KEY"
	pemBegin   = "-----BEGIN "
	whiteSpace = " \t\r\n"
)

// AlgorithmIdentifiers in DER, without the outer SEQUENCE (RFC 3279, section 2.3;
// RFC 8410, section 3).
const (
	rsaAlgorithm = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00"
	rsaOID       = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
	rsaPSSOID    = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"
	ecOID        = "\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
	curve25519   = "\x06\x03\x2b\x65"
)

var (
	errDamaged  = errors.New("its PEM block is damaged (in a URL, write + as %2B and line ends as %0A)")
	errTrailing = errors.New("bytes follow the key in its DER")
	errIntegers = errors.New("its body does not begin with modulus and exponent as DER integers")
)

func readX509(text string) (*Key, error) {
	body, err := readPEM(x509Label, text)
	if err != nil {
		return nil, err
	}
	return readInfo(body)
}

func readPKCS1(text string) (*Key, error) {
	body, err := readPEM(pkcs1Label, text)
	if err != nil {
		return nil, err
	}
	if input := cryptobyte.String(body); isInfo(input) {
		return nil, fmt.Errorf("its block says %s, but its body is a SubjectPublicKeyInfo, which belongs under %s", pkcs1Label, x509Label)
	}
	return readIntegers(body)
}

// readPEM returns the body of the one block in text. encoding/pem passes over
// whatever does not look like a block, so what stands around one is checked here.
func readPEM(label, text string) ([]byte, error) {
	text = strings.Trim(text, whiteSpace)
	if !strings.HasPrefix(text, pemBegin) {
		return nil, fmt.Errorf("it does not begin with %s%s-----", pemBegin, label)
	}
	if strings.Count(text, pemBegin) > 1 {
		return nil, errors.New("it holds more than one PEM block, want exactly one")
	}
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return nil, errDamaged
	case len(rest) > 0:
		return nil, errors.New("text follows its PEM block")
	case len(block.Headers) > 0:
		return nil, errors.New("its PEM block has headers, want none")
	case block.Type != label:
		return nil, wrongLabel(block.Type, label)
	case hasGap(text):
		return nil, errDamaged
	}
	return block.Bytes, nil
}

// hasGap reports whether white space parts a line of the body, as where a form decoder
// has turned + into a space. encoding/pem would join what is left of the line.
func hasGap(text string) bool {
	lines := strings.Split(text, "\n")
	for _, line := range lines[1 : len(lines)-1] {
		if strings.ContainsAny(strings.Trim(line, whiteSpace), whiteSpace) {
			return true
		}
	}
	return false
}

func wrongLabel(got, want string) error {
	switch {
	case strings.HasSuffix(got, "PRIVATE KEY"):
		return fmt.Errorf("it is a private key, want the public half under BEGIN %s; that private key should no longer be used", want)
	case got == x509Label:
		return fmt.Errorf("its block says %s, want %s, or the type %s", got, want, X509PEM)
	case got == pkcs1Label:
		return fmt.Errorf("its block says %s, want %s, or the type %s", got, want, PKCS1PEM)
	}
	return fmt.Errorf("its block says %s, want %s", shown(got), want)
}

// isInfo reports whether DER looks like a SubjectPublicKeyInfo: a sequence that
// begins with a sequence.
func isInfo(input cryptobyte.String) bool {
	var inner cryptobyte.String
	return input.ReadASN1(&inner, asn1.SEQUENCE) && inner.PeekASN1Tag(asn1.SEQUENCE)
}

// readInfo reads a SubjectPublicKeyInfo (RFC 5280, section 4.1) of an RSA key. Unlike
// crypto/x509 it lets no byte stand after the key inside the bit string.
func readInfo(der []byte) (*Key, error) {
	var info, algorithm cryptobyte.String
	var body []byte
	input := cryptobyte.String(der)
	switch {
	case !input.ReadASN1(&info, asn1.SEQUENCE):
		return nil, errors.New("its body is not DER of a SubjectPublicKeyInfo (RFC 5280)")
	case !input.Empty():
		return nil, errTrailing
	case info.PeekASN1Tag(asn1.INTEGER):
		return nil, fmt.Errorf("its block says %s, but its body is PKCS #1, which belongs under %s", x509Label, pkcs1Label)
	case !info.ReadASN1(&algorithm, asn1.SEQUENCE):
		return nil, errors.New("its body names no algorithm")
	case string(algorithm) != rsaAlgorithm:
		return nil, wrongAlgorithm(string(algorithm))
	case !info.ReadASN1BitStringAsBytes(&body):
		return nil, errors.New("its body holds no key as a DER bit string of whole bytes")
	case !info.Empty():
		return nil, errTrailing
	}
	return readIntegers(body)
}

func wrongAlgorithm(algorithm string) error {
	for _, known := range []struct{ prefix, name string }{
		{rsaOID, "RSA with parameters other than NULL"},
		{rsaPSSOID, "RSASSA-PSS, for signatures only"},
		{ecOID, "elliptic curve, which only a JWK may be"},
		{curve25519, "X25519 or of its family, which no envelope here can be sealed to"},
	} {
		if strings.HasPrefix(algorithm, known.prefix) {
			return fmt.Errorf("its algorithm is %s; want RSA (1.2.840.113549.1.1.1) with NULL", known.name)
		}
	}
	return errors.New("its algorithm is not RSA (1.2.840.113549.1.1.1)")
}

// readIntegers reads an RSAPublicKey (RFC 8017, appendix A.1.1) of 2048 bits.
func readIntegers(der []byte) (*Key, error) {
	var pair cryptobyte.String
	var modulus, exponent big.Int
	input := cryptobyte.String(der)
	switch {
	case !input.ReadASN1(&pair, asn1.SEQUENCE):
		return nil, errors.New("its body is not DER of an RSAPublicKey (RFC 8017)")
	case !input.Empty():
		return nil, errTrailing
	case !pair.ReadASN1Integer(&modulus), !pair.ReadASN1Integer(&exponent):
		return nil, errIntegers
	case !pair.Empty():
		return nil, errTrailing
	}
	return newRSA(&modulus, &exponent, 2048)
}

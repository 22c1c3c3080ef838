package seal

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

const (
	x509Label  = "PUBLIC KEY"
	pkcs1Label = "RSA PUBLIC KEY"
	pemBegin   = "-----BEGIN "
	whiteSpace = " \t\r\n"
)

var (
	errDamaged = errors.New("its PEM block is damaged (in a URL, write + as %2B and line ends as %0A)")
	errNumbers = errors.New("its body is not DER of a positive modulus and an exponent from 3 to 2^31 - 1, and nothing else")
)

// readX509 reads a SubjectPublicKeyInfo (RFC 5280, section 4.1).
func readX509(text string) (*Key, error) {
	body, err := readPEM(x509Label, text)
	if err != nil {
		return nil, err
	}
	parsed, _ := x509.ParsePKIXPublicKey(body)
	if public, ok := parsed.(*rsa.PublicKey); ok {
		again, _ := x509.MarshalPKIXPublicKey(public) // an RSA key always marshals
		return canonical(public, body, again)
	}
	return nil, wrongInfo(body, parsed)
}

// readPKCS1 reads an RSAPublicKey (RFC 8017, appendix A.1.1).
func readPKCS1(text string) (*Key, error) {
	body, err := readPEM(pkcs1Label, text)
	if err != nil {
		return nil, err
	}
	public, err := x509.ParsePKCS1PublicKey(body)
	if err == nil {
		return canonical(public, body, x509.MarshalPKCS1PublicKey(public))
	}
	if _, err := x509.ParsePKIXPublicKey(body); err == nil {
		return nil, fmt.Errorf("its block says %s, but its body is a SubjectPublicKeyInfo, which belongs under %s", pkcs1Label, x509Label)
	}
	return nil, errNumbers
}

// canonical compares the DER that came with the one form of its key: crypto/x509 lets
// bytes follow the key in some positions.
func canonical(public *rsa.PublicKey, came, written []byte) (*Key, error) {
	if !bytes.Equal(came, written) {
		return nil, errors.New("its DER is not the one form of its key: something follows the key, or is not as short as it can be")
	}
	return newRSA(public.N, big.NewInt(int64(public.E)), 2048)
}

// wrongInfo returns why der is not the SubjectPublicKeyInfo of an RSA key. parsed is what
// crypto/x509 read, if anything.
func wrongInfo(der []byte, parsed any) error {
	if curve, ok := parsed.(*ecdsa.PublicKey); ok {
		return fmt.Errorf("it is an EC key on %s; want RSA, or P-256 as a JWK", curve.Params().Name)
	}
	if _, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return fmt.Errorf("its block says %s, but its body is PKCS #1, which belongs under %s", x509Label, pkcs1Label)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return errors.New("its body is not DER of a SubjectPublicKeyInfo (RFC 5280)")
	}
	switch oid := info.Algorithm.Algorithm.String(); {
	case algorithm(oid) != "":
		return fmt.Errorf("its algorithm is %s; want RSA (1.2.840.113549.1.1.1)", algorithm(oid))
	case oid != "1.2.840.113549.1.1.1":
		return errors.New("its algorithm is not RSA (1.2.840.113549.1.1.1)")
	case !bytes.Equal(info.Algorithm.Parameters.FullBytes, asn1.NullBytes):
		return errors.New("its algorithm is RSA with parameters other than NULL")
	}
	return errNumbers
}

// algorithm names one that a client may take for one to encrypt with (RFC 4055, RFC 5480,
// RFC 8410); empty for any other.
func algorithm(oid string) string {
	return map[string]string{
		"1.2.840.113549.1.1.10": "RSASSA-PSS, for signatures only",
		"1.2.840.10045.2.1":     "elliptic curve",
		"1.3.101.110":           "X25519",
		"1.3.101.111":           "X448",
		"1.3.101.112":           "Ed25519, for signatures only",
		"1.3.101.113":           "Ed448, for signatures only",
	}[oid]
}

// readPEM returns the body of the only block in text. encoding/pem skips what does not look
// like a block, so the surrounding text is checked here.
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

// hasGap reports whether a line of the body contains white space, as when a form decoder
// has turned + into a space. encoding/pem would join the rest of the line.
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

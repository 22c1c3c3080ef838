package seal

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"
)

// object is a JSON object without duplicate names.
type object map[string]json.RawMessage

// readJWK reads a JWK, or base64url of one: firewalls that refuse JSON in a query let it
// through.
func readJWK(text string) (*Key, error) {
	if content, ok := decode(base64.RawURLEncoding, text); ok && bytes.HasPrefix(content, []byte("{")) {
		text = string(content)
	}
	jwk, err := readObject(text)
	if err != nil {
		return nil, err
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if _, held := jwk[private]; held {
			return nil, fmt.Errorf("it holds the private member %s, want the public half only; that private key should no longer be used", private)
		}
	}
	kty, err := jwk.text("kty")
	if err != nil {
		return nil, err
	}
	switch kty {
	case "RSA":
		return jwk.rsa()
	case "EC":
		return jwk.ec()
	case "OKP":
		return jwk.okp()
	}
	return nil, fmt.Errorf("its kty is %s, want RSA or EC", shown(kty))
}

// okp refuses a key on a curve of RFC 8037, by name: the JOSE library encrypts to none of
// them.
func (o object) okp() (*Key, error) {
	curve, err := o.text("crv")
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("its crv is %s, which nothing can be sealed to here; want EC with P-256, or RSA", shown(curve))
}

func (o object) rsa() (*Key, error) {
	if err := o.fits("RSA-OAEP-256", "encrypt", "wrapKey"); err != nil {
		return nil, err
	}
	modulus, err := o.integer("n")
	if err != nil {
		return nil, err
	}
	exponent, err := o.integer("e")
	if err != nil {
		return nil, err
	}
	return newRSA(modulus, exponent, 2048, 3072, maxModulus)
}

func (o object) ec() (*Key, error) {
	if err := o.fits("ECDH-ES", "deriveKey", "deriveBits"); err != nil {
		return nil, err
	}
	curve, err := o.text("crv")
	if err != nil {
		return nil, err
	}
	if curve != "P-256" {
		return nil, fmt.Errorf("its crv is %s, want P-256", shown(curve))
	}
	point := []byte{4} // uncompressed (SEC 1, section 2.3.3)
	for _, name := range []string{"x", "y"} {
		coordinate, err := o.bytes(name)
		if err != nil {
			return nil, err
		}
		if len(coordinate) != 32 {
			return nil, fmt.Errorf("its member %s has %d bytes, want exactly 32", name, len(coordinate))
		}
		point = append(point, coordinate...)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, errors.New("its point is not on the curve P-256")
	}
	return newEC(public)
}

// fits checks the members that say what a key is for (RFC 7517, sections 4.2 to 4.4).
// An empty key_ops is what browsers write for a public ECDH key.
func (o object) fits(alg string, operations ...string) error {
	for _, pair := range [][2]string{{"alg", alg}, {"use", "enc"}} {
		name, want := pair[0], pair[1]
		if _, held := o[name]; !held {
			continue
		}
		got, err := o.text(name)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("its %s is %s, want %s or none", name, shown(got), want)
		}
	}
	raw, held := o["key_ops"]
	if !held {
		return nil
	}
	var got []string
	if raw[0] != '[' || json.Unmarshal(raw, &got) != nil {
		return errors.New("its key_ops is not an array of texts")
	}
	for _, operation := range got {
		if !slices.Contains(operations, operation) {
			return fmt.Errorf("its key_ops holds %s, want %s only, or no key_ops", shown(operation), strings.Join(operations, " and "))
		}
	}
	return nil
}

// integer reads a Base64urlUInt (RFC 7518, section 2): the fewest bytes that hold it.
func (o object) integer(name string) (*big.Int, error) {
	content, err := o.bytes(name)
	if err != nil {
		return nil, err
	}
	if len(content) > 0 && content[0] == 0 {
		return nil, fmt.Errorf("its member %s begins with a zero byte", name)
	}
	return new(big.Int).SetBytes(content), nil
}

func (o object) bytes(name string) ([]byte, error) {
	text, err := o.text(name)
	if err != nil {
		return nil, err
	}
	content, ok := decode(base64.RawURLEncoding, text)
	if !ok {
		return nil, fmt.Errorf("its member %s is not base64url without padding", name)
	}
	return content, nil
}

// text reads a member that must be there and must be a text.
func (o object) text(name string) (string, error) {
	raw, held := o[name]
	if !held {
		return "", fmt.Errorf("it has no member %s", name)
	}
	var text string
	if raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		return "", fmt.Errorf("its member %s is not a text", name)
	}
	return text, nil
}

// readObject reads a JSON object and refuses duplicate names: two parsers could each use a
// different one (RFC 7517, section 4).
func readObject(text string) (object, error) {
	if !utf8.ValidString(text) {
		return nil, errors.New("it is not UTF-8")
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("it is not a JSON object, and not base64url (without padding) of one")
	}
	members := object{}
	for decoder.More() {
		if err := members.readMember(decoder); err != nil {
			return nil, err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errors.New("its JSON is damaged")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("text follows its JSON object")
	}
	return members, nil
}

func (o object) readMember(decoder *json.Decoder) error {
	token, err := decoder.Token()
	if err != nil {
		return errors.New("its JSON is damaged")
	}
	name, _ := token.(string)
	if _, held := o[name]; held {
		return fmt.Errorf("its member %s is given twice", shown(name))
	}
	var content json.RawMessage
	if decoder.Decode(&content) != nil {
		return errors.New("its JSON is damaged")
	}
	o[name] = content
	return nil
}

// decode reads canonical base64. The standard library ignores line ends and, unless Strict,
// stray bits in the last character.
func decode(encoding *base64.Encoding, text string) ([]byte, bool) {
	content, err := encoding.Strict().DecodeString(text)
	return content, err == nil && !strings.ContainsAny(text, "\r\n")
}

// shown returns a name if it may appear in an error: it is short, and has only characters
// that are safe in pages, logs and URLs. Anything else may be key material in the wrong
// member.
func shown(name string) string {
	odd := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" +-_.:#", r))
	}
	if name == "" || len(name) > 32 || strings.ContainsFunc(name, odd) {
		return "something else"
	}
	return name
}

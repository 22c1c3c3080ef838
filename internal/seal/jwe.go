package seal

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/token2go/token2go/internal/secret"
)

// Lifetime is how long a client accepts a JWE after it was sealed.
const Lifetime = 5 * time.Minute

const (
	envelopeType = "token2go+jwe"

	// maxEnvelope bounds a JWE's text in bytes. No proxy forwards a token of that size.
	maxEnvelope = 1 << 20
)

// Header is the readable part of a JWE. It is authenticated with the ciphertext, but does
// not prove who wrote it.
type Header struct {
	Issuer   string    // iss, for showing; empty: no such member
	State    string    // of which state_hash is base64url of SHA-256
	IssuedAt time.Time // iat, in whole seconds; exp is five minutes later
}

// SealJWE seals plaintext for the holder of key as a compact JWE (RFC 7516) with
// RSA-OAEP-256 or ECDH-ES and A256GCM.
func SealJWE(key *Key, plaintext secret.Value, header Header) (string, error) {
	options := new(jose.EncrypterOptions).
		WithType(envelopeType).
		WithHeader("state_hash", hashOf(header.State)).
		WithHeader("iat", header.IssuedAt.Unix()).
		WithHeader("exp", header.IssuedAt.Unix()+int64(Lifetime/time.Second))
	if header.Issuer != "" {
		options.WithHeader("iss", header.Issuer)
	}
	encrypter, err := jose.NewEncrypter(jose.A256GCM, key.recipient(), options)
	if err != nil {
		return "", fmt.Errorf("jwe: %w", err)
	}
	sealed, err := encrypter.Encrypt([]byte(plaintext.Reveal()))
	if err != nil {
		return "", fmt.Errorf("jwe: %w", err)
	}
	return sealed.CompactSerialize()
}

func (k *Key) recipient() jose.Recipient {
	if k.RSA() {
		return jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: k.rsa, KeyID: k.id}
	}
	return jose.Recipient{Algorithm: jose.ECDH_ES, Key: k.ec, KeyID: k.id}
}

func hashOf(state string) string {
	hash := sha256.Sum256([]byte(state))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}

// Opened is the content of a JWE. IssuedAt and Expires are the sealer's claims; a
// clock that differs is for the caller to report.
type Opened struct {
	Plaintext secret.Value
	Issuer    string // empty when the sealer gave none
	IssuedAt  time.Time
	Expires   time.Time
}

// OpenJWE opens text with private, an *rsa.PrivateKey or *ecdsa.PrivateKey, and
// checks that it answers state. Algorithms and type are pinned: what a client did not
// ask for is refused before any decryption. The error wraps ErrEnvelope, or ErrKey
// for a private key that fits no JWE.
func OpenJWE(private crypto.PrivateKey, text, state string) (Opened, error) {
	key, err := publicHalf(private)
	if err != nil {
		return Opened{}, err
	}
	opened, err := openJWE(key, private, text, state)
	if err != nil {
		return Opened{}, fmt.Errorf("%w: %w", ErrEnvelope, err)
	}
	return opened, nil
}

func publicHalf(private crypto.PrivateKey) (*Key, error) {
	switch private := private.(type) {
	case *rsa.PrivateKey:
		return NewKey(&private.PublicKey)
	case *ecdsa.PrivateKey:
		return NewKey(&private.PublicKey)
	}
	return nil, fmt.Errorf("%w: a %T, want an RSA or an EC private key", ErrKey, private)
}

func openJWE(key *Key, private crypto.PrivateKey, text, state string) (Opened, error) {
	parts, err := split(text)
	if err != nil {
		return Opened{}, err
	}
	opened, err := readHeader(key, parts[0], state)
	if err != nil {
		return Opened{}, fmt.Errorf("header: %w", err)
	}
	if !key.RSA() && len(parts[1]) > 0 {
		return Opened{}, errors.New("it holds an encrypted key, want none with ECDH-ES")
	}
	algorithms := []jose.KeyAlgorithm{key.recipient().Algorithm}
	sealed, err := jose.ParseEncryptedCompact(text, algorithms, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return Opened{}, errors.New("it is not a JWE as this program asked for")
	}
	plaintext, err := sealed.Decrypt(private)
	if err != nil {
		return Opened{}, errors.New("sealed to another key, or altered")
	}
	opened.Plaintext = secret.New(string(plaintext))
	return opened, nil
}

// split decodes the five parts. It refuses base64url that is not canonical, which the
// library accepts, so that an envelope has only one text.
func split(text string) (decoded [5][]byte, err error) {
	if len(text) > maxEnvelope {
		return decoded, fmt.Errorf("its text has %d bytes, want at most %d", len(text), maxEnvelope)
	}
	parts := strings.Split(text, ".")
	if len(parts) != len(decoded) {
		return decoded, fmt.Errorf("it has %d parts, want the 5 of a compact JWE", len(parts))
	}
	for i, part := range parts {
		content, ok := decode(base64.RawURLEncoding, part)
		if !ok {
			return decoded, fmt.Errorf("its part %d is not base64url without padding", i+1)
		}
		decoded[i] = content
	}
	return decoded, nil
}

// readHeader checks the protected header. What it returns is authentic only after
// decryption, and has no plaintext yet.
func readHeader(key *Key, content []byte, state string) (Opened, error) {
	header, err := readObject(string(content))
	if err != nil {
		return Opened{}, err
	}
	if _, held := header["zip"]; held {
		return Opened{}, errors.New("it says zip, want no compression")
	}
	pinned := [][2]string{
		{"typ", envelopeType}, {"alg", string(key.recipient().Algorithm)}, {"enc", string(jose.A256GCM)},
		{"kid", key.id}, {"state_hash", hashOf(state)},
	}
	for _, pair := range pinned {
		if err := header.equals(pair[0], pair[1]); err != nil {
			return Opened{}, err
		}
	}
	return header.claims()
}

// equals compares in constant time, because state_hash is the hash of a value that the
// sender of a forged answer would like to guess.
func (o object) equals(name, want string) error {
	got, err := o.text(name)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1 {
		return nil
	}
	switch name {
	case "state_hash":
		return errors.New("its state_hash is that of another state: this is not the answer to this request")
	case "kid":
		return errors.New("its kid is that of another key: this is not the answer to this request")
	}
	return fmt.Errorf("its %s is %s, want %s", name, shown(got), want)
}

func (o object) claims() (opened Opened, err error) {
	if _, held := o["iss"]; held {
		if opened.Issuer, err = o.text("iss"); err != nil {
			return Opened{}, err
		}
	}
	if opened.IssuedAt, err = o.time("iat"); err != nil {
		return Opened{}, err
	}
	opened.Expires, err = o.time("exp")
	return opened, err
}

// time reads a moment as this package writes it: whole seconds since 1970.
func (o object) time(name string) (time.Time, error) {
	seconds, err := strconv.ParseInt(string(o[name]), 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return time.Time{}, fmt.Errorf("its %s is not a number of seconds", name)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

package seal

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
)

// KeyType says how a public key is written down.
type KeyType string

// The key types. Their names are part of the protocol, the transposed letters in
// PKCS1PEM's included.
const (
	X509PEM  KeyType = "rsa2048-rfc5280-x509-pem"  // SubjectPublicKeyInfo, BEGIN PUBLIC KEY (RFC 7468, section 13)
	PKCS1PEM KeyType = "rsa2048-rfc8017-pksc1-pem" // RSAPublicKey, BEGIN RSA PUBLIC KEY (RFC 8017, appendix A.1.1)
	JWK      KeyType = "jwk"                       // RFC 7517
)

// maxKeyText bounds the text of a key in bytes. A JWK of 4096 bits needs about 750;
// the rest is room for members that are ignored.
const maxKeyText = 8192

const (
	maxModulus = 4096 // bits
	maxJWK     = 768  // bytes of a JWK with the required members only and such a modulus
)

// Key is a public key that has passed every check of ParseKey. It does not change and
// may be used by several goroutines at once.
type Key struct {
	rsa        *rsa.PublicKey   // nil for an EC key
	ec         *ecdsa.PublicKey // nil for an RSA key
	point      []byte           // of ec, uncompressed: 0x04, x, y
	thumbprint [sha256.Size]byte
	id         string
}

// ParseKey reads the public key in text, which must be of the type kind. PEM: one block of an RSA key of 2048 bits. JWK, as JSON or as base64url
// of it: RSA of 2048, 3072 or 4096 bits, or EC on P-256. The error wraps ErrKeyType or ErrKey.
func ParseKey(kind KeyType, text string) (*Key, error) {
	if len(text) > maxKeyText {
		return nil, fmt.Errorf("%w: its text has %d bytes, want at most %d", ErrKey, len(text), maxKeyText)
	}
	var key *Key
	var err error
	switch kind {
	case X509PEM:
		key, err = readX509(text)
	case PKCS1PEM:
		key, err = readPKCS1(text)
	case JWK:
		key, err = readJWK(text)
	default:
		return nil, fmt.Errorf("%w: want %s, %s (spelled so) or %s", ErrKeyType, X509PEM, PKCS1PEM, JWK)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return key, nil
}

// NewKey checks a key that a client has just made: *rsa.PublicKey of 2048, 3072 or
// 4096 bits or *ecdsa.PublicKey on P-256. The error wraps ErrKey.
func NewKey(public crypto.PublicKey) (*Key, error) {
	key, err := fromPublic(public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return key, nil
}

func fromPublic(public crypto.PublicKey) (*Key, error) {
	switch public := public.(type) {
	case *rsa.PublicKey:
		return newRSA(public.N, big.NewInt(int64(public.E)), 2048, 3072, maxModulus)
	case *ecdsa.PublicKey:
		return newEC(public)
	}
	return nil, fmt.Errorf("a %T, want an RSA or an EC key", public)
}

// newRSA accepts a modulus of exactly one of the sizes, in bits.
func newRSA(modulus, exponent *big.Int, sizes ...int) (*Key, error) {
	switch {
	case modulus.Sign() <= 0:
		return nil, errors.New("its RSA modulus is not positive")
	case !slices.Contains(sizes, modulus.BitLen()):
		return nil, fmt.Errorf("its RSA modulus has %d bits, want %s", modulus.BitLen(), oneOf(sizes))
	case modulus.Bit(0) == 0:
		return nil, errors.New("its RSA modulus is even, so it is not the product of two large primes")
	case exponent.Cmp(big.NewInt(3)) < 0:
		return nil, errors.New("its RSA exponent is less than 3")
	case exponent.Cmp(big.NewInt(math.MaxInt32)) > 0:
		return nil, errors.New("its RSA exponent is 2^31 or more")
	case exponent.Bit(0) == 0:
		return nil, errors.New("its RSA exponent is even")
	}
	return named(&Key{rsa: &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}}), nil
}

func newEC(public *ecdsa.PublicKey) (*Key, error) {
	if public.Curve != elliptic.P256() {
		return nil, errors.New("its curve is not P-256")
	}
	point, err := public.Bytes()
	if err != nil {
		return nil, errors.New("its point is not on the curve P-256")
	}
	return named(&Key{ec: public, point: point}), nil
}

// named sets the key's thumbprint and ID. Every hand-over calls it, so it avoids the
// reflection of encoding/json.
func named(key *Key) *Key {
	var space [maxJWK]byte
	key.thumbprint = sha256.Sum256(key.appendJWK(space[:0]))
	key.id = base64.RawURLEncoding.EncodeToString(key.thumbprint[:])
	return key
}

// appendJWK appends the JWK with the required members only, in the order and form that
// RFC 7638, section 3, hashes.
func (k *Key) appendJWK(text []byte) []byte {
	if !k.RSA() {
		text = base64.RawURLEncoding.AppendEncode(append(text, `{"crv":"P-256","kty":"EC","x":"`...), k.point[1:33])
		text = base64.RawURLEncoding.AppendEncode(append(text, `","y":"`...), k.point[33:])
		return append(text, `"}`...)
	}
	var space [maxModulus / 8]byte
	exponent := bytes.TrimLeft(binary.BigEndian.AppendUint32(space[:0], uint32(k.rsa.E)), "\x00") //nolint:gosec // at most 2³¹-1: newRSA has checked it
	text = base64.RawURLEncoding.AppendEncode(append(text, `{"e":"`...), exponent)
	modulus := k.rsa.N.FillBytes(space[:k.rsa.Size()])
	text = base64.RawURLEncoding.AppendEncode(append(text, `","kty":"RSA","n":"`...), modulus)
	return append(text, `"}`...)
}

// RSA reports whether the key is an RSA key, whose holder can open a Triple.
func (k *Key) RSA() bool { return k.rsa != nil }

// ID is the key's SHA-256 thumbprint (RFC 7638) in base64url, 43 characters. A PEM key has
// the same one as the equivalent JWK.
func (k *Key) ID() string { return k.id }

// JWK is the key as a JWK with the required members only, as ParseKey reads it.
func (k *Key) JWK() string { return string(k.appendJWK(nil)) }

func oneOf(sizes []int) string {
	last := len(sizes) - 1
	if last == 0 {
		return fmt.Sprintf("exactly %d", sizes[0])
	}
	rest := strings.Trim(strings.ReplaceAll(fmt.Sprint(sizes[:last]), " ", ", "), "[]")
	return fmt.Sprintf("%s or %d", rest, sizes[last])
}

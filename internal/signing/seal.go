package signing

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// Sealed is a key as it is stored: the private half is encrypted.
type Sealed struct {
	ID      string
	Purpose Purpose
	State   State
	Created time.Time
	Private []byte // nonce and AES-256-GCM of the 32-byte seed; ID and purpose are authenticated
}

// Sealer encrypts private keys under a database key. It is safe for concurrent use.
type Sealer struct{ aeads []cipher.AEAD }

// ErrSealed is returned for a key that none of the database keys decrypts.
var ErrSealed = errors.New("sealed under a database key that is not configured")

// NewSealer derives an encryption key from each database key of 32 bytes (HKDF-SHA-256,
// RFC 5869). The first seals, all open.
func NewSealer(databaseKeys ...[]byte) (*Sealer, error) {
	aeads, err := AEADs("token2go signing keys", databaseKeys...)
	if err != nil {
		return nil, err
	}
	if len(aeads) == 0 {
		return nil, errors.New("signing: no database key")
	}
	return &Sealer{aeads}, nil
}

// AEADs derives an AES-256-GCM cipher, which draws its nonces itself, from each key
// (HKDF-SHA-256, RFC 5869). The purpose keeps them from opening what was sealed for
// another one.
func AEADs(purpose string, keys ...[]byte) ([]cipher.AEAD, error) {
	var aeads []cipher.AEAD
	for _, key := range keys {
		derived, err := hkdf.Key(sha256.New, key, nil, purpose, 32)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(derived)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		aeads = append(aeads, aead)
	}
	return aeads, nil
}

// Seal encrypts the private half of a key.
func (s *Sealer) Seal(key Key) Sealed {
	return Sealed{
		ID: key.ID, Purpose: key.Purpose, State: key.State, Created: key.Created,
		Private: s.aeads[0].Seal(nil, nil, key.private.Seed(), bound(key.ID, key.Purpose)),
	}
}

// Current reports whether a stored key is encrypted under the first database key.
func (s *Sealer) Current(sealed Sealed) bool {
	_, err := s.aeads[0].Open(nil, nil, sealed.Private, bound(sealed.ID, sealed.Purpose))
	return err == nil
}

// bound is what the encryption authenticates: a stored key cannot be moved to another
// purpose. State and time may change.
func bound(id string, purpose Purpose) []byte { return []byte(string(purpose) + " " + id) }

// Open decrypts a stored key. The error may be ErrSealed.
func (s *Sealer) Open(sealed Sealed) (Key, error) {
	for _, aead := range s.aeads {
		seed, err := aead.Open(nil, nil, sealed.Private, bound(sealed.ID, sealed.Purpose))
		if err != nil {
			continue
		}
		if len(seed) != ed25519.SeedSize {
			return Key{}, fmt.Errorf("signing key %s: seed of %d bytes", sealed.ID, len(seed))
		}
		return newKey(sealed.Purpose, sealed.State, sealed.Created, ed25519.NewKeyFromSeed(seed))
	}
	return Key{}, fmt.Errorf("signing key %s: %w", sealed.ID, ErrSealed)
}

// ImportPEM reads a private key in PEM (PKCS#8), as apikeyserv keeps them. Only Ed25519 is
// accepted: clients of JWT keys fail on a key set with any other.
func ImportPEM(data []byte, purpose Purpose, state State, now time.Time) (Key, error) {
	block, rest := pem.Decode(data)
	switch {
	case block == nil:
		return Key{}, errors.New("no PEM block; want BEGIN PRIVATE KEY")
	case len(bytes.TrimSpace(rest)) > 0:
		return Key{}, errors.New("something follows the PEM block; want one key")
	case block.Type != "PRIVATE KEY":
		return Key{}, fmt.Errorf("PEM block %q, want an unencrypted PRIVATE KEY", block.Type)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return Key{}, errors.New("not a private key in PKCS#8")
	}
	private, isEd25519 := parsed.(ed25519.PrivateKey)
	if !isEd25519 {
		return Key{}, fmt.Errorf("a key of the type %T, want Ed25519", parsed)
	}
	return newKey(purpose, state, now, private)
}

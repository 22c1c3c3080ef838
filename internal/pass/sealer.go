package pass

import (
	"crypto/cipher"
	"crypto/sha256"
	"encoding/json"
	"errors"

	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/signing"
)

// Sealer encrypts the secrets of passes. It is safe for concurrent use.
type Sealer struct{ aeads []cipher.AEAD }

// ErrSealed is returned for a secret that cannot be opened: it was sealed under another key
// or for another pass, other rules or another origin.
var ErrSealed = errors.New("the secret of the pass cannot be opened here")

// NewSealer derives an encryption key from each of the keys, which are of at least 32
// bytes (HKDF-SHA-256, RFC 5869). The first seals, all open.
func NewSealer(keys ...[]byte) (*Sealer, error) {
	aeads, err := signing.AEADs("token2go secrets of passes", keys...)
	if err != nil {
		return nil, err
	}
	if len(aeads) == 0 {
		return nil, errors.New("pass: no key to seal secrets with")
	}
	return &Sealer{aeads}, nil
}

// Seal encrypts a secret for a pass and the origin of the service's base URL.
func (s *Sealer) Seal(p Pass, origin string, held secret.Value) ([]byte, error) {
	if origin == "" {
		return nil, errors.New("pass: a secret is sealed for an origin")
	}
	bound, err := p.bound(origin)
	if err != nil {
		return nil, err
	}
	return s.aeads[0].Seal(nil, nil, []byte(held.Reveal()), bound), nil
}

// Open decrypts what Seal made. The error may be ErrSealed.
func (s *Sealer) Open(p Pass, origin string, sealed []byte) (secret.Value, error) {
	bound, err := p.bound(origin)
	if err != nil {
		return secret.Value{}, err
	}
	for _, aead := range s.aeads {
		if text, err := aead.Open(nil, nil, sealed, bound); err == nil {
			return secret.New(string(text)), nil
		}
	}
	return secret.Value{}, ErrSealed
}

// bound is what the encryption authenticates, so that whoever could sign a pass alone, with
// a stolen signing key, cannot move a secret to other rules or another service.
func (p Pass) bound(origin string) ([]byte, error) {
	rules, err := json.Marshal(p.limits())
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(rules)
	return json.Marshal([]any{p.Issuer, p.Service, p.ID, hash[:], origin})
}

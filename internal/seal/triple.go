package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/token2go/token2go/internal/secret"
)

const (
	contentKeySize = 32
	nonceSize      = 12
	tagSize        = 16
)

// Triple is an envelope in three texts, each in standard base64 with padding.
type Triple struct {
	Key     string // RSA-OAEP (SHA-256 for hash and MGF1, no label) of a fresh 32-byte key
	Nonce   string // 12 random bytes
	Payload string // AES-256-GCM of the plaintext without additional data, tag appended
}

// SealTriple seals plaintext for the holder of key, which must be an RSA key; for any
// other the error wraps ErrKey.
func SealTriple(key *Key, plaintext secret.Value) (Triple, error) {
	if !key.RSA() {
		return Triple{}, fmt.Errorf("%w: it is an EC key, want an RSA key for a triple", ErrKey)
	}
	contentKey := make([]byte, contentKeySize)
	_, _ = rand.Read(contentKey) // never returns an error
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key.rsa, contentKey, nil)
	if err != nil {
		return Triple{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	aead, err := newGCM(contentKey)
	if err != nil {
		return Triple{}, err
	}
	buffer := make([]byte, 0, nonceSize+plaintext.Len()+tagSize)
	buffer = append(buffer, plaintext.Reveal()...)
	sealed := aead.Seal(buffer[:0], nil, buffer, nil)
	return Triple{
		Key:     base64.StdEncoding.EncodeToString(wrapped),
		Nonce:   base64.StdEncoding.EncodeToString(sealed[:nonceSize]),
		Payload: base64.StdEncoding.EncodeToString(sealed[nonceSize:]),
	}, nil
}

// OpenTriple opens t with the private half of the key that it was sealed to. The
// error wraps ErrEnvelope.
func OpenTriple(private *rsa.PrivateKey, t Triple) (secret.Value, error) {
	wrapped, ok := decode(base64.StdEncoding, t.Key)
	if !ok || len(wrapped) != private.Size() {
		return secret.Value{}, fmt.Errorf("%w: its key is not base64 of %d bytes", ErrEnvelope, private.Size())
	}
	nonce, ok := decode(base64.StdEncoding, t.Nonce)
	if !ok || len(nonce) != nonceSize {
		return secret.Value{}, fmt.Errorf("%w: its nonce is not base64 of %d bytes", ErrEnvelope, nonceSize)
	}
	payload, ok := decode(base64.StdEncoding, t.Payload)
	if !ok || len(payload) < tagSize {
		return secret.Value{}, fmt.Errorf("%w: its payload is not base64 of %d bytes or more", ErrEnvelope, tagSize)
	}
	contentKey, err := rsa.DecryptOAEP(sha256.New(), nil, private, wrapped, nil)
	if err != nil || len(contentKey) != contentKeySize {
		return secret.Value{}, fmt.Errorf("%w: sealed to another key, or its key was altered", ErrEnvelope)
	}
	aead, err := newGCM(contentKey)
	if err != nil {
		return secret.Value{}, err
	}
	plaintext, err := aead.Open(nil, nil, append(nonce, payload...), nil)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%w: its nonce or payload was altered", ErrEnvelope)
	}
	return secret.New(string(plaintext)), nil
}

// newGCM returns AES-256-GCM that chooses each nonce itself and puts it before the
// ciphertext.
func newGCM(contentKey []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(contentKey)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

package apikey

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// Hash is a key at rest. It cannot be turned back into the key.
type Hash [sha256.Size]byte

// Equal compares in constant time.
func (h Hash) Equal(other Hash) bool { return subtle.ConstantTimeCompare(h[:], other[:]) == 1 }

// String is the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// DatabaseKeyLength is the length of a database key in bytes.
const DatabaseKeyLength = 32

// PepperID names a pepper beside every hash made under it. It depends on the database key
// alone, so that keys can be listed in another order or removed.
type PepperID uint64

// String is the ID in hexadecimal, as it is stored.
func (id PepperID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// Pepper is the secret under which opaque keys are hashed, so that a stolen database
// alone can neither confirm a guessed key nor hold a forged one.
type Pepper struct {
	ID  PepperID
	key []byte
}

// NewPepper derives a pepper from a database key of 32 bytes with HKDF-SHA-256 (RFC 5869).
func NewPepper(databaseKey []byte) (Pepper, error) {
	if len(databaseKey) != DatabaseKeyLength {
		return Pepper{}, fmt.Errorf("database key of %d bytes, want %d", len(databaseKey), DatabaseKeyLength)
	}
	key, err := hkdf.Key(sha256.New, databaseKey, nil, "token2go api key pepper", sha256.Size)
	if err != nil {
		return Pepper{}, err
	}
	id, err := hkdf.Key(sha256.New, databaseKey, nil, "token2go api key pepper id", 8)
	if err != nil {
		return Pepper{}, err
	}
	return Pepper{ID: PepperID(binary.BigEndian.Uint64(id)), key: key}, nil
}

// Hash is HMAC-SHA-256 of the whole key. It is fast by intent: 190 random bits need no
// slow hash (NIST SP 800-63B-4, section 3.1.2.2: look-up secrets of at least 112 bits).
func (p Pepper) Hash(k Key) Hash {
	mac := hmac.New(sha256.New, p.key)
	mac.Write([]byte(k.text.Reveal()))
	return Hash(mac.Sum(nil))
}

// ErrUUID is returned for a text that is no UUID of version 4 in its canonical form.
var ErrUUID = errors.New("not a UUID of version 4")

// HashUUID is the hash of a key that apikey-manager made or a client of it expects: plain
// SHA-256 of the UUID's text, which is what its database holds and its list shows. The 122
// random bits of a version 4 UUID need no pepper.
func HashUUID(text string) (Hash, error) {
	if !isUUID4(text) {
		return Hash{}, ErrUUID
	}
	return sha256.Sum256([]byte(text)), nil
}

// isUUID4 reports whether text is a lower-case UUID of version 4 (RFC 9562, section 5.4).
func isUUID4(text string) bool {
	const form = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx"
	if len(text) != len(form) {
		return false
	}
	for i := range len(text) {
		c := text[i]
		hexadecimal := '0' <= c && c <= '9' || 'a' <= c && c <= 'f'
		switch form[i] {
		case 'x':
			if !hexadecimal {
				return false
			}
		case 'y':
			if c != '8' && c != '9' && c != 'a' && c != 'b' {
				return false
			}
		default:
			if c != form[i] {
				return false
			}
		}
	}
	return true
}

// MintUUID makes a key as apikey-manager does.
func MintUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: the program ends where there is no randomness
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

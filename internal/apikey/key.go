// Package apikey mints, parses, restricts and compares API keys.
//
// It has no storage and no HTTP: package store keeps what a key is
// at rest, package check decides whether it is good for one request.
package apikey

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/token2go/token2go/internal/secret"
)

// An opaque key is PREFIX_IDSECRETCRC with an underscore after the ID, all of base62:
// t2g_0123456789_ then 32 characters of secret and 6 of checksum.
const (
	alphabet       = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	idLength       = 10
	secretLength   = 32 // 190 bits
	checksumLength = 6  // 62^6 > 2^32
	tailLength     = len("_") + idLength + len("_") + secretLength + checksumLength
)

var (
	// ErrShape is returned for a text that is no key of this server: another program's
	// credential, which is none of this package's business.
	ErrShape = errors.New("not shaped like an API key")
	// ErrChecksum is returned for a key that was mistyped or cut off and pasted together.
	ErrChecksum = errors.New("the API key's checksum is wrong; is it copied whole?")
)

// Kind is the form of a key.
type Kind uint8

// The forms of a key. The numbers are stored.
const (
	Opaque Kind = 0
	JWT    Kind = 1
	UUID   Kind = 2 // of apikey-manager
)

// String is the kind as it is named in JSON and configuration.
func (k Kind) String() string {
	switch k {
	case JWT:
		return "jwt"
	case UUID:
		return "uuid"
	}
	return "opaque"
}

// Prefix is what every opaque key of a server begins with, so that people and secret
// scanners recognize it.
type Prefix string

// ParsePrefix reads a prefix of 2 to 12 characters of a-z and 0-9.
func ParsePrefix(text string) (Prefix, error) {
	if len(text) < 2 || len(text) > 12 || strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return "", fmt.Errorf("prefix %q, want 2 to 12 characters of a-z and 0-9", text)
	}
	return Prefix(text), nil
}

// ID is the public part of a key: ten base62 digits, kept as their value, which is below
// 2^60. It may be shown, logged and used as a label.
type ID uint64

// ParseID reads ten base62 digits.
func ParseID(text string) (ID, error) {
	if len(text) != idLength {
		return 0, fmt.Errorf("key ID of %d characters, want %d", len(text), idLength)
	}
	var id ID
	for i := range len(text) {
		digit := digitOf(text[i])
		if digit < 0 {
			return 0, errors.New("key ID with a character that is no letter or digit")
		}
		id = id*ID(len(alphabet)) + ID(digit)
	}
	return id, nil
}

// String is the ID as ten base62 digits.
func (id ID) String() string { return base62(uint64(id), idLength) }

// Key is an opaque API key whose shape and checksum are right. Whether it exists, only
// the store can tell.
type Key struct {
	ID   ID
	text secret.Value
}

// Secret is the whole key.
func (k Key) Secret() secret.Value { return k.text }

// IDs is the number of IDs that ten digits can have.
const IDs = 839299365868340224 // 62^10

// Mint makes a new key of 190 random bits.
func (p Prefix) Mint() Key {
	id, _ := ParseID(random(idLength))
	return p.MintWithID(id)
}

// MintWithID is Mint for a key whose ID was drawn elsewhere.
func (p Prefix) MintWithID(id ID) Key {
	body := string(p) + "_" + id.String() + "_" + random(secretLength)
	return Key{ID: id, text: secret.New(body + checksum(body))}
}

// Parse reads a key with this prefix. It takes nothing around it, no space either.
//
// The error is ErrShape or ErrChecksum; neither quotes the text.
func (p Prefix) Parse(text string) (Key, error) {
	rest, found := strings.CutPrefix(text, string(p)+"_")
	if !found || len(text) != len(p)+tailLength || rest[idLength] != '_' {
		return Key{}, ErrShape
	}
	id, err := ParseID(rest[:idLength])
	if err != nil || !isBase62(rest[idLength+1:]) {
		return Key{}, ErrShape
	}
	body, sum := text[:len(text)-checksumLength], text[len(text)-checksumLength:]
	if checksum(body) != sum {
		return Key{}, ErrChecksum
	}
	return Key{ID: id, text: secret.New(text)}, nil
}

// checksum is CRC-32 (IEEE) in base62. It finds typing mistakes before anything is
// looked up; it is no protection against guessing.
func checksum(body string) string {
	return base62(uint64(crc32.ChecksumIEEE([]byte(body))), checksumLength)
}

// base62 writes value with leading zeros.
func base62(value uint64, length int) string {
	digits := make([]byte, length)
	for i := length - 1; i >= 0; i-- {
		digits[i] = alphabet[value%uint64(len(alphabet))]
		value /= uint64(len(alphabet))
	}
	return string(digits)
}

// random draws base62 digits, each equally likely.
func random(length int) string {
	const fair = 256 - 256%len(alphabet) // a byte from here on would favor the first digits
	text := make([]byte, 0, length)
	var pool [64]byte
	for len(text) < length {
		_, _ = rand.Read(pool[:]) // never fails: the program ends where there is no randomness
		for _, b := range pool {
			if int(b) < fair && len(text) < length {
				text = append(text, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(text)
}

// digitOf is the value of a base62 digit, or -1.
func digitOf(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'Z':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 36
	}
	return -1
}

func isBase62(text string) bool {
	for i := range len(text) {
		if digitOf(text[i]) < 0 {
			return false
		}
	}
	return true
}

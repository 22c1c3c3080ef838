// Package seal closes an envelope that only the holder of one private key can open.
//
// It speaks no HTTP and keeps nothing. A sealed text is safe in a URL, a log or a
// chat; what it is not is proof of who sealed it, so callers bind the client's state.
//
// There are two envelopes. A Triple is RSA-OAEP and AES-256-GCM in three texts. A JWE
// is RFC 7516's compact serialization, with the answer's state bound into its header.
//
// A public key is accepted for its form: its type, its size, its exponent, its curve.
// What would need the private half or a search is not looked for: whether an RSA
// modulus really is the product of two primes of equal length, has small factors,
// shares a factor with another key or comes from a generator with a known flaw, and
// whether the sender holds the private key at all. Whoever sends such a key harms the
// secrecy of its own answer only.
package seal

import "errors"

// The sentinels. Each is wrapped with what exactly was wrong and what is expected, in
// ASCII without quotation mark and backslash (RFC 6749, section 4.1.2.1), and never
// with a part of a key or of a plaintext.
var (
	ErrKeyType  = errors.New("unknown public key type")
	ErrKey      = errors.New("unusable public key")
	ErrEnvelope = errors.New("envelope not opened")
)

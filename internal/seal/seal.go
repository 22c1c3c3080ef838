// Package seal closes an envelope that only the holder of one private key can open.
//
// It has no HTTP and stores nothing. A sealed text is safe in a URL, a log or a chat. It
// does not prove who sealed it, so callers bind the client's state.
//
// There are two envelopes. A Triple is RSA-OAEP and AES-256-GCM in three texts. A JWE
// is RFC 7516's compact serialization, with the answer's state bound into its header.
//
// A public key is checked for its type, size, exponent and curve. What would need the
// private half or a search is not checked: whether an RSA modulus is the product of two
// primes of equal length, has small factors, shares a factor with another key or comes
// from a flawed generator, and whether the sender has the private key at all. Such a key
// weakens only the answer to its own sender.
package seal

import "errors"

// The sentinels. Each is wrapped with what was wrong and what is expected, in ASCII without
// quotation marks and backslashes (RFC 6749, section 4.1.2.1), and never with part of a key
// or of a plaintext.
var (
	ErrKeyType  = errors.New("unknown public key type")
	ErrKey      = errors.New("unusable public key")
	ErrEnvelope = errors.New("envelope not opened")
)

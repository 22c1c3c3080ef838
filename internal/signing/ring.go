// Package signing keeps the keys that sign API keys, status lists, passes and assertions,
// and makes and verifies the JWTs that they sign.
//
// Each purpose has keys of its own, and each kind of JWT a type of its own that every
// verifier here wants: a client that reads one purpose's keys would take any JWT signed
// with them for its own.
package signing

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Purpose is what a key signs.
type Purpose string

// The purposes.
const (
	APIKeys    Purpose = "apikey"
	Statuses   Purpose = "status"
	Passes     Purpose = "pass"
	Assertions Purpose = "assertion"
)

// Type is the typ of the JWTs of a purpose (RFC 8725, section 3.11). API keys have the one
// that existing clients expect.
func (p Purpose) Type() string {
	switch p {
	case Statuses:
		return "statuslist+jwt" // IETF Token Status List, section 5.1
	case Passes:
		return "t2g-pass+jwt"
	case Assertions:
		return "t2g-assertion+jwt"
	}
	return "JWT"
}

// State is where a key is in its life.
type State string

// The states.
const (
	Next    State = "next"    // published, does not sign yet
	Active  State = "active"  // the newest signs
	Retired State = "retired" // verifies, does not sign
	Revoked State = "revoked" // neither: all that it signed is void
)

// Key is a signing key.
type Key struct {
	ID      string // the JWK thumbprint (RFC 7638)
	Purpose Purpose
	State   State
	Created time.Time
	private *ed25519.PrivateKey // a pointer, so that printing a Key shows no private half
}

// New makes a key. Its ID does not begin with a hyphen, so that no command takes it for a
// flag.
func New(purpose Purpose, state State, now time.Time) (Key, error) {
	for {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return Key{}, err
		}
		key, err := newKey(purpose, state, now, private)
		if err != nil || key.ID[0] != '-' {
			return key, err
		}
	}
}

func newKey(purpose Purpose, state State, created time.Time, private ed25519.PrivateKey) (Key, error) {
	thumbprint, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return Key{}, err
	}
	return Key{
		ID: base64.RawURLEncoding.EncodeToString(thumbprint), Purpose: purpose, State: state,
		Created: created.UTC().Truncate(time.Second), private: &private,
	}, nil
}

var (
	// ErrNoKey is returned where no active key can sign.
	ErrNoKey = errors.New("no active signing key")
	// ErrInvalid is returned for a JWT that none of the keys has signed for this purpose.
	ErrInvalid = errors.New("not a valid JWT of this server")
)

// Ring is the keys of one purpose. It is safe for concurrent use.
type Ring struct {
	purpose Purpose
	setters atomic.Uint64
	current atomic.Pointer[ring]
}

// ring is the keys at one moment.
type ring struct {
	version   uint64
	signer    jose.Signer // nil: no active key
	signerID  string
	verifiers map[string]ed25519.PublicKey
	ordered   []Key // those that verify, the newest first
	jwks      []byte
}

// NewRing makes a ring without keys.
func NewRing(purpose Purpose) *Ring {
	r := &Ring{purpose: purpose}
	r.current.Store(&ring{jwks: []byte(`{"keys":[]}`)})
	return r
}

// ReadRing makes a ring that verifies with the keys of a published document and signs
// nothing. Keys that are not Ed25519 or have no ID are left out.
func ReadRing(purpose Purpose, document []byte) (*Ring, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	verifiers := map[string]ed25519.PublicKey{}
	for _, key := range set.Keys {
		if public, isEd25519 := key.Key.(ed25519.PublicKey); isEd25519 && key.KeyID != "" {
			verifiers[key.KeyID] = public
		}
	}
	r := NewRing(purpose)
	r.current.Store(&ring{verifiers: verifiers, jwks: document})
	return r, nil
}

// Set replaces the keys. Those of other purposes and revoked ones are left out.
func (r *Ring) Set(keys []Key) error {
	next := &ring{verifiers: map[string]ed25519.PublicKey{}, version: r.setters.Add(1)}
	for _, key := range keys {
		if key.Purpose == r.purpose && key.State != Revoked {
			next.ordered = append(next.ordered, key)
			next.verifiers[key.ID] = key.private.Public().(ed25519.PublicKey) //nolint:forcetypeassert // ed25519 documents it
		}
	}
	slices.SortStableFunc(next.ordered, func(a, b Key) int { return b.Created.Compare(a.Created) })
	if err := next.prepare(r.purpose); err != nil {
		return err
	}
	r.current.Store(next)
	return nil
}

// prepare makes the signer of the newest active key, and the published document.
func (c *ring) prepare(purpose Purpose) (err error) {
	if i := slices.IndexFunc(c.ordered, func(k Key) bool { return k.State == Active }); i >= 0 {
		key := jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: *c.ordered[i].private, KeyID: c.ordered[i].ID}}
		c.signerID = c.ordered[i].ID
		if c.signer, err = jose.NewSigner(key, new(jose.SignerOptions).WithType(jose.ContentType(purpose.Type()))); err != nil {
			return err
		}
	}
	document := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, key := range c.ordered {
		document.Keys = append(document.Keys, jose.JSONWebKey{Key: c.verifiers[key.ID], KeyID: key.ID, Algorithm: string(jose.EdDSA), Use: "sig"})
	}
	c.jwks, err = json.Marshal(document)
	return err
}

// JWKS is the document of the public keys (RFC 7517, section 5): those that sign, will
// sign or have signed.
func (r *Ring) JWKS() []byte { return r.current.Load().jwks }

// Version changes with each Set, so that what was verified before need not count after.
func (r *Ring) Version() uint64 { return r.current.Load().version }

// Sign makes a JWT of the purpose's type. The error may be ErrNoKey.
func (r *Ring) Sign(claims any) (string, error) {
	compact, _, err := r.SignBy(claims)
	return compact, err
}

// SignBy is Sign, and returns the ID of the key that signed.
func (r *Ring) SignBy(claims any) (compact, id string, err error) {
	current := r.current.Load()
	if current.signer == nil {
		return "", "", fmt.Errorf("%s: %w", r.purpose, ErrNoKey)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", "", err
	}
	signed, err := current.signer.Sign(payload)
	if err != nil {
		return "", "", err
	}
	compact, err = signed.CompactSerialize()
	return compact, current.signerID, err
}

// maxJWT bounds what is parsed, in bytes: a pass with a sealed secret is the longest but
// for a status list, whose revocations at random hardly compress.
const (
	maxJWT       = 16 << 10
	maxStatusJWT = 2 * maxStatusBytes
)

// Verify reads the claims of a JWT that one of the keys has signed for this purpose. It
// looks at no claim: times and all else are the caller's. The error is ErrInvalid.
func (r *Ring) Verify(compact string, claims any) error {
	limit := maxJWT
	if r.purpose == Statuses {
		limit = maxStatusJWT
	}
	if len(compact) > limit {
		return ErrInvalid
	}
	signed, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return ErrInvalid
	}
	header := signed.Signatures[0].Protected
	kind, _ := header.ExtraHeaders[jose.HeaderType].(string)
	if !strings.EqualFold(kind, r.purpose.Type()) {
		return ErrInvalid
	}
	payload, err := r.payload(signed, header.KeyID)
	if err != nil || json.Unmarshal(payload, claims) != nil {
		return ErrInvalid
	}
	return nil
}

// payload verifies the signature. An API key that apikeyserv has made names no key; each is
// tried then.
func (r *Ring) payload(signed *jose.JSONWebSignature, id string) ([]byte, error) {
	verifiers := r.current.Load().verifiers
	if key, found := verifiers[id]; found {
		return signed.Verify(key)
	}
	if id != "" || r.purpose != APIKeys {
		return nil, ErrInvalid
	}
	for _, key := range verifiers {
		if payload, err := signed.Verify(key); err == nil {
			return payload, nil
		}
	}
	return nil, ErrInvalid
}

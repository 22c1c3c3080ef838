package magic

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/token2go/token2go/internal/rule"
	"github.com/token2go/token2go/internal/secret"
)

// Token is a verified token.
type Token struct {
	Secret  secret.Value // the API token
	Allowed []rule.Rule
	Scopes  []string // names of rules that the service has
	Unused  []string // rules of the token that fit nothing here, such as one that RE2 does not have
	Issued  time.Time
	Expires time.Time
}

// Set is what the token may call. Legacy rules fit the beginning of a path, without case,
// as magic-api-proxy had it. A scope that the service has no longer allows nothing.
func (t Token) Set(scopes map[string][]rule.Rule, legacy bool) rule.Set {
	set := rule.Set{Allow: slices.Clone(t.Allowed), Legacy: legacy}
	for _, scope := range t.Scopes {
		set.Allow = append(set.Allow, scopes[scope]...)
	}
	return set
}

// Refusals of Verify, as magic-api-proxy answers them.
var (
	ErrNoToken = errors.New("No authorization token presented") //nolint:staticcheck // 401; callers compare it
	ErrInvalid = errors.New("Not a valid magic token")          //nolint:staticcheck // 400; callers compare it
)

// claims are a token as it is signed.
type claims struct {
	Issued  int64    `json:"iat"`
	Expires int64    `json:"exp"`
	Sealed  string   `json:"token"`
	Allowed []string `json:"allowed,omitempty"`
	Scopes  []string `json:"scopes"` // null: none
}

// maxSkew is how far the clock of the program that made a token may be ahead, as in
// magic-api-proxy.
const maxSkew = 10 * time.Second

// Verify verifies the Authorization headers of a call of a service, with or without Bearer.
// Origin is that of the service's base URL. The error is ErrNoToken or ErrInvalid.
func (k *Keys) Verify(authorization []string, service, origin string) (Token, error) {
	if len(authorization) == 0 {
		return Token{}, ErrNoToken
	}
	if service != k.o.Service || origin != k.o.Origin || len(authorization) > 1 {
		return Token{}, ErrInvalid
	}
	text := strings.TrimPrefix(authorization[0], "Bearer ")
	sum := sha256.Sum256([]byte(text))
	token, known := k.known.Get(sum)
	if !known {
		var err error
		if token, err = k.open(text); err != nil {
			return Token{}, err
		}
		k.known.Add(sum, token)
	}
	now := k.o.Now()
	if !now.Before(token.Expires) || token.Issued.Sub(now) > maxSkew || k.o.MaxAge > 0 && now.Sub(token.Issued) >= k.o.MaxAge {
		return Token{}, ErrInvalid
	}
	return token, nil
}

// maxToken bounds what is parsed, in bytes.
const maxToken = 16 << 10

// open verifies the signature and opens the secret. It looks at no time.
func (k *Keys) open(text string) (Token, error) {
	if len(text) > maxToken {
		return Token{}, ErrInvalid
	}
	parsed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return Token{}, ErrInvalid
	}
	payload, err := parsed.Verify(&k.private.PublicKey)
	if err != nil {
		return Token{}, ErrInvalid
	}
	var c claims
	if json.Unmarshal(payload, &c) != nil || c.Issued <= 0 || c.Expires <= 0 {
		return Token{}, ErrInvalid
	}
	held, err := k.unseal(c.Sealed)
	if err != nil {
		return Token{}, ErrInvalid
	}
	token := Token{Secret: held, Scopes: c.Scopes, Issued: time.Unix(c.Issued, 0), Expires: time.Unix(c.Expires, 0)}
	for _, allowed := range c.Allowed {
		parsed, err := parseRule(allowed)
		if err != nil {
			token.Unused = append(token.Unused, allowed)
			continue
		}
		token.Allowed = append(token.Allowed, parsed)
	}
	return token, nil
}

// errForm is magic-api-proxy's text for a rule without a space.
var errForm = errors.New(`a scope string should be a "METHOD path_regex"`)

// parseRule reads a rule. A second space is part of the pattern there, which then fits no
// path, but is skipped by package rule.
func parseRule(text string) (rule.Rule, error) {
	_, pattern, found := strings.Cut(text, " ")
	if !found {
		return rule.Rule{}, errForm
	}
	if strings.HasPrefix(pattern, " ") {
		return rule.Rule{}, fmt.Errorf("rule %q: two spaces after the method", text)
	}
	return rule.Parse(text)
}

// sealed writes a secret so that only the private key opens it: RSA-OAEP with SHA-256 and
// MGF1-SHA-256 (RFC 8017, section 7.1), in base64. A secret that is too long for that,
// such as an access token, is encrypted with AES-256-GCM after it, under a key that RSA
// then holds; magic-api-proxy cannot read those.
func (k *Keys) sealed(held secret.Value) (string, error) {
	text := []byte(held.Reveal())
	if held.Len() <= k.private.Size()-2*sha256.Size-2 {
		block, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &k.private.PublicKey, text, nil)
		return base64.StdEncoding.EncodeToString(block), err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: the program ends where there is no randomness
	block, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &k.private.PublicKey, key, []byte(hybridLabel))
	if err != nil {
		return "", err
	}
	aead, err := newAEAD(key)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(aead.Seal(block, nil, text, []byte(k.o.Origin))), nil
}

// hybridLabel keeps a key from being taken for a secret, and the other way round.
const hybridLabel = "token2go sealed secret"

func (k *Keys) unseal(text string) (secret.Value, error) {
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return secret.Value{}, err
	}
	size := k.private.Size()
	if len(sealed) <= size {
		held, err := rsa.DecryptOAEP(sha256.New(), nil, k.private, sealed, nil)
		return secret.New(string(held)), err
	}
	key, err := rsa.DecryptOAEP(sha256.New(), nil, k.private, sealed[:size], []byte(hybridLabel))
	if err != nil {
		return secret.Value{}, err
	}
	aead, err := newAEAD(key)
	if err != nil {
		return secret.Value{}, err
	}
	held, err := aead.Open(nil, nil, sealed[size:], []byte(k.o.Origin))
	return secret.New(string(held)), err
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Package lockbox makes and verifies the tokens of lockbox: JWTs that a signing key shared
// by everyone who makes them signs with HMAC, for one service and an audience, or to have
// the configuration read again.
//
// Refusals have the texts and the order of lockbox, since callers compare them.
package lockbox

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/token2go/token2go/internal/secret"
)

// Key is the key that all tokens of a server are signed with.
type Key struct{ text secret.Value }

// ReadKey reads a key file. The whole file is the key, its line break too, which lockbox
// reads as a single line feed however it is written.
func ReadKey(path string) (Key, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("lockbox signing key: %w", err)
	}
	return NewKey(string(content))
}

// NewKey makes a key of the content of a key file.
func NewKey(content string) (Key, error) {
	content = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(content)
	if strings.TrimSpace(content) == "" {
		return Key{}, errors.New("lockbox signing key: empty; anyone could sign tokens with it")
	}
	return Key{secret.New(content)}, nil
}

// Weak reports whether the key is shorter than its hash, 32 bytes (RFC 7518, section 3.2).
// A line break at its end is no secret.
func (k Key) Weak() bool { return len(strings.TrimSpace(k.text.Reveal())) < minKey }

const minKey = 32

// padded is the key as go-jose takes it, which refuses short ones. HMAC pads a short key
// with zeros itself (RFC 2104, section 2), so the signatures are the same.
func (k Key) padded() []byte {
	key := []byte(k.text.Reveal())
	return append(key, make([]byte, max(0, minKey-len(key)))...)
}

const issuer = "lockbox"

// ServiceToken makes a token for one service.
func (k Key) ServiceToken(service, audience string, expires time.Time) (secret.Value, error) {
	return k.sign(struct {
		Issuer   string `json:"iss"`
		Expires  int64  `json:"exp"`
		Service  string `json:"service_name"`
		Audience string `json:"aud"`
	}{issuer, expires.Unix(), service, audience})
}

// AdminToken makes a token with which the configuration can be read again.
func (k Key) AdminToken(expires time.Time) (secret.Value, error) {
	return k.sign(struct {
		Issuer  string `json:"iss"`
		Expires int64  `json:"exp"`
		Admin   bool   `json:"admin"`
	}{issuer, expires.Unix(), true})
}

func (k Key) sign(claims any) (secret.Value, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: k.padded()}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return secret.Value{}, err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return secret.Value{}, err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return secret.Value{}, err
	}
	text, err := signed.CompactSerialize()
	return secret.New(text), err
}

// Refusal is why a token is not accepted, as lockbox answers it.
type Refusal struct {
	Status int // of HTTP: 401 or 403
	Text   string
}

func (r *Refusal) Error() string { return r.Text }

func refused(text string) error { return &Refusal{401, text} }

// Audiences are which audiences a service accepts: nil any, though a token must have one;
// an empty list none.
type Audiences []string

// VerifyService verifies the Authorization headers of a call of a service. It returns the
// token's audiences. The error is a *Refusal.
func (k Key) VerifyService(authorization []string, service string, accepted Audiences, now time.Time) ([]string, error) {
	token, err := bearer(authorization)
	if err != nil {
		return nil, err
	}
	const text = "Invalid service_name token"
	claims, parsed := parse(token)
	if !parsed || claims["iss"] == nil {
		return nil, refused(text)
	}
	if claims["iss"] != issuer {
		return nil, refused(text + " (bad issuer)")
	}
	expires, isNumber := number(claims["exp"])
	switch {
	case !isNumber:
		return nil, refused(text)
	case expires < seconds(now):
		return nil, refused(text + " (expired)")
	case claims["service_name"] == nil:
		return nil, refused(text)
	case claims["service_name"] != service:
		return nil, refused(text + " (wrong service_name)")
	}
	// What follows has one text, so that it does not help to guess audiences.
	audiences, valid := accepted.match(claims["aud"])
	if !k.signed(token) || !valid || !timely(claims, now) || !texts(claims, "sub", "jti") {
		return nil, refused(text + " (bad audience)")
	}
	return audiences, nil
}

// match returns the audiences of a token if one of them is accepted. A list is not a
// single audience where any is accepted: lockbox looks for the list itself in the list.
func (a Audiences) match(claim any) (audiences []string, accepted bool) {
	switch claim := claim.(type) {
	case string:
		return []string{claim}, claim != "" && (a == nil || slices.Contains(a, claim))
	case []any:
		for _, entry := range claim {
			text, isText := entry.(string)
			if !isText {
				return nil, false
			}
			audiences = append(audiences, text)
		}
		return audiences, slices.ContainsFunc(audiences, func(text string) bool { return slices.Contains(a, text) })
	}
	return nil, false
}

// VerifyAdmin verifies the Authorization headers of a request to read the configuration
// again. The error is a *Refusal.
func (k Key) VerifyAdmin(authorization []string, now time.Time) error {
	token, err := bearer(authorization)
	if err != nil {
		return err
	}
	const text = "Invalid token"
	claims, parsed := parse(token)
	switch {
	case !parsed || !k.signed(token) || !timely(claims, now) || !texts(claims, "sub", "jti"):
		return refused(text)
	case claims["aud"] != nil && claims["aud"] != "":
		return refused(text) // a token of a service
	case claims["iss"] != issuer:
		return refused(text + " (bad issuer)")
	case claims["exp"] == nil:
		return refused(text + " (expired)")
	case claims["admin"] != true:
		return &Refusal{403, text + " (not an admin token)"}
	}
	return nil
}

// bearer returns the token of the one Authorization header there must be.
func bearer(authorization []string) (string, error) {
	if len(authorization) == 0 {
		return "", refused("Missing Authorization header")
	}
	token, found := strings.CutPrefix(strings.Join(authorization, ","), "Bearer ")
	if !found {
		return "", refused("Invalid Authorization header")
	}
	return token, nil
}

// maxToken bounds what is parsed, in bytes.
const maxToken = 8 << 10

// parse reads the claims of a token without verifying it: which text a refusal has depends
// on them. Numbers are json.Number.
func parse(token string) (claims map[string]any, valid bool) {
	parts := strings.Split(token, ".")
	if len(token) > maxToken || len(parts) != 3 {
		return nil, false
	}
	var header map[string]any
	return claims, object(parts[0], &header) && object(parts[1], &claims)
}

// object reads a part of a JWT that is a JSON object, and nothing after it.
func object(part string, into *map[string]any) bool {
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
	if err != nil {
		return false
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(into) != nil || *into == nil {
		return false
	}
	_, err = decoder.Token()
	return errors.Is(err, io.EOF)
}

// signed reports whether the key has signed the token, with HMAC-SHA-256 and no other
// algorithm.
func (k Key) signed(token string) bool {
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil || k.text.Absent() {
		return false
	}
	_, err = parsed.Verify(k.padded())
	return err == nil
}

// timely reports whether the token has not expired, and was neither issued nor is valid
// only in the future, as far as it has these claims.
func timely(claims map[string]any, now time.Time) bool {
	for _, name := range []string{"exp", "iat", "nbf"} {
		claim, found := claims[name]
		if !found {
			continue
		}
		at, isNumber := number(claim)
		if !isNumber || name == "exp" && at <= seconds(now) || name != "exp" && at > seconds(now) {
			return false
		}
	}
	return true
}

// texts reports whether these claims are texts where they are there.
func texts(claims map[string]any, names ...string) bool {
	for _, name := range names {
		if claim, found := claims[name]; found {
			if _, isText := claim.(string); !isText {
				return false
			}
		}
	}
	return true
}

func number(claim any) (float64, bool) {
	text, isNumber := claim.(json.Number)
	if !isNumber {
		return 0, false
	}
	value, err := text.Float64()
	return value, err == nil
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / float64(time.Second) }

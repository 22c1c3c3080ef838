package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
)

// JWTs verifies signed keys; a *signing.Ring does.
type JWTs interface {
	Verify(compact string, claims any) error
	// Version changes with the keys that verify, so that what was verified before need not
	// count after.
	Version() uint64
}

// maxVerified bounds the signatures that are remembered. A caller who has no key of this
// server cannot fill it.
const maxVerified = 1 << 16

// verified remembers which JWT has a good signature, by its hash: a signature costs more
// than all else in a check.
type verified struct {
	jwts  JWTs
	known *lru.Cache[[sha256.Size]byte, signed]
}

type signed struct {
	version uint64
	id      apikey.ID
	expires int64 // in Unix seconds; 0: never
}

func newVerified(jwts JWTs) *verified {
	known, _ := lru.New[[sha256.Size]byte, signed](maxVerified) // fails for sizes below 1
	return &verified{jwts, known}
}

// jwtClaims are those of a key that are read here.
type jwtClaims struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	ID      string `json:"jti"`
	Expires int64  `json:"exp"`
}

func isJWT(text string) bool { return strings.Count(text, ".") == 2 }

// oursJWT reports whether a text has the shape of a signed key of this server: EdDSA, and
// our iss; or neither iss nor kid, as apikeyserv made them, where those are accepted.
func (s *Server) oursJWT(text string) bool {
	if s.verified == nil || !isJWT(text) {
		return false
	}
	if s.verified.known.Contains(sha256.Sum256([]byte(text))) {
		return true
	}
	head, rest, _ := strings.Cut(text, ".")
	body, _, _ := strings.Cut(rest, ".")
	var header struct{ Alg, Kid string }
	if decodePart(head, &header) != nil || header.Alg != "EdDSA" {
		return false
	}
	var claims struct {
		Issuer *string `json:"iss"`
	}
	if decodePart(body, &claims) != nil {
		return false
	}
	if claims.Issuer == nil {
		return s.options.BareJWTs && header.Kid == ""
	}
	return *claims.Issuer == s.options.Issuer
}

func decodePart(part string, to any) error {
	decoded, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(decoded, to)
}

// jwt verifies a signed key. The error is a *check.Refusal.
func (s *Server) jwt(text string, address netip.Addr) (check.Credential, string, error) {
	hash, version := sha256.Sum256([]byte(text)), s.verified.jwts.Version()
	known, found := s.verified.known.Get(hash)
	if !found || known.version != version {
		var good bool
		if known, good = s.readJWT(text, version); !good {
			return check.Credential{}, "", s.options.Checker.Refuse(check.Malformed, address)
		}
		s.verified.known.Add(hash, known)
	}
	if known.expires != 0 && s.options.Now().Unix() >= known.expires {
		return check.Credential{}, known.id.String(), s.options.Checker.Refuse(check.Expired, address)
	}
	return check.JWT(known.id), known.id.String(), nil
}

// readJWT verifies the signature and finds the ID: that in jti, or for a key that
// apikeyserv made its number.
func (s *Server) readJWT(text string, version uint64) (signed, bool) {
	var claims jwtClaims
	if err := s.verified.jwts.Verify(text, &claims); err != nil {
		return signed{}, false
	}
	switch {
	case claims.Issuer == s.options.Issuer:
		id, err := apikey.ParseID(claims.ID)
		return signed{version, id, claims.Expires}, err == nil
	case claims.Issuer == "" && s.options.BareJWTs:
		number, err := strconv.ParseUint(claims.Subject, 10, 53)
		return signed{version, apikey.ID(number), claims.Expires}, err == nil
	}
	return signed{}, false
}

package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Audience is one that access tokens are for.
const Audience = "demo-services"

const client = "token2go-demo"

// mint signs access and ID tokens with ES256 (RFC 7518, section 3.4).
type mint struct {
	signer   jose.Signer
	public   jose.JSONWebKeySet
	lifetime time.Duration
	length   int // of an access token in bytes, about; 0 is unpadded
}

func newMint(lifetime time.Duration, length int) (*mint, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	jwk := jose.JSONWebKey{Key: key, KeyID: random()[:16], Algorithm: string(jose.ES256), Use: "sig"}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jwk}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	public := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk.Public()}}
	return &mint{signer: signer, public: public, lifetime: lifetime, length: length}, nil
}

// tokens signs a pair that is valid from now.
func (m *mint) tokens(person Person, issuer string, now time.Time) (tokens, error) {
	now = now.Truncate(time.Second)
	claims := m.claims(person, issuer, now)
	access, err := m.access(claims)
	if err != nil {
		return tokens{}, fmt.Errorf("access token: %w", err)
	}
	id, err := m.sign(idClaims(claims))
	if err != nil {
		return tokens{}, fmt.Errorf("id token: %w", err)
	}
	return tokens{access: access, id: id, expires: now.Add(m.lifetime)}, nil
}

// claims are those of a Keycloak access token, as far as programs rely on them.
func (m *mint) claims(person Person, issuer string, now time.Time) map[string]any {
	given, family, _ := strings.Cut(person.Name, " ")
	return map[string]any{
		"iss": issuer, "sub": person.Subject, "aud": []string{Audience, "account"}, "azp": client,
		"iat": now.Unix(), "auth_time": now.Unix(), "exp": now.Add(m.lifetime).Unix(),
		"jti": random(), "typ": "Bearer", "acr": "1", "scope": "openid profile email",
		"realm_access":       map[string]any{"roles": append([]string{"default-roles-demo"}, person.Groups...)},
		"resource_access":    map[string]any{"account": map[string]any{"roles": []string{"manage-account", "view-profile"}}},
		"preferred_username": person.Username, "name": person.Name, "given_name": given, "family_name": family,
		"email": person.Email, "email_verified": true, "groups": append([]string{}, person.Groups...),
	}
}

// access signs claims, twice where they have to be padded: the first result shows
// how much padding is needed.
func (m *mint) access(claims map[string]any) (string, error) {
	text, err := m.sign(claims)
	missing := (m.length-len(text))*3/4 - len(`,"padding":""`)
	if err != nil || missing <= 0 {
		return text, err
	}
	claims["padding"] = strings.Repeat("x", missing)
	return m.sign(claims)
}

// idClaims are the claims of the ID token, which is for the client and not for services.
func idClaims(access map[string]any) map[string]any {
	claims := map[string]any{}
	for _, name := range []string{
		"iss", "sub", "azp", "iat", "auth_time", "exp", "acr",
		"preferred_username", "name", "given_name", "family_name", "email", "email_verified", "groups",
	} {
		claims[name] = access[name]
	}
	claims["aud"], claims["typ"], claims["jti"] = client, "ID", random()
	return claims
}

// verified is what an API reads from a token.
type verified struct {
	username string
	expires  time.Time
}

// verify checks that m signed an access token, for the API's audience, and that it has
// not expired. It does not compare the issuer, which depends on the host name by which
// the person reached the gateway: the key belongs to this process alone.
func (m *mint) verify(token string, now time.Time) (verified, error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return verified{}, errors.New("the token is not a JWT signed with ES256")
	}
	var claims jwt.Claims
	var person struct {
		Username string `json:"preferred_username"`
	}
	if err := parsed.Claims(&m.public, &claims, &person); err != nil {
		return verified{}, errors.New("the token's signature is not one of this demo; get a new token")
	}
	if !claims.Audience.Contains(Audience) {
		return verified{}, fmt.Errorf("the token's audience does not include %s", Audience)
	}
	if claims.Expiry == nil || !now.Before(claims.Expiry.Time()) {
		return verified{}, errors.New("the token has expired; get a new one")
	}
	return verified{person.Username, claims.Expiry.Time().UTC()}, nil
}

func (m *mint) sign(claims map[string]any) (string, error) {
	return jwt.Signed(m.signer).Claims(claims).Serialize()
}

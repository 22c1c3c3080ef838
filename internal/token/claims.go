package token

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"time"
)

// Claims are what a JWT says of itself (RFC 7519), unverified. The zero value belongs
// to an opaque token.
type Claims struct {
	JWT             bool
	Algorithm       string    // alg of the header
	MediaType       string    // typ of the header, for example at+jwt (RFC 9068)
	Issuer          string    // iss
	Subject         string    // sub
	Audience        []string  // aud
	AuthorizedParty string    // azp
	Scope           string    // scope
	Type            string    // typ of the payload, for example Keycloak's Bearer and ID
	Expires         time.Time // exp; zero when absent
	IssuedAt        time.Time // iat; zero when absent
	accessHash      bool      // at_hash is there, which only ID tokens have
}

// IDToken reports whether the token looks like an OpenID Connect ID token, which is
// meant for the gateway and not for an API.
func (c Claims) IDToken() bool {
	if strings.EqualFold(c.MediaType, "at+jwt") {
		return false
	}
	return c.Type == "ID" || c.accessHash
}

// maxClaims bounds the JSON that is read, in bytes: beyond it a token is opaque.
const maxClaims = 64 << 10

// parseClaims reads the claims of text if it is a signed JWT in compact form: three
// parts of base64url, the first two of them JSON objects. Anything else is opaque.
func parseClaims(text string) Claims {
	head, rest, ok := strings.Cut(text, ".")
	if !ok || len(text) > maxClaims {
		return Claims{}
	}
	body, signature, ok := strings.Cut(rest, ".")
	if !ok || strings.Contains(signature, ".") {
		return Claims{}
	}
	var header struct {
		Algorithm string `json:"alg"`
		MediaType string `json:"typ"`
	}
	var payload struct {
		Issuer          string   `json:"iss"`
		Subject         string   `json:"sub"`
		Audience        audience `json:"aud"`
		AuthorizedParty string   `json:"azp"`
		Scope           string   `json:"scope"`
		Type            string   `json:"typ"`
		Expires         *float64 `json:"exp"`
		IssuedAt        *float64 `json:"iat"`
		AccessHash      string   `json:"at_hash"`
	}
	if !decodePart(head, &header) || header.Algorithm == "" || !decodePart(body, &payload) {
		return Claims{}
	}
	return Claims{
		JWT:             true,
		Algorithm:       header.Algorithm,
		MediaType:       header.MediaType,
		Issuer:          payload.Issuer,
		Subject:         payload.Subject,
		Audience:        payload.Audience,
		AuthorizedParty: payload.AuthorizedParty,
		Scope:           payload.Scope,
		Type:            payload.Type,
		Expires:         numericDate(payload.Expires),
		IssuedAt:        numericDate(payload.IssuedAt),
		accessHash:      payload.AccessHash != "",
	}
}

func decodePart(part string, into any) bool {
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil || len(decoded) == 0 || decoded[0] != '{' {
		return false
	}
	return json.Unmarshal(decoded, into) == nil
}

// numericDate converts a NumericDate (RFC 7519, section 2), seconds since 1970 with or
// without a fraction. What no RFC 3339 time can say is as good as absent.
func numericDate(seconds *float64) time.Time {
	const yearTenThousand = 253402300800
	if seconds == nil || math.IsNaN(*seconds) || *seconds <= 0 || *seconds >= yearTenThousand {
		return time.Time{}
	}
	return time.Unix(int64(*seconds), 0).UTC()
}

// audience is one text or a list of texts (RFC 7519, section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		var one string
		err := json.Unmarshal(text, &one)
		*a = audience{one}
		return err
	}
	return json.Unmarshal(text, (*[]string)(a))
}

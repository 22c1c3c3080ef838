package token

import (
	"encoding/base64"
	"strconv"
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
	var c Claims
	if !readPart(head, c.header) || c.Algorithm == "" || !readPart(body, c.payload) {
		return Claims{}
	}
	c.JWT = true
	return c
}

// readPart reads base64url of a JSON object, member by member.
func readPart(part string, take func(name, value string) bool) bool {
	var space [2048]byte // on the stack, since most parts are shorter
	decoded, err := base64.RawURLEncoding.Strict().AppendDecode(space[:0], []byte(part))
	if err != nil || len(decoded) == 0 || decoded[0] != '{' {
		return false
	}
	return eachMember(string(decoded), take)
}

func (c *Claims) header(name, value string) bool {
	switch name {
	case "alg":
		return readText(value, &c.Algorithm)
	case "typ":
		return readText(value, &c.MediaType)
	}
	return true
}

func (c *Claims) payload(name, value string) bool {
	switch name {
	case "iss":
		return readText(value, &c.Issuer)
	case "sub":
		return readText(value, &c.Subject)
	case "aud":
		return readTexts(value, &c.Audience)
	case "azp":
		return readText(value, &c.AuthorizedParty)
	case "scope":
		return readText(value, &c.Scope)
	case "typ":
		return readText(value, &c.Type)
	case "exp":
		return readTime(value, &c.Expires)
	case "iat":
		return readTime(value, &c.IssuedAt)
	case "at_hash":
		var hash string
		fine := readText(value, &hash)
		c.accessHash = hash != ""
		return fine
	}
	return true
}

// readTexts reads one text or a list of texts (RFC 7519, section 4.1.3).
func readTexts(value string, into *[]string) bool {
	var one string
	if value[0] == '"' {
		fine := readText(value, &one)
		*into = []string{one}
		return fine
	}
	*into = nil
	if value == "null" {
		return true
	}
	list := make([]string, 0, 4)
	s := scanner{text: value}
	fine := s.list('[', ']', func() bool {
		item, _ := s.raw() // well formed, since value is
		one = ""
		fine := readText(item, &one)
		list = append(list, one)
		return fine
	})
	*into = list
	return fine
}

// readTime reads a NumericDate (RFC 7519, section 2), seconds since 1970 with or
// without a fraction. What no RFC 3339 time can say is as good as absent.
func readTime(value string, into *time.Time) bool {
	const yearTenThousand = 253402300800
	*into = time.Time{}
	if value == "null" {
		return true
	}
	seconds, err := strconv.ParseFloat(value, 64)
	if err == nil && seconds > 0 && seconds < yearTenThousand {
		*into = time.Unix(int64(seconds), 0).UTC()
	}
	return err == nil
}

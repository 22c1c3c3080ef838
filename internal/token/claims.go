package token

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// Claims are those of a JWT (RFC 7519), unverified. The zero value belongs
// to an opaque token. A claim whose JSON type is not the registered one counts as
// absent, and of a claim that occurs twice the last counts (RFC 7519, section 4).
type Claims struct {
	JWT       bool
	MediaType string    // typ of the header, for example at+jwt (RFC 9068)
	Issuer    string    // iss
	Subject   string    // sub
	Audience  []string  // aud
	Scope     string    // scope
	Username  string    // preferred_username
	Type      string    // typ of the payload, for example Keycloak's Bearer and ID
	Expires   time.Time // exp; zero when absent
	NotBefore time.Time // nbf; zero when absent
	IssuedAt  time.Time // iat; zero when absent

	algorithm  string
	accessHash bool // it has at_hash, as only ID tokens do
}

// IDToken reports whether the token looks like an OpenID Connect ID token, which is
// meant for the gateway and not for an API.
func (c Claims) IDToken() bool {
	if strings.EqualFold(strings.TrimPrefix(c.MediaType, "application/"), "at+jwt") {
		return false
	}
	return c.Type == "ID" || c.accessHash
}

// parseClaims reads the claims of text if it is a signed JWT in compact form: three
// parts of base64url, the first two of them JSON objects. Anything else is opaque.
func parseClaims(text string) Claims {
	head, rest, _ := strings.Cut(text, ".")
	body, signature, found := strings.Cut(rest, ".")
	if !found || strings.Contains(signature, ".") {
		return Claims{}
	}
	c := Claims{JWT: true}
	if !readPart(head, c.header) || c.algorithm == "" || !readPart(body, c.payload) {
		return Claims{}
	}
	return c
}

// readPart reads base64url of a JSON object, member by member. Padding is accepted: AWS
// load balancers send it.
func readPart(part string, take func(name, value string)) bool {
	var encoded, space [2048]byte // on the stack, since most parts are shorter
	decoded, err := base64.RawURLEncoding.AppendDecode(space[:0], append(encoded[:0], strings.TrimRight(part, "=")...))
	return err == nil && eachMember(string(decoded), take)
}

func (c *Claims) header(name, value string) {
	switch name {
	case "alg":
		c.algorithm = readText(value)
	case "typ":
		c.MediaType = readText(value)
	}
}

func (c *Claims) payload(name, value string) {
	switch name {
	case "iss":
		c.Issuer = readText(value)
	case "sub":
		c.Subject = readText(value)
	case "aud":
		c.Audience = readTexts(value)
	case "scope":
		c.Scope = readText(value)
	case "preferred_username":
		c.Username = readText(value)
	case "typ":
		c.Type = readText(value)
	case "exp":
		c.Expires = readTime(value)
	case "nbf":
		c.NotBefore = readTime(value)
	case "iat":
		c.IssuedAt = readTime(value)
	case "at_hash":
		c.accessHash = readText(value) != ""
	}
}

// readTexts reads one text or a list of texts (RFC 7519, section 4.1.3).
func readTexts(value string) []string {
	if value[0] == '"' {
		return []string{readText(value)}
	}
	if value[0] != '[' {
		return nil
	}
	texts := make([]string, 0, 4)
	s := scanner{text: value}
	ok := s.list('[', ']', func() bool {
		item, _ := s.raw() // well formed, since value is
		texts = append(texts, readText(item))
		return item[0] == '"'
	})
	if !ok {
		return nil
	}
	return texts
}

// readTime reads a NumericDate (RFC 7519, section 2), seconds since 1970 with or
// without a fraction. Anything that is not between 1970 and the year 10000 is the zero
// time; issuers write 0 for "never".
func readTime(value string) time.Time {
	const yearTenThousand = 253402300800
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil || seconds <= 0 || seconds >= yearTenThousand {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

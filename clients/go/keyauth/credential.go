package keyauth

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/token2go/token2go/internal/secret"
)

// find returns the one key of a request. Other programs' credentials beside it are left
// alone. The error is a *Refused.
func (c *Checker) find(r *http.Request) (secret.Value, error) {
	texts := inHeaders(r.Header)
	if c.o.AllowQuery {
		texts = append(texts, inQuery(r.URL)...)
	}
	found := ""
	for _, text := range texts {
		switch {
		case !c.isKey(text):
		case found != "" && found != text:
			return secret.Value{}, unauthorized("ambiguous_credential", "The request has two different API keys.")
		default:
			found = text
		}
	}
	if found == "" {
		return secret.Value{}, unauthorized("no_credential", "The request has no API key.")
	}
	return secret.New(found), nil
}

// inHeaders are the texts in a request's headers that may be a key.
func inHeaders(h http.Header) []string {
	texts := append([]string{}, h["X-Api-Key"]...)
	for _, value := range h["Authorization"] {
		if text, found := credential(value); found {
			texts = append(texts, text)
		}
	}
	return texts
}

// credential is the Bearer token or the password of Basic. The user name is never a key:
// proxies log it.
func credential(authorization string) (string, bool) {
	scheme, rest, _ := strings.Cut(authorization, " ")
	rest = strings.Trim(rest, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return rest, true
	case strings.EqualFold(scheme, "Basic"):
		decoded, err := base64.StdEncoding.DecodeString(rest)
		_, password, found := strings.Cut(string(decoded), ":")
		return password, err == nil && found
	}
	return "", false
}

func inQuery(target *url.URL) (texts []string) {
	for pair := range strings.SplitSeq(target.RawQuery, "&") {
		if name, value, _ := strings.Cut(pair, "="); isKeyName(name) {
			if text, err := url.QueryUnescape(value); err == nil {
				texts = append(texts, text)
			}
		}
	}
	return texts
}

func isKeyName(written string) bool {
	name, err := url.QueryUnescape(written)
	return err == nil && (name == "api-key" || name == "api_key" || name == "x-api-key")
}

// isKey reports whether a text has the shape of a key of the server, be it cut off.
func (c *Checker) isKey(text string) bool {
	return strings.HasPrefix(text, string(c.prefix)+"_") || c.isSignedKey(text)
}

// isSignedKey reports whether a text looks like a JWT that the server has signed. Nothing
// is verified.
func (c *Checker) isSignedKey(text string) bool {
	const maxKey = 8 << 10
	parts := strings.Split(text, ".")
	if len(text) > maxKey || len(parts) != 3 {
		return false
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	return decode(parts[0], &header) && decode(parts[1], &claims) && header.Algorithm == "EdDSA" && claims.Issuer == c.o.Issuer
}

func decode(part string, into any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, into) == nil
}

// strip takes keys out of a copy of the request, also out of a query that was not looked
// at.
func (c *Checker) strip(r *http.Request) *http.Request {
	r = r.Clone(r.Context())
	if len(r.Header["X-Api-Key"]) > 0 {
		r.Header["X-Api-Key"] = c.withoutKeys(r.Header["X-Api-Key"], func(value string) (string, bool) { return value, true })
	}
	if len(r.Header["Authorization"]) > 0 {
		r.Header["Authorization"] = c.withoutKeys(r.Header["Authorization"], credential)
	}
	for _, name := range []string{"X-Api-Key", "Authorization"} {
		if len(r.Header[name]) == 0 {
			delete(r.Header, name)
		}
	}
	r.URL = withoutKey(r.URL)
	r.RequestURI = r.URL.RequestURI()
	return r
}

func (c *Checker) withoutKeys(values []string, read func(string) (string, bool)) (others []string) {
	for _, value := range values {
		if text, found := read(value); !found || !c.isKey(text) {
			others = append(others, value)
		}
	}
	return others
}

// withoutKey is an address without the parameters in which a key may be; the others stay
// byte for byte.
func withoutKey(target *url.URL) *url.URL {
	copied := *target
	var others []string
	for pair := range strings.SplitSeq(target.RawQuery, "&") {
		if name, _, _ := strings.Cut(pair, "="); !isKeyName(name) {
			others = append(others, pair)
		}
	}
	copied.RawQuery = strings.Join(others, "&")
	return &copied
}

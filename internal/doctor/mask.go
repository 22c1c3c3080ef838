package doctor

import (
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// masker decides which values are shown. A name that suggests a credential hides the
// whole value; in all other values whatever looks like one is hidden.
type masker struct {
	tokens   []string // normalized names of the token headers
	identity []string // normalized names of the identity headers
}

func newMasker(tokens, identity []string) masker {
	var m masker
	for _, name := range tokens {
		m.tokens = append(m.tokens, normalize(name))
	}
	for _, name := range identity {
		m.identity = append(m.identity, normalize(name))
	}
	return m
}

// normalize makes names equal that look the same to a person: letter case and the
// difference between underscore and hyphen are gone.
func normalize(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

func (m masker) headers(r *http.Request) map[string][]string {
	masked := make(map[string][]string, len(r.Header)+1)
	for name, values := range r.Header {
		masked[hideName(name)] = m.values(name, values)
	}
	if r.Host != "" && masked["Host"] == nil { // net/http takes it out of the header
		masked["Host"] = m.values("Host", []string{r.Host})
	}
	return masked
}

func (m masker) parameters(query url.Values) map[string][]string {
	masked := make(map[string][]string, len(query))
	for name, values := range query {
		shown := hideName(name)
		masked[shown] = append(masked[shown], m.values(name, values)...)
	}
	return masked
}

func (m masker) values(name string, values []string) []string {
	masked := make([]string, 0, len(values))
	for _, value := range values {
		masked = append(masked, m.value(name, value))
	}
	return masked
}

// value returns what may be shown of one value of a header or parameter.
func (m masker) value(name, value string) string {
	name = normalize(name)
	switch {
	case strings.TrimSpace(value) == "":
		return ""
	case slices.Contains(m.tokens, name):
		return credential(value)
	case strings.Contains(name, "cookie"):
		return cookies(value)
	case strings.Contains(name, "cert"):
		return withheld("client certificate", value)
	case m.readable(name, value):
		return value
	case secretName(name):
		return credential(value)
	}
	return alphabet{slash: !addressName(name)}.hide(value)
}

// secretName reports whether a name, normalized, suggests a credential.
func secretName(name string) bool {
	for _, part := range []string{
		"token", "secret", "password", "passwd", "authorization", "credential", "session", "sessid",
		"apikey", "api-key", "authkey", "jwt", "assertion", "signature", "saml", "dpop",
		"bearer", "refresh", "csrf", "xsrf", "userinfo",
	} {
		if strings.Contains(name, part) {
			return true
		}
	}
	for word := range strings.SplitSeq(name, "-") {
		if slices.Contains([]string{"key", "pass", "pwd", "sid", "otp", "sig", "ticket", "nonce", "pin"}, word) {
			return true
		}
	}
	return strings.HasSuffix(name, "auth") || name == "code" || name == "state"
}

// readable reports whether a value is shown whole although its header's name or its own
// look rule it out: the expiry that mod_auth_openidc sends beside the token, and a
// UUID where it names who is signed in or which request this is.
func (m masker) readable(name, value string) bool {
	switch {
	case name == "oidc-access-token-expires":
		return len(value) <= 12 && strings.Trim(value, "0123456789") == ""
	case slices.Contains(m.identity, name), slices.Contains(identifierNames(), name):
		return isUUID(value) && !secretName(name)
	}
	return false
}

func identifierNames() []string {
	return []string{
		"x-forwarded-user", "x-forwarded-preferred-username", "x-auth-request-user",
		"x-auth-request-preferred-username", "x-user", "oidc-claim-sub",
		"x-request-id", "x-correlation-id",
	}
}

// addressName reports whether a header, by its normalized name, holds a URL or a path.
func addressName(name string) bool {
	return slices.Contains([]string{
		"referer", "origin", "host", "x-forwarded-host", "x-forwarded-prefix", "x-forwarded-uri",
		"x-original-url", "x-original-uri", "x-rewrite-url", "x-envoy-original-path",
		"x-auth-request-redirect", "x-replaced-path",
	}, name)
}

func isUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (text[i] == '-') {
			return false
		}
		if text[i] != '-' && strings.IndexByte("0123456789abcdefABCDEF", text[i]) < 0 {
			return false
		}
	}
	return true
}

// credential hides a value but for the authentication scheme that it names. A comma
// means that proxies joined two values; a few are told apart.
func credential(value string) string {
	value = strings.TrimSpace(value)
	if word, rest, found := strings.Cut(value, " "); found {
		for _, scheme := range schemes() {
			if strings.EqualFold(word, scheme) {
				return scheme + " " + inScheme(scheme, strings.TrimSpace(rest))
			}
		}
	}
	return parts(value)
}

func inScheme(scheme, text string) string {
	if scheme == "Bearer" || scheme == "DPoP" || scheme == "OAuth" {
		return parts(text)
	}
	return withheld("credentials", text)
}

func parts(text string) string {
	values := strings.Split(text, ",")
	if len(values) > 4 {
		return hidden(text)
	}
	for i, value := range values {
		values[i] = hidden(strings.TrimSpace(value))
	}
	return strings.Join(values, ",")
}

// cookies shows the names of cookies and the lengths of their values.
func cookies(line string) string {
	var shown []string
	for cookie := range strings.SplitSeq(line, ";") {
		if cookie = strings.TrimSpace(cookie); cookie != "" {
			shown = append(shown, hidePair(cookie))
		}
	}
	return strings.Join(shown, "; ")
}

// key is a header name in net/http's spelling.
func key(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }

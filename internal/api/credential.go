package api

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
)

var (
	errNoCredential = errors.New("no API key in the request")
	errAmbiguous    = errors.New("two different API keys in the request")
)

// presented is the one credential of ours that a request holds.
type presented struct {
	text  string
	inURL bool
}

// find looks for credentials of ours wherever a request may hold one: headers, query and
// path. Other programs' credentials are left alone. The target is the request's own, or
// that of the request which a proxy asks about. The error is errNoCredential or
// errAmbiguous.
func (s *Server) find(r *http.Request, target *url.URL) (presented, error) {
	var found presented
	take := func(text string, inURL bool) error {
		switch {
		case !s.ours(text):
			return nil
		case found.text != "" && found.text != text:
			return errAmbiguous
		}
		found.text, found.inURL = text, found.inURL || inURL
		return nil
	}
	err := inHeaders(r.Header, func(text string) error { return take(text, false) })
	if key, arrived := r.Context().Value(pathKey{}).(string); arrived && err == nil {
		err = take(key, true)
	}
	if err == nil {
		err = inURL(target, func(text string) error { return take(text, true) })
	}
	switch {
	case err != nil:
		return presented{}, err
	case found.text == "":
		return presented{}, errNoCredential
	}
	return found, nil
}

// inHeaders calls take for each text in the headers that may be a credential.
func inHeaders(h http.Header, take func(string) error) error {
	for _, value := range h["X-Api-Key"] {
		if err := take(value); err != nil {
			return err
		}
	}
	for _, value := range h["Authorization"] {
		if text, found := authorization(value); found {
			if err := take(text); err != nil {
				return err
			}
		}
	}
	return nil
}

// authorization returns the Bearer token, or the password of Basic. The user name is never
// a key: proxies log it.
func authorization(value string) (string, bool) {
	scheme, rest, _ := strings.Cut(value, " ")
	rest = strings.Trim(rest, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return rest, true
	case strings.EqualFold(scheme, "Basic"):
		decoded, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return "", false
		}
		_, password, found := strings.Cut(string(decoded), ":")
		return password, found
	}
	return "", false
}

// inURL calls take for each text in a query or after /k/ that may be a credential.
func inURL(target *url.URL, take func(string) error) error {
	if key, found := keyInPath(target.EscapedPath()); found {
		if err := take(key); err != nil {
			return err
		}
	}
	if target.RawQuery == "" {
		return nil
	}
	for pair := range strings.SplitSeq(target.RawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if !isKeyName(name) {
			continue
		}
		text, err := url.QueryUnescape(value)
		if err != nil {
			continue // no key of ours needs an escape
		}
		if err := take(text); err != nil {
			return err
		}
	}
	return nil
}

// isKeyName reports whether a query parameter, as it is written, may hold a key.
func isKeyName(written string) bool {
	name, err := url.QueryUnescape(written)
	return err == nil && (name == "api-key" || name == "api_key" || name == "x-api-key")
}

// keyInPath returns the KEY of /k/KEY/…. No key of ours needs an escape.
func keyInPath(escaped string) (string, bool) {
	rest, found := strings.CutPrefix(escaped, "/k/")
	if !found {
		return "", false
	}
	key, _, found := strings.Cut(rest, "/")
	return key, found && key != ""
}

// pathKey is where a request's context holds the key that preceded its path.
type pathKey struct{}

// withoutKey takes /k/KEY from the path; find looks for the key in the context then.
func withoutKey(r *http.Request, key string) *http.Request {
	r = r.WithContext(context.WithValue(r.Context(), pathKey{}, key))
	target := *r.URL
	target.Path, target.RawPath = strings.TrimPrefix(target.Path, "/k/"+key), strings.TrimPrefix(target.RawPath, "/k/"+key)
	r.URL = &target
	return r
}

// ours reports whether a text has the shape of a credential of this server.
func (s *Server) ours(text string) bool {
	switch {
	case strings.HasPrefix(text, string(s.options.Prefix)+"_"):
		return true
	case s.options.UUIDs && isUUID(text):
		return true
	}
	return s.oursJWT(text)
}

func isUUID(text string) bool {
	_, err := apikey.HashUUID(text)
	return err == nil
}

// credential reads a text, and returns the ID that the key shows of itself. A text that no
// key can be counts as a failure of the address; the error is a *check.Refusal.
func (s *Server) credential(text string, address netip.Addr) (_ check.Credential, id string, err error) {
	if key, err := s.options.Prefix.Parse(text); err == nil {
		return check.Opaque(key), key.ID.String(), nil
	}
	if s.options.UUIDs {
		if hash, err := apikey.HashUUID(text); err == nil {
			return check.UUID(hash), "", nil
		}
	}
	if s.verified != nil && isJWT(text) {
		return s.jwt(text, address)
	}
	return check.Credential{}, "", s.options.Checker.Refuse(check.Malformed, address)
}

package gateway

import (
	"net/http"
	"net/url"
	"strings"
)

// prefix is what precedes the server's paths in a browser: "" or such as "/t2g".
// X-Forwarded-Prefix counts where the operator sets nothing. A caller can forge it, which
// changes only the links of that caller's page.
func (s *Server) prefix(r *http.Request) string {
	if fixed := s.fixedPrefix(); fixed != "" {
		return fixed
	}
	if values := r.Header["X-Forwarded-Prefix"]; len(values) == 1 && isPrefix(values[0]) {
		return strings.TrimSuffix(values[0], "/")
	}
	return ""
}

func (s *Server) fixedPrefix() string {
	if s.options.PublicURL != nil && strings.Trim(s.options.PublicURL.Path, "/") != "" {
		return strings.TrimSuffix(s.options.PublicURL.Path, "/")
	}
	return s.options.BasePath
}

func isPrefix(text string) bool {
	if len(text) > 256 || !strings.HasPrefix(text, "/") {
		return false
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(text[1:], "/"), "/") {
		if segment == "" || segment == "." || segment == ".." || strings.Trim(segment, prefixLetters) != "" {
			return false
		}
	}
	return true
}

const prefixLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// strip removes the operator's prefix from a path, for gateways that leave it on: the base
// path, which is what arrives here, or else the public URL's, which people open.
func (s *Server) strip(r *http.Request) *http.Request {
	rest, found := cutPrefix(r.URL, s.options.BasePath)
	if !found {
		rest, found = cutPrefix(r.URL, s.fixedPrefix())
	}
	if !found {
		return r
	}
	path, err := url.PathUnescape(rest)
	if err != nil {
		return r // does not occur: EscapedPath is valid
	}
	stripped := *r
	stripped.URL = new(url.URL)
	*stripped.URL = *r.URL
	stripped.URL.Path, stripped.URL.RawPath = path, ""
	if path != rest {
		stripped.URL.RawPath = rest
	}
	return &stripped
}

// cutPrefix returns the escaped path without the prefix, if it begins with that.
func cutPrefix(at *url.URL, prefix string) (rest string, found bool) {
	if prefix == "" {
		return "", false
	}
	rest, found = strings.CutPrefix(at.EscapedPath(), prefix)
	switch {
	case !found || rest != "" && rest[0] != '/':
		return "", false
	case rest == "":
		return "/", true
	}
	return rest, true
}

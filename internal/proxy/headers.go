package proxy

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// hopByHop reports whether a header is of one connection (RFC 9110, section 7.6.1).
func hopByHop(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// neverUp matches headers that do not go to an upstream: those in which a credential of
// this server may stand, whichever was used; those that name the caller or the original
// request; and those with which a caller could have another method or path taken.
var neverUp = regexp.MustCompile(`^(authorization|cookie2?|proxy-.*|x-api-key|api-key|x-goog-api-key|private-token|` +
	`forwarded|x-forwarded(-.*)?|x-real-ip|x-client-ip|x-original-.*|x-rewrite-.*|x-auth-request-.*|x-token2go-.*|` +
	`x-http-method(-override)?|x-method-override|x-http-verb|x-override-method)$`)

// plain is a header's name as upstreams of CGI's kind see it: in lower case, with a hyphen
// for each underscore.
func plain(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

// cleanRequest takes away what must not go up. Injected are the headers that will be set.
func (s *Service) cleanRequest(h http.Header, injected []string, presented string) {
	for name := range h {
		bare := plain(name)
		isInjected := slices.ContainsFunc(injected, func(other string) bool { return plain(other) == bare })
		if isInjected || neverUp.MatchString(bare) || !s.mayGoUp(name) {
			delete(h, name)
		}
	}
	if presented != "" && strings.Contains(h.Get("Referer"), presented) {
		h.Del("Referer")
	}
	if _, told := h["User-Agent"]; !told {
		h["User-Agent"] = nil // Go would name itself
	}
}

func (s *Service) mayGoUp(name string) bool {
	return s.RequestHeaders == nil || slices.Contains(s.RequestHeaders, name) || strings.HasPrefix(name, "Content-") || name == "Expect"
}

// neverBack matches headers of an upstream's answer that would act on the API listener's
// origin, or on its connection.
var neverBack = regexp.MustCompile(`^(Set-Cookie2?|Clear-Site-Data|Service-Worker-Allowed|Strict-Transport-Security|` +
	`Content-Security-Policy(-Report-Only)?|Access-Control-.*|Public-Key-Pins.*|Alt-Svc|Proxy-Auth.*|Token2go-.*|X-Token2go-.*)$`)

// cleanAnswer takes away what must not come back, and adds what keeps a page of the
// upstream from running in this origin.
func (c *call) cleanAnswer(h http.Header) {
	for name, values := range h {
		if neverBack.MatchString(name) || !c.service.mayComeBack(name) || c.isInjected(name) || c.echoes(values) {
			delete(h, name)
		}
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

func (s *Service) mayComeBack(name string) bool {
	return s.ResponseHeaders == nil || slices.Contains(s.ResponseHeaders, name) || strings.HasPrefix(name, "Content-") || name == "Location"
}

// isInjected reports whether the header is one that carried the credential up.
func (c *call) isInjected(name string) bool {
	return c.service.Credential != nil && slices.Contains(c.service.Credential.headers(), name)
}

// minEcho is the length of the shortest secret that is looked for in answers: a shorter
// one would be found by chance.
const minEcho = 8

// echoes reports whether a value holds a secret that was sent.
func (c *call) echoes(values []string) bool {
	for _, held := range c.out.sent {
		if len(held) < minEcho {
			continue
		}
		if slices.ContainsFunc(values, func(value string) bool { return strings.Contains(value, held) }) {
			return true
		}
	}
	return false
}

// rewriteLocation has a redirect below the base URL lead to where the caller called. One
// that the upstream wrote without a host, but that leads out of the base URL, gets the
// upstream's host: it would lead into this listener otherwise.
func (c *call) rewriteLocation(h http.Header) {
	text := h.Get("Location")
	if text == "" {
		return
	}
	to, err := url.Parse(text)
	if err != nil || to.Opaque != "" {
		return
	}
	if to.Host == "" && !strings.HasPrefix(to.Path, "/") {
		return // relative to the call
	}
	base := c.service.Base
	if to.Host != "" && !(strings.EqualFold(to.Host, base.Host) && (to.Scheme == "" || to.Scheme == base.Scheme)) {
		return
	}
	path := to.EscapedPath()
	rest, below := strings.CutPrefix(path, base.EscapedPath())
	if !below || rest != "" && rest[0] != '/' {
		to.Scheme, to.Host = base.Scheme, base.Host
		h.Set("Location", to.String())
		return
	}
	if strings.HasPrefix(rest, "//") {
		return // would name another host
	}
	rewritten := c.mount + c.service.StripPrefix + rest
	if rewritten == "" {
		rewritten = "/"
	}
	if to.RawQuery != "" || to.ForceQuery {
		rewritten += "?" + to.RawQuery
	}
	if to.Fragment != "" {
		rewritten += "#" + to.EscapedFragment()
	}
	h.Set("Location", rewritten)
}

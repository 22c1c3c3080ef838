package proxy

import (
	"net/http"
	"net/url"
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

// neverUp are headers that do not go to an upstream: those in which a credential of this
// server may stand, whichever was used; those that name the caller or the original request;
// and those with which a caller could have another method or path taken.
var neverUp = set(
	"Authorization", "Cookie", "Cookie2", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Private-Token", "Te", "Connection", "Upgrade",
	"Forwarded", "X-Forwarded", "X-Real-Ip", "X-Client-Ip", "Client-Ip", "True-Client-Ip", "X-Cluster-Client-Ip", "Cf-Connecting-Ip", "X-Host",
	"X-Http-Method", "X-Http-Method-Override", "X-Method-Override", "X-Http-Verb", "X-Override-Method", "X-Override-Url", "X-Http-Host-Override",
)

var neverUpPrefixes = []string{
	"Proxy-", "X-Forwarded-", "X-Original-", "X-Rewrite-", "X-Auth-Request-", "X-Token2go-", "Token2go-", "X-Envoy-", "X-Waws-",
}

func set(names ...string) map[string]bool {
	all := make(map[string]bool, len(names))
	for _, name := range names {
		all[name] = true
	}
	return all
}

func hasPrefix(name string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// plain is a header's name as upstreams of CGI's kind see it: any character that is no
// letter or digit is one and the same.
func plain(name string) string {
	if !strings.ContainsFunc(name, func(r rune) bool { return r != '-' && !isAlphanumeric(r) }) {
		return name // net/http has made it canonical
	}
	return http.CanonicalHeaderKey(strings.Map(func(r rune) rune {
		if isAlphanumeric(r) {
			return r
		}
		return '-'
	}, name))
}

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// cleanRequest takes away what must not go up.
func (c *call) cleanRequest(h http.Header) {
	for name := range h {
		if !c.mayGoUp(name) {
			delete(h, name)
		}
	}
	if referer := h.Get("Referer"); referer != "" && (c.caller.text != "" && strings.Contains(referer, c.caller.text) || c.callers.holdOurs(referer)) {
		h.Del("Referer")
	}
	if _, told := h["User-Agent"]; !told {
		h["User-Agent"] = nil // Go would name itself
	}
}

// mayGoUp reports whether a header of the caller goes to the service. One that is injected
// does not, whatever its spelling.
func (c *call) mayGoUp(name string) bool {
	normal, s := plain(name), c.service
	if neverUp[normal] || hasPrefix(normal, neverUpPrefixes) || c.callers.position(normal) {
		return false
	}
	for injected := range c.out.header {
		if plain(injected) == normal {
			return false
		}
	}
	return s.RequestHeaders == nil || slices.Contains(s.RequestHeaders, name) || strings.HasPrefix(name, "Content-") || name == "Expect"
}

// neverBack are headers of an upstream's answer that would act on the API listener's
// origin, on its connection, or on a server in front of it.
var neverBack = set(
	"Set-Cookie", "Set-Cookie2", "Clear-Site-Data", "Service-Worker-Allowed", "Strict-Transport-Security", "Content-Security-Policy",
	"Content-Security-Policy-Report-Only", "Public-Key-Pins", "Public-Key-Pins-Report-Only", "Alt-Svc", "Nel", "Report-To", "Reporting-Endpoints",
	"X-Sendfile", "X-Lighttpd-Send-File", "X-Reproxy-Url",
)

var neverBackPrefixes = []string{"Access-Control-", "Proxy-", "Token2go-", "X-Token2go-", "X-Accel-", "X-Sendfile-"}

var (
	nosniff    = []string{"nosniff"}
	sandbox    = []string{"sandbox"}
	sameOrigin = []string{"same-origin"}
	ourVersion = []string{"token2go"}
)

// cleanAnswer takes away what must not come back, and adds what keeps a page of the
// upstream from running in this origin.
func (c *call) cleanAnswer(h http.Header) {
	c.takeAway(h)
	h["X-Content-Type-Options"], h["Content-Security-Policy"], h["Cross-Origin-Resource-Policy"] = nosniff, sandbox, sameOrigin
	if c.caller.Kind == "magic" {
		h["X-Magic-Api-Proxy"] = ourVersion
	}
}

// takeAway is for headers and trailers.
func (c *call) takeAway(h http.Header) {
	for name, values := range h {
		if neverBack[name] || hasPrefix(name, neverBackPrefixes) || !c.service.mayComeBack(name) || c.out.header[name] != nil || c.echoes(values) {
			delete(h, name)
		}
	}
}

func (s *Service) mayComeBack(name string) bool {
	return s.ResponseHeaders == nil || slices.Contains(s.ResponseHeaders, name) || strings.HasPrefix(name, "Content-") || name == "Location"
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

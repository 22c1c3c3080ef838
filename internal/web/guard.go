package web

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/problem"
)

// guard refuses requests that this door does not serve, whatever they ask for.
func (s *Server) guard(r *http.Request) error {
	if !s.peerAllowed(r.RemoteAddr) {
		return &problem.Problem{
			Kind:   problem.PeerNotAllowed,
			Detail: "the address that this request comes from is not the gateway's",
			Fix:    "Go through the gateway. If this is the gateway, its address belongs in `T2G_GATEWAY_CIDRS`.",
		}
	}
	// The page that says so needs its styles, which come with the same headers.
	if size := headerBytes(r); size > s.MaxHeaderBytes && !strings.HasPrefix(s.strip(r).URL.Path, "/static/") {
		return &problem.Problem{
			Kind:   problem.HeadersTooLarge,
			Detail: fmt.Sprintf("the request line and headers have %d bytes, want at most %d", size, s.MaxHeaderBytes),
			Fix:    "Sign out and in again to drop old cookies. If tokens are that large here, raise `T2G_MAX_HEADER_BYTES`.",
		}
	}
	if s.Hosts != nil && !named(r.Host, s.Hosts) && r.URL.Path != "/health" {
		return &problem.Problem{
			Kind:   problem.HostNotAllowed,
			Detail: "this server does not answer for the host name of the request",
			Fix:    "Use the address that your operator gave you. The operator lists names in `T2G_ALLOWED_HOSTS` or sets `T2G_PUBLIC_URL`.",
		}
	}
	return nil
}

func (s *Server) peerAllowed(remote string) bool {
	if s.Peers == nil {
		return true
	}
	address, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	peer := address.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(s.Peers, func(prefix netip.Prefix) bool { return prefix.Contains(peer) })
}

// named compares a Host header with the names that are served; an entry with a port wants
// that port, one without takes any.
func named(host string, served []string) bool {
	name := withoutPort(host)
	return slices.ContainsFunc(served, func(allowed string) bool {
		return allowed == "*" || strings.EqualFold(allowed, host) || strings.EqualFold(strings.Trim(allowed, "[]"), name)
	})
}

// withoutPort is the name or address in a Host header, without brackets.
func withoutPort(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.Trim(host, "[]")
}

// headerBytes is the size of the request line and headers, about as they came.
func headerBytes(r *http.Request) int {
	size := len(r.Method) + len(r.RequestURI) + len(r.Host) + len("  HTTP/1.1\r\nHost: \r\n")
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	return size
}

// prefix is what stands before every path of ours as a browser sees it: "" or such as
// "/t2g". X-Forwarded-Prefix counts where the operator says nothing; it comes from
// whoever sent the request, but changes only where that person's own links lead.
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
	if s.PublicURL != nil && strings.Trim(s.PublicURL.Path, "/") != "" {
		return strings.TrimSuffix(s.PublicURL.Path, "/")
	}
	return s.BasePath
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

// strip takes the operator's prefix off a path, for gateways that leave it on: the base
// path, which says what arrives here, or else the public URL's, which people open.
func (s *Server) strip(r *http.Request) *http.Request {
	rest, found := cutPrefix(r.URL, s.BasePath)
	if !found {
		rest, found = cutPrefix(r.URL, s.fixedPrefix())
	}
	if !found {
		return r
	}
	path, err := url.PathUnescape(rest)
	if err != nil {
		return r // EscapedPath gives nothing that cannot be unescaped
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

// cutPrefix is the path as it is written without the prefix, if it lies below.
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

var (
	errOtherSite = errors.New("asked for by another site")
	errForged    = errors.New("answer from another origin")
)

// own refuses what another site's page asks for: its fetch, script, image or frame. A
// page that a person opens, such as the way back from a sign-in, is let through, and
// so is a program, which sends no fetch metadata.
func own(h http.Header) error {
	if err := flow.CheckNavigation(h); errors.Is(err, flow.ErrPrefetch) {
		return err
	}
	site, mode, destination := h.Get("Sec-Fetch-Site"), h.Get("Sec-Fetch-Mode"), h.Get("Sec-Fetch-Dest")
	if mode == "navigate" && destination == "document" {
		return nil
	}
	if site == "cross-site" || site == "same-site" || destination != "" && destination != "empty" {
		return errOtherSite
	}
	return nil
}

// sameOrigin refuses a POST that no page of ours sent. Fetch metadata decides where it
// is there: behind some gateways Host is the upstream's own name, which no Origin fits.
func (s *Server) sameOrigin(r *http.Request) error {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	if site == "same-origin" {
		return nil
	}
	if site != "" || origin == "" || s.same.Check(r) != nil {
		return errForged
	}
	return nil
}

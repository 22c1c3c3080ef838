package gateway

import (
	"errors"
	"net/http"
	"strings"

	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/web"
)

// checkRequest refuses requests before they are routed: by peer, size and host.
func (s *Server) checkRequest(r *http.Request) error {
	if err := web.CheckPeer(r, s.options.Peers); err != nil {
		return err
	}
	// The page that reports the size loads its styles with the same headers.
	if err := web.CheckSize(r, s.options.MaxHeaderBytes); err != nil && !strings.HasPrefix(s.strip(r).URL.Path, "/static/") {
		return err
	}
	if r.URL.Path == "/health" {
		return nil
	}
	return web.CheckHost(r, s.options.Hosts)
}

var (
	errOtherSite = errors.New("asked for by another site")
	errForged    = errors.New("answer from another origin")
)

// checkFetchMetadata refuses what another site's page asks for: its fetch, script, image
// or frame. A page that a person opens, such as after a sign-in, is let through, and so is
// a program, which sends no fetch metadata.
func checkFetchMetadata(h http.Header) error {
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

// sameOrigin refuses a POST that no page of ours sent. Fetch metadata decides where it is
// present: behind some gateways Host is the upstream's name, which matches no Origin.
func (s *Server) sameOrigin(r *http.Request) error {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	if site == "same-origin" {
		return nil
	}
	if site != "" || origin == "" || s.origins.Check(r) != nil {
		return errForged
	}
	return nil
}

package doctor

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/token2go/token2go/internal/loopback"
)

// Findings from the path that the request took.

func refreshToken(e *examination) Verdict {
	name := refreshTokenIn(e.request.Header)
	if name == "" {
		return Verdict{}
	}
	return Verdict{Bad, "The gateway passes on the refresh token",
		name + " came. Anyone who has a refresh token can make new access tokens for as long as the session lives. This server has no use for it and should never see it.",
		refreshTokenFixes()}
}

// refreshTokenIn names the header or the cookie that holds a refresh token, if one does.
func refreshTokenIn(h http.Header) string {
	isRefresh := func(name string) bool {
		return strings.Contains(strings.ReplaceAll(normalize(name), "-", ""), "refreshtoken")
	}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if isRefresh(name) && strings.Join(h[name], "") != "" {
			return hideName(name)
		}
	}
	for _, line := range h["Cookie"] {
		for cookie := range strings.SplitSeq(line, ";") {
			if name, value, _ := strings.Cut(strings.TrimSpace(cookie), "="); isRefresh(name) && value != "" {
				return "The cookie " + hideName(name)
			}
		}
	}
	return ""
}

// clientSent is about a token in a header that the recognised gateways are measured to
// let through when a client sends it.
func clientSent(e *examination) Verdict {
	name := e.found.Header
	if e.err != nil || name == "" || e.seen.none() || e.gatewaySets(name) {
		return Verdict{}
	}
	text := fmt.Sprintf("The token was taken from %s. Behind %s a client can send that header itself, so a person can make this server hand out any token they like, as if it were theirs. All is well if you have configured the gateway to set or remove %s on every request.",
		name, List(e.seen.gateways), name)
	return Verdict{Warn, "A client could have sent this header itself", text, ownHeaderFixes(name, e.trusted())}
}

// gatewaySets adds to what is measured of the names: Authorization with an ID token is
// what oauth2-proxy makes with --pass-authorization-header, and then it overwrites it.
func (e *examination) gatewaySets(name string) bool {
	if e.seen.overwrites(e.request.Header, key(name)) {
		return true
	}
	return key(name) == "Authorization" && e.seen.has(oauth2Proxy) && e.found.Claims().IDToken()
}

// trusted is the configured name to keep: the first that a recognised gateway sets, else
// the name that oauth2-proxy sets.
func (e *examination) trusted() string {
	for _, name := range e.options.Tokens.Names() {
		if e.seen.overwrites(e.request.Header, key(name)) {
			return name
		}
	}
	return "X-Forwarded-Access-Token"
}

// tokenNames warns until the operator has named the header that the gateway sets. Where a
// client could have sent this very token, clientSent advises the same.
func tokenNames(e *examination) Verdict {
	more := len(e.candidates) - 1
	if e.err != nil || e.found.Header == "" || more == 0 || clientSent(e).Level != "" {
		return Verdict{}
	}
	level := Note
	if more+1 >= manyNames {
		level = Warn
	}
	text := fmt.Sprintf("The token came in %s. %d more names are looked at when that header is missing, and a client can send most of them itself. Name only the one that your gateway sets.",
		e.found.Header, more)
	return Verdict{level, "More names are looked at than needed", text, []Fix{
		{ourselves, "Look at one header only.", "T2G_TOKEN_HEADER_NAMES=" + e.found.Header},
	}}
}

func lookalike(e *examination) Verdict {
	came, meant := similar(e.request.Header, e.options.Tokens.Names())
	if came == "" {
		return Verdict{}
	}
	text := fmt.Sprintf("%s came and is not looked at; %s is. A hyphen and an underscore look the same to a person, but they make two headers. nginx and Caddy drop names with underscores, so such a header often arrives only when it is written with hyphens.", came, meant)
	return Verdict{Warn, "A header is nearly the right one", text, lookalikeFixes(came)}
}

func otherScheme(e *examination) Verdict {
	name, scheme := schemeInstead(e.request.Header, e.options.Tokens.Names())
	if scheme == "" {
		return Verdict{}
	}
	text := fmt.Sprintf("%s holds %s credentials. They are never a token, so the header was passed over.", name, scheme)
	return Verdict{Note, "Other credentials came", text, otherSchemeFixes(scheme)}
}

func sessionCookie(e *examination) Verdict {
	name := e.sessionCookie()
	if name == "" {
		return Verdict{}
	}
	return Verdict{Note, "The gateway's session cookie is passed on",
		name + " came. This server does not read it and does not need it, but anyone who sees the request could use it to act as that person at the gateway.",
		cookieFixes()}
}

func (e *examination) sessionCookie() string {
	for _, name := range []string{oauth2ProxyCookie, apacheCookie} {
		if sessionCookieNamed(e.request.Header, name) {
			return name
		}
	}
	return ""
}

func loopbackGateway(e *examination) Verdict {
	if e.sessionCookie() == "" || !onLoopback(e.host()) {
		return Verdict{}
	}
	return Verdict{Note, "The gateway is on this machine",
		"Cookies ignore the port: the browser sends the session cookie of a gateway on a loopback address to every program that listens on that address. That is fine for trying things out.", nil}
}

func sharedHost(e *examination) Verdict {
	var sources []string
	if address, err := url.Parse(e.options.PublicURL); err == nil && strings.Trim(address.Path, "/") != "" {
		sources = append(sources, "`T2G_PUBLIC_URL` has a path")
	}
	if strings.Trim(e.options.BasePath, "/") != "" {
		sources = append(sources, "`T2G_BASE_PATH` is set")
	}
	if strings.Trim(strings.Join(e.request.Header["X-Forwarded-Prefix"], ""), "/ ") != "" {
		sources = append(sources, "X-Forwarded-Prefix came")
	}
	if len(sources) == 0 {
		return Verdict{}
	}
	return Verdict{Warn, "Other applications may share this host name",
		fmt.Sprintf("This server is reached under a path: %s. To a browser, everything on one host name is one application: the scripts of any other application there can read /token without asking. Give this server a host name of its own.", List(sources)),
		ownHostFixes()}
}

// plainHTTP goes by what browsers are measured to do: they send Sec-Fetch-Site to https
// and to loopback, and to no other address.
func plainHTTP(e *examination) Verdict {
	h := e.request.Header
	proto := strings.ToLower(last(h["X-Forwarded-Proto"]))
	browser := strings.Contains(h.Get("User-Agent"), "Mozilla/")
	if present(h, "Sec-Fetch-Site") || e.request.TLS != nil || proto == "https" || onLoopback(e.host()) || !browser && proto != "http" {
		return Verdict{}
	}
	return Verdict{Warn, "The browser seems to use plain http",
		"The token crosses the network where others can read it. A browser also treats such an address as not secure: the Copy button has to fall back, and the redirect flow asks every time, because the browser does not say who led it there.",
		httpsFixes()}
}

// host is the name that the browser asked for, as far as the request shows.
func (e *examination) host() string {
	if forwarded := last(e.request.Header["X-Forwarded-Host"]); forwarded != "" {
		return forwarded
	}
	return e.request.Host
}

// last is the last element of a list in header values: what the nearest proxy added.
func last(values []string) string {
	all := strings.Join(values, ",")
	return strings.TrimSpace(all[strings.LastIndexByte(all, ',')+1:])
}

// onLoopback reports whether browsers take a host, with or without a port, for this
// computer and so for as safe as https.
func onLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	return loopback.Host(host) || strings.HasSuffix(strings.ToLower(host), ".localhost")
}

func noGateway(e *examination) Verdict {
	proxied := firstPresent(e.request.Header, "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded", "Via")
	if !e.seen.none() || proxied != "" {
		return Verdict{}
	}
	return Verdict{Warn, "No gateway seems to be in front",
		"The request has none of the headers that a proxy adds. Anyone who can reach this server can forge any header, so only the gateway may: open the gateway's address, and close this one to everyone else.",
		noGatewayFixes()}
}

func gatewaysSeen(e *examination) Verdict {
	if e.seen.none() {
		return Verdict{}
	}
	return Verdict{Note, "The request came through " + List(e.seen.gateways),
		"Guessed from " + List(e.seen.signs) + ". A client can send these headers, too, so they decide only the order of the advice.", nil}
}

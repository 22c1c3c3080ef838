package doctor

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// The gateways that fixes are written for, and this server's own settings.
const (
	oauth2Proxy = "oauth2-proxy"
	nginx       = "nginx"
	traefik     = "Traefik"
	caddy       = "Caddy"
	apache      = "Apache"
	envoy       = "Envoy"
	ourselves   = "Token2go"
)

// The session cookies that gateways set. Longer sessions are cut into cookies whose
// names go on with an underscore and a number.
const (
	oauth2ProxyCookie = "_oauth2_proxy"
	apacheCookie      = "mod_auth_openidc_session"
	envoyCookie       = "OauthHMAC" // of its OAuth2 filter; from the manual, not measured
)

// recognised are the gateways that a request seems to have come through. A client can
// send every sign itself, so this orders advice and decides nothing.
type recognised struct {
	gateways []string
	signs    []string // what each was recognised by, in words
	identity bool     // oauth2-proxy itself forwarded the request, and named a person

	elsewhere []elsewhere // those of gateways that use names of their own
}

// recognise looks for the measured signs of each gateway.
func recognise(h http.Header) recognised {
	var r recognised
	if sign := firstPresent(h, "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Preferred-Username", "Gap-Auth"); sign != "" {
		r.add(oauth2Proxy, sign)
		r.identity = true
	} else if sessionCookieNamed(h, oauth2ProxyCookie) {
		r.add(oauth2Proxy, "its session cookie")
	}
	if sign := claimHeader(h); sign != "" {
		r.add(apache, sign)
	} else if sessionCookieNamed(h, apacheCookie) {
		r.add(apache, "its session cookie")
	}
	if sessionCookieNamed(h, envoyCookie) {
		r.add(envoy, "a cookie of its OAuth2 filter")
	}
	switch {
	case strings.Contains(strings.ToLower(strings.Join(h["Via"], ",")), "caddy"):
		r.add(caddy, "Via")
	case present(h, "X-Forwarded-Server") && present(h, "X-Real-Ip"):
		r.add(traefik, "X-Forwarded-Server and X-Real-Ip")
	case !r.identity:
		// nginx adds nothing of its own. These are what its auth_request is configured to set,
		// and what a client behind oauth2-proxy can send.
		if sign := firstPresent(h, "X-User", "X-Email", "X-Auth-Request-User", "X-Auth-Request-Email"); sign != "" {
			r.add(nginx, sign)
		}
	}
	r.recogniseElsewhere(h)
	return r
}

func (r *recognised) add(gateway, sign string) {
	r.gateways = append(r.gateways, gateway)
	r.signs = append(r.signs, gateway+" ("+sign+")")
}

func (r recognised) has(gateway string) bool { return slices.Contains(r.gateways, gateway) }

func (r recognised) none() bool { return len(r.gateways) == 0 }

// sort puts the fixes for recognised gateways first, then those for this server, and
// returns no nil.
func (r recognised) sort(fixes []Fix) []Fix {
	sorted := append([]Fix{}, fixes...)
	rank := func(f Fix) int {
		switch {
		case r.has(f.Gateway):
			return 0
		case f.Gateway == ourselves:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(sorted, func(a, b Fix) int { return rank(a) - rank(b) })
	return sorted
}

// overwrites reports whether a recognised gateway sets the header itself in its usual
// configuration for handing on tokens, so that what a client sends under that name does
// not arrive. The name is in net/http's spelling.
func (r recognised) overwrites(h http.Header, key string) bool {
	for _, gateway := range r.gateways {
		if slices.Contains(r.tokenHeaders(gateway, h), key) {
			return true
		}
	}
	return false
}

// tokenHeaders are the headers in which a gateway sends the access token.
func (r recognised) tokenHeaders(gateway string, h http.Header) []string {
	for _, other := range r.elsewhere {
		if other.name == gateway {
			return []string{other.token}
		}
	}
	switch {
	case gateway == oauth2Proxy:
		return []string{"X-Forwarded-Access-Token"}
	case gateway == envoy:
		return []string{"Authorization"}
	case gateway == apache && claimHeader(h) == "":
		// With OIDCPassClaimsAs environment a RequestHeader line names the header.
		return []string{"X-Forwarded-Access-Token", "Oidc_access_token"}
	case gateway == apache:
		return []string{"Oidc_access_token"}
	case r.identity:
		// Another proxy is in front of oauth2-proxy and asks for no authentication itself.
		return nil
	}
	return []string{"X-Auth-Request-Access-Token", "X-Access-Token"} // oauth2-proxy's manual names both
}

func present(h http.Header, key string) bool { return len(h[key]) > 0 }

func firstPresent(h http.Header, keys ...string) string {
	for _, key := range keys {
		if present(h, key) {
			return key
		}
	}
	return ""
}

// claimHeader returns the first header, in alphabetical order, in which
// mod_auth_openidc passes a claim, or nothing. Its names keep their underscores.
func claimHeader(h http.Header) string {
	first := ""
	for name := range h {
		if strings.HasPrefix(strings.ToLower(name), "oidc_claim_") && (first == "" || name < first) {
			first = name
		}
	}
	return first
}

// sessionCookieNamed reports whether a cookie of that name, or a numbered part of it,
// came with the request.
func sessionCookieNamed(h http.Header, name string) bool {
	for _, line := range h["Cookie"] {
		for cookie := range strings.SplitSeq(line, ";") {
			key, _, _ := strings.Cut(strings.TrimSpace(cookie), "=")
			if key == name || strings.HasPrefix(key, name+"_") && key != name+"_csrf" {
				return true
			}
		}
	}
	return false
}

// sentence names the gateways that seem to be in front, with a space before it.
func (r recognised) sentence() string {
	if r.none() {
		return " Nothing in the request shows which gateway is in front, if there is one."
	}
	return fmt.Sprintf(" It seems to have come through %s.", List(r.gateways))
}

// advice is the text of the fixes for the recognised gateways, or of all of them. Where
// oauth2-proxy itself forwarded the request, a proxy before it has no say in the token.
func (r recognised) advice(fixes []Fix) string {
	var texts []string
	for _, fix := range fixes {
		other := slices.ContainsFunc(r.elsewhere, func(e elsewhere) bool { return e.name == fix.Gateway })
		concerned := r.has(fix.Gateway) && (!r.identity || other || fix.Gateway == oauth2Proxy || fix.Gateway == apache)
		if r.none() || concerned {
			texts = append(texts, fix.Gateway+": "+fix.Text)
		}
	}
	return strings.Join(texts, " ")
}

// arrivedNames are the names of the headers, sorted.
func arrivedNames(h http.Header) []string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, hideName(name))
	}
	slices.Sort(names)
	return names
}

// schemeInstead returns the first wanted header whose value names an authentication
// scheme other than Bearer, and that scheme.
func schemeInstead(h http.Header, wanted []string) (name, scheme string) {
	for _, name := range wanted {
		for _, value := range h[key(name)] {
			word, _, _ := strings.Cut(strings.TrimSpace(value), " ")
			for _, scheme := range schemes() {
				if scheme != "Bearer" && strings.EqualFold(word, scheme) {
					return name, scheme
				}
			}
		}
	}
	return "", ""
}

// similar returns the first header, in alphabetical order, that differs from a wanted
// one in nothing but hyphens and underscores, and that wanted one.
func similar(h http.Header, wanted []string) (came, meant string) {
	for _, arrived := range slices.Sorted(maps.Keys(h)) {
		for _, name := range wanted {
			if key(name) != arrived && normalize(name) == normalize(arrived) && !slices.ContainsFunc(wanted, func(other string) bool { return key(other) == arrived }) {
				return arrived, name
			}
		}
	}
	return "", ""
}

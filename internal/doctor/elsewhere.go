package doctor

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/token"
)

// elsewhere is a load balancer, a hosting platform or an identity-aware proxy that uses
// header names of its own. What it sends is from its manual and not measured.
type elsewhere struct {
	name   string
	signs  []string // headers that it sends about the person, as net/http spells them
	token  string   // the header in which it sends an access token; empty: it sends none
	advice string
	code   string
}

const sendsNone = "It reports who is signed in and passes no access token. Put a gateway that does, such as oauth2-proxy, between it and this server."

func elsewheres() []elsewhere {
	return []elsewhere{
		{
			"AWS Application Load Balancer", []string{"X-Amzn-Oidc-Identity", "X-Amzn-Oidc-Data"}, "X-Amzn-Oidc-Accesstoken",
			"It sends the access token in X-Amzn-Oidc-Accesstoken, so look at that header. X-Amzn-Oidc-Data holds claims about the person and is no access token.",
			"T2G_TOKEN_HEADER_NAMES=X-Amzn-Oidc-Accesstoken\nT2G_IDENTITY_HEADER_NAMES=X-Amzn-Oidc-Identity",
		},
		{
			"Azure App Service", []string{"X-Ms-Client-Principal-Id", "X-Ms-Client-Principal-Name", "X-Ms-Client-Principal"}, "X-Ms-Token-Aad-Access-Token",
			"With its token store on it sends the access token in X-MS-TOKEN-AAD-ACCESS-TOKEN (another provider's name in place of AAD), so look at that header.",
			"T2G_TOKEN_HEADER_NAMES=X-MS-TOKEN-AAD-ACCESS-TOKEN\nT2G_IDENTITY_HEADER_NAMES=X-MS-CLIENT-PRINCIPAL-NAME",
		},
		{
			"Vouch Proxy", []string{"X-Vouch-User", "X-Vouch-Idp-Idtoken"}, "X-Vouch-Idp-Accesstoken",
			"Name the header in `headers.accesstoken` of its configuration, pass it on in nginx, and look at it here.",
			"auth_request_set $access_token $upstream_http_x_vouch_idp_accesstoken;\nproxy_set_header X-Access-Token $access_token;",
		},
		{
			"gogatekeeper", []string{"X-Auth-Userid", "X-Auth-Username"}, "X-Auth-Token",
			"It sends the access token in X-Auth-Token, so look at that header.",
			"T2G_TOKEN_HEADER_NAMES=X-Auth-Token\nT2G_IDENTITY_HEADER_NAMES=X-Auth-Username",
		},
		{
			"Pomerium", []string{"X-Pomerium-Jwt-Assertion"}, "",
			"X-Pomerium-Jwt-Assertion is no access token. Let `set_request_headers` of the route add the identity provider's.",
			"set_request_headers:\n  X-Access-Token: \"${pomerium.access_token}\"",
		},
		{"Cloudflare Access", []string{"Cf-Access-Jwt-Assertion", "Cf-Access-Authenticated-User-Email"}, "", sendsNone, ""},
		{"Google Identity-Aware Proxy", []string{"X-Goog-Iap-Jwt-Assertion", "X-Goog-Authenticated-User-Email"}, "", sendsNone, ""},
		{"authentik", []string{"X-Authentik-Jwt", "X-Authentik-Username"}, "", sendsNone, ""},
		{"Authelia or tinyauth", []string{"Remote-Groups"}, "", sendsNone, ""},
		{"Teleport", []string{"Teleport-Jwt-Assertion"}, "", sendsNone, ""},
		{"Tailscale", []string{"Tailscale-User-Login"}, "", sendsNone, ""},
	}
}

// assertions names who sends which header that holds a signed statement about the person,
// meant for the server behind it and for no API. The names are normalized.
func assertions() map[string]string {
	return map[string]string{
		"x-amzn-oidc-data":          "AWS Application Load Balancer",
		"x-ms-client-principal":     "Azure App Service",
		"x-vouch-token":             "Vouch Proxy",
		"x-vouch-idp-idtoken":       "Vouch Proxy",
		"x-pomerium-jwt-assertion":  "Pomerium",
		"cf-access-jwt-assertion":   "Cloudflare Access",
		"x-goog-iap-jwt-assertion":  "Google Identity-Aware Proxy",
		"x-authentik-jwt":           "authentik",
		"teleport-jwt-assertion":    "Teleport",
		"x-id-token":                "APISIX or Kong",
		"x-apigateway-api-userinfo": "Google API Gateway",
		"x-endpoint-api-userinfo":   "Google Cloud Endpoints",
	}
}

// unlisted is a header that looks like a token and whose name is not looked at.
type unlisted struct {
	header string
	sender string // empty: unknown
	access bool   // it may be an access token
}

func (u unlisted) String() string {
	name := hideName(u.header)
	if u.sender != "" {
		name += " (" + u.sender + ")"
	}
	switch {
	case u.access:
		return name + " may hold an access token and is not looked at."
	case u.sender != "":
		return name + " is a signed statement about the person and no access token: an API refuses it."
	}
	return name + " seems to hold an ID token or another signed statement about the person, which an API refuses."
}

// fix is the setting that makes the header count.
func (u unlisted) fix() Fix {
	return Fix{ourselves, "If your gateway sets this header on every request, add its name.", "T2G_ADD_TOKEN_HEADER_NAMES=" + u.header}
}

// findUnlisted returns the headers that look like a token and are not wanted, sorted by
// name. Refresh tokens, cookies and the spellings that similar finds are not among them.
func findUnlisted(h http.Header, wanted []string) []unlisted {
	known := map[string]bool{}
	for _, name := range wanted {
		known[normalize(name)] = true
	}
	senders, access := assertions(), map[string]string{}
	for _, gateway := range elsewheres() {
		access[normalize(gateway.token)] = gateway.name
	}
	var found []unlisted
	for name := range h {
		plain := normalize(name)
		value := firstValue(h[name])
		switch {
		case value == "" || known[plain] || strings.Contains(plain, "cookie") || strings.Contains(plain, "refresh"):
		case senders[plain] != "":
			found = append(found, unlisted{name, senders[plain], false})
		case access[plain] != "":
			found = append(found, unlisted{name, access[plain], true})
		case strings.HasPrefix(plain, "x-ms-token-") && strings.HasSuffix(plain, "-token"):
			found = append(found, unlisted{name, "Azure App Service", strings.HasSuffix(plain, "-access-token")})
		case strings.HasSuffix(plain, "access-token"), strings.HasSuffix(plain, "accesstoken"):
			found = append(found, unlisted{name, "", true})
		case strings.Contains(value, ".") && holdsJWTStart(strings.SplitN(value, ".", 2)[0]):
			one, err := token.NewExtractor([]string{name}, secret.Value{}).Extract(h)
			if claims := one.Claims(); err == nil && claims.JWT {
				found = append(found, unlisted{name, "", !claims.IDToken()})
			}
		}
	}
	slices.SortFunc(found, func(a, b unlisted) int { return strings.Compare(a.header, b.header) })
	return found
}

// firstValue is the first value that is not empty.
func firstValue(values []string) string {
	for _, value := range values {
		if value = strings.TrimSpace(value); value != "" {
			return value
		}
	}
	return ""
}

// recogniseElsewhere adds the gateways whose own headers came.
func (r *recognised) recogniseElsewhere(h http.Header) {
	for _, gateway := range elsewheres() {
		signs := gateway.signs
		if gateway.token != "" {
			signs = append(slices.Clone(signs), gateway.token)
		}
		if sign := firstPresent(h, signs...); sign != "" {
			r.add(gateway.name, sign)
			r.elsewhere = append(r.elsewhere, gateway)
		}
	}
}

// elsewhereFixes are those for the recognised gateways that use names of their own.
func (r recognised) elsewhereFixes() []Fix {
	var fixes []Fix
	for _, gateway := range r.elsewhere {
		fixes = append(fixes, Fix{gateway.name, gateway.advice, gateway.code})
	}
	return fixes
}

// sentences joins what is to be said of several headers.
func sentences(list []unlisted) string {
	var texts []string
	for _, one := range list {
		texts = append(texts, one.String())
	}
	return strings.Join(texts, " ")
}

func accessTokens(list []unlisted) []unlisted {
	return slices.DeleteFunc(slices.Clone(list), func(u unlisted) bool { return !u.access })
}

// underAnotherName is about tokens whose header's name is not configured, where a token
// was found all the same or where they are no access tokens; noToken has the rest.
func underAnotherName(e *examination) Verdict {
	list := e.unlisted
	if len(list) == 0 || e.err != nil && len(accessTokens(list)) > 0 {
		return Verdict{}
	}
	if e.err != nil {
		return Verdict{Warn, "An identity assertion comes, and no access token", sentences(list), e.seen.elsewhereFixes()}
	}
	var fixes []Fix
	for _, one := range accessTokens(list) {
		fixes = append(fixes, one.fix())
	}
	return Verdict{Note, "Other headers may hold tokens, too", sentences(list), fixes}
}

// family returns the beginning that a header's name has in common with the others that the
// same gateway sets, empty if it is not known.
func family(name string) string {
	name = normalize(name)
	if slices.Contains([]string{"x-access-token", "x-user", "x-email"}, name) {
		return "x-auth-request-" // the names of oauth2-proxy's page about nginx
	}
	for _, beginning := range []string{
		"x-forwarded-", "x-auth-request-", "oidc-", "x-amzn-oidc-", "x-ms-", "x-vouch-",
		"x-authentik-", "cf-access-", "x-goog-", "tailscale-", "remote-",
	} {
		if strings.HasPrefix(name, beginning) {
			return beginning
		}
	}
	return ""
}

// shownName returns the header that a page or the log would take the person's name from.
func (e *examination) shownName() string {
	for _, name := range e.options.Identity {
		if strings.TrimSpace(e.request.Header.Get(name)) != "" {
			return name
		}
	}
	return ""
}

// forgedName is about a name that the gateway which sent the token does not set.
func forgedName(e *examination) Verdict {
	shown := e.shownName()
	if e.options.Verified || e.err != nil || family(shown) == "" || family(e.found.Header) == "" || family(shown) == family(e.found.Header) {
		return Verdict{}
	}
	text := fmt.Sprintf("%s is shown and logged as the person's name, and the token came in %s. One gateway does not usually set both, so a client may have sent the name: another person's actions would then be logged under it. Name only the header that your gateway sets.", shown, e.found.Header)
	return Verdict{Warn, "The name shown may be forged", text, []Fix{
		{ourselves, "Name the identity header of the gateway that sends the token.", "T2G_IDENTITY_HEADER_NAMES=" + e.trustedIdentity()},
	}}
}

// trustedIdentity is the configured identity header to keep: the first that came and
// belongs to the token's header, else the first that came; empty if none did.
func (e *examination) trustedIdentity() string {
	for _, name := range e.options.Identity {
		if present(e.request.Header, key(name)) && family(name) == family(e.found.Header) {
			return name
		}
	}
	return e.shownName()
}

// manyNames is the number of names that no one chooses with one gateway in mind.
const manyNames = 3

// identityNames warns until the operator has named the headers that the gateway sets.
func identityNames(e *examination) Verdict {
	if e.options.Verified || len(e.options.Identity) < manyNames {
		return Verdict{}
	}
	text := fmt.Sprintf("%d headers may name the person who is signed in. A client can send those that your gateway does not set, and then appears on pages and in the log under a name of its choice. Name only the one that your gateway sets.", len(e.options.Identity))
	fix := Fix{ourselves, "Name the header that your gateway sets in `T2G_IDENTITY_HEADER_NAMES`.", ""}
	if name := e.trustedIdentity(); name != "" {
		fix.Code = "T2G_IDENTITY_HEADER_NAMES=" + name
	}
	return Verdict{Warn, "More identity headers are trusted than needed", text, []Fix{fix}}
}

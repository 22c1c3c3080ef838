package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/token2go/token2go/internal/secret"
)

// Tokens is where a request's access token is found.
type Tokens struct {
	HeaderNames    []string     `name:"T2G_TOKEN_HEADER_NAMES" is:"header" default:"X-Forwarded-Access-Token,X-Auth-Request-Access-Token,X-Access-Token,OIDC_access_token,Access-Token,Token,Authorization" note:"none that every request has for another purpose, such as Cookie or Host" meaning:"Headers that may carry the token; the first with a usable value wins. Name those that the gateway sets." example:"X-Forwarded-Access-Token,Authorization"`
	AddHeaderNames []string     `name:"T2G_ADD_TOKEN_HEADER_NAMES" is:"header" note:"as for T2G_TOKEN_HEADER_NAMES" meaning:"More of them, looked at after the others." example:"X-My-Token"`
	Fallback       secret.Value `name:"T2G_FALLBACK_TOKEN" allowed:"one token: no blank, no control character" meaning:"The token for requests without one. Everyone gets it: for trying things out only." example:"only-for-trying-out"`
}

// Identity is how a request names the person who is signed in.
type Identity struct {
	HeaderNames []string `name:"T2G_IDENTITY_HEADER_NAMES" is:"header" default:"X-Forwarded-Preferred-Username,X-Forwarded-Email,X-Forwarded-User,X-Auth-Request-Preferred-Username,X-Auth-Request-Email,X-Auth-Request-User,OIDC_CLAIM_preferred_username,OIDC_CLAIM_email,OIDC_CLAIM_sub,X-User,Remote-User" note:"none that may carry a token or another credential" meaning:"Headers that name the person who is signed in, for pages and the log only; the first that is there wins. Name those that the gateway sets." example:"X-Forwarded-Email"`
}

// Headers lists the headers to look for a token in, the preferred one first:
// HeaderNames, then those of AddHeaderNames that are not among them.
func (t Tokens) Headers() []string {
	names := slices.Clone(t.HeaderNames)
	for _, name := range t.AddHeaderNames {
		if !containsFold(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func containsFold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(other string) bool { return strings.EqualFold(name, other) })
}

// otherPurpose matches headers that never carry the access token: those with another
// credential, which must not be handed out, and those of HTTP itself and of proxies.
var otherPurpose = regexp.MustCompile(`(?i)^(` +
	`(.+-)?cookies?2?|(.+-)?refresh-?token|(.+-)?session-?id|(.+-)?cert(ificate)?(-chain)?|www-authenticate|(proxy-)?authentication-info|proxy-.+|x-(csrf|xsrf)-.+|` +
	`host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|content-.+|expect|date|via|` +
	`accept(-.+)?|if-.+|range|cache-control|pragma|sec-.+|origin|referer|user-agent|forwarded|` +
	`x-forwarded-(for|host|port|proto|prefix|uri|method|server)|x-real-ip|x-request-id|traceparent|tracestate)$`)

func (t Tokens) check(r *reader) {
	for name, headers := range map[string][]string{
		"T2G_TOKEN_HEADER_NAMES": t.HeaderNames, "T2G_ADD_TOKEN_HEADER_NAMES": t.AddHeaderNames,
	} {
		for _, header := range headers {
			if otherPurpose.MatchString(strings.ReplaceAll(header, "_", "-")) && r.sound(name) {
				r.refuse(name, strconv.Quote(header)+" (it never carries the access token, and what it carries would be handed out)")
			}
		}
	}
}

func (t Tokens) warnings() []string {
	return taken(
		risk{slices.Equal(t.HeaderNames, defaultHeaders("T2G_TOKEN_HEADER_NAMES")), defaultsLeft("T2G_TOKEN_HEADER_NAMES", "and so submit a token of its own")},
		risk{!t.Fallback.Absent(), "T2G_FALLBACK_TOKEN: everyone who reaches the gateway listener without a token gets this one"},
	)
}

// credentialName matches names of headers that hold a credential, or an address in whose
// query there may be one. A claim of a JWT, such as x-jwt-claim-sub, is none.
var (
	credentialName = regexp.MustCompile(`(?i)token|assertion|jwt|authoriz|cookie|session|secret|passw|credential|api-?key|bearer|[cx]srf|saml|refresh|` +
		`^referer$|-ur[il]$|^x-amzn-oidc-data$`)
	claimName = regexp.MustCompile(`(?i)^(x-)?jwt-claim-`)
)

// check refuses headers that may hold a credential: who is signed in is shown on pages
// and logged.
func (i Identity) check(r *reader, tokens Tokens) {
	const name = "T2G_IDENTITY_HEADER_NAMES"
	for _, header := range i.HeaderNames {
		plain := strings.ReplaceAll(header, "_", "-")
		risky := credentialName.MatchString(plain) && !claimName.MatchString(plain)
		if (risky || containsFold(tokens.Headers(), header)) && r.sound(name) {
			r.refuse(name, strconv.Quote(header)+" (it may hold a credential, and a name is shown and logged)")
		}
	}
}

func (i Identity) warnings() []string {
	return taken(risk{
		slices.Equal(i.HeaderNames, defaultHeaders("T2G_IDENTITY_HEADER_NAMES")),
		defaultsLeft("T2G_IDENTITY_HEADER_NAMES", "and then appears on pages and in the log under a name of its choice"),
	})
}

func defaultHeaders(name string) []string {
	row, _ := lookup(name)
	return strings.Split(row.unset, ",")
}

func defaultsLeft(name, consequence string) string {
	return fmt.Sprintf("%s: has its default of %d names; a client can send those that the gateway does not set, %s; set it to the one that the gateway sets",
		name, len(defaultHeaders(name)), consequence)
}

package config

import (
	"strings"
	"time"

	"github.com/token2go/token2go/internal/secret"
)

// People is how it is proven who a person is, in whose name something is stored.
type People struct {
	Identity  string   `name:"T2G_IDENTITY" oneof:"token,userinfo,headers" default:"token" meaning:"What proves who a person is: the forwarded token as a JWT, the issuer's userinfo for opaque tokens, or headers of a gateway that proves itself." example:"userinfo"`
	Issuer    string   `name:"T2G_OIDC_ISSUER" is:"issuer" meaning:"The identity provider. Required with a database or services, unless T2G_IDENTITY=headers." example:"https://id.example.org/realms/main"`
	Audiences []string `name:"T2G_OIDC_AUDIENCES" meaning:"A forwarded token must be for one of these; required with T2G_IDENTITY=token." example:"account,data-hub" allowed:"audiences, separated by commas"`
	Clients   []string `name:"T2G_OIDC_CLIENTS" otherwise:"any client" meaning:"A token's azp or client_id must be one of these." example:"oauth2-proxy" allowed:"client IDs, separated by commas"`
	IDTokens  bool     `name:"T2G_OIDC_ID_TOKENS" default:"false" meaning:"Whether an ID token proves who a person is, too." example:"true"`

	Keep time.Duration `name:"T2G_OIDC_USERINFO_MAX_AGE" min:"1s" max:"1h" default:"1m" meaning:"How long the issuer's userinfo about a token counts." example:"5m"`

	SubjectClaim string `name:"T2G_CLAIM_SUBJECT" is:"claim" default:"sub" meaning:"The claim that never changes for a person." example:"oid"`
	LoginClaim   string `name:"T2G_CLAIM_LOGIN" is:"claim" default:"preferred_username" meaning:"The claim with the name to show." example:"upn"`
	EmailClaim   string `name:"T2G_CLAIM_EMAIL" is:"claim" default:"email" meaning:"The claim with the e-mail address." example:"mail"`
	RolesClaim   string `name:"T2G_CLAIM_ROLES" is:"claim" default:"realm_access.roles" meaning:"The claim with the person's roles, which keys pass on." example:"roles"`
	GroupsClaim  string `name:"T2G_CLAIM_GROUPS" is:"claim" default:"groups" meaning:"The claim with the person's groups." example:"memberof"`
	AdminClaim   string `name:"T2G_ADMIN_CLAIM" is:"claim value" otherwise:"no one" meaning:"Who administers keys and people: those whose claim is this value, or a list with it." example:"groups:token2go-admins"`

	SubjectHeader string `name:"T2G_SUBJECT_HEADER" is:"one header" meaning:"With T2G_IDENTITY=headers: the header with the subject; required then." example:"X-Auth-Request-User"`
	LoginHeader   string `name:"T2G_LOGIN_HEADER" is:"one header" otherwise:"the subject" meaning:"With T2G_IDENTITY=headers: the header with the name to show." example:"X-Auth-Request-Preferred-Username"`
	EmailHeader   string `name:"T2G_EMAIL_HEADER" is:"one header" meaning:"With T2G_IDENTITY=headers: the header with the e-mail address." example:"X-Auth-Request-Email"`
	GroupsHeader  string `name:"T2G_GROUPS_HEADER" is:"one header" meaning:"With T2G_IDENTITY=headers: the header with the groups, separated by commas." example:"X-Auth-Request-Groups"`
	AdminGroup    string `name:"T2G_ADMIN_GROUP" otherwise:"no one" meaning:"With T2G_IDENTITY=headers: the group whose members administer keys and people." example:"token2go-admins"`

	GatewaySecret secret.Value `name:"T2G_GATEWAY_SECRET" allowed:"a secret of 16 characters or more" meaning:"With T2G_IDENTITY=headers and no socket: what the gateway sends to prove itself." example:"Vb3sQ0mZr8yKx1Lp"`
	SecretHeader  string       `name:"T2G_GATEWAY_SECRET_HEADER" is:"header" default:"X-Token2go-Gateway-Secret" meaning:"The header in which the gateway sends it." example:"X-Gateway-Secret"`
}

// Admin is the claim of administrators and its value; both empty: no one is.
func (p People) Admin() (claim, value string) {
	claim, value, _ = strings.Cut(p.AdminClaim, ":")
	return claim, value
}

// minSecret is the shortest secret of a gateway, in characters.
const minSecret = 16

func (p People) check(r *reader, g Gateway) {
	require := func(name, why string, missing bool) {
		if missing && r.sound(name) {
			r.add(name, "nothing", r.row(name).Allowed+"; "+why)
		}
	}
	if p.Identity != "headers" {
		require("T2G_OIDC_ISSUER", "it is required with a database or services: it says whose tokens prove who a person is", p.Issuer == "")
		require("T2G_OIDC_AUDIENCES", "it is required with T2G_IDENTITY=token: without it, a token made for another application would prove who a person is",
			p.Identity == "token" && len(p.Audiences) == 0)
		return
	}
	require("T2G_SUBJECT_HEADER", "it is required with T2G_IDENTITY=headers", p.SubjectHeader == "")
	secret := p.GatewaySecret.Reveal()
	require("T2G_GATEWAY_SECRET", "with T2G_IDENTITY=headers the gateway must prove itself by this or by T2G_SERVER_SOCKET: an address proves no header", g.Socket == "" && secret == "")
	if secret != "" && len(secret) < minSecret && r.sound("T2G_GATEWAY_SECRET") {
		r.refuse("T2G_GATEWAY_SECRET", size(secret))
	}
}

func (p People) warnings() []string {
	return taken(risk{p.IDTokens && p.Identity == "token", "T2G_OIDC_ID_TOKENS: an ID token is made for its client alone; accept it only where the gateway forwards no access token"})
}

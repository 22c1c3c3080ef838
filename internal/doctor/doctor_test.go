package doctor_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/token2go/token2go/internal/doctor"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/token"
)

var (
	noon  = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	names = []string{"X-Forwarded-Access-Token", "X-Auth-Request-Access-Token", "X-Access-Token", "OIDC_access_token", "Access-Token", "Token", "Authorization"}
)

// jwt makes a text in the shape of a signed JWT, issued a minute ago.
func jwt(lifetime time.Duration, claims string) string {
	body := fmt.Sprintf(`{"iss":"https://id.example.org","iat":%d,"exp":%d%s}`, noon.Add(-time.Minute).Unix(), noon.Add(lifetime).Unix(), claims)
	return jwtOf(body)
}

func jwtOf(body string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode([]byte(body)) + "." + encode([]byte(strings.Repeat("signed", 40)))
}

func accessToken() string { return jwt(5*time.Minute, `,"typ":"Bearer","azp":"web"`) }
func idToken() string     { return jwt(5*time.Minute, `,"typ":"ID","at_hash":"x"`) }

// What a browser sends to https.
var browser = []string{
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
	"Accept: text/html", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate",
}

// What oauth2-proxy is measured to add in front of a server, whatever its flags.
var proxied = append([]string{
	"X-Forwarded-For: 192.0.2.7", "X-Forwarded-User: f3b1c9e2-9d54-4a07-8a61-0b8f1b6f1c55",
	"X-Forwarded-Email: ada@example.org", "X-Forwarded-Preferred-Username: ada",
}, browser...)

// What mod_auth_openidc is measured to add with OIDCPassClaimsAs both, but for the token.
var apached = append([]string{
	"OIDC_CLAIM_sub: f3b1c9e2-9d54-4a07-8a61-0b8f1b6f1c55", "OIDC_CLAIM_preferred_username: ada",
	"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Host: token.example.org", "X-Forwarded-Server: token.example.org",
}, browser...)

// What nginx sends on after the auth_request of oauth2-proxy's manual, but for the token.
var nginxed = append([]string{"X-User: ada", "X-Email: ada@example.org"}, browser...)

// What Traefik 3.7 and Caddy 2.11 send on after forward authentication, but for the token.
var (
	traefiked = append([]string{"X-Auth-Request-User: ada", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Host: token.example.org", "X-Forwarded-Port: 443", "X-Forwarded-Proto: https", "X-Forwarded-Server: edge", "X-Real-Ip: 192.0.2.7"}, browser...)
	caddied   = append([]string{"X-Auth-Request-User: ada", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Host: token.example.org", "X-Forwarded-Proto: https", "Via: 1.1 Caddy"}, browser...)
)

func request(lines ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/echo", nil)
	r.Host = "token.example.org"
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func options() doctor.Options {
	return doctor.Options{
		Tokens:         token.NewExtractor(names, secret.Value{}),
		MaxHeaderBytes: 65536,
		Now:            func() time.Time { return noon },
	}
}

func examine(lines ...string) doctor.Report { return doctor.Examine(request(lines...), options()) }

// titles are the verdicts in short: level and title.
func titles(report doctor.Report) []string {
	short := []string{}
	for _, verdict := range report.Verdicts {
		short = append(short, string(verdict.Level)+" "+verdict.Title)
	}
	return short
}

func plus(base []string, lines ...string) []string { return slices.Concat(base, lines) }

// example is a request as it arrives, and the verdicts on it, worst first.
type example struct {
	name  string
	lines []string
	want  []string
}

func examples() []example {
	const (
		arrives   = "good A token arrives"
		absent    = "bad No token arrives"
		id        = "warn An ID token is handed out"
		beside    = "note An ID token comes, too"
		spoofed   = "warn A client could have sent this header itself"
		joined    = "bad The token cannot be used"
		basic     = "note Other credentials came"
		cookie    = "note The gateway's session cookie is passed on"
		others    = "warn More names are looked at than needed"
		byProxy   = "note The request came through oauth2-proxy"
		byApache  = "note The request came through Apache"
		byNginx   = "note The request came through nginx"
		byTraefik = "note The request came through Traefik"
		byCaddy   = "note The request came through Caddy"
	)
	return []example{
		{"oauth2-proxy without flags", proxied, []string{absent, byProxy}},
		{"oauth2-proxy --pass-access-token", plus(proxied, "X-Forwarded-Access-Token: "+accessToken()), []string{others, arrives, byProxy}},
		{"oauth2-proxy --pass-authorization-header", plus(proxied, "Authorization: Bearer "+idToken()), []string{id, others, byProxy}},
		{"oauth2-proxy with both flags", plus(proxied, "X-Forwarded-Access-Token: "+accessToken(), "Authorization: Bearer "+idToken()), []string{others, arrives, beside, byProxy}},
		{"oauth2-proxy --basic-auth-password", plus(proxied, "Authorization: Basic YWRhOnB3"), []string{absent, basic, byProxy}},
		{"oauth2-proxy --skip-auth-strip-headers=false", plus(proxied, "X-Forwarded-Access-Token: spoof,"+accessToken()), []string{joined, byProxy}},
		{"oauth2-proxy, two lines of one header", plus(proxied, "X-Forwarded-Access-Token: spoof", "X-Forwarded-Access-Token: "+accessToken()), []string{joined, byProxy}},
		{"oauth2-proxy, session cookie", plus(proxied, "Cookie: _oauth2_proxy_0=abc; _oauth2_proxy_1=def", "X-Forwarded-Access-Token: "+accessToken()), []string{others, arrives, cookie, byProxy}},
		{"oauth2-proxy, client sends Token", plus(proxied, "Token: "+accessToken()), []string{spoofed, arrives, byProxy}},
		{"oauth2-proxy, client sends Access-Token", plus(proxied, "Access-Token: "+accessToken()), []string{spoofed, arrives, byProxy}},
		{"oauth2-proxy, client sends X-Auth-Request-Access-Token", plus(proxied, "X-Auth-Request-Access-Token: "+accessToken()), []string{spoofed, arrives, byProxy}},
		{"oauth2-proxy, client sends OIDC_access_token", plus(proxied, "OIDC_access_token: "+accessToken()), []string{spoofed, arrives, byProxy}},
		{"oauth2-proxy, client sends Authorization", plus(proxied, "Authorization: Bearer "+accessToken()), []string{spoofed, arrives, byProxy}},
		{"Traefik, then oauth2-proxy, client sends X-Auth-Request-Access-Token", plus(proxied, "X-Forwarded-Server: edge", "X-Real-Ip: 192.0.2.7", "X-Auth-Request-Access-Token: "+accessToken()), []string{spoofed, arrives, "note The request came through oauth2-proxy and Traefik"}},
		{"Apache, defaults", plus(apached, "OIDC_access_token: "+accessToken(), "OIDC_access_token_expires: 1795262700"), []string{others, arrives, byApache}},
		{"Apache, session cookie", plus(apached, "OIDC_access_token: "+accessToken(), "Cookie: mod_auth_openidc_session=abc"), []string{others, arrives, cookie, byApache}},
		{"Apache, client sends X-Forwarded-Access-Token", plus(apached, "OIDC_access_token: "+accessToken(), "X-Forwarded-Access-Token: "+jwt(time.Minute, "")), []string{spoofed, arrives, byApache}},
		{"Apache, OIDCPassClaimsAs none", plus(browser, "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Server: a", "Cookie: mod_auth_openidc_session=abc"), []string{absent, cookie, byApache}},
		{"Apache, environment and RequestHeader", plus(browser, "X-Forwarded-Server: a", "Cookie: mod_auth_openidc_session=abc", "X-Forwarded-Access-Token: "+accessToken()), []string{others, arrives, cookie, byApache}},
		{"Apache, OIDCPassRefreshToken On", plus(apached, "OIDC_access_token: "+accessToken(), "OIDC_refresh_token: abc"), []string{"bad The gateway passes on the refresh token", others, arrives, byApache}},
		{"nginx without proxy_set_header for the token", nginxed, []string{absent, byNginx}},
		{"nginx as the manual says", plus(nginxed, "X-Access-Token: "+accessToken()), []string{others, arrives, byNginx}},
		{"nginx, client sends Token", plus(nginxed, "Token: "+accessToken()), []string{spoofed, arrives, byNginx}},
		{"nginx with oauth2-proxy's cookie", plus(nginxed, "X-Access-Token: "+accessToken(), "Cookie: _oauth2_proxy=abc"), []string{others, arrives, cookie, "note The request came through oauth2-proxy and nginx"}},
		{"Traefik without authResponseHeaders", traefiked, []string{absent, byTraefik}},
		{"Traefik, as the recipe says", plus(traefiked, "X-Auth-Request-Access-Token: "+accessToken()), []string{others, arrives, byTraefik}},
		{"Traefik, client sends X-Forwarded-Access-Token", plus(traefiked, "X-Forwarded-Access-Token: "+accessToken()), []string{spoofed, arrives, byTraefik}},
		{"Caddy without copy_headers", caddied, []string{absent, byCaddy}},
		{"Caddy, as the recipe says", plus(caddied, "X-Auth-Request-Access-Token: "+accessToken()), []string{others, arrives, byCaddy}},
		{"Caddy, client sends X-Forwarded-Access-Token", plus(caddied, "X-Forwarded-Access-Token: "+accessToken()), []string{spoofed, arrives, byCaddy}},
		{"an unknown proxy", plus(browser, "X-Forwarded-For: 192.0.2.7", "Token: "+accessToken()), []string{others, arrives}},
		{"no gateway at all", browser, []string{absent, "warn No gateway seems to be in front"}},
	}
}

func TestExamineJudgesMeasuredRequests(t *testing.T) {
	for _, test := range examples() {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, titles(examine(test.lines...))); diff != "" {
				t.Errorf("verdicts differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExamineNamesTokensUnderOtherNames(t *testing.T) {
	const (
		elsewhere = "bad A header that is not looked at may hold the token"
		assertion = "warn An identity assertion comes, and no access token"
		absent    = "bad No token arrives"
	)
	identity := jwt(5*time.Minute, `,"sub":"ada"`)
	for _, test := range []struct {
		name  string
		lines []string
		title string
		text  string // of the verdict, in part
		code  string // of its first fix
	}{
		{"AWS Application Load Balancer", []string{"X-Amzn-Oidc-Accesstoken: opaque", "X-Amzn-Oidc-Identity: ada", "X-Amzn-Oidc-Data: " + identity}, elsewhere, "X-Amzn-Oidc-Accesstoken (AWS Application Load Balancer) may hold an access token and is not looked at.", "T2G_ADD_TOKEN_HEADER_NAMES=X-Amzn-Oidc-Accesstoken"},
		{"Azure App Service", []string{"X-MS-TOKEN-AAD-ACCESS-TOKEN: " + accessToken(), "X-MS-TOKEN-AAD-ID-TOKEN: " + idToken(), "X-MS-CLIENT-PRINCIPAL: eyJhIjoxfQ=="}, elsewhere, "X-Ms-Token-Aad-Access-Token (Azure App Service) may hold an access token", "T2G_ADD_TOKEN_HEADER_NAMES=X-Ms-Token-Aad-Access-Token"},
		{"Azure App Service with another provider", []string{"X-MS-TOKEN-GOOGLE-ACCESS-TOKEN: ya29.abc"}, elsewhere, "Azure App Service", "T2G_ADD_TOKEN_HEADER_NAMES=X-Ms-Token-Google-Access-Token"},
		{"Vouch Proxy", []string{"X-Vouch-User: ada", "X-Vouch-IdP-AccessToken: opaque"}, elsewhere, "(Vouch Proxy)", "T2G_ADD_TOKEN_HEADER_NAMES=X-Vouch-Idp-Accesstoken"},
		{"gogatekeeper", []string{"X-Auth-Userid: ada", "X-Auth-Token: " + accessToken()}, elsewhere, "(gogatekeeper)", "T2G_ADD_TOKEN_HEADER_NAMES=X-Auth-Token"},
		{"a JWT under a name of someone's own", []string{"X-My: Bearer " + accessToken()}, elsewhere, "X-My may hold an access token and is not looked at.", "T2G_ADD_TOKEN_HEADER_NAMES=X-My"},
		{"an opaque token under a name that says so", []string{"X-Corp-Access-Token: opaque"}, elsewhere, "X-Corp-Access-Token may hold an access token", "T2G_ADD_TOKEN_HEADER_NAMES=X-Corp-Access-Token"},
		{"Cloudflare Access", []string{"Cf-Access-Jwt-Assertion: " + identity}, assertion, "Cf-Access-Jwt-Assertion (Cloudflare Access) is a signed statement about the person", ""},
		{"Google Identity-Aware Proxy", []string{"X-Goog-Iap-Jwt-Assertion: " + identity}, assertion, "(Google Identity-Aware Proxy)", ""},
		{"Pomerium", []string{"X-Pomerium-Jwt-Assertion: " + identity}, assertion, "(Pomerium)", "set_request_headers:\n  X-Access-Token: \"${pomerium.access_token}\""},
		{"authentik", []string{"X-authentik-jwt: " + identity}, assertion, "(authentik)", ""},
		{"Teleport", []string{"Teleport-Jwt-Assertion: " + identity}, assertion, "(Teleport)", ""},
		{"an ID token under a name of someone's own", []string{"X-My: " + idToken()}, assertion, "X-My seems to hold an ID token", ""},
		{"an ID token whose scope is a list", []string{"X-My: " + jwtOf(`{"at_hash":"x","scope":["openid"]}`)}, assertion, "X-My seems to hold an ID token", ""},
		{"Authelia, which sends none", []string{"Remote-User: ada", "Remote-Groups: a"}, absent, "come through Authelia or tinyauth", ""},
		{"Tailscale, which sends none", []string{"Tailscale-User-Login: ada@example.org"}, absent, "come through Tailscale", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			report := examine(plus(browser, test.lines...)...)
			got := verdict(t, report, test.title[strings.Index(test.title, " ")+1:])
			if !slices.Contains(titles(report), test.title) || !strings.Contains(got.Text, test.text) {
				t.Errorf("got %q with %q, want %q with %q", titles(report), got.Text, test.title, test.text)
			}
			if code := got.Fixes; test.code != "" && (len(code) == 0 || code[0].Code != test.code) {
				t.Errorf("got the fixes %+v, want %q first", code, test.code)
			}
			detail, fix, _, _ := doctor.Missing(request(test.lines...).Header, options().Tokens)
			if test.title == elsewhere && !strings.Contains(fix, test.code) || !strings.Contains(detail, strings.TrimPrefix(test.text, "come ")) && test.title != absent {
				t.Errorf("a missing token: got %q and %q", detail, fix)
			}
		})
	}
}

func TestExamineFindsRefreshTokens(t *testing.T) {
	const title = "bad The gateway passes on the refresh token"
	for line, want := range map[string]bool{
		"OIDC_refresh_token: abc": true, "X-Refresh-Token: abc": true, "X-Refreshtoken: abc": true,
		"Cookie: a=b; RefreshToken=abc": true, "Cookie: refresh_token=abc": true,
		"Cookie: RefreshToken=": false, "X-Refresh-Token: ": false, "Cookie: refresh=1": false,
	} {
		if got := titles(examine(line)); slices.Contains(got, title) != want {
			t.Errorf("%q: got %q, want %q among them: %v", line, got, title, want)
		}
	}
	report := examine("Cookie: OauthHMAC=a; BearerToken=b; RefreshToken=c", "Authorization: Bearer "+accessToken())
	if got := titles(report); slices.Contains(got, "warn A client could have sent this header itself") || !slices.Contains(got, "note The request came through Envoy") {
		t.Errorf("got %q behind Envoy's OAuth2 filter", got)
	}
}

func TestExamineExplainsPlaceholders(t *testing.T) {
	report := examine(plus(apached, "X-Forwarded-Access-Token: (null)")...)
	got := verdict(t, report, "The token cannot be used")
	if !strings.Contains(got.Text, "The gateway has no token for this session") || got.Fixes[0].Gateway != "Apache" {
		t.Errorf("got %q and %+v, want the reason and what to change at Apache", got.Text, got.Fixes)
	}
}

func TestExamineLeavesOutHeadersThatAreNoTokens(t *testing.T) {
	for _, line := range []string{
		"Cookie: a=" + accessToken(), "X-Csrf-Token: abc", "OIDC-access-token: abc", "X-Amzn-Oidc-Accesstoken: ",
		"Referer: https://example.org/a.b", "X-Trace: eyJ.a.b", "OIDC_refresh_token: " + accessToken(),
	} {
		if got := titles(examine(line)); !slices.Contains(got, "bad No token arrives") || slices.Contains(got, "warn An identity assertion comes, and no access token") {
			t.Errorf("%.30s: got %q, want no token", line, got)
		}
	}
}

func TestExamineNotesTokensBesideTheOneTaken(t *testing.T) {
	report := examine(plus(proxied, "X-Forwarded-Access-Token: "+accessToken(), "X-Amzn-Oidc-Accesstoken: opaque", "X-Amzn-Oidc-Data: "+idToken())...)
	got := verdict(t, report, "Other headers may hold tokens, too")
	if got.Level != doctor.Note || len(got.Fixes) != 1 {
		t.Errorf("got %+v, want a note with one setting", got)
	}
}

func TestExamineWarnsOfNamesThatMayBeForged(t *testing.T) {
	const forged = "warn The name shown may be forged"
	identity := []string{"X-Forwarded-Preferred-Username", "X-Auth-Request-User", "OIDC_CLAIM_preferred_username", "X-User"}
	for _, test := range []struct {
		name  string
		lines []string
		want  bool
	}{
		{"oauth2-proxy's own", plus(proxied, "X-Forwarded-Access-Token: "+accessToken()), false},
		{"Apache, a client sends the name", plus(apached, "OIDC_access_token: "+accessToken(), "X-Forwarded-Preferred-Username: eve"), true},
		{"Apache's own", plus(apached, "OIDC_access_token: "+accessToken()), false},
		{"nginx, a client sends the name", plus(nginxed, "X-Access-Token: "+accessToken(), "X-Forwarded-Preferred-Username: eve"), true},
		{"nginx's own", plus(nginxed, "X-Access-Token: "+accessToken()), false},
		{"Traefik's own", plus(traefiked, "X-Auth-Request-Access-Token: "+accessToken()), false},
		{"no name at all", plus(browser, "X-Access-Token: "+accessToken()), false},
		{"a token header of no family", plus(proxied, "Token: "+accessToken()), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options()
			o.Identity = identity
			if got := titles(doctor.Examine(request(test.lines...), o)); slices.Contains(got, forged) != test.want {
				t.Errorf("got %q, want %q among them: %v", got, forged, test.want)
			}
		})
	}
}

func TestExamineWarnsUntilTheNamesAreNarrowed(t *testing.T) {
	const more, identity = "warn More names are looked at than needed", "warn More identity headers are trusted than needed"
	lines := plus(apached, "OIDC_access_token: "+accessToken())
	wide := options()
	wide.Identity = []string{"X-Forwarded-Email", "OIDC_CLAIM_email", "OIDC_CLAIM_preferred_username"}
	report := doctor.Examine(request(lines...), wide)
	if got := titles(report); !slices.Contains(got, more) || !slices.Contains(got, identity) {
		t.Errorf("got %q, want both warnings", got)
	}
	if got := verdict(t, report, "More identity headers are trusted than needed").Fixes[0].Code; got != "T2G_IDENTITY_HEADER_NAMES=OIDC_CLAIM_preferred_username" {
		t.Errorf("got %q, want the header that came", got)
	}
	narrow := options()
	narrow.Tokens = token.NewExtractor([]string{"OIDC_access_token"}, secret.Value{})
	narrow.Identity = []string{"OIDC_CLAIM_preferred_username"}
	if got := titles(doctor.Examine(request(lines...), narrow)); slices.Contains(got, more) || slices.Contains(got, identity) {
		t.Errorf("got %q once the names are narrowed", got)
	}
}

func TestExamineReportsTheToken(t *testing.T) {
	access, id := accessToken(), idToken()
	for _, test := range []struct {
		name  string
		lines []string
		want  doctor.Token
	}{
		{
			"taken, others beside it",
			[]string{"X-Forwarded-Access-Token: ", "Token: " + access, "Access-Token: " + access, "Authorization: Bearer " + id},
			doctor.Token{Found: true, Header: "Access-Token", Fingerprint: token.Fingerprint(secret.New(access)),
				Why: "Access-Token is the first of the configured names that holds a token. X-Forwarded-Access-Token came without one and was passed over. Also there: Token (the same token) and Authorization (an ID token)."},
		},
		{
			"an underscore in the name stays as the operator writes it",
			[]string{"OIDC_access_token: " + access},
			doctor.Token{Found: true, Header: "OIDC_access_token", Fingerprint: token.Fingerprint(secret.New(access)),
				Why: "OIDC_access_token is the first of the configured names that holds a token."},
		},
		{
			"unusable",
			[]string{"Token: a,b", "Authorization: Bearer c"},
			doctor.Token{Why: "Token comes first and holds something that is not one token: it holds a comma, so it is more than one value. No further header is tried."},
		},
		{
			"none", nil,
			doctor.Token{Why: "None of the configured names holds a token: X-Forwarded-Access-Token, X-Auth-Request-Access-Token, X-Access-Token, OIDC_access_token, Access-Token, Token and Authorization."},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, examine(test.lines...).Token); diff != "" {
				t.Errorf("token differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExamineWarnsOfTheFallback(t *testing.T) {
	o := options()
	o.Tokens = token.NewExtractor(names, secret.New("fallback-value"))
	report := doctor.Examine(request(proxied...), o)
	if !report.Token.Found || report.Token.Header != "" || !strings.Contains(report.Token.Why, "T2G_FALLBACK_TOKEN") {
		t.Errorf("got %+v, want the fallback", report.Token)
	}
	if got := titles(report); !slices.Contains(got, "warn The fallback token is handed out") || slices.Contains(got, "good A token arrives") {
		t.Errorf("got %q, want a warning and nothing good", got)
	}
}

// verdict returns the one with that title.
func verdict(t *testing.T, report doctor.Report, title string) doctor.Verdict {
	t.Helper()
	for _, v := range report.Verdicts {
		if v.Title == title {
			return v
		}
	}
	t.Fatalf("got %q, want %q among them", titles(report), title)
	return doctor.Verdict{}
}

func TestExamineSpellsLifetimes(t *testing.T) {
	for _, test := range []struct {
		name, token, title, text string
		level                    doctor.Level
	}{
		{"expired", jwt(-4*time.Minute, ""), "The token has expired", "It ended 4 minutes ago, at 2026-11-21T11:56:00Z.", doctor.Bad},
		{"expired this second", jwt(0, ""), "The token has expired", "It ended in 0 seconds", doctor.Bad},
		{"expiring", jwt(20*time.Second, ""), "The token expires soon", "It ends in 20 seconds", doctor.Warn},
		{"valid", jwt(4*time.Minute, ""), "A token arrives", "It expires in 4 minutes, at 2026-11-21T12:04:00Z.", doctor.Good},
		{"long", jwt(240*time.Hour, ""), "The token lives long", "It expires in 10 days.", doctor.Note},
		{"no expiry", jwtOf(`{"iss":"x"}`), "The token does not say when it ends", "without an exp claim", doctor.Note},
		{"expiry in milliseconds", jwtOf(`{"exp":1795305600000}`), "The token does not say when it ends", "that is a time in seconds", doctor.Note},
		{"opaque", "opaque", "The token cannot be read", "not a signed JWT", doctor.Note},
		{"an odd claim", jwtOf(fmt.Sprintf(`{"exp":%d,"scope":["a"]}`, noon.Add(-time.Minute).Unix())), "The token has expired", "It ended 60 seconds ago", doctor.Bad},
		{"an ID token with an odd claim", jwtOf(`{"at_hash":"x","scope":["openid"],"exp":1795305600}`), "An ID token is handed out", "X-Forwarded-Access-Token holds an ID token", doctor.Warn},
		{"not yet", jwtOf(fmt.Sprintf(`{"nbf":%d}`, noon.Add(5*time.Minute).Unix())), "The token is not valid yet", "It becomes valid in 5 minutes, at 2026-11-21T12:05:00Z.", doctor.Warn},
		{"issued in the future", jwtOf(fmt.Sprintf(`{"iat":%d}`, noon.Add(5*time.Minute).Unix())), "Two clocks differ", "the token will be issued in 5 minutes", doctor.Warn},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := verdict(t, examine(plus(proxied, "X-Forwarded-Access-Token: "+test.token)...), test.title)
			if got.Level != test.level || !strings.Contains(got.Text, test.text) {
				t.Errorf("got %s %q, want %s with %q", got.Level, got.Text, test.level, test.text)
			}
		})
	}
}

func TestExamineAcceptsAGoodTokenInSilence(t *testing.T) {
	o := options()
	o.Tokens = token.NewExtractor(names[:1], secret.Value{})
	got := titles(doctor.Examine(request(plus(proxied, "X-Forwarded-Access-Token: "+accessToken())...), o))
	want := []string{"good A token arrives", "note The request came through oauth2-proxy"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts differ (-want +got):\n%s", diff)
	}
}

func TestExamineNamesTheTokenBehindAnIDToken(t *testing.T) {
	report := examine(plus(nginxed, "X-Access-Token: "+idToken(), "Authorization: Bearer "+accessToken())...)
	got := verdict(t, report, "An ID token is handed out")
	if want := "Authorization holds another token, which may be the access token"; !strings.Contains(got.Text, want) {
		t.Errorf("got %q, want %q in it", got.Text, want)
	}
}

func TestExamineWarnsOfUnusableHeaderBehindTheToken(t *testing.T) {
	report := examine(plus(proxied, "X-Forwarded-Access-Token: "+accessToken(), "Token: a,b")...)
	got := verdict(t, report, "Another header holds something that is not one token")
	if got.Level != doctor.Warn || !strings.HasPrefix(got.Text, "Token: it holds a comma") {
		t.Errorf("got %s %q, want a warning about Token", got.Level, got.Text)
	}
}

func TestExamineWarnsOfNamesThatLookTheSame(t *testing.T) {
	for _, test := range []struct {
		name, line, came string
	}{
		{"hyphens for underscores", "OIDC-access-token: abc", "Oidc-Access-Token"},
		{"underscores for hyphens", "X_Forwarded_Access_Token: abc", "X_forwarded_access_token"},
		{"mixed", "X-Forwarded_Access-Token: abc", "X-Forwarded_access-Token"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := verdict(t, examine(plus(proxied, test.line)...), "A header is nearly the right one")
			if !strings.HasPrefix(got.Text, test.came+" came and is not looked at") {
				t.Errorf("got %q, want it to tell of %s", got.Text, test.came)
			}
			if fix := got.Fixes[0]; fix.Gateway != "Token2go" || fix.Code != "T2G_ADD_TOKEN_HEADER_NAMES="+test.came {
				t.Errorf("got %+v, want the setting for %s", fix, test.came)
			}
		})
	}
	o := options()
	o.Tokens = token.NewExtractor([]string{"OIDC_access_token", "OIDC-access-token"}, secret.Value{})
	if got := titles(doctor.Examine(request("OIDC-access-token: abc"), o)); slices.Contains(got, "warn A header is nearly the right one") {
		t.Errorf("got %q for a name that is configured", got)
	}
}

func TestExamineWarnsOfSharedHostNames(t *testing.T) {
	const shared = "warn Other applications may share this host name"
	for _, test := range []struct {
		name    string
		options func(*doctor.Options)
		line    string
		want    bool
	}{
		{"a path in the public URL", func(o *doctor.Options) { o.PublicURL = "https://example.org/token" }, "A: b", true},
		{"a base path", func(o *doctor.Options) { o.BasePath = "/token" }, "A: b", true},
		{"a forwarded prefix", func(*doctor.Options) {}, "X-Forwarded-Prefix: /token", true},
		{"a host of its own", func(o *doctor.Options) { o.PublicURL = "https://token.example.org/"; o.BasePath = "/" }, "X-Forwarded-Prefix: /", false},
		{"nothing set", func(*doctor.Options) {}, "A: b", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options()
			test.options(&o)
			if got := slices.Contains(titles(doctor.Examine(request(test.line), o)), shared); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestExamineWarnsOfPlainHTTP(t *testing.T) {
	const plain = "warn The browser seems to use plain http"
	const mozilla = "User-Agent: Mozilla/5.0"
	for _, test := range []struct {
		name, host string
		lines      []string
		want       bool
	}{
		{"a browser without fetch metadata", "token.example.org", []string{mozilla}, true},
		{"a browser with fetch metadata", "token.example.org", []string{mozilla, "Sec-Fetch-Site: none"}, false},
		{"a browser with fetch metadata, a proxy that says http", "token.example.org", []string{mozilla, "Sec-Fetch-Site: none", "X-Forwarded-Proto: http"}, false},
		{"an old browser over https", "token.example.org", []string{mozilla, "X-Forwarded-Proto: https"}, false},
		{"the nearest proxy's word counts", "token.example.org", []string{mozilla, "X-Forwarded-Proto: https, http"}, true},
		{"a program over http", "token.example.org", []string{"X-Forwarded-Proto: http"}, true},
		{"a program, nothing known", "token.example.org", nil, false},
		{"loopback by number", "127.0.0.1:8080", []string{mozilla}, false},
		{"loopback in IPv6", "[::1]:8080", []string{mozilla}, false},
		{"loopback by name", "localhost", []string{mozilla}, false},
		{"a name below localhost", "token.localhost:80", []string{mozilla}, false},
		{"a name that begins with localhost", "localhost.example.org", []string{mozilla}, true},
		{"behind a proxy on loopback", "127.0.0.1:8080", []string{mozilla, "X-Forwarded-Host: token.example.org"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := request(test.lines...)
			r.Host = test.host
			if got := slices.Contains(titles(doctor.Examine(r, options())), plain); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestExamineNotesGatewayOnLoopback(t *testing.T) {
	r := request(plus(proxied, "Cookie: _oauth2_proxy=abc")...)
	r.Host = "127.0.0.1:4180"
	verdict(t, doctor.Examine(r, options()), "The gateway is on this machine")
	if got := titles(examine(plus(proxied, "Cookie: _oauth2_proxy=abc")...)); slices.Contains(got, "note The gateway is on this machine") {
		t.Errorf("got %q for a gateway elsewhere", got)
	}
}

func TestExamineIgnoresCookieOfAnUnfinishedSignIn(t *testing.T) {
	if got := titles(examine("Cookie: _oauth2_proxy_csrf=abc")); slices.Contains(got, "note The gateway's session cookie is passed on") {
		t.Errorf("got %q, want nothing about a session", got)
	}
}

func TestExamineWarnsOfSizes(t *testing.T) {
	opaque := func(n int) string { return strings.Repeat("ab1C", n/4) }
	for _, test := range []struct {
		name  string
		lines []string
		limit int
		want  string
	}{
		{"all headers together", []string{"A: " + opaque(4000), "B: " + opaque(4000)}, 10000, "warn The headers are nearly too large for this server"},
		{"one long header", []string{"Cookie: a=" + opaque(6200)}, 65536, "warn A header is nearly too large for proxies"},
		{"a long redirect", plus(proxied, "X-Forwarded-Access-Token: "+opaque(4000)), 65536, "note The redirect flow's answer is long"},
		{"a redirect too long for nginx", plus(nginxed, "X-Access-Token: "+opaque(4000)), 65536, "warn The redirect flow's answer is long"},
		{"a redirect too long for Apache", plus(apached, "OIDC_access_token: "+opaque(8000)), 65536, "warn The redirect flow's answer is long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options()
			o.MaxHeaderBytes = test.limit
			if got := titles(doctor.Examine(request(test.lines...), o)); !slices.Contains(got, test.want) {
				t.Errorf("got %q, want %q among them", got, test.want)
			}
			for _, title := range titles(examine(plus(proxied, "X-Forwarded-Access-Token: "+accessToken())...)) {
				if title == test.want {
					t.Errorf("a small request gets %q, too", title)
				}
			}
		})
	}
}

// One header with very many values was measured anew for each of the others.
func TestExamineTakesLinearTime(t *testing.T) {
	const many = 150_000
	r := request()
	r.Header["A"] = make([]string, many)
	for i := range many {
		r.Header[fmt.Sprintf("X-%d", i)] = []string{""}
	}
	begin := time.Now()
	doctor.Examine(r, options())
	if spent := time.Since(begin); spent > 20*time.Second {
		t.Errorf("took %v", spent)
	}
}

func TestExamineSortsVerdicts(t *testing.T) {
	lines := plus(apached, "OIDC_refresh_token: a", "OIDC-access-token: b", "X-Forwarded-Access-Token: "+jwt(-time.Hour, ""), "Cookie: mod_auth_openidc_session=a")
	first := titles(examine(lines...))
	order := map[string]int{"bad": 0, "warn": 1, "good": 2, "note": 3}
	level := func(title string) int { word, _, _ := strings.Cut(title, " "); return order[word] }
	if !slices.IsSortedFunc(first, func(a, b string) int { return level(a) - level(b) }) || len(first) < 5 {
		t.Errorf("got %q, want many and the worst first", first)
	}
	for range 20 {
		if diff := cmp.Diff(first, titles(examine(lines...))); diff != "" {
			t.Fatalf("the order changes:\n%s", diff)
		}
	}
}

func TestExamineSortsFixes(t *testing.T) {
	for want, lines := range map[string][]string{"oauth2-proxy": proxied, "Apache": apached, "nginx": nginxed, "Traefik": traefiked, "Caddy": caddied} {
		fixes := verdict(t, examine(lines...), "No token arrives").Fixes
		if len(fixes) != 5 || fixes[0].Gateway != want {
			t.Errorf("got %+v, want five and that for %s first", fixes, want)
		}
	}
}

// bareCode is the first flag, variable or directive that a text does not mark as code.
func bareCode(text string) string {
	parts := strings.Split(text, "`")
	if len(parts)%2 == 0 {
		return "`"
	}
	for i := 0; i < len(parts); i += 2 {
		if bare := code.FindString(parts[i]); bare != "" {
			return bare
		}
	}
	return ""
}

var code = regexp.MustCompile(`--[a-z]|T2G_[A-Z]|\b(auth|proxy|copy|forward)_[a-z]+|forwardAuth|authResponse|RequestHeader|OIDC[PRS][a-z]`)

func TestVerdictsAreWholeSentences(t *testing.T) {
	known := []string{"Token2go", "oauth2-proxy", "nginx", "Traefik", "Caddy", "Apache", "Envoy", "Pomerium", "Teleport", "AWS Application Load Balancer"}
	seen := 0
	for _, lines := range [][]string{
		browser, proxied, apached,
		plus(proxied, "X-Forwarded-Access-Token: a,b", "OIDC-access-token: c", "X-Forwarded-Prefix: /a", "Cookie: _oauth2_proxy=a"),
		plus(proxied, "Token: "+jwt(-time.Hour, ""), "Authorization: Basic YTpi", "OIDC_refresh_token: a"),
		plus(proxied, "X-Forwarded-Access-Token: "+accessToken(), "Authorization: Bearer "+idToken()),
		{"Authorization: Bearer " + idToken(), "X-Forwarded-Proto: http", "Cookie: a=" + strings.Repeat("a", 60000)},
		{"Token: " + strings.Repeat("a", 6000)},
		{"X-Pomerium-Jwt-Assertion: " + idToken()}, {"Teleport-Jwt-Assertion: " + idToken()}, {"X-Amzn-Oidc-Accesstoken: a"},
		plus(apached, "OIDC_access_token: "+jwtOf(`{"nbf":1895305600}`), "X-My: "+idToken()),
	} {
		for _, v := range examine(lines...).Verdicts {
			seen++
			if v.Title == "" || strings.HasSuffix(v.Title, ".") || !strings.HasSuffix(v.Text, ".") || strings.Contains(v.Text, "  ") {
				t.Errorf("not in words: %q %q", v.Title, v.Text)
			}
			if bare := bareCode(v.Text); bare != "" {
				t.Errorf("%s: %q is not in backticks in %q", v.Title, bare, v.Text)
			}
			for _, fix := range v.Fixes {
				if !slices.Contains(known, fix.Gateway) || !strings.HasSuffix(fix.Text, ".") || strings.TrimSpace(fix.Code) != fix.Code {
					t.Errorf("%s: %+v is no fix", v.Title, fix)
				}
				if bare := bareCode(fix.Text); bare != "" {
					t.Errorf("%s: %q is not in backticks in %q", v.Title, bare, fix.Text)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("saw %d verdicts, want at least 20", seen)
	}
}

func TestReportHoldsNoNull(t *testing.T) {
	encoded, err := json.Marshal(examine())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(encoded), "null") {
		t.Errorf("got %s", encoded)
	}
}

func TestMissingExplains(t *testing.T) {
	for _, test := range []struct {
		name            string
		lines           []string
		detail, fix, no string
	}{
		{"oauth2-proxy", []string{"X-Forwarded-User: ada"}, "come through oauth2-proxy", "oauth2-proxy: Start it with `--pass-access-token`", "nginx:"},
		{"Apache", []string{"OIDC_CLAIM_sub: ada"}, "come through Apache", "OIDCPassClaimsAs", "oauth2-proxy:"},
		{"nginx", []string{"X-User: ada"}, "come through nginx", "auth_request_set", "Traefik:"},
		{"Traefik before oauth2-proxy", []string{"X-Forwarded-User: ada", "X-Forwarded-Server: a", "X-Real-Ip: b"}, "oauth2-proxy and Traefik", "--pass-access-token", "Traefik:"},
		{"nothing", nil, "Nothing in the request shows which gateway", "Caddy: ", "\n"},
		{"Basic", []string{"Authorization: Basic YTpi"}, "Authorization holds Basic credentials, which are never a token.", "--pass", "YTpi"},
		{"lookalike", []string{"OIDC-access-token: abc"}, "Oidc-Access-Token came, which is not the same as OIDC_access_token.", "--pass", "abc"},
	} {
		t.Run(test.name, func(t *testing.T) {
			detail, fix, wanted, _ := doctor.Missing(request(test.lines...).Header, options().Tokens)
			if !strings.Contains(detail, test.detail) || !strings.Contains(fix, test.fix) || strings.Contains(detail+fix, test.no) {
				t.Errorf("got %q and %q, want %q and %q and no %q", detail, fix, test.detail, test.fix, test.no)
			}
			if diff := cmp.Diff(names, wanted); diff != "" {
				t.Errorf("wanted differs:\n%s", diff)
			}
		})
	}
	_, _, _, arrived := doctor.Missing(request("X-B: secret", "Accept: a").Header, options().Tokens)
	if diff := cmp.Diff([]string{"Accept", "X-B"}, arrived); diff != "" {
		t.Errorf("arrived differs:\n%s", diff)
	}
}

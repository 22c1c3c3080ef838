package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

const apacheAppRecipe = "deploy/gateways/apache/app.conf"

// apacheWithApp is one Apache in front of Token2go and of an app.
func apacheWithApp(pairs ...string) gateway {
	return gateway{header: "OIDC_access_token", start: func(t testing.TB, s *chain) {
		recipeNames(t).route("app.example.org", s.front)
		startApache(t, s,
			apacheHost(t, s, apacheRecipe, []string{"http://127.0.0.1:8080/", "http://" + s.server + "/"}),
			apacheHost(t, s, apacheAppRecipe, append(pairs, "http://127.0.0.1:9000/", "http://"+app(t)+"/")))
	}}
}

func TestApacheAcceptsBearerTokens(t *testing.T) {
	startChain(t, apacheWithApp(), read(t, apacheRecipe))
	appAccess{
		name: "OIDC_CLAIM_preferred_username", mail: "OIDC_CLAIM_email", token: "OIDC_access_token",
		refuses: http.StatusUnauthorized, strict: true, explains: true,
	}.suite(t)
	t.Run("a token of the device flow gets in", deviceFlow)
	t.Run("without a rule for tokens, one is not looked at", notLookedAt)
	t.Run("a copied cookie is the person, at this host, until they sign out", apacheCookie)
}

func TestDocsApacheRuleIsInRecipe(t *testing.T) {
	flat := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	if !strings.Contains(flat(read(t, apacheAppRecipe)), flat(under(t, "Apache", "apache"))) {
		t.Errorf("%s shows a rule that is not in %s", usePage, apacheAppRecipe)
	}
}

// notLookedAt brings a good token to a gateway that has no rule for tokens.
func notLookedAt(t *testing.T) {
	good := grant(t, ofAda("token2go")...).Access
	if got := curl(t, append(bearer(good), address+"/token")...); got.status != http.StatusFound || !strings.HasPrefix(got.header.Get("Location"), provider) {
		t.Errorf("got %d to %s, want to be led to the sign-in", got.status, got.header.Get("Location"))
	}
	if got := curl(t, slices.Concat(bearer(good), asScript(), []string{address + "/token"})...); got.status != http.StatusUnauthorized {
		t.Errorf("got %d, want 401", got.status)
	}
}

// deviceFlow gets a token for a program that has no browser, with a person who has one.
func deviceFlow(t *testing.T) {
	var begun struct {
		Code    string `json:"device_code"`
		Address string `json:"verification_uri_complete"`
	}
	decode(t, curl(t, "--data", "client_id=desk", provider+"/protocol/openid-connect/auth/device").body, &begun)
	b := open(t)
	b.visit(begun.Address)
	b.signIn(ada)
	b.until("document.readyState === 'complete' && document.querySelector('[name=accept]')")
	b.click("[name=accept]")
	b.until("location.pathname.endsWith('/device/status')")
	token := grant(t, "grant_type", "urn:ietf:params:oauth:grant-type:device_code", "client_id", "desk", "device_code", begun.Code).Access
	if got := headersIn(t, curl(t, append(bearer(token), things)...).body).Get("OIDC_CLAIM_preferred_username"); got != ada.name {
		t.Errorf("the app gets the name %q", got)
	}
}

func apacheCookie(t *testing.T) {
	b := signedIn(t, ada)
	cookie := slices.Concat(b.cookies(address), asScript())
	var token tokenAnswer
	decode(t, curl(t, append(cookie, address+"/token")...).body, &token)
	if who := claimsIn(t, token.Secret).Name; who != ada.name {
		t.Errorf("got a token of %q, want the person's", who)
	}
	if got := curl(t, append(cookie, things)...); got.status != http.StatusUnauthorized {
		t.Errorf("got %d at another host, want 401", got.status)
	}
	b.click("#sign-out")
	b.until(there(form))
	if got := curl(t, append(cookie, address+"/token")...); got.status != http.StatusUnauthorized {
		t.Errorf("got %d after signing out, want 401", got.status)
	}
	if got := curl(t, append(bearer(token.Secret), things)...); got.status != http.StatusOK {
		t.Errorf("the token got %d after signing out, want 200 until it ends", got.status)
	}
}

// Apache recognises a page's script by the headers that the browser adds; curl sends none.
func TestApacheRecognisesPageScripts(t *testing.T) {
	startChain(t, apache(), read(t, apacheRecipe))
	b := open(t)
	b.visit(address + "/redirect_uri?info=json") // a page of that origin that needs no session
	if got := b.fetch("/token", "accept", "*/*"); got.Status != http.StatusUnauthorized {
		t.Errorf("a page's script got %d, want 401", got.Status)
	}
	if got := curl(t, address+"/token"); got.status != http.StatusFound {
		t.Errorf("curl got %d, want 302", got.status)
	}
}

// A path of its own for programs leaves everything else to sessions.
func TestApacheAcceptsTokensAtOnePathOnly(t *testing.T) {
	recipe := read(t, apacheAppRecipe)
	rule := recipe[strings.Index(recipe, "        <If"):strings.Index(recipe, "    </Location>")]
	startChain(t, apacheWithApp(rule, "", "    ProxyPass ", under(t, "Only a session cookie counts", "apache")+"    ProxyPass "), read(t, apacheRecipe))
	good := grant(t, ofAda("token2go")...).Access
	const there = "https://app.example.org/api/things"
	if got := headersIn(t, curl(t, append(bearer(good), there)...).body).Get("OIDC_CLAIM_preferred_username"); got != ada.name {
		t.Errorf("the app gets the name %q", got)
	}
	for _, refused := range [][]string{append(bearer(expiredToken(t)), there), {there}, slices.Concat(bearer(good), asScript(), []string{things})} {
		if got := curl(t, refused...); got.status != http.StatusUnauthorized {
			t.Errorf("%.60s: got %d, want 401", refused, got.status)
		}
	}
}

// The short form has one list of what is required, for sessions and for tokens.
func TestApacheWithoutAudienceAcceptsAnyRealmToken(t *testing.T) {
	recipe := read(t, apacheAppRecipe)
	from, to := strings.Index(recipe, "        AuthType"), strings.Index(recipe, "    </Location>")
	startChain(t, apacheWithApp(recipe[from:to], "AuthType auth-openidc\nRequire valid-user\n"), read(t, apacheRecipe))
	for name, token := range map[string]string{
		"of another audience": grant(t, ofAda("elsewhere")...).Access, "that is an ID token": grant(t, ofAda("token2go")...).ID,
	} {
		if got := curl(t, append(bearer(token), things)...); got.status != http.StatusOK {
			t.Errorf("a token %s: got %d, want 200", name, got.status)
		}
	}
	if got := curl(t, append(bearer(expiredToken(t)), things)...); got.status != http.StatusUnauthorized {
		t.Errorf("a token that has ended: got %d, want 401", got.status)
	}
}

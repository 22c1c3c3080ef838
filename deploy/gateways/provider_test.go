package gateways_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// idp is an identity provider that signs everyone in at once, as
// the next person. Its access tokens are as long as Keycloak's of people with few roles.
type idp struct {
	signer jose.Signer
	keys   jose.JSONWebKeySet
	now    func() time.Time // of access tokens alone: oauth2-proxy is to take the ID token
	life   time.Duration    // likewise
	people atomic.Int64
}

// startProvider starts the identity provider, which is also the HTTP proxy by which oauth2-proxy
// finds its name. Access tokens are to live for so long.
func (s *chain) startProvider(t testing.TB, life time.Duration) (at string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	jwk := jose.JSONWebKey{Key: key, KeyID: "of-a-load", Algorithm: string(jose.RS256), Use: "sig"}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jwk}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	p := &idp{
		signer: signer, keys: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk.Public()}}, life: life,
		now: func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) },
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, p.keys) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func writeJSON(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what)
}

func (p *idp) discovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{
		"issuer": provider, "authorization_endpoint": provider + "/authorize", "token_endpoint": provider + "/token",
		"jwks_uri": provider + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

// authorize leads back with a code, which is the nonce.
func (p *idp) authorize(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	back := url.Values{"code": {"of:" + asked.Get("nonce")}, "state": {asked.Get("state")}}
	http.Redirect(w, r, asked.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (p *idp) token(w http.ResponseWriter, r *http.Request) {
	name := fmt.Sprintf("ada-%d", p.people.Add(1))
	claims := map[string]any{
		"iss": provider, "sub": "5f2b0f0e-6c11-4d0e-9f6e-2f1f3a7f4c55-" + name, "aud": "token2go", "azp": "token2go",
		"sid": "b1c9e7de-7d0f-4e0c-8c2a-9d6a5b4c3f21", "acr": "1", "scope": "openid email profile", "nonce": r.FormValue("code")[len("of:"):],
		"email": name + "@example.org", "email_verified": true, "preferred_username": name, "name": "Ada Example",
		"iat": time.Now().Unix(), "exp": time.Now().Add(24 * time.Hour).Unix(),
	}
	id, err := jwt.Signed(p.signer).Claims(claims).Serialize()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	claims["iat"], claims["exp"] = p.now().Unix(), p.now().Add(p.life).Unix()
	claims["typ"], claims["jti"] = "Bearer", "onrtac:0d9f5c1e-3b7a-4f9a-8a55-1c7d2f0b9e64"
	claims["realm_access"] = map[string]any{"roles": []string{"default-roles-main", "offline_access", "uma_authorization"}}
	claims["resource_access"] = map[string]any{"account": map[string]any{"roles": []string{"manage-account", "manage-account-links", "view-profile"}}}
	access, err := jwt.Signed(p.signer).Claims(claims).Serialize()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeJSON(w, map[string]any{"access_token": access, "id_token": id, "token_type": "Bearer", "expires_in": int((24 * time.Hour).Seconds())})
}

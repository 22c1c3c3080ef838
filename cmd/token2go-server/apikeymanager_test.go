package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/api"
	"github.com/token2go/token2go/internal/identity"
	"github.com/token2go/token2go/internal/token"
)

// issuerOfNames takes a token that begins with "person-" for that person's.
type issuerOfNames struct{}

func (issuerOfNames) Identify(_ context.Context, _ http.Header, found token.Found) (identity.Person, error) {
	name, known := strings.CutPrefix(found.Secret.Reveal(), "person-")
	if !known {
		return identity.Person{}, fmt.Errorf("%w: signed by no key of the issuer", identity.ErrUnproven)
	}
	return identity.Person{Issuer: "https://id.example.org", Subject: "id-" + name, Login: name, Roles: []string{"reader"}}, nil
}

// manager is a server that answers as apikey-manager.
type manager struct {
	*openedParts
	address string
}

func openManager(t *testing.T, environment ...string) manager {
	t.Helper()
	s := openParts(t, append([]string{"T2G_COMPATIBILITY=apikey-manager"}, environment...)...)
	o := s.apiOptions()
	s.addAPIKeyManager(&o, issuerOfNames{})
	handler, err := api.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return manager{s, server.URL}
}

// ask sends a request as a person, or without a token for "". Lines are further headers.
func (m manager) ask(t *testing.T, method, target, person string, lines ...string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, m.address+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if person != "" {
		r.Header.Set("Authorization", "Bearer person-"+person)
	}
	for i := 0; i < len(lines); i += 2 {
		r.Header.Set(lines[i], lines[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func (m manager) wants(t *testing.T, wantStatus int, wantBody, method, target, person string, lines ...string) {
	t.Helper()
	if status, body := m.ask(t, method, target, person, lines...); status != wantStatus || body != wantBody {
		t.Errorf("%s %s: got %d %s, want %d %s", method, target, status, body, wantStatus, wantBody)
	}
}

// make makes a key with these fields.
func (m manager) make(t *testing.T, person, fields string) string {
	t.Helper()
	status, body := m.ask(t, http.MethodPost, "/auth/api_key/new?"+fields, person)
	var key string
	if err := json.Unmarshal([]byte(body), &key); err != nil || status != http.StatusOK {
		t.Fatalf("got %d %s", status, body)
	}
	return key
}

const (
	wrongKey = `{"detail":"Wrong, revoked, or expired API key."}`
	goodKey  = `{"user_id":"id-ada","user_login":"ada","iam_roles":["reader"],"config":{"quota":5}}`
)

func TestAPIKeyManagerChecksInItsWords(t *testing.T) {
	m := openManager(t)
	key := m.make(t, "ada", "name=gdal&config="+url.QueryEscape(`{"quota":5}`)+"&allowed_referers=*.example.org")
	unknown := "0b5ff0cf-4a9b-4b0c-8f0e-0a0a0a0a0a0a"
	get := http.MethodGet
	m.wants(t, 200, goodKey, get, "/auth/check_key", "", "X-Api-Key", key)
	m.wants(t, 200, goodKey, get, "/auth/check_key?api-key="+key, "", "X-Api-Key", unknown)
	m.wants(t, 200, goodKey, get, "/k/"+key+"/auth/check_key", "")
	m.wants(t, 200, goodKey, get, "/auth/check_key", "", "X-Api-Key", key, "Referer", "https://maps.example.org/x")
	m.wants(t, 403, wrongKey, get, "/auth/check_key", "", "X-Api-Key", key, "Referer", "https://example.com/")
	m.wants(t, 403, wrongKey, get, "/auth/check_key", "", "X-Api-Key", unknown)
	m.wants(t, 403, wrongKey, get, "/auth/check_key?api-key="+unknown, "", "X-Api-Key", key)
	m.wants(t, 403, wrongKey, get, "/auth/check_key", "", "X-Api-Key", "no UUID")
	m.wants(t, 403, `{"detail":"An API key must be passed as query or header"}`, get, "/auth/check_key", "")
	m.wants(t, 404, `{"detail":"Not Found"}`, get, "/k/UPPER/auth/check_key", "")
	m.wants(t, 200, `{"healthy":true}`, get, "/health/status", "")
}

func TestAPIKeyManagerManagesOwnKeys(t *testing.T) {
	m := openManager(t)
	get, post := http.MethodGet, http.MethodPost
	m.wants(t, 401, `{"detail":"Not authenticated"}`, get, "/auth/me", "")
	m.wants(t, 401, `{"detail":"identity not proven: signed by no key of the issuer"}`, get, "/auth/me", "", "Authorization", "Bearer forged")
	m.wants(t, 200, `{"attributes":{},"roles":["reader"],"user_id":"id-ada","user_login":"ada"}`, get, "/auth/me", "ada")
	m.wants(t, 422, `{"detail":[{"type":"missing","loc":["query","name"],"msg":"Field required","input":null}]}`, post, "/auth/api_key/new", "ada")
	m.wants(t, 422, `{"detail":"config: want a JSON object"}`, post, "/auth/api_key/new?name=x&config=5", "ada")
	m.wants(t, 200, `[]`, get, "/auth/api_key/list", "ada")

	key := m.make(t, "ada", "name=gdal&config="+url.QueryEscape(`{"quota":5}`))
	m.ask(t, get, "/auth/check_key", "", "X-Api-Key", key)
	sum := sha256.Sum256([]byte(key))
	_, body := m.ask(t, get, "/auth/api_key/list", "ada")
	for _, want := range []string{
		`"api_key":"` + hex.EncodeToString(sum[:]) + `"`, `"name":"gdal"`, `"is_active":true`, `"total_queries":1`, `"iam_roles":["reader"]`, `"config":{"quota":5}`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the list lacks %s: %s", want, body)
		}
	}
	m.wants(t, 200, `[]`, get, "/auth/api_key/list", "bob")

	m.wants(t, 200, `null`, post, "/auth/api_key/revoke?api-key="+key, "bob") // not bob's
	m.wants(t, 404, `{"detail":"API key not found"}`, post, "/auth/api_key/renew?api-key="+key, "bob")
	m.wants(t, 200, goodKey, get, "/auth/check_key", "", "X-Api-Key", key)
	m.wants(t, 403, `{"detail":"the request comes from a page of another site"}`, post, "/auth/api_key/revoke?api-key="+key, "ada", "Sec-Fetch-Site", "cross-site")
	m.wants(t, 200, `null`, post, "/auth/api_key/revoke?api-key="+key, "ada")
	m.wants(t, 403, wrongKey, get, "/auth/check_key", "", "X-Api-Key", key)
	end := time.Now().UTC().AddDate(0, 1, 0).Format("2006-01-02T15:04:05")
	m.wants(t, 200, `"This API key was revoked and has been reactivated. The new expiration date for the API key is `+end+`"`,
		post, "/auth/api_key/renew?api-key="+key+"&expiration-date="+end, "ada")
	m.wants(t, 200, goodKey, get, "/auth/check_key", "", "X-Api-Key", key)
	m.wants(t, 200, `"The new expiration date for the API key is 2020-01-01T00:00:00"`, post, "/auth/api_key/renew?api-key="+key+"&expiration-date=2020-01-01", "ada")
	m.wants(t, 403, wrongKey, get, "/auth/check_key", "", "X-Api-Key", key)
}

func TestAPIKeyManagerChangesByGETOnlyWhereAllowed(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		m := openManager(t, fmt.Sprint("T2G_COMPATIBILITY_GET=", allowed))
		status, body := m.ask(t, http.MethodGet, "/auth/api_key/new?name=x", "ada")
		if want := map[bool]int{false: 405, true: 200}[allowed]; status != want {
			t.Errorf("allowed %t: got %d %s, want %d", allowed, status, body, want)
		}
		if status, _ := m.ask(t, http.MethodHead, "/auth/api_key/new?name=x", "ada"); status != 405 {
			t.Errorf("HEAD, allowed %t: got %d, want 405", allowed, status)
		}
	}
}

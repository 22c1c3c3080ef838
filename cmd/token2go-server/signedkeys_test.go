package main

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest"
	"time"

	"github.com/token2go/token2go/internal/api"
	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/ops"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/signing"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/web"
)

// openedParts are the parts of a server with an SQLite database, and its API listener.
type openedParts struct {
	parts
	address string
}

// openParts opens a server's database and API listener, with more of the environment.
func openParts(t *testing.T, environment ...string) *openedParts {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token2go.db")
	for _, entry := range append([]string{
		"T2G_DATABASE_URL=sqlite:" + path, "T2G_OIDC_ISSUER=https://id.example.org", "T2G_OIDC_AUDIENCES=token2go", "T2G_KEYS_KINDS=opaque,jwt",
		"T2G_API_URL=https://api.example.org", "T2G_API_ALLOWED_HOSTS=*",
	}, environment...) {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	settings, err := load()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	opened, err := openDatabase(t.Context(), settings, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := opened.run(ctx)
	t.Cleanup(func() { cancel(); stop() })
	registry := ops.NewRegistry("test")
	s := &openedParts{parts: parts{
		settings: settings, log: log, stdout: io.Discard, lines: audit.NewLines(io.Discard), registry: registry, metrics: web.NewMetrics(registry),
		database: opened, revocations: opened.revocations,
	}}
	handler, err := api.New(s.apiOptions())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	s.address = server.URL
	return s
}

// get asks the API listener, with a credential unless it is empty.
func (s *openedParts) get(t *testing.T, path, credential string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if credential != "" {
		r.Header.Set("Authorization", "Bearer "+credential)
	}
	response, err := t2gtest.NewClient(t).Do(r)
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

func (s *openedParts) make(t *testing.T, kind apikey.Kind) keys.Made {
	t.Helper()
	made, err := s.database.keys.Make(t.Context(), keys.Actor{Name: "ada", Admin: true}, keys.Request{Name: "nightly job", Kind: kind, Owner: "engines"})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestSignedKeysAreCheckedAndRevoked(t *testing.T) {
	s := openParts(t)
	made := s.make(t, apikey.JWT)
	text := made.Secret.Reveal()
	if status, body := s.get(t, "/check", text); status != http.StatusOK || !strings.Contains(body, `"kind":"jwt"`) || !strings.Contains(body, made.Key.ID.String()) {
		t.Fatalf("got %d %s", status, body)
	}
	jwks := func(path string) *signing.Ring {
		t.Helper()
		_, body := s.get(t, path, "")
		ring, err := signing.ReadRing(map[bool]signing.Purpose{true: signing.APIKeys, false: signing.Statuses}[path == "/jwks.json"], []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return ring
	}
	// As a verifier that has only what is published.
	var claims struct {
		Status struct {
			List struct {
				Index int    `json:"idx"`
				URI   string `json:"uri"`
			} `json:"status_list"`
		}
	}
	if err := jwks("/jwks.json").Verify(text, &claims); err != nil {
		t.Fatal(err)
	}
	revoked := func() bool {
		t.Helper()
		_, body := s.get(t, strings.TrimPrefix(claims.Status.List.URI, "https://api.example.org"), "")
		list, _, err := signing.OpenStatusList(jwks("/.well-known/token2go/status.json"), body, claims.Status.List.URI, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return list.Revoked(claims.Status.List.Index)
	}
	if revoked() {
		t.Error("the status list shows a live key as revoked")
	}
	if _, err := s.database.keys.Revoke(t.Context(), keys.Actor{Admin: true}, made.Key.ID, "left on a train"); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); !revoked(); time.Sleep(50 * time.Millisecond) {
		if time.Since(begin) > 5*time.Second {
			t.Fatal("the status list does not show the revocation")
		}
	}
	if status, body := s.get(t, "/check", text); status != http.StatusUnauthorized {
		t.Errorf("got %d %s, want 401", status, body)
	}
	if status, _ := s.get(t, "/status-lists/1", ""); status != http.StatusNotFound {
		t.Errorf("a list that does not exist: got %d, want 404", status)
	}
}

// Each kind of JWT that this server signs goes to every verifier of another kind.
func TestJWTsOfEachKindAreRefusedByOtherVerifiers(t *testing.T) {
	s := openParts(t)
	ring, sealer, err := s.passKeys()
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := pass.New(pass.Options{Ring: ring, Issuer: "https://api.example.org", Sealer: sealer, MaxTTL: time.Hour, Revocations: s.revocations})
	if err != nil {
		t.Fatal(err)
	}
	_, minted, err := issuer.Mint(pass.Request{Service: "notes", Subject: "ada", TTL: time.Hour, Limit: pass.Limit{Scopes: []string{"read"}}})
	if err != nil {
		t.Fatal(err)
	}
	status, err := s.database.keyring.StatusList(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	key := s.make(t, apikey.JWT).Secret.Reveal()
	assertion, err := s.database.keyring.Ring(signing.Assertions).Sign(map[string]any{
		"iss": "https://api.example.org", "sub": "ada", "jti": "0123456789", "exp": time.Now().Add(time.Minute).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	jwts := map[string]string{"key": key, "status list": status, "pass": minted.Reveal(), "assertion": assertion}
	verifiers := map[string]func(string) bool{
		"key": func(jwt string) bool { code, _ := s.get(t, "/check", jwt); return code == http.StatusOK },
		"status list": func(jwt string) bool {
			_, _, err := signing.OpenStatusList(s.database.keyring.Ring(signing.Statuses), jwt, "https://api.example.org/status-lists/0", time.Now())
			return err == nil
		},
		"pass": func(jwt string) bool { _, err := issuer.Verify(jwt, "notes"); return err == nil },
		"assertion": func(jwt string) bool {
			return s.database.keyring.Ring(signing.Assertions).Verify(jwt, new(json.RawMessage)) == nil
		},
	}
	for kind, jwt := range jwts {
		for verifier, takes := range verifiers {
			if got := takes(jwt); got != (kind == verifier) {
				t.Errorf("a %s at the verifier of a %s: taken %t", kind, verifier, got)
			}
		}
	}
}

// A key that apikeyserv has made goes on working, by its number, and can be revoked.
func TestKeysOfApikeyservGoOnWorking(t *testing.T) {
	s := openParts(t, "T2G_COMPATIBILITY=apikeyserv")
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	imported, err := s.database.keyring.Import(t.Context(), "ada", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), false)
	if err != nil {
		t.Fatal(err)
	}
	key := store.Key{ID: 4711, Number: 4711, Kind: apikey.JWT, Owner: "Hydrology", Name: "4711", Created: time.Now()}
	if _, err := s.database.store.AddKey(t.Context(), key, store.Event{}); err != nil {
		t.Fatal(err)
	}
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	text := part(`{"alg":"EdDSA","typ":"JWT"}`) + "." + part(`{"sub":"4711","exp":4102444800}`)
	text += "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(private, []byte(text)))
	if status, body := s.get(t, "/check", text); status != http.StatusOK {
		t.Errorf("got %d %s", status, body)
	}
	if status, body := s.get(t, "/signingkeys", ""); status != http.StatusOK || !strings.Contains(body, imported.ID) { // redirected
		t.Errorf("signing keys: got %d %s, want %s in it", status, body, imported.ID)
	}
	if status, body := s.get(t, "/status/health/", ""); status != http.StatusOK || body != `{"app":true,"database":true}` {
		t.Errorf("health: got %d %s", status, body)
	}
	if _, err := s.database.keys.Revoke(t.Context(), keys.Actor{Admin: true}, key.ID, ""); err != nil {
		t.Fatal(err)
	}
	if status, body := s.get(t, "/check", text); status != http.StatusUnauthorized {
		t.Errorf("revoked: got %d %s, want 401", status, body)
	}
}

func TestSigningKeysCommands(t *testing.T) {
	t.Parallel()
	environment := storing(t, "T2G_KEYS_KINDS=opaque,jwt")
	mustTool(t, environment, "database", "migrate")
	environment = append(environment, "T2G_DATABASE_KEY=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	signers := func() string {
		var states []string
		for line := range strings.Lines(mustTool(t, environment, "signing-keys", "list")) {
			if fields := strings.Fields(line); fields[1] == "apikey" {
				states = append(states, fields[2])
			}
		}
		return strings.Join(states, " ")
	}
	if got := signers(); got != "active" {
		t.Errorf("got states %q, want active", got)
	}
	next := strings.TrimSpace(mustTool(t, environment, "signing-keys", "new"))
	for want, arguments := range map[string][]string{
		"usage: verifiers may not have read the key yet": {"activate", "--", next},
		"usage: signing key unknown: not found":          {"retire", "unknown"},
		"usage: no signing key can be made of it":        {"new", "--purpose", "pass"},
		"usage: open ":                        {"import", filepath.Join(t.TempDir(), "none.pem")},
		"usage: want one ID of a signing key": {"revoke"},
	} {
		if got := tool(t, environment, append([]string{"signing-keys"}, arguments...)...); got.code != exitUsage || !strings.HasPrefix(got.stderr, want) {
			t.Errorf("%q: got %d %q, want %q", arguments, got.code, got.stderr, want)
		}
	}
	if got := mustTool(t, environment, "signing-keys", "activate", "--now", "--", next); got != "signing key "+next+" is active\n" {
		t.Errorf("got %q", got)
	}
	mustTool(t, environment, "signing-keys", "revoke", "--", next)
	if got := signers(); !strings.Contains(got, "revoked") || !strings.Contains(got, "active") {
		t.Errorf("got states %q", got)
	}
}

func TestOrganisationsRegisterAsWithApikeyserv(t *testing.T) {
	if off := openParts(t, "T2G_COMPATIBILITY=apikeyserv"); off.apiOptions().Registrar != nil {
		t.Error("anyone may register where it is not switched on")
	}
	s := openParts(t, "T2G_COMPATIBILITY=apikeyserv", "T2G_REGISTRATION=true")
	post := func(body string) (int, string) {
		t.Helper()
		response, err := http.Post(s.address+"/apikeys/", "application/json", strings.NewReader(body))
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
	for body, want := range map[string]string{
		"":                      `{"message":"No data provided."}`,
		`{"id":1,"email_1":""}`: `{"message":"Invalid parameters."}`,
		`[1]`:                   `{"message":"Invalid parameters."}`,
		`{"organisation":"Hydrology","agree_on_personal_data":true}`:               `{"email_1":["This field is required."]}`,
		`{"organisation":"Hydrology","agree_on_personal_data":true,"email_1":"x"}`: `{"email_1":["Enter a valid email address."]}`,
		`{"organisation":"Hydrology","email_1":"a@example.org"}`:                   `{"agree_on_personal_data":["This field is required."]}`,
	} {
		if status, got := post(body); status != http.StatusBadRequest || got != want {
			t.Errorf("%s: got %d %s, want %s", body, status, got, want)
		}
	}
	const good = `{"organisation":"Hydrology","agree_on_personal_data":true,"email_1":"a@example.org"}`
	status, body := post(good)
	var answer struct {
		ID     int64
		APIKey string
		Sent   bool
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || answer.Sent {
		t.Fatalf("got %d %s", status, body)
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	if err := s.database.keyring.Ring(signing.APIKeys).Verify(answer.APIKey, &claims); err != nil || claims.Subject != strconv.FormatInt(answer.ID, 10) {
		t.Errorf("got subject %q, %v, want %d", claims.Subject, err, answer.ID)
	}
	if status, body := s.get(t, "/check", answer.APIKey); status != http.StatusOK {
		t.Errorf("check: got %d %s", status, body)
	}
	if status, _ := s.get(t, "/apikeys/", ""); status != http.StatusForbidden {
		t.Errorf("GET: got %d, want 403", status)
	}
	for range 9 {
		post(good)
	}
	if status, body := post(good); status != http.StatusTooManyRequests {
		t.Errorf("the eleventh: got %d %s, want 429", status, body)
	}
}

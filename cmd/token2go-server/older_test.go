package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// The original's program makes a token, its configuration and its key file are used as
// they are, and a reload takes services over.
func TestLockboxMovesIn(t *testing.T) {
	t.Parallel()
	process.Slow(t)
	python := process.Need(t, "T2G_TEST_LOCKBOX", "../../.cache/originals/lockbox/bin/python")
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("Authorization") == "Bearer "+upstreamSecret)
	}))
	t.Cleanup(upstream.Close)
	folder := t.TempDir()
	key, file := filepath.Join(folder, "key"), filepath.Join(folder, "config.json")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	service := fmt.Sprintf(`{"base_url":%q,"credential":{"token":%q},"valid_audiences":["ci"],"_comment":"kept"}`, upstream.URL+"/", upstreamSecret)
	write(key, "a signing key of more than 32 bytes\n")
	write(file, `{"services":{"notes":`+service+`},"audit_log":null}`)
	h := openInstance(t, "T2G_SERVICES_FILE="+file, "T2G_API_PORT=0", "T2G_OIDC_ISSUER=http://127.0.0.1:1", "T2G_OIDC_AUDIENCES=test",
		"T2G_COMPATIBILITY=lockbox", "T2G_LOCKBOX_SIGNING_KEY_FILE="+key)
	out, err := exec.Command(python, "-m", "lockbox.generate_service_token", "--service-name", "notes", "--audience", "ci", "--signing-key-file", key).Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs := strings.TrimSpace(string(out))
	ours := strings.TrimSpace(mustTool(t, nil, "lockbox", "service-token", "--service-name", "notes", "--audience", "ci", "--signing-key-file", key))
	other := strings.TrimSpace(mustTool(t, nil, "lockbox", "service-token", "--service-name", "notes", "--audience", "cd", "--signing-key-file", key))
	for _, test := range []struct {
		token  string
		status int
		body   string
	}{
		{theirs, 200, "true"},
		{ours, 200, "true"},
		{other, 401, "Invalid service_name token (bad audience)"},
		{"x", 401, "Invalid service_name token"},
	} {
		if status, body := h.call(t, test.token, http.MethodGet, "/a"); status != test.status || body != test.body {
			t.Errorf("got %d %q, want %d %q", status, body, test.status, test.body)
		}
	}
	if status, body := mustGet(t, "http://"+h.api+"/healthz"); status != http.StatusOK || body != "OK" {
		t.Errorf("/healthz: got %d %q", status, body)
	}
	write(file, `{"services":{"notes":`+strings.Replace(service, `["ci"]`, `[]`, 1)+`}}`)
	admin := strings.TrimSpace(mustTool(t, nil, "lockbox", "admin-token", "--signing-key-file", key))
	r, err := http.NewRequest(http.MethodPost, "http://"+h.api+"/admin/reload", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+admin)
	if answer := newBrowser(t).send(t, r); answer.status != http.StatusOK || answer.body != `{"status":"ok","message":"Configuration reloaded successfully"}` {
		t.Errorf("reload: got %d %q", answer.status, answer.body)
	}
	if status, _ := h.call(t, ours, http.MethodGet, "/a"); status != http.StatusUnauthorized {
		t.Errorf("after the reload: got %d", status)
	}
}

func TestOlderSystemsNeedTheirKeys(t *testing.T) {
	t.Parallel()
	for want, extra := range map[string][]string{
		"T2G_LOCKBOX_SIGNING_KEY_FILE": {"T2G_COMPATIBILITY=lockbox"},
		"T2G_MAGIC_ORIGIN":             {"T2G_COMPATIBILITY=magic-api-proxy"},
		"T2G_MAGIC_SERVICE must be":    {"T2G_COMPATIBILITY=magic-api-proxy", "T2G_MAGIC_SERVICE=notes", "T2G_MAGIC_ORIGIN=https://elsewhere.example"},
	} {
		if got := tool(t, serving(t, append(extra, "T2G_SERVER_PORT=0")...)); got.code != exitUsage || !strings.Contains(got.stderr, want) {
			t.Errorf("%q: got %d %s", extra, got.code, got.stderr)
		}
	}
}

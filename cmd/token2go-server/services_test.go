package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

func TestServicesGoByTheAddressThatATrustedProxyTells(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "there") }))
	t.Cleanup(upstream.Close)
	file := filepath.Join(t.TempDir(), "services.json")
	text := fmt.Sprintf(`{"services":{"one":{"base_url":%q,"requires_service_token":false,"networks":["192.0.2.0/24"]}}}`, upstream.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		proxies, forwarded string
		status             int
	}{
		{"127.0.0.1", "192.0.2.7", http.StatusOK},
		{"127.0.0.1", "198.51.100.7", http.StatusForbidden},
		{"198.51.100.1", "192.0.2.7", http.StatusForbidden},
	} {
		h := openInstance(t, "T2G_SERVICES_FILE="+file, "T2G_SERVER_PORT=0", "T2G_API_PORT=0", "T2G_OIDC_ISSUER=http://127.0.0.1:1",
			"T2G_OIDC_AUDIENCES=test", "T2G_API_TRUSTED_PROXIES="+test.proxies)
		if status, _, err := get("http://"+h.api+"/s/one/", "X-Forwarded-For", test.forwarded); err != nil || status != test.status {
			t.Errorf("%+v: got %d, %v", test, status, err)
		}
	}
}

func TestServicesFileIsReadWhenItChanges(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "there") }))
	t.Cleanup(upstream.Close)
	file := filepath.Join(t.TempDir(), "services.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := fmt.Sprintf(`{"base_url":%q,"requires_service_token":false}`, upstream.URL)
	write(`{"services":{"one":` + open + `}}`)
	h := openInstance(t, "T2G_SERVICES_FILE="+file, "T2G_SERVER_PORT=0", "T2G_API_PORT=0", "T2G_OIDC_ISSUER=http://127.0.0.1:1", "T2G_OIDC_AUDIENCES=test")
	serves := func(service string) bool {
		_, body, err := get("http://" + h.api + "/s/" + service + "/")
		return err == nil && body == "there"
	}
	if !serves("one") || serves("two") {
		t.Fatal("want the service of the file, and no other")
	}
	write(`{"services":{"two":` + open + `}}`)
	process.Until(t, "the changed file counts", func() bool { return serves("two") && !serves("one") })
	write(`{"services":`)
	h.Signal(t, syscall.SIGHUP)
	process.Until(t, "the wrong file is reported", func() bool { return strings.Contains(h.stdout.String(), "services file not taken") })
	if !serves("two") {
		t.Error("a wrong file ended the services")
	}
}

package token2go_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/token2go/token2go/clients/go/token2go"
)

func TestProbeSaysWhatTheProxyAnswered(t *testing.T) {
	var shared struct {
		Cases   []any `json:"cases"`
		Connect []struct {
			Name   string `json:"name"`
			Status int    `json:"status"`
			Error  string `json:"error"`
			Detail string `json:"detail"`
		} `json:"connect"`
	}
	readVectors(t, "proxies.json", &shared)
	if len(shared.Connect) < 3 {
		t.Fatal("the vectors are not there")
	}
	for _, test := range shared.Connect {
		t.Run(test.Name, func(t *testing.T) {
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(test.Status) }))
			defer proxy.Close()
			t.Setenv("HTTPS_PROXY", proxy.URL)
			err := token2go.Probe(t.Context(), token2go.Options{Server: "https://t2g.example.org"})
			if test.Error != "unreachable" || !errors.Is(err, token2go.ErrUnreachable) || !strings.Contains(err.Error(), test.Detail) {
				t.Errorf("got %v, want %s and %q", err, test.Error, test.Detail)
			}
		})
	}
}

package token2go

import (
	"encoding/json"
	"net/url"
	"os"
	"testing"
)

func TestProxySharedCases(t *testing.T) {
	text, err := os.ReadFile("../../../openapi/vectors/proxies.json")
	if err != nil {
		t.Fatal(err)
	}
	var shared struct {
		Cases []struct {
			Name, Server string
			Environment  map[string]string
			Proxy        string
		}
	}
	if err := json.Unmarshal(text, &shared); err != nil || len(shared.Cases) < 20 {
		t.Fatalf("got %d cases (%v)", len(shared.Cases), err)
	}
	for _, test := range shared.Cases {
		t.Run(test.Name, func(t *testing.T) {
			address, err := url.Parse(test.Server)
			if err != nil {
				t.Fatal(err)
			}
			got, err := proxyFor(address, func(name string) string { return test.Environment[name] })
			if err != nil || got == nil && test.Proxy != "" || got != nil && got.String() != test.Proxy {
				t.Errorf("got %v (%v), want %q", got, err, test.Proxy)
			}
		})
	}
}

package token2go_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/token2go/token2go/clients/go/token2go"
)

// recorded answers every request, and keeps the last one's Authorization.
type recorded struct{ authorization string }

func (r *recorded) RoundTrip(request *http.Request) (*http.Response, error) {
	r.authorization = request.Header.Get("Authorization")
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("")), Request: request}, nil
}

func TestTransportSharedHosts(t *testing.T) {
	var shared struct {
		Cases []struct {
			Name  string   `json:"name"`
			Hosts []string `json:"hosts"`
			URL   string   `json:"url"`
			Token bool     `json:"token"`
		} `json:"cases"`
		Unusable []string `json:"unusable"`
	}
	readVectors(t, "hosts.json", &shared)
	if len(shared.Cases) < 30 || len(shared.Unusable) < 10 {
		t.Fatal("the vectors are not there")
	}
	for _, test := range shared.Cases {
		t.Run(test.Name, func(t *testing.T) {
			base := &recorded{}
			transport := &token2go.Transport{Tokens: &tokens{list: []string{"x"}}, Hosts: test.Hosts, Base: base}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, test.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			if got := base.authorization != ""; got != test.Token {
				t.Errorf("got a token %t, want %t", got, test.Token)
			}
		})
	}
	for _, host := range shared.Unusable {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example.org", nil)
		if err != nil {
			t.Fatal(err)
		}
		transport := &token2go.Transport{Tokens: &tokens{list: []string{"x"}}, Hosts: []string{host}, Base: &recorded{}}
		answer, err := transport.RoundTrip(r)
		if err == nil {
			_ = answer.Body.Close()
		}
		if !errors.Is(err, token2go.ErrOptions) {
			t.Errorf("%q: got %v, want it refused", host, err)
		}
	}
}

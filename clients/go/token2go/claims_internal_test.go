package token2go

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

func TestExpiryOfSharedClaims(t *testing.T) {
	text, err := os.ReadFile("../../../openapi/vectors/claims.json")
	if err != nil {
		t.Fatal(err)
	}
	var shared struct {
		Cases []struct {
			Name, Token, Header, Payload string
			Repeat                       [][3]any
			Expires                      time.Time
		}
	}
	if err := json.Unmarshal(text, &shared); err != nil || len(shared.Cases) < 80 {
		t.Fatalf("got %d cases (%v)", len(shared.Cases), err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	for _, test := range shared.Cases {
		t.Run(test.Name, func(t *testing.T) {
			header := test.Header
			if header == "" {
				header = `{"alg":"RS256"}`
			}
			for _, repeat := range test.Repeat {
				test.Payload = strings.ReplaceAll(test.Payload, repeat[0].(string), strings.Repeat(repeat[1].(string), int(repeat[2].(float64))))
			}
			if test.Token == "" {
				test.Token = encode([]byte(header)) + "." + encode([]byte(test.Payload)) + ".c2lnbmF0dXJl"
			}
			if got := expiryOf(test.Token); !got.Equal(test.Expires) {
				t.Errorf("got %v, want %v", got.UTC(), test.Expires)
			}
		})
	}
}

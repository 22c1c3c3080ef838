package signing_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/signing"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// apikeyclient reads a key set and judges JWTs as the middleware of
// datadiensten-apikeyclient does. It has no text for a refusal but None.
const apikeyclient = `
import json, logging, sys
from django.conf import settings
settings.configure()
logging.disable(logging.CRITICAL)
import jwt
from apikeyclient import check_token
asked = json.load(sys.stdin)
keys = [k.key for k in jwt.PyJWKSet(asked["jwks"]["keys"]).keys]
print(json.dumps([check_token(token, keys) for token in asked["tokens"]]))
`

// Services that verify API keys with the client of apikeyserv take ours, and none of the
// other kinds of JWT: it reads no typ, so the key set must hold keys of API keys alone.
func TestClientOfApikeyserv(t *testing.T) {
	process.Slow(t)
	python := process.Need(t, "T2G_TEST_APIKEYCLIENT", "../../.cache/originals/apikeyclient/bin/python")
	var keys []signing.Key
	for _, purpose := range purposes() {
		keys = append(keys, newKey(t, purpose, signing.Active, 0), newKey(t, purpose, signing.Retired, 1))
	}
	var tokens []string
	for _, purpose := range purposes() {
		r := newRing(t, purpose, keys...)
		tokens = append(tokens, mustSign(t, r, map[string]any{
			"iss": "https://t2g.example.org", "sub": "4711", "jti": "0123456789", "iat": start().Unix(), "exp": start().Unix() + 3600,
			"status": map[string]any{"status_list": map[string]any{"idx": 5, "uri": "https://t2g.example.org/status-lists/1"}},
		}))
	}
	question, err := json.Marshal(map[string]any{"jwks": json.RawMessage(newRing(t, signing.APIKeys, keys...).JWKS()), "tokens": tokens})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), python, "-c", apikeyclient)
	c.Stdin = strings.NewReader(string(question))
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	var subjects []*string
	if err := json.Unmarshal(out, &subjects); err != nil {
		t.Fatal(err)
	}
	for i, purpose := range purposes() {
		if good := purpose == signing.APIKeys; (subjects[i] != nil) != good || good && *subjects[i] != "4711" {
			t.Errorf("a JWT of the purpose %s: accepted %v", purpose, subjects[i] != nil)
		}
	}
}

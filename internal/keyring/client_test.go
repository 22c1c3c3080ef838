package keyring_test

import (
	"encoding/json"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/signing"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// apikeyclient fetches nothing: it is given a key set, and judges JWTs as the middleware of
// datadiensten-apikeyclient does.
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

// judge returns the subject of each token that the client takes, and "" for the others.
func judge(t testing.TB, jwks []byte, tokens ...string) []string {
	t.Helper()
	question, err := json.Marshal(map[string]any{"jwks": json.RawMessage(jwks), "tokens": tokens})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), process.Need(t, "T2G_TEST_APIKEYCLIENT", "../../.cache/originals/apikeyclient/bin/python"), "-c", apikeyclient)
	c.Stdin = strings.NewReader(string(question))
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var subjects []*string
	if err := json.Unmarshal(out, &subjects); err != nil {
		t.Fatal(err)
	}
	accepted := make([]string, len(subjects))
	for i, subject := range subjects {
		if subject != nil {
			accepted[i] = *subject
		}
	}
	return accepted
}

func TestClientOfApikeyservTakesKeysThroughRotations(t *testing.T) {
	process.Slow(t)
	f := open(t, newDatabase(t))
	f.clock = time.Now() // the client reads its own
	ring := f.Ring(signing.APIKeys)
	old, oldText := f.key(t)
	next, err := f.Make(t.Context(), "ada", signing.APIKeys)
	if err != nil {
		t.Fatal(err)
	}
	want(t, f.Activate(t.Context(), "ada", next.ID, true), nil)
	want(t, f.Retire(t.Context(), "ada", old.Signed.SigningKey), nil)
	recent, recentText := f.key(t)
	status, err := f.StatusList(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	assertion, err := f.Ring(signing.Assertions).Sign(map[string]any{"sub": "7"})
	if err != nil {
		t.Fatal(err)
	}
	number := func(k store.Key) string { return strconv.FormatInt(k.Number, 10) }
	for i, got := range judge(t, ring.JWKS(), oldText, recentText, status, assertion) {
		if want := []string{number(old), number(recent), "", ""}[i]; got != want {
			t.Errorf("token %d: got subject %q, want %q", i, got, want)
		}
	}
	want(t, f.Revoke(t.Context(), "ada", old.Signed.SigningKey), nil)
	if got := judge(t, ring.JWKS(), oldText, recentText); got[0] != "" || got[1] == "" {
		t.Errorf("after a revocation: got subjects %q", got)
	}
}

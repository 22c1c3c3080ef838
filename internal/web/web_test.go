package web_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"token2go/internal/t2gtest"
)

// get asks for an address and returns the answer with its body.
func get(t *testing.T, client *http.Client, address string, lines ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(lines); i += 2 {
		r.Header.Add(lines[i], lines[i+1])
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func TestAPersonWhoIsSignedInGetsTheToken(t *testing.T) {
	house := t2gtest.Start(t, t2gtest.Options{})
	answer, body := get(t, house.SignedIn(t, ""), house.Gateway+"/token")
	var got struct{ Secret, Header, Fingerprint, Expires string }
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK || got.Secret == "" || got.Expires == "" || got.Header != "X-Forwarded-Access-Token" {
		t.Errorf("got %d with a secret of %d bytes from %q until %q, want the token", answer.StatusCode, len(got.Secret), got.Header, got.Expires)
	}
}

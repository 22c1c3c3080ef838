package token2go_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/secret"
)

// reply is the browser, the gateway and the server in one: it follows the short address
// and brings the token "of-the-reply" back, or a refusal.
func reply(short, refusal string) error {
	return replyWith(short, refusal, `{"secret":"of-the-reply","expires":"`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`"}`)
}

func replyWith(short, refusal, plaintext string) error {
	client := http.Client{CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/flow/redirect/token" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	sent, err := client.Get(short)
	if err != nil {
		return err
	}
	sent.Body.Close()
	flow, err := sent.Location()
	if err != nil {
		return err
	}
	query := flow.Query()
	fields := url.Values{"state": {query.Get("state")}, "error": {refusal}, "error_description": {"for the test"}}
	if refusal == "" {
		key, err := seal.ParseKey(seal.JWK, query.Get("publicKey"))
		if err != nil {
			return err
		}
		sealed, err := seal.SealJWE(key, secret.New(plaintext), seal.Header{State: query.Get("state"), IssuedAt: time.Now()})
		if err != nil {
			return err
		}
		fields = url.Values{"state": fields["state"], "response": {sealed}}
	}
	page, err := client.Get("http://127.0.0.1:" + query.Get("port") + query.Get("path") + "?" + fields.Encode())
	if err != nil {
		return err
	}
	defer page.Body.Close()
	if _, err := io.Copy(io.Discard, page.Body); err != nil || page.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer was not taken: %s (%w)", page.Status, err)
	}
	return nil
}

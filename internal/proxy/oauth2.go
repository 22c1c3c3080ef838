package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/token2go/token2go/internal/secret"
)

// renewing is a token that another server gives for a client's ID and secret (RFC 6749,
// section 4.4). It is renewed before it ends, by one call at a time.
type renewing struct {
	id, address string
	clientKey   Secret
	scopes      []string
	http        *http.Client

	mu   sync.Mutex
	held *oauth2.Token
}

// early is how long before its end a token is renewed.
const early = time.Minute

// tokenTimeout is how long the server that gives tokens may take.
const tokenTimeout = 10 * time.Second

func (*renewing) headers() []string { return []string{"Authorization"} }

func (c *renewing) put(out *outgoing, _ secret.Value) error {
	token, err := c.token()
	if err != nil {
		return err
	}
	out.set("Authorization", "Bearer "+token, token)
	return nil
}

// token returns one that has not ended. If a new one cannot be had, the old one is used as
// long as it lasts.
func (c *renewing) token() (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held != nil && (c.held.Expiry.IsZero() || time.Until(c.held.Expiry) > early) {
		return c.held.AccessToken, nil
	}
	fresh, err := c.renew()
	switch {
	case err == nil:
		c.held = fresh
	case c.held == nil || !time.Now().Before(c.held.Expiry):
		return "", err
	}
	return c.held.AccessToken, nil
}

// renew asks for a token. The answer of a refusal may repeat what was sent, so no more than
// its status is reported.
func (c *renewing) renew() (*oauth2.Token, error) {
	key, err := c.clientKey.Reveal()
	if err != nil {
		return nil, err
	}
	config := clientcredentials.Config{ClientID: c.id, ClientSecret: key, TokenURL: c.address, Scopes: c.scopes}
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, c.http)
	token, err := config.Token(ctx)
	if refused, found := errors.AsType[*oauth2.RetrieveError](err); found {
		return nil, fmt.Errorf("token_url answers %d", refused.Response.StatusCode)
	}
	if err != nil {
		return nil, fmt.Errorf("token_url: %w", cause(err))
	}
	return token, checkSecret(token.AccessToken)
}

func readClientCredentials(object map[string]json.RawMessage) (Credential, error) {
	c := &renewing{http: &http.Client{
		Timeout: tokenTimeout,
		// The client's secret goes to no other address.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if json.Unmarshal(object["client_id"], &c.id) != nil || c.id == "" {
		return nil, errors.New("client_id: want a text")
	}
	if json.Unmarshal(object["token_url"], &c.address) != nil {
		return nil, errors.New("token_url: want a URL")
	}
	address, err := url.Parse(c.address)
	if err != nil || address.User != nil || address.Scheme != "https" && (address.Scheme != "http" || !isLoopback(address.Hostname())) || address.Host == "" {
		return nil, errors.New("token_url: want an https URL, or an http one of this machine")
	}
	if raw := object["scopes"]; raw != nil && json.Unmarshal(raw, &c.scopes) != nil {
		return nil, errors.New("scopes: want a list of texts")
	}
	if c.clientKey, err = newSecret(object["client_secret"]); err != nil {
		return nil, fmt.Errorf("client_secret: %w", err)
	}
	return c, nil
}

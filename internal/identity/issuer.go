package identity

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// issuer is an OpenID provider whose addresses are discovered in the background, so that
// the server starts while the provider does not answer.
type issuer struct {
	url    string
	client *http.Client
	log    *slog.Logger
	now    func() time.Time

	mu       sync.Mutex
	keys     *keySet // nil: not discovered
	userinfo string
}

func newIssuer(url string, client *http.Client, log *slog.Logger, now func() time.Time) *issuer {
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Second}
	}
	if now == nil {
		now = time.Now
	}
	return &issuer{url: url, client: client, log: log, now: now}
}

// Run discovers the issuer and fetches its keys, again until it succeeds or the context
// ends.
func (i *issuer) Run(ctx context.Context) {
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		err := i.discover(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		i.log.Error("identity provider not found", "issuer", i.url, "cause", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// discover reads the provider's configuration, whose issuer must be this one
// (OpenID Connect Discovery 1.0, section 4.3).
func (i *issuer) discover(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.client), i.url)
	if err != nil {
		return err
	}
	var document struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil {
		return err
	}
	keys := &keySet{url: document.Keys, client: i.client, now: i.now}
	keys.refetch(ctx)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys, i.userinfo = keys, provider.UserInfoEndpoint()
	return nil
}

// known returns the issuer's keys and its userinfo endpoint. The error is ErrUnavailable
// until the issuer was discovered.
func (i *issuer) known() (*keySet, string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.keys == nil {
		return nil, "", fmt.Errorf("%w: it has not answered yet", ErrUnavailable)
	}
	return i.keys, i.userinfo, nil
}

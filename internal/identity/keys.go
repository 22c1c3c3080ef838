package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// algorithms are those with which a token may be signed. None of them has a key that the
// verifier shares with the signer.
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA}
}

const (
	refetchInterval = 10 * time.Second // how often an unknown key makes the issuer be asked
	maxAge          = time.Hour        // how old keys become before they are fetched anew
	maxDocument     = 1 << 20          // bytes of a document of the issuer
)

// keySet is the issuer's signing keys. They are kept while the issuer cannot be asked.
type keySet struct {
	url    string
	client *http.Client
	now    func() time.Time

	fetching sync.Mutex // one at a time; a known key does not wait for it

	mu      sync.Mutex
	keys    []jose.JSONWebKey
	fetched time.Time
	tried   time.Time
}

// VerifySignature returns the payload of a compact JWS that one of the keys has signed.
func (k *keySet) VerifySignature(ctx context.Context, compact string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(compact, algorithms())
	if err != nil {
		return nil, errors.New("no signature of an accepted algorithm")
	}
	keys, old := k.current()
	if old {
		go k.refetch(context.WithoutCancel(ctx))
	}
	if payload, verified := verify(signed, keys); verified {
		return payload, nil
	}
	// The caller may leave; the keys are for all.
	refetched := make(chan struct{})
	go func() { defer close(refetched); k.refetch(context.WithoutCancel(ctx)) }()
	select {
	case <-refetched:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	keys, _ = k.current()
	if payload, verified := verify(signed, keys); verified {
		return payload, nil
	}
	return nil, errors.New("signature of no key of the issuer")
}

// verify tries the keys with the token's key ID, or all where it names none.
func verify(signed *jose.JSONWebSignature, keys []jose.JSONWebKey) ([]byte, bool) {
	header := signed.Signatures[0].Header
	for _, key := range keys {
		if header.KeyID != "" && key.KeyID != header.KeyID || key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := signed.Verify(key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// current returns the keys, and whether they are old and may be fetched again.
func (k *keySet) current() (keys []jose.JSONWebKey, old bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys, k.now().Sub(k.fetched) >= maxAge && k.mayTry()
}

func (k *keySet) mayTry() bool { return k.now().Sub(k.tried) >= refetchInterval }

// refetch fetches the keys, at most once each interval.
func (k *keySet) refetch(ctx context.Context) {
	k.fetching.Lock()
	defer k.fetching.Unlock()
	if !k.try() {
		return
	}
	keys, err := k.fetch(ctx)
	if err != nil || len(keys) == 0 {
		return // those that are there stay
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys, k.fetched = keys, k.now()
}

// try reports whether the keys may be fetched now, and counts that as done.
func (k *keySet) try() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.mayTry() {
		return false
	}
	k.tried = k.now()
	return true
}

func (k *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := getJSON(ctx, k.client, k.url, "", &document); err != nil {
		return nil, err
	}
	var keys []jose.JSONWebKey
	for _, raw := range document.Keys {
		var key jose.JSONWebKey
		// A key of a kind that is not known here must not spoil the others.
		if key.UnmarshalJSON(raw) == nil && key.IsPublic() && (key.Use == "" || key.Use == "sig") {
			keys = append(keys, key)
		}
	}
	return slices.Clip(keys), nil
}

// getJSON reads a document of the issuer.
func getJSON(ctx context.Context, client *http.Client, address, bearer string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return &statusError{answer.StatusCode}
	}
	return json.NewDecoder(io.LimitReader(answer.Body, maxDocument)).Decode(into)
}

type statusError struct{ status int }

func (e *statusError) Error() string {
	return fmt.Sprintf("the identity provider answered %d", e.status)
}

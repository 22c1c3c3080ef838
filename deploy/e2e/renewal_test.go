package e2e_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// renewal is what a gateway is asked that signs people in as the realm's client hasty,
// whose tokens end after 65 seconds.
func (s *chain) renewal(t *testing.T) {
	t.Run("the token is renewed, and so is the next one", func(t *testing.T) { renews(t, ada) })
	t.Run("a token of more than 8 KB is renewed, and so is the next one", func(t *testing.T) { renews(t, grace) })
}

// renews stays signed in until the token has been renewed twice: the second time shows
// that what the first one changed was kept.
func renews(t *testing.T, who person) {
	b := signedIn(t, who)
	last := b.token()
	// Keycloak looks at its clock twice.
	if life := claimsIn(t, last.Secret).life(); life > 70*time.Second {
		t.Fatalf("the token lives for %s, want some 65 seconds: nothing would be renewed soon", life)
	}
	for range 2 {
		next := b.nextToken(last)
		if name := accepts(t, next.Secret); name != who.name {
			t.Errorf("Keycloak says that the renewed token is of %q, want %s", name, who.name)
		}
		if next.Expires <= last.Expires {
			t.Errorf("the renewed token expires at %s, the one before it at %s", next.Expires, last.Expires)
		}
		last = next
	}
	if cookies := eval[string](b, "document.cookie"); cookies != "" {
		t.Errorf("a script of the page can read the session: %.60s", cookies)
	}
}

// nextToken waits until the page gets another token.
func (b *tab) nextToken(last tokenAnswer) tokenAnswer {
	b.t.Helper()
	for end := time.Now().Add(soon); time.Now().Before(end); time.Sleep(time.Second) {
		if next := b.token(); next != last {
			return next
		}
	}
	b.t.Fatal("the token is never renewed")
	return tokenAnswer{}
}

// shortLivedTokens makes oauth2-proxy that client, and renews the session long before the end, in pairs.
func shortLivedTokens() []string {
	return []string{"--client-id=token2go", "--client-id=hasty", "--cookie-refresh=4m", "--cookie-refresh=5s"}
}

func TestOAuth2ProxyRenewsTheToken(t *testing.T) {
	oauth2Proxy(t)
	startChain(t, direct(shortLivedTokens()...), read(t, oauth2ProxyRecipe)).renewal(t)
}

func TestForwardAuthGatewaysRenewToken(t *testing.T) {
	oauth2Proxy(t)
	for _, a := range forwardAuths() {
		t.Run(a.name, func(t *testing.T) {
			recipe := read(t, a.recipe)
			if !strings.Contains(command(t, recipe), "--cookie-refresh") {
				startChain(t, a.with("--cookie-expire=5m", "--cookie-expire=5s"), recipe)
				signsInAgain(t)
				return
			}
			startChain(t, a.with(shortLivedTokens()...), recipe).renewal(t)
		})
	}
}

// signsInAgain is what takes the place of renewal where the session ends with the token:
// the person gets another one by coming back, and is asked nothing.
func signsInAgain(t *testing.T) {
	b := signedIn(t, ada)
	first := b.token()
	process.Until(t, "the session ends", func() bool { return b.fetch("/token").Status == http.StatusUnauthorized })
	b.visit(address + "/")
	b.ready()
	second := b.token()
	if second == first {
		t.Error("the person is handed the same token again")
	}
	if who := accepts(t, second.Secret); who != ada.name {
		t.Errorf("Keycloak says that the token is of %q, want %s", who, ada.name)
	}
}

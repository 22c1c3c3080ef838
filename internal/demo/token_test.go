package demo_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/token2go/token2go/internal/demo"
)

const access = "X-Forwarded-Access-Token"

// verified checks a token against the keys that the gateway publishes.
func verified(s *fixture, token string) (jwt.Claims, map[string]any) {
	s.t.Helper()
	_, text := s.get(s.client(), "/.well-known/jwks.json")
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(text), &keys); err != nil {
		s.t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		s.t.Fatal(err)
	}
	var claims jwt.Claims
	all := map[string]any{}
	if err := parsed.Claims(&keys, &claims, &all); err != nil {
		s.t.Fatal(err)
	}
	return claims, all
}

func TestAccessTokenVerifiesAgainstPublishedKeys(t *testing.T) {
	now := newClock()
	s := open(t, demo.Options{Now: now.Now})
	claims, all := verified(s, s.see(s.signedIn("ada.analyst"), "/", nil).Header.Get(access))
	expected := jwt.Expected{Issuer: s.front.URL, AnyAudience: jwt.Audience{"demo-services"}, Subject: demo.People()[0].Subject, Time: now.Now()}
	if err := claims.ValidateWithLeeway(expected, 0); err != nil {
		t.Error(err)
	}
	if got := claims.Expiry.Time(); !got.Equal(now.Now().Add(5 * time.Minute)) {
		t.Errorf("got expiry %v, want five minutes from %v", got, now.Now())
	}
	for name, want := range map[string]any{
		"typ": "Bearer", "azp": "token2go-demo", "scope": "openid profile email",
		"preferred_username": "ada.analyst", "name": "Ada Analyst", "email": "ada.analyst@example.org",
	} {
		if all[name] != want {
			t.Errorf("%s: got %v, want %v", name, all[name], want)
		}
	}
}

func TestAuthorizationHeaderCarriesIDToken(t *testing.T) {
	s := open(t, demo.Options{Flags: demo.Flags{PassAuthorizationHeader: true}})
	seen := s.see(s.signedIn("ada.analyst"), "/", nil)
	_, all := verified(s, strings.TrimPrefix(seen.Header.Get("Authorization"), "Bearer "))
	if all["typ"] != "ID" || all["aud"] != "token2go-demo" || all["realm_access"] != nil {
		t.Errorf("got typ %v for %v, want an ID token for the client", all["typ"], all["aud"])
	}
}

func TestJWKSHasNoPrivateKey(t *testing.T) {
	s := open(t, demo.Options{})
	_, text := s.get(s.client(), "/.well-known/jwks.json")
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal([]byte(text), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("got %s (%v), want one key", text, err)
	}
	if set.Keys[0]["d"] != nil || set.Keys[0]["x"] == nil {
		t.Error("got a private key, want the public half")
	}
}

func TestDiscoveryReturnsIssuerAndJWKS(t *testing.T) {
	s := open(t, demo.Options{})
	_, text := s.get(s.client(), "/.well-known/openid-configuration")
	var found struct {
		Issuer string
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		t.Fatal(err)
	}
	claims, _ := verified(s, s.see(s.signedIn("ada.analyst"), "/", nil).Header.Get(access))
	if found.Issuer != claims.Issuer || found.Keys != s.front.URL+"/.well-known/jwks.json" {
		t.Errorf("got %+v, want issuer %s and its keys", found, claims.Issuer)
	}
}

func TestTokenBytesSetsTokenLength(t *testing.T) {
	for _, length := range []int{0, 2000, 12_345, 60_000} {
		s := open(t, demo.Options{TokenBytes: length})
		token := s.see(s.signedIn("nora.newcomer"), "/", nil).Header.Get(access)
		least, most := length-4, length+4
		if length == 0 {
			least, most = 900, 1400
		}
		if got := len(token); got < least || got > most {
			t.Errorf("asked for %d: got %d bytes, want %d to %d", length, got, least, most)
		}
		verified(s, token)
	}
}

func TestTokenIsRenewedBeforeExpiry(t *testing.T) {
	for _, test := range []struct {
		name            string
		lifetime, renew time.Duration
		after           time.Duration
		renewed         bool
	}{
		{"a minute is left", 0, 0, 4 * time.Minute, false},
		{"less than a minute is left", 0, 0, 4*time.Minute + time.Second, true},
		{"it has expired", 0, 0, time.Hour, true},
		{"six of thirty seconds are left", 30 * time.Second, 0, 24 * time.Second, false},
		{"five of thirty seconds are left", 30 * time.Second, 0, 25 * time.Second, true},
		{"its own margin is reached", time.Hour, 10 * time.Minute, 51 * time.Minute, true},
		{"never renewed", time.Minute, -1, time.Hour, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := newClock()
			s := open(t, demo.Options{Now: now.Now, Lifetime: test.lifetime, Renew: test.renew})
			client := s.signedIn("ada.analyst")
			first := s.see(client, "/", nil).Header.Get(access)
			now.advance(test.after)
			second := s.see(client, "/", nil).Header.Get(access)
			if got := first != second; got != test.renewed {
				t.Errorf("got renewed %v, want %v", got, test.renewed)
			}
			if test.renewed {
				checkNewer(s, first, second, test.after)
			}
		})
	}
}

func checkNewer(s *fixture, first, second string, by time.Duration) {
	s.t.Helper()
	before, _ := verified(s, first)
	after, _ := verified(s, second)
	if before.ID == after.ID || before.Subject != after.Subject {
		s.t.Errorf("got IDs %s and %s, want different ones of the same person", before.ID, after.ID)
	}
	if got := after.Expiry.Time().Sub(before.Expiry.Time()); got != by {
		s.t.Errorf("got %v later, want %v", got, by)
	}
}

func TestConcurrentRequestsGetTheSameToken(t *testing.T) {
	now := newClock()
	s := open(t, demo.Options{Now: now.Now})
	client := s.signedIn("ada.analyst")
	for range 3 {
		tokens := make([]string, 16)
		var wait sync.WaitGroup
		for i := range tokens {
			wait.Go(func() { tokens[i] = tokenOf(t, client, s.front.URL) })
		}
		wait.Wait()
		for _, token := range tokens {
			if token == "" || token != tokens[0] {
				t.Fatalf("got different tokens, want the same for all")
			}
		}
		now.advance(time.Hour)
	}
}

// tokenOf may run in other goroutines, so it does not call Fatal.
func tokenOf(t *testing.T, client *http.Client, target string) string {
	response, err := client.Get(target)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer response.Body.Close()
	var seen received
	if err := json.NewDecoder(response.Body).Decode(&seen); err != nil {
		t.Error(err)
	}
	return seen.Header.Get(access)
}

func TestConcurrentSignOutsDoNotRace(t *testing.T) {
	s := open(t, demo.Options{})
	var wait sync.WaitGroup
	for _, person := range demo.People() {
		client := s.signedIn(person.Username)
		wait.Go(func() {
			for range 5 {
				if token := tokenOf(t, client, s.front.URL); token == "" {
					t.Errorf("got no token for %s", person.Username)
				}
			}
			response, err := client.Get(s.front.URL + "/oauth2/sign_out")
			if err != nil {
				t.Error(err)
				return
			}
			_ = response.Body.Close()
		})
	}
	wait.Wait()
}

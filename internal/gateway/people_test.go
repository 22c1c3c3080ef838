package gateway_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/identity"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/token"
)

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: did not become true", what)
		}
	}
}

// persons returns the people in the database.
func persons(t testing.TB, s *store.Store) (all []store.Person) {
	t.Helper()
	_, err := s.Changes(t.Context(), 0, func(p store.Person) error { all = append(all, p); return nil }, func(store.Key) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestVisitStoresVerifiedPerson(t *testing.T) {
	t.Parallel()
	people := t2gtest.Database(t)
	server := open(t, t2gtest.Verified(t, people))
	ada := server.SignedIn(t, "ada.analyst")
	eventually(t, "a visit is stored", func() bool {
		answer, body := get(t, ada, server.Gateway+"/token")
		if answer.status != http.StatusOK {
			t.Fatalf("got %d: %s", answer.status, body)
		}
		return len(persons(t, people)) == 1
	})
	got := persons(t, people)[0]
	if got.Login != "ada.analyst" || got.Email != "ada.analyst@example.org" || !slices.Contains(got.Roles, "analysts") || !slices.Contains(got.Groups, "staff") || !got.Active || time.Since(got.Seen) > time.Minute {
		t.Errorf("got %+v", got)
	}
	revision := got.Revision
	for range 5 {
		_, _ = get(t, ada, server.Gateway+"/")
	}
	if again := persons(t, people)[0]; again.Revision != revision {
		t.Errorf("got revision %d after further visits, want still %d", again.Revision, revision)
	}
}

func TestShownNameIsThatOfTheVerifiedToken(t *testing.T) {
	t.Parallel()
	server := openKeys(t)
	ada := server.SignedIn(t, "ada.analyst")
	_, body := get(t, ada, server.Gateway+"/", "X-Auth-Request-User", "mallory", "Accept", "text/html")
	if !strings.Contains(body, `<b data-id="person">ada.analyst</b>`) || strings.Contains(body, "mallory") {
		t.Errorf("the page does not show the verified name alone: %s", body)
	}
	_, _ = get(t, ada, server.Gateway+"/token", "X-Auth-Request-User", "mallory")
	if output := server.Output.String(); !strings.Contains(output, `"person":"ada.analyst"`) || strings.Contains(output, "mallory") {
		t.Error("the hand-over is not on record under the verified name alone")
	}
	_, body = get(t, server.Client(), server.Direct+"/", with("t0ken", "X-Forwarded-User", "mallory", "Accept", "text/html")...)
	if strings.Contains(body, "mallory") {
		t.Error("the page shows a name although the token proves none")
	}
}

// unavailable is an identity provider that cannot be asked.
type unavailable struct{ delay time.Duration }

func (u unavailable) Identify(ctx context.Context, _ http.Header, _ token.Found) (identity.Person, error) {
	select {
	case <-time.After(u.delay):
	case <-ctx.Done():
	}
	return identity.Person{}, identity.ErrUnavailable
}

func TestTokenDoesNotWaitForIdentityProvider(t *testing.T) {
	t.Parallel()
	server := open(t, func(o *gateway.Options) {
		o.People, o.Store = unavailable{time.Minute}, t2gtest.Database(t)
		o.Identity = []string{"X-Auth-Request-User", "X-Forwarded-User"}
	})
	begin := time.Now()
	answer, body := get(t, server.Client(), server.Direct+"/token", "X-Forwarded-Access-Token", "t0ken", "X-Auth-Request-User", "mallory", "X-Forwarded-User", "ada")
	if answer.status != http.StatusOK || time.Since(begin) > 5*time.Second {
		t.Fatalf("got %d after %v: %s", answer.status, time.Since(begin), body)
	}
	if output := server.Output.String(); !strings.Contains(output, `"person":"ada"`) || strings.Contains(output, "mallory") {
		t.Errorf("want the name of the header that belongs to the token's: %s", output)
	}
}

func TestVisitFailureIsRetried(t *testing.T) {
	t.Parallel()
	people := t2gtest.Database(t)
	if err := people.Close(); err != nil {
		t.Fatal(err)
	}
	server := open(t, t2gtest.Verified(t, people))
	ada := server.SignedIn(t, "ada.analyst")
	eventually(t, "two failures are logged", func() bool {
		_, _ = get(t, ada, server.Gateway+"/token")
		return strings.Count(server.Output.String(), "visit not stored") >= 2
	})
}

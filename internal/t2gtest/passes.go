package t2gtest

import (
	"testing"
	"time"

	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/passes"
	"github.com/token2go/token2go/internal/rule"
	"github.com/token2go/token2go/internal/store"
)

// PassServer is the address that passes of WithPasses are for.
const PassServer = "https://api.t2g.example.org"

// WithPasses has a server make passes for two services, for people of the pretend gateway:
// notes, for everyone, and me, which is called with the person's own token. db may be nil.
func WithPasses(t testing.TB, db *store.Store) func(*gateway.Options) {
	t.Helper()
	people := Verified(t, db)
	return func(o *gateway.Options) {
		people(o)
		ring, sealer, err := pass.DeriveKeys(time.Now(), make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		revocations := new(pass.Revocations)
		issuer, err := pass.New(pass.Options{Ring: ring, Sealer: sealer, Issuer: PassServer, Revocations: revocations, Now: o.Now})
		if err != nil {
			t.Fatal(err)
		}
		services := []passes.Service{
			{
				Name: "notes", Title: "Notes of the team", People: []string{passes.Everyone},
				BaseURL: "https://notes.example.org", Origin: "https://notes.example.org", Injected: []string{"Authorization: Bearer …"},
				Scopes: []passes.Scope{{Name: "read", Title: "read notes", Rules: mustRules(t, "GET /notes/.*")}, {Name: "write", Title: "change notes", Rules: mustRules(t, "* /notes/.*")}},
				Sets:   []rule.Set{{Allow: mustRules(t, "* /notes.*"), Deny: mustRules(t, "DELETE .*")}},
			},
			{
				Name: "me", Title: "Your account", People: []string{passes.Everyone}, Personal: true,
				BaseURL: "https://me.example.org", Origin: "https://me.example.org",
			},
			{Name: "secret", BaseURL: "https://secret.example.org", Origin: "https://secret.example.org", People: []string{"operators"}},
		}
		o.Passes, err = passes.New(passes.Options{
			Issuer: issuer, Services: func() []passes.Service { return services }, Server: PassServer, Store: db, Revocations: revocations, Now: o.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func mustRules(t testing.TB, texts ...string) (rules []rule.Rule) {
	t.Helper()
	for _, text := range texts {
		r, err := rule.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, r)
	}
	return rules
}

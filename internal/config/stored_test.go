package config_test

import (
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/config"
)

// withDatabase are assignments with which the server stores something.
func withDatabase(more ...string) []string {
	return append([]string{
		"T2G_DATABASE_URL=sqlite:/var/lib/token2go/token2go.db",
		"T2G_OIDC_ISSUER=https://id.example.org/realms/main", "T2G_OIDC_AUDIENCES=account",
	}, more...)
}

func TestLoadRejectsWhatCannotBeStored(t *testing.T) {
	short := base64.StdEncoding.EncodeToString(make([]byte, 31))
	for _, test := range []struct {
		name        string
		assignments []string
		fault, want string
	}{
		{"a fallback token", withDatabase("T2G_FALLBACK_TOKEN=abc"), "T2G_FALLBACK_TOKEN", "everyone would be one person"},
		{"a relative path", withDatabase("T2G_DATABASE_URL=sqlite:token2go.db"), "T2G_DATABASE_URL", "not absolute"},
		{"another database", withDatabase("T2G_DATABASE_URL=mysql://db"), "T2G_DATABASE_URL", "neither sqlite: nor postgres://"},
		{"PostgreSQL without a key", withDatabase("T2G_DATABASE_URL=postgres://db/t2g"), "T2G_DATABASE_KEY", "nothing, with PostgreSQL"},
		{"a short database key", withDatabase("T2G_DATABASE_KEY=" + short), "T2G_DATABASE_KEY", "key 1 has 31 bytes"},
		{"a key that is no base64", withDatabase("T2G_DATABASE_KEY=" + strings.Repeat("?", 44)), "T2G_DATABASE_KEY", "key 1 is not base64"},
		{"no issuer", []string{"T2G_DATABASE_URL=sqlite:/t2g.db", "T2G_OIDC_AUDIENCES=a"}, "T2G_OIDC_ISSUER", "whose tokens"},
		{"no audience", []string{"T2G_DATABASE_URL=sqlite:/t2g.db", "T2G_OIDC_ISSUER=https://id.example.org"}, "T2G_OIDC_AUDIENCES", "another application"},
		{"headers without proof", withDatabase("T2G_IDENTITY=headers", "T2G_SUBJECT_HEADER=X-User"), "T2G_GATEWAY_SECRET", "an address proves no header"},
		{"headers with a short secret", withDatabase("T2G_IDENTITY=headers", "T2G_SUBJECT_HEADER=X-User", "T2G_GATEWAY_SECRET=short"), "T2G_GATEWAY_SECRET", "16 characters"},
		{"headers without a subject", withDatabase("T2G_IDENTITY=headers", "T2G_GATEWAY_SECRET=0123456789abcdef"), "T2G_SUBJECT_HEADER", "required"},
		{"the gateway's port", withDatabase("T2G_API_PORT=8080"), "T2G_API_PORT", "8080 (the gateway listener's)"},
		{"the ops listener's port", withDatabase("T2G_API_PORT=8082"), "T2G_API_PORT", "8082 (the ops listener's)"},
		{"the gateway's origin", withDatabase("T2G_API_URL=https://t.example.org", "T2G_PUBLIC_URL=https://t.example.org/t2g"), "T2G_API_URL", "whose pages show tokens"},
		{"a path in the API's URL", withDatabase("T2G_API_URL=https://t.example.org/api"), "T2G_API_URL", "a path"},
		{"no listener at all", []string{"T2G_SERVER_PORT=off"}, "T2G_SERVER_PORT", "nothing else to serve"},
		{"a shortest life above the longest", withDatabase("T2G_KEYS_MIN_TTL=400d"), "T2G_KEYS_MIN_TTL", "at most T2G_KEYS_MAX_TTL, 365d"},
		{"a default life above the longest", withDatabase("T2G_KEYS_MAX_TTL=30d"), "T2G_KEYS_DEFAULT_TTL", "1h and 30d"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if fault := refused(t, test.assignments...); fault.Name != test.fault || !strings.Contains(fault.Error(), test.want) {
				t.Errorf("got %v, want a fault of %s with %q", fault, test.fault, test.want)
			}
		})
	}
}

func TestLoadAcceptsWhatIsStored(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for _, assignments := range [][]string{
		withDatabase(),
		withDatabase("T2G_DATABASE_URL=postgres://t2g:pass@db/t2g", "T2G_DATABASE_KEY="+key+","+key),
		{"T2G_SERVICES_FILE=/etc/services.json", "T2G_SERVER_PORT=off"},
		withDatabase("T2G_IDENTITY=headers", "T2G_SUBJECT_HEADER=X-User", "T2G_SERVER_SOCKET="+filepath.Join(t.TempDir(), "s")),
		{"T2G_API_PORT=8080"}, // no API listener without a database or services
	} {
		loaded(t, assignments...)
	}
}

func TestAPIAddressAndHosts(t *testing.T) {
	c := loaded(t, withDatabase("T2G_API_HOST=127.0.0.1")...)
	if got := c.API.Address().String(); got != "http://127.0.0.1:8081" {
		t.Errorf("got the address %s", got)
	}
	c = loaded(t, withDatabase("T2G_API_URL=https://api.example.org")...)
	if got := c.API.Hosts(); c.API.Address().Host != "api.example.org" || got[0] != "api.example.org" {
		t.Errorf("got the hosts %q", got)
	}
	if got := loaded(t, withDatabase("T2G_API_ALLOWED_HOSTS=*")...).API.Hosts(); got != nil {
		t.Errorf("got the hosts %q, want every one", got)
	}
}

func TestDatabaseKeysReadsSeveral(t *testing.T) {
	one, two := make([]byte, 32), make([]byte, 32)
	two[0] = 1
	keys, err := config.DatabaseKeys(base64.StdEncoding.EncodeToString(one) + "," + base64.StdEncoding.EncodeToString(two))
	if err != nil || len(keys) != 2 || keys[1][0] != 1 {
		t.Errorf("got %v, %v", keys, err)
	}
}

func TestLimitsByRoleAreRead(t *testing.T) {
	read := loaded(t, withDatabase("T2G_KEYS_MAX_TTL_FOR=operators=3650d,a=b=90m", "T2G_KEYS_MAX_PER_PERSON_FOR=/staff/it=7")...)
	ttls, counts := read.Keys.MaxTTLs(), read.Keys.MaxCounts()
	if len(ttls) != 2 || ttls["operators"] != 3650*24*time.Hour || ttls["a=b"] != 90*time.Minute || len(counts) != 1 || counts["/staff/it"] != 7 {
		t.Errorf("got %v and %v", ttls, counts)
	}
}

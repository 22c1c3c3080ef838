package config_test

import (
	"slices"
	"strings"
	"testing"
)

func TestWarningsNameRisksOfWhatIsStored(t *testing.T) {
	for name, test := range map[string]struct {
		with string
		want string // how the warning begins
	}{
		"plain text on the network":     {"T2G_API_HOST=0.0.0.0", "T2G_API_HOST=0.0.0.0: keys cross the network in plain text"},
		"nearly every peer as a proxy":  {"T2G_API_TRUSTED_PROXIES=0.0.0.0/1", "T2G_API_TRUSTED_PROXIES: the networks"},
		"every host name":               {"T2G_API_ALLOWED_HOSTS=*", "T2G_API_ALLOWED_HOSTS=*: a website"},
		"an address without TLS":        {"T2G_API_URL=http://api.example.org", "T2G_API_URL: over plain http"},
		"ID tokens":                     {"T2G_OIDC_ID_TOKENS=true", "T2G_OIDC_ID_TOKENS: an ID token"},
		"keys that outlive their owner": {"T2G_KEYS_NEVER_END=true", "T2G_KEYS_NEVER_END: keys of people who have left"},
	} {
		begins := func(warning string) bool { return strings.HasPrefix(warning, test.want) }
		if got := loaded(t, withDatabase(test.with)...).Warnings(); !slices.ContainsFunc(got, begins) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
		if got := loaded(t, withDatabase()...).Warnings(); slices.ContainsFunc(got, begins) {
			t.Errorf("%s: got %q without it", name, got)
		}
		if got := loaded(t, test.with).Warnings(); slices.ContainsFunc(got, begins) {
			t.Errorf("%s: got %q where nothing is stored", name, got)
		}
	}
}

package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const twoProfiles = `# what I use
default: work
profiles:
  work:
    server: https://t2g.example.org # behind the VPN
    min-ttl: 5m
    git-hosts: [git.example.org, 'code.example.org:8443']
  other:
    server: https://other.example.org/t2g/
`

func TestFindAcceptsAddressesProfilesAndDefaults(t *testing.T) {
	t.Parallel()
	two, err := LoadConfig(written(t, twoProfiles))
	if err != nil {
		t.Fatal(err)
	}
	one, err := LoadConfig(written(t, "profiles: {only: {server: 'https://only.example.org'}}"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name        string
		config      Config
		said, set   string
		want, fault string
	}{
		{"a profile", two, "other", "", "https://other.example.org/t2g/", ""},
		{"an address", two, "https://new.example.org", "", "https://new.example.org", ""},
		{"nothing, with a default", two, "", "", "https://t2g.example.org", ""},
		{"nothing, with a variable", two, "", "other", "https://other.example.org/t2g/", ""},
		{"nothing, with a variable that is an address", two, "", "https://new.example.org", "https://new.example.org", ""},
		{"nothing, with one profile", one, "", "", "https://only.example.org", ""},
		{"nothing at all", Config{}, "", "", "", "no server"},
		{"a host", two, "t2g.example.org", "", "", "did you mean https://t2g.example.org"},
		{"a misspelt profile", two, "werk", "", "", "the profiles are: other, work"},
		{"a profile where there are none", Config{}, "work", "", "", "there are none"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := test.config.Find(test.said, "", func(string) string { return test.set })
			if got.Server != test.want || (err != nil) != (test.fault != "") || err != nil && !strings.Contains(err.Error(), test.fault) {
				t.Errorf("got %q and %v, want %q and %q", got.Server, err, test.want, test.fault)
			}
		})
	}
	if got, err := two.Find("https://T2G.example.org:443/", "", nil); err != nil || got.MinTTL == 0 {
		t.Errorf("got %+v and %v, want what the profile of that address says", got, err)
	}
}

func TestFindKeepsProfilesOfOneServerApart(t *testing.T) {
	t.Parallel()
	c, err := LoadConfig(written(t, `profiles:
  admin: {server: 'https://t2g.example.org', browser: firefox -P admin}
  me: {server: 'https://T2G.example.org:443/', port: [8400, 8401]}
  other: {server: 'https://other.example.org'}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, server, profile, server2, key, fault string }{
		{"by name", "admin", "", "https://t2g.example.org", "admin", ""},
		{"by name, the other", "me", "", "https://T2G.example.org:443/", "me", ""},
		{"by flag", "", "me", "https://T2G.example.org:443/", "me", ""},
		{"by flag and address", "https://t2g.example.org/", "me", "https://T2G.example.org:443/", "me", ""},
		{"by address alone, which Python uses", "https://t2g.example.org", "", "https://t2g.example.org", "", ""},
		{"the only one for its server shares the address's token", "other", "", "https://other.example.org", "", ""},
		{"a name for the cache alone", "https://new.example.org", "second", "https://new.example.org", "second", ""},
		{"a name that is no profile, without an address", "", "second", "", "", "no profile"},
		{"a profile of another server", "https://new.example.org", "me", "", "", "not for https://new.example.org"},
		{"a name that is none", "https://new.example.org", "a/b", "", "", "want letters"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := c.Find(test.server, test.profile, func(string) string { return "" })
			if got.Server != test.server2 || got.Key != test.key || (err != nil) != (test.fault != "") || err != nil && !strings.Contains(err.Error(), test.fault) {
				t.Errorf("got %q under %q and %v, want %q under %q and %q", got.Server, got.Key, err, test.server2, test.key, test.fault)
			}
		})
	}
}

func TestLoadConfigRejectsWrongFiles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want string }{
		{"no YAML", "profiles: [", "did not find"},
		{"an unknown key", "profiles: {a: {sever: 'https://x'}}", "field sever not found"},
		{"no server", "profiles: {a: {ca-file: /x}}", "profile a: server is missing"},
		{"a server without its scheme", "profiles: {a: {server: t2g.example.org}}", "server is"},
		{"a default that is not there", "default: b\nprofiles: {a: {server: 'https://x'}}", "default is"},
		{"a name that no shell could take", "profiles: {'a b': {server: 'https://x'}}", "is no name"},
		{"a duration that is none", "profiles: {a: {server: 'https://x', min-ttl: soon}}", "no duration"},
		{"a duration below nothing", "profiles: {a: {server: 'https://x', min-ttl: -5m}}", "no duration"},
		{"a format that does not exist", "profiles: {a: {server: 'https://x', format: pem}}", "want jwe or triple"},
		{"a renewal that does not exist", "profiles: {a: {server: 'https://x', renew: always}}", "want ask, open, never"},
		{"a CA that depends on where one is", "profiles: {a: {server: 'https://x', ca-file: ca.pem}}", "absolute path"},
		{"a git host that is an address", "profiles: {a: {server: 'https://x', git-hosts: ['https://git.example.org']}}", "want host names"},
		{"an empty git host", "profiles: {a: {server: 'https://x', git-hosts: ['']}}", "want host names"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := LoadConfig(written(t, test.text))
			if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestLoadConfigRejectsFilesThatOthersCanWrite(t *testing.T) {
	t.Parallel()
	path := written(t, twoProfiles)
	for mode, refused := range map[os.FileMode]bool{0o600: false, 0o644: false, 0o620: true, 0o602: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := LoadConfig(path)
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "chmod go-w "+path) {
			t.Errorf("%v: got %v, want refused %v", mode, err, refused)
		}
	}
}

func TestSetProfileKeepsTheRestOfTheFile(t *testing.T) {
	t.Parallel()
	path := written(t, twoProfiles)
	for _, change := range []func() error{
		func() error { return SetProfile(path, "work", "server", "https://new.example.org") },
		func() error { return SetProfile(path, "work", "min-ttl", "") },
		func() error { return SetProfile(path, "third", "server", "https://third.example.org") },
		func() error { return SetProfile(path, "third", "git-hosts", "a.example.org, b.example.org") },
		func() error { return SetProfile(path, "third", "client", "17") },
		func() error { return SetProfile(path, "third", "port", "8400") },
		func() error { return SetProfile(path, "work", "port", "8400,8401") },
		func() error { return SetProfile(path, "work", "no-check", "true") },
		func() error { return RemoveProfile(path, "other") },
		func() error { return SetDefault(path, "third") },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
	}
	const want = `# what I use
default: third
profiles:
  work:
    server: https://new.example.org # behind the VPN
    git-hosts: [git.example.org, 'code.example.org:8443']
    port: [8400, 8401]
    no-check: true
  third:
    server: https://third.example.org
    git-hosts: [a.example.org, b.example.org]
    client: "17"
    port: 8400
`
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("got %v and\n%s\nwant\n%s", err, got, want)
	}
}

func TestSetProfileRejectsWhatCannotBeLoaded(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(path string) error{
		"a key that does not exist":        func(path string) error { return SetProfile(path, "work", "sever", "x") },
		"a value that is wrong":            func(path string) error { return SetProfile(path, "work", "min-ttl", "soon") },
		"a port that is no number":         func(path string) error { return SetProfile(path, "work", "port", "high") },
		"a profile without a server":       func(path string) error { return SetProfile(path, "new", "client", "me") },
		"a default that is not there":      func(path string) error { return SetDefault(path, "new") },
		"the removal of what is not there": func(path string) error { return RemoveProfile(path, "new") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := written(t, twoProfiles)
			if err := change(path); !errors.Is(err, ErrUsage) {
				t.Errorf("got %v, want it to be for the person to fix", err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != twoProfiles {
				t.Errorf("got %v and %s, want the file as it was", err, got)
			}
		})
	}
}

func TestSetProfileCreatesTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token2go", "config.yaml")
	if err := SetProfile(path, "work", "server", "https://t2g.example.org"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v and %v, want a file of mode 0600", info, err)
	}
	if c, err := LoadConfig(path); err != nil || c.Profiles["work"].Server != "https://t2g.example.org" {
		t.Errorf("got %+v and %v, want the profile", c, err)
	}
}

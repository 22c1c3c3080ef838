package config_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/token2go/token2go/internal/config"
)

func TestTheCertificateAndItsKeyComeTogether(t *testing.T) {
	cert, key := certificate(t)
	_, otherKey := certificate(t)
	absent := filepath.Join(t.TempDir(), "absent")
	for _, test := range []struct {
		name, cert, key string
		want            []string
	}{
		{"neither", "", "", nil},
		{"a pair", cert, key, nil},
		{"a certificate alone", cert, "", []string{"T2G_TLS_KEY_FILE"}},
		{"a key alone", "", key, []string{"T2G_TLS_CERT_FILE"}},
		{"a key that does not fit", cert, otherKey, []string{"T2G_TLS_CERT_FILE"}},
		{"the two mixed up", key, cert, []string{"T2G_TLS_CERT_FILE"}},
		{"no such key", cert, absent, []string{"T2G_TLS_KEY_FILE"}},
		{"no such file", absent, absent, []string{"T2G_TLS_CERT_FILE", "T2G_TLS_KEY_FILE"}},
		{"a folder", t.TempDir(), key, []string{"T2G_TLS_CERT_FILE"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			found := faults(t, "T2G_TLS_CERT_FILE="+test.cert, "T2G_TLS_KEY_FILE="+test.key)
			if !slices.Equal(names(found), test.want) {
				t.Errorf("got %v, want faults of %q", found, test.want)
			}
		})
	}
}

func TestASocketTakesThePlaceOfThePort(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "t2g.sock")
	cert, key := certificate(t)
	for _, test := range []struct {
		name string
		with []string
		want []string
	}{
		{"alone", nil, nil},
		{"with the host that the image sets", []string{"T2G_SERVER_HOST=0.0.0.0"}, nil},
		{"with an empty port", []string{"T2G_SERVER_PORT="}, nil},
		{"with the ops door on the default port", []string{"T2G_OPS_PORT=8080"}, nil},
		{"with a port", []string{"T2G_SERVER_PORT=8080"}, []string{"T2G_SERVER_SOCKET"}},
		{"with a port that is wrong", []string{"T2G_SERVER_PORT=x"}, []string{"T2G_SERVER_PORT"}},
		{"with peers' addresses", []string{"T2G_GATEWAY_CIDRS=10.0.0.1"}, []string{"T2G_SERVER_SOCKET"}},
		{"with TLS", []string{"T2G_TLS_CERT_FILE=" + cert, "T2G_TLS_KEY_FILE=" + key}, []string{"T2G_SERVER_SOCKET"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			found := faults(t, append(test.with, "T2G_SERVER_SOCKET="+socket)...)
			if !slices.Equal(names(found), test.want) {
				t.Errorf("got %v, want faults of %q", found, test.want)
			}
		})
	}
}

func TestASocketsPathIsOneThatCanBeListenedOn(t *testing.T) {
	folder := t.TempDir()
	left := filepath.Join(folder, "left.sock")
	listener, err := net.Listen("unix", left)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, test := range []struct {
		name, path string
		right      bool
	}{
		{"a new name", filepath.Join(folder, "new.sock"), true},
		{"a socket from an earlier run", left, true},
		{"a relative path", "new.sock", false},
		{"a file", written(t, "file", "x"), false},
		{"a folder", folder, false},
		{"in a folder that is not there", filepath.Join(folder, "no", "new.sock"), false},
		{"more than 107 bytes", filepath.Join(folder, strings.Repeat("x", 107)), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if found := faults(t, "T2G_SERVER_SOCKET="+test.path); (len(found) == 0) != test.right {
				t.Errorf("got %v, want right to be %v", found, test.right)
			}
		})
	}
}

func TestTwoDoorsCannotShareAnAddress(t *testing.T) {
	for _, test := range []struct {
		name, host, port, opsHost, opsPort string
		clash                              bool
	}{
		{"one host and port", "127.0.0.1", "9000", "127.0.0.1", "9000", true},
		{"a name for it", "localhost", "9000", "127.0.0.1", "9000", true},
		{"a name in another case", "Pod.example", "9000", "pod.example", "9000", true},
		{"everywhere covers loopback", "0.0.0.0", "9000", "127.0.0.1", "9000", true},
		{"IPv6 everywhere too", "10.0.0.1", "9000", "::", "9000", true},
		{"other ports", "127.0.0.1", "9000", "127.0.0.1", "9001", false},
		{"other addresses", "10.0.0.1", "9000", "127.0.0.1", "9000", false},
		{"any free ports", "127.0.0.1", "0", "127.0.0.1", "0", false},
		{"a wrong port is not judged by its default", "127.0.0.1", "x", "127.0.0.1", "8080", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			found := faults(t, "T2G_SERVER_HOST="+test.host, "T2G_SERVER_PORT="+test.port,
				"T2G_OPS_HOST="+test.opsHost, "T2G_OPS_PORT="+test.opsPort)
			if got := slices.Contains(names(found), "T2G_OPS_PORT"); got != test.clash {
				t.Errorf("got %v, want a clash to be %v", found, test.clash)
			}
		})
	}
}

// Who is signed in is shown on pages and stands in every audit line.
func TestAHeaderThatMayHoldACredentialSaysNobodysName(t *testing.T) {
	for _, test := range []struct {
		name  string
		given []string
		right bool
	}{
		{"names of people", []string{"T2G_IDENTITY_HEADER_NAMES=X-User,X-Forwarded-Email"}, true},
		{"a header of the token", []string{"T2G_IDENTITY_HEADER_NAMES=X-User,x-forwarded-access-token"}, false},
		{"one that was added", []string{"T2G_IDENTITY_HEADER_NAMES=X-Mine", "T2G_ADD_TOKEN_HEADER_NAMES=X-MINE"}, false},
		{"a default that carries the token", []string{"T2G_TOKEN_HEADER_NAMES=X-User"}, false},
		{"Authorization, which need not be among them", []string{"T2G_IDENTITY_HEADER_NAMES=Authorization", "T2G_TOKEN_HEADER_NAMES=X-Token"}, false},
		{"cookies", []string{"T2G_IDENTITY_HEADER_NAMES=cookie"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			found := faults(t, test.given...)
			if got := slices.Contains(names(found), "T2G_IDENTITY_HEADER_NAMES"); got == test.right || len(found) > 1 {
				t.Errorf("got %v, want right to be %v", found, test.right)
			}
		})
	}
}

func TestAFallbackTokenIsReadFromItsFile(t *testing.T) {
	for _, test := range []struct{ name, content, want string }{
		{"as it stands", marked, marked},
		{"with one line break", marked + "\n", marked},
		{"with one line break of Windows", marked + "\r\n", marked},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := written(t, "token", test.content)
			c := loaded(t, "T2G_FALLBACK_TOKEN_FILE="+path)
			if got := c.FallbackToken.Reveal(); got != test.want || c.FallbackTokenFile != path {
				t.Errorf("got %q from %q, want %q from %q", got, c.FallbackTokenFile, test.want, path)
			}
		})
	}
}

func TestAnUnusableSecretFileIsNamedAndNeverItsContent(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, path, reason string }{
		{"not there", filepath.Join(t.TempDir(), "absent"), "no such file"},
		{"a folder", t.TempDir(), "not a regular file"},
		{"a pipe that nobody writes to", pipe, "not a regular file"},
		{"a device", os.DevNull, "not a regular file"},
		{"empty", written(t, "empty", ""), "empty"},
		{"blank", written(t, "blank", "\n"), "blank"},
		{"two line breaks", written(t, "breaks", marked+"\n\n"), "line break"},
		{"two lines", written(t, "lines", marked+"\n"+marked), "line break"},
		{"more than 1 MiB", written(t, "huge", strings.Repeat(marked, 1<<16)), "more than 1 MiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			fault := refused(t, "T2G_FALLBACK_TOKEN_FILE="+test.path)
			if fault.Name != "T2G_FALLBACK_TOKEN_FILE" || !strings.Contains(fault.Given, test.path) || !strings.Contains(fault.Given, test.reason) {
				t.Errorf("got %v, want the path and %q", fault, test.reason)
			}
			if strings.Contains(fault.Error(), marked) {
				t.Errorf("got the content in %v", fault)
			}
		})
	}
}

func TestASecretAndItsFileAreNotGivenTogether(t *testing.T) {
	fault := refused(t, "T2G_FALLBACK_TOKEN="+marked, "T2G_FALLBACK_TOKEN_FILE="+written(t, "token", marked))
	if fault.Name != "T2G_FALLBACK_TOKEN_FILE" || !strings.Contains(fault.Given, "together with T2G_FALLBACK_TOKEN") {
		t.Errorf("got %v, want it to name both", fault)
	}
}

func TestWithAFallbackTokenOnlyOurOwnHostsAreAnswered(t *testing.T) {
	const token = "T2G_FALLBACK_TOKEN=" + marked
	loopback := []string{"localhost", "127.0.0.1", "[::1]"}
	for _, test := range []struct {
		name        string
		assignments []string
		want        []string
	}{
		{"no token", nil, nil},
		{"no token and a public URL", []string{"T2G_PUBLIC_URL=https://token.example.org"}, nil},
		{"a list", []string{"T2G_ALLOWED_HOSTS=a.example,b.example:81"}, []string{"a.example", "b.example:81"}},
		{"token", []string{token}, loopback},
		{"token in a file", []string{"T2G_FALLBACK_TOKEN_FILE=" + written(t, "token", marked)}, loopback},
		{"token and a public URL", []string{token, "T2G_PUBLIC_URL=https://Token.example.org:8443/x"}, append(slices.Clone(loopback), "token.example.org")},
		{"token and an IPv6 public URL", []string{token, "T2G_PUBLIC_URL=https://[2001:db8::1]:8443"}, append(slices.Clone(loopback), "[2001:db8::1]")},
		{"token and a list", []string{token, "T2G_ALLOWED_HOSTS=a.example"}, []string{"a.example"}},
		{"token and every name", []string{token, "T2G_ALLOWED_HOSTS=*"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := loaded(t, test.assignments...).Hosts(); !slices.Equal(got, test.want) || (got == nil) != (test.want == nil) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestRisksAreWarnedOfAndNeverStopTheStart(t *testing.T) {
	cert, key := certificate(t)
	socket := filepath.Join(t.TempDir(), "t2g.sock")
	for _, test := range []struct {
		name        string
		assignments []string
		want        []string // what the warnings begin with
	}{
		{"nothing set", nil, nil},
		{"beyond loopback", []string{"T2G_SERVER_HOST=0.0.0.0"}, []string{"T2G_SERVER_HOST=0.0.0.0: whoever", "T2G_SERVER_HOST=0.0.0.0: tokens"}},
		{"beyond loopback by IPv6", []string{"T2G_SERVER_HOST=::", "T2G_GATEWAY_CIDRS=10.0.0.1"}, []string{"T2G_SERVER_HOST=::: tokens"}},
		{"beyond loopback, guarded", []string{"T2G_SERVER_HOST=0.0.0.0", "T2G_GATEWAY_CIDRS=10.0.0.1", "T2G_TLS_CERT_FILE=" + cert, "T2G_TLS_KEY_FILE=" + key}, nil},
		{"loopback by other names", []string{"T2G_SERVER_HOST=::1"}, nil},
		{"a socket", []string{"T2G_SERVER_HOST=0.0.0.0", "T2G_SERVER_SOCKET=" + socket}, nil},
		{"every peer", []string{"T2G_GATEWAY_CIDRS=::/0"}, []string{"T2G_GATEWAY_CIDRS:"}},
		{"fallback token", []string{"T2G_FALLBACK_TOKEN=x"}, []string{"T2G_FALLBACK_TOKEN:"}},
		{"fallback token for every host", []string{"T2G_FALLBACK_TOKEN=x", "T2G_ALLOWED_HOSTS=*"}, []string{"T2G_FALLBACK_TOKEN:", "T2G_ALLOWED_HOSTS=*:"}},
		{"the token's header alone", []string{"T2G_TOKEN_HEADER_NAMES=Token"}, []string{"T2G_IDENTITY_HEADER_NAMES:"}},
		{"the token's header and the person's", []string{"T2G_TOKEN_HEADER_NAMES=Token", "T2G_IDENTITY_HEADER_NAMES=X-User"}, nil},
		{"public URL in plain text", []string{"T2G_PUBLIC_URL=http://token.example.org"}, []string{"T2G_PUBLIC_URL:"}},
		{"public URL on loopback", []string{"T2G_PUBLIC_URL=http://localhost:4180"}, nil},
		{"two prefixes", []string{"T2G_PUBLIC_URL=https://token.example.org/a", "T2G_BASE_PATH=/b"}, []string{"T2G_BASE_PATH:"}},
		{"nobody is asked", []string{"T2G_FLOW_CONSENT=never"}, []string{"T2G_FLOW_CONSENT=never:"}},
		{"no redirect", []string{"T2G_FLOW_MODES=form_post"}, []string{"T2G_FLOW_MODES:"}},
		{"the ops door for every host", []string{"T2G_OPS_ALLOWED_HOSTS=*"}, []string{"T2G_OPS_ALLOWED_HOSTS=*:"}},
		{"profiler beyond loopback", []string{"T2G_OPS_PPROF=true", "T2G_OPS_HOST=0.0.0.0"}, []string{"T2G_OPS_PPROF: whoever reaches T2G_OPS_HOST=0.0.0.0"}},
		{"profiler on loopback", []string{"T2G_OPS_PPROF=true"}, nil},
		{"profiler without its door", []string{"T2G_OPS_PPROF=true", "T2G_OPS_HOST=0.0.0.0", "T2G_OPS_PORT=0"}, []string{"T2G_OPS_PPROF: has no effect"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := loaded(t, test.assignments...).Warnings()
			if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestSettingsMaskSecretsAndTellDefaultsApart(t *testing.T) {
	for _, assignment := range []string{"T2G_FALLBACK_TOKEN=" + marked, "T2G_FALLBACK_TOKEN_FILE=" + written(t, "token", marked)} {
		settings := map[string]config.Setting{}
		for _, setting := range loaded(t, assignment, "T2G_PUBLIC_URL=https://a.example/").Settings() {
			settings[setting.Name] = setting
			if strings.Contains(setting.Value, marked) {
				t.Errorf("%s: got the secret", setting.Name)
			}
		}
		for _, want := range []config.Setting{
			{Name: "T2G_FALLBACK_TOKEN", Value: "[secret]", Set: true},
			{Name: "T2G_PUBLIC_URL", Value: "https://a.example", Set: true},
			{Name: "T2G_SERVER_PORT", Value: "8080", Set: false},
		} {
			if got := settings[want.Name]; got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		}
	}
}

func TestTheOpsDoorGoesByTheNameItListensOn(t *testing.T) {
	c := loaded(t, "T2G_OPS_HOST=Web1.example.org", "T2G_OPS_ALLOWED_HOSTS=token2go.auth.svc")
	if got, want := c.OpsHosts(), []string{"token2go.auth.svc", "web1.example.org"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

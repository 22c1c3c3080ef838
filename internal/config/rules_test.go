package config_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/token2go/token2go/internal/config"
)

func TestLoadRequiresCertificateWithItsKey(t *testing.T) {
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

func TestLoadRejectsSocketBesidePort(t *testing.T) {
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
		{"with the ops listener on the default port", []string{"T2G_OPS_PORT=8080"}, nil},
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

func TestLoadRejectsUnusableSocketPath(t *testing.T) {
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

func TestLoadRejectsListenersOnOneAddress(t *testing.T) {
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

// Who is signed in is shown on pages and logged in every audit line.
func TestLoadRejectsIdentityHeaderWithCredential(t *testing.T) {
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
		{"an assertion", []string{"T2G_IDENTITY_HEADER_NAMES=X-Goog-Iap-Jwt-Assertion"}, false},
		{"another token", []string{"T2G_IDENTITY_HEADER_NAMES=X-Vouch-Idp-IdToken"}, false},
		{"an ID token of CGI's spelling", []string{"T2G_IDENTITY_HEADER_NAMES=OIDC_id_token"}, false},
		{"an API key", []string{"T2G_IDENTITY_HEADER_NAMES=x_api_key"}, false},
		{"a load balancer's signed claims", []string{"T2G_IDENTITY_HEADER_NAMES=X-Amzn-Oidc-Data"}, false},
		{"a bearer", []string{"T2G_IDENTITY_HEADER_NAMES=X-Bearer"}, false},
		{"an address with a query", []string{"T2G_IDENTITY_HEADER_NAMES=X-Original-URL"}, false},
		{"a load balancer's subject", []string{"T2G_IDENTITY_HEADER_NAMES=X-Amzn-Oidc-Identity"}, true},
		{"one claim of a JWT", []string{"T2G_IDENTITY_HEADER_NAMES=x-jwt-claim-sub"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			found := faults(t, test.given...)
			if got := slices.Contains(names(found), "T2G_IDENTITY_HEADER_NAMES"); got == test.right || len(found) > 1 {
				t.Errorf("got %v, want right to be %v", found, test.right)
			}
		})
	}
}

// The token page would hand out the gateway's session.
func TestLoadRejectsTokenHeaderOfOtherPurpose(t *testing.T) {
	for _, test := range []struct {
		header string
		right  bool
	}{
		{"Cookie", false},
		{"set-cookie", false},
		{"X-Original-Cookie", false},
		{"x_forwarded_cookie", false},
		{"OIDC_refresh_token", false},
		{"X-MS-TOKEN-AAD-REFRESH-TOKEN", false},
		{"X-Session-Id", false},
		{"X-Forwarded-Client-Cert", false},
		{"Proxy-Authorization", false},
		{"proxy_authorization", false},
		{"X-CSRF-Token", false},
		{"Host", false},
		{"X-Forwarded-For", false},
		{"Sec-WebSocket-Key", false},
		{"User-Agent", false},
		{"Authorization", true},
		{"X-Forwarded-Access-Token", true},
		{"X-Amzn-Oidc-Accesstoken", true},
		{"X-Cookie-Token", true},
	} {
		for _, name := range []string{"T2G_TOKEN_HEADER_NAMES", "T2G_ADD_TOKEN_HEADER_NAMES"} {
			found := faults(t, name+"=X-Mine,"+test.header)
			if got := slices.Contains(names(found), name); got == test.right || len(found) > 1 {
				t.Errorf("%s=%s: got %v, want right to be %v", name, test.header, found, test.right)
			}
		}
	}
}

func TestLoadReadsSecretFile(t *testing.T) {
	for _, test := range []struct{ name, content, want string }{
		{"unchanged", marked, marked},
		{"with one line break", marked + "\n", marked},
		{"with one line break of Windows", marked + "\r\n", marked},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := written(t, "token", test.content)
			c := loaded(t, "T2G_FALLBACK_TOKEN_FILE="+path)
			if got := c.Tokens.Fallback.Reveal(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestLoadRejectsUnusableSecretFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, path, reason string }{
		{"not there", filepath.Join(t.TempDir(), "absent"), "no such file"},
		{"a folder", t.TempDir(), "not a regular file"},
		{"a pipe without a writer", pipe, "not a regular file"},
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

func TestLoadRejectsSecretBesideItsFile(t *testing.T) {
	fault := refused(t, "T2G_FALLBACK_TOKEN="+marked, "T2G_FALLBACK_TOKEN_FILE="+written(t, "token", marked))
	if fault.Name != "T2G_FALLBACK_TOKEN_FILE" || !strings.Contains(fault.Given, "together with T2G_FALLBACK_TOKEN") {
		t.Errorf("got %v, want it to name both", fault)
	}
}

func TestHostsWithFallbackTokenAreOurOwn(t *testing.T) {
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

// narrowed names the headers of one gateway, without which every start has two warnings.
var narrowed = []string{"T2G_TOKEN_HEADER_NAMES=X-Forwarded-Access-Token", "T2G_IDENTITY_HEADER_NAMES=X-Forwarded-Email"}

func TestWarnings(t *testing.T) {
	cert, key := certificate(t)
	open := t.TempDir()
	if err := os.Chmod(open, 0o1777); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name        string
		assignments []string
		want        []string // what the warnings begin with
	}{
		{"headers narrowed", nil, nil},
		{"token headers not narrowed", []string{"T2G_TOKEN_HEADER_NAMES="}, []string{"T2G_TOKEN_HEADER_NAMES: has its default of 7 names"}},
		{"identity headers not narrowed", []string{"T2G_IDENTITY_HEADER_NAMES="}, []string{"T2G_IDENTITY_HEADER_NAMES: has its default of 11 names"}},
		{"beyond loopback", []string{"T2G_SERVER_HOST=0.0.0.0"}, []string{"T2G_SERVER_HOST=0.0.0.0: anyone", "T2G_SERVER_HOST=0.0.0.0: tokens"}},
		{"beyond loopback by IPv6", []string{"T2G_SERVER_HOST=::", "T2G_GATEWAY_CIDRS=10.0.0.1"}, []string{"T2G_SERVER_HOST=::: tokens"}},
		{"beyond loopback, guarded", []string{"T2G_SERVER_HOST=0.0.0.0", "T2G_GATEWAY_CIDRS=10.0.0.1", "T2G_TLS_CERT_FILE=" + cert, "T2G_TLS_KEY_FILE=" + key}, nil},
		{"loopback by other names", []string{"T2G_SERVER_HOST=::1"}, nil},
		{"a socket", []string{"T2G_SERVER_HOST=0.0.0.0", "T2G_SERVER_SOCKET=" + filepath.Join(t.TempDir(), "t2g.sock")}, nil},
		{"a socket where everyone may write", []string{"T2G_SERVER_SOCKET=" + filepath.Join(open, "t2g.sock")}, []string{"T2G_SERVER_SOCKET: others may write"}},
		{"every peer", []string{"T2G_GATEWAY_CIDRS=::/0"}, []string{"T2G_GATEWAY_CIDRS:"}},
		{"every peer in two halves", []string{"T2G_GATEWAY_CIDRS=0.0.0.0/1,128.0.0.0/1"}, []string{"T2G_GATEWAY_CIDRS:"}},
		{"every public IPv6 address", []string{"T2G_GATEWAY_CIDRS=2000::/4,3000::/4"}, []string{"T2G_GATEWAY_CIDRS:"}},
		{"every private network, twice", []string{"T2G_GATEWAY_CIDRS=10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7,10.0.0.0/9,10.0.0.0/10"}, nil},
		{"fallback token", []string{"T2G_FALLBACK_TOKEN=x"}, []string{"T2G_FALLBACK_TOKEN:"}},
		{"fallback token for every host", []string{"T2G_FALLBACK_TOKEN=x", "T2G_ALLOWED_HOSTS=*"}, []string{"T2G_FALLBACK_TOKEN:", "T2G_ALLOWED_HOSTS=*:"}},
		{"public URL in plain text", []string{"T2G_PUBLIC_URL=http://token.example.org"}, []string{"T2G_PUBLIC_URL:"}},
		{"public URL on loopback", []string{"T2G_PUBLIC_URL=http://localhost:4180"}, nil},
		{"two prefixes", []string{"T2G_PUBLIC_URL=https://token.example.org/a", "T2G_BASE_PATH=/b"}, []string{"T2G_BASE_PATH:"}},
		{"no question", []string{"T2G_FLOW_CONSENT=never"}, []string{"T2G_FLOW_CONSENT=never:"}},
		{"no redirect", []string{"T2G_FLOW_MODES=form_post"}, []string{"T2G_FLOW_MODES:"}},
		{"a hub's programs", []string{"T2G_FLOW_TARGETS=https://hub.example.org/user/*/token2go/**"}, nil},
		{"a whole hub", []string{"T2G_FLOW_TARGETS=https://hub.example.org/**"}, []string{"T2G_FLOW_TARGETS: every page of hub.example.org "}},
		{"a whole hub but for its root", []string{"T2G_FLOW_TARGETS=https://hub.example.org/*/**"}, []string{"T2G_FLOW_TARGETS: every page of hub.example.org "}},
		{"ops listener for every host", []string{"T2G_OPS_ALLOWED_HOSTS=*"}, []string{"T2G_OPS_ALLOWED_HOSTS=*:"}},
		{"profiler beyond loopback", []string{"T2G_OPS_PPROF=true", "T2G_OPS_HOST=0.0.0.0"}, []string{"T2G_OPS_PPROF: anyone who can reach T2G_OPS_HOST=0.0.0.0"}},
		{"profiler on loopback", []string{"T2G_OPS_PPROF=true"}, nil},
		{"profiler without its listener", []string{"T2G_OPS_PPROF=true", "T2G_OPS_HOST=0.0.0.0", "T2G_OPS_PORT=0"}, []string{"T2G_OPS_PPROF: has no effect"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := loaded(t, append(slices.Clone(narrowed), test.assignments...)...).Warnings()
			if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestWarningsNamePrivateFileThatOthersCanRead(t *testing.T) {
	folder := t.TempDir()
	if err := os.Chmod(filepath.Dir(folder), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "token")
	if err := os.WriteFile(path, []byte(marked), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name          string
		given         string
		file, folder  os.FileMode
		othersMayRead bool
	}{
		{"the owner's", path, 0o600, 0o755, false},
		{"the group's too", path, 0o640, 0o755, false},
		{"everyone's", path, 0o644, 0o755, true},
		{"everyone's through a link", link, 0o604, 0o711, true},
		{"everyone's in a closed directory", path, 0o644, 0o750, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := errors.Join(os.Chmod(path, test.file), os.Chmod(folder, test.folder)); err != nil {
				t.Fatal(err)
			}
			got := loaded(t, append(slices.Clone(narrowed), "T2G_FALLBACK_TOKEN_FILE="+test.given)...).Warnings()
			found := slices.ContainsFunc(got, func(w string) bool {
				return strings.HasPrefix(w, "T2G_FALLBACK_TOKEN_FILE: every user of this computer can read the file")
			})
			if found != test.othersMayRead {
				t.Errorf("got %q, want the file to be named: %v", got, test.othersMayRead)
			}
		})
	}
}

func TestSettingsMaskSecretsAndMarkDefaults(t *testing.T) {
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

func TestOpsHostsIncludesTheListenersName(t *testing.T) {
	c := loaded(t, "T2G_OPS_HOST=Web1.example.org", "T2G_OPS_ALLOWED_HOSTS=token2go.auth.svc")
	if got, want := c.Ops.Hosts(), []string{"token2go.auth.svc", "web1.example.org"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

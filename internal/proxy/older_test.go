package proxy_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/pass/lockbox"
	"github.com/token2go/token2go/internal/pass/magic"
	"github.com/token2go/token2go/internal/proxy"
	"github.com/token2go/token2go/internal/secret"
)

const lockboxFile = `{"services":{
	"notes":{"base_url":"http://UPSTREAM/","credential":{"token":"` + upstreamSecret + `"},"valid_audiences":["ci"],"accept":["lockbox"]},
	"shut":{"base_url":"http://UPSTREAM","credential":null,"valid_audiences":[],"accept":["lockbox"]}}}`

func withLockbox(t *testing.T) (lockbox.Key, func(*proxy.Options)) {
	t.Helper()
	key, err := lockbox.NewKey("a signing key of more than 32 bytes\n")
	if err != nil {
		t.Fatal(err)
	}
	return key, func(o *proxy.Options) { o.Callers.Lockbox = &key }
}

func TestServeLockboxTokens(t *testing.T) {
	key, change := withLockbox(t)
	u := newUpstream(t, ok)
	f := newFixture(t, u, lockboxFile, change)
	token := func(service, audience string, ttl time.Duration) string {
		made, err := key.ServiceToken(service, audience, time.Now().Add(ttl))
		if err != nil {
			t.Fatal(err)
		}
		return "Authorization: Bearer " + made.Reveal() + "\r\n"
	}
	for _, test := range []struct {
		name, service, line string
		status              int
		text                string
	}{
		{"good", "notes", token("notes", "ci", time.Hour), 200, "ok"},
		{"none", "notes", "", 401, "Missing Authorization header"},
		{"another scheme", "notes", "Authorization: Basic eA==\r\n", 401, "Invalid Authorization header"},
		{"garbage", "notes", "Authorization: Bearer x\r\n", 401, "Invalid service_name token"},
		{"expired", "notes", token("notes", "ci", -time.Hour), 401, "Invalid service_name token (expired)"},
		{"of another service", "notes", token("other", "ci", time.Hour), 401, "Invalid service_name token (wrong service_name)"},
		{"another audience", "notes", token("notes", "cd", time.Hour), 401, "Invalid service_name token (bad audience)"},
		{"an empty list of audiences", "shut", token("shut", "ci", time.Hour), 401, "Invalid service_name token (bad audience)"},
		{"an unknown service", "none", "", 404, "Invalid service_name none"},
	} {
		status, answer := f.send(t, "GET /s/"+test.service+"/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+test.line+"\r\n")
		if status != test.status || !strings.HasSuffix(answer, "\r\n\r\n"+test.text) {
			t.Errorf("%s: got %d\n%s", test.name, status, answer)
		}
		if test.status != 200 && !strings.Contains(answer, "Token2go-Error: ") {
			t.Errorf("%s: it could be taken for the service's answer\n%s", test.name, answer)
		}
	}
	if strings.Contains(u.last(t), "eyJ") {
		t.Errorf("the caller's token went up: %s", u.last(t))
	}
}

func TestReloadKeepsServicesWhereTheFileIsWrong(t *testing.T) {
	key, change := withLockbox(t)
	content := lockboxFile
	f := newFixture(t, newUpstream(t, ok), lockboxFile, change, func(o *proxy.Options) {
		o.Read = func() (*proxy.Services, error) {
			return proxy.ParseServices([]byte(strings.ReplaceAll(content, "UPSTREAM", "127.0.0.1:1")), proxy.FileOptions{Lockbox: true})
		}
	})
	admin, err := key.AdminToken(time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	service, err := key.ServiceToken("notes", "ci", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	call := func(authorization string) (int, string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/admin/reload", nil)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		if err := f.Older()["POST /admin/reload"](w, r); err != nil {
			t.Fatal(err)
		}
		return w.Code, w.Body.String()
	}
	for _, test := range []struct {
		name, authorization, content string
		status                       int
		text                         string
		services                     int
	}{
		{"no token", "", lockboxFile, 401, "Missing Authorization header", 2},
		{"a service's token", "Bearer " + service.Reveal(), lockboxFile, 401, "Invalid token", 2},
		{"a wrong file", "Bearer " + admin.Reveal(), `{"services":{"a":{"base_url":"ftp://x"}}}`, 500, `"status":"error"`, 2},
		{"a good file", "Bearer " + admin.Reveal(), `{"services":{"a":{"base_url":"https://example.org"}}}`, 200, `{"status":"ok","message":"Configuration reloaded successfully"}`, 1},
	} {
		content = test.content
		status, body := call(test.authorization)
		if status != test.status || !strings.Contains(body, test.text) || len(f.Services().ByName) != test.services {
			t.Errorf("%s: got %d %s, %d services", test.name, status, body, len(f.Services().ByName))
		}
	}
}

func TestServeMagicTokens(t *testing.T) {
	folder := t.TempDir()
	if err := magic.CreateKeys(folder); err != nil {
		t.Fatal(err)
	}
	u := newUpstream(t, ok)
	keys, err := magic.ReadKeys(magic.Options{Folder: folder, Service: "api", Origin: "http://" + u.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, u, `{"services":{"api":{"base_url":"http://UPSTREAM/root","accept":["magic"],"legacy_match":true,"default":true,"scopes":{"me":["GET /user"]}}}}`,
		func(o *proxy.Options) { o.Callers.Magic, o.Mint.Secret = keys, secret.New("mint-secret") })
	mint := func(authorization, body string) (int, string) {
		status, answer := f.send(t, "POST /__magictoken HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"+authorization+
			"Content-Length: "+itoa(len(body))+"\r\n\r\n"+body)
		_, text, _ := strings.Cut(answer, "\r\n\r\n")
		return status, text
	}
	good := `{"token":"` + upstreamSecret + `","allowed":["GET /user"]}`
	if status, text := mint("", good); status != 401 || strings.Contains(text, "eyJ") {
		t.Errorf("minting without a secret: got %d %s", status, text)
	}
	if status, text := mint("Authorization: Bearer mint-secret\r\n", `{"token":"x"}`); status != 400 || !strings.Contains(text, "need one of allowed") {
		t.Errorf("minting without rules: got %d %s", status, text)
	}
	status, token := mint("Authorization: Bearer mint-secret\r\n", good)
	if status != 200 || !strings.HasPrefix(token, "eyJ") {
		t.Fatalf("got %d %s", status, token)
	}
	if status, answer := f.send(t, "GET /__magictoken HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); status != 200 || !strings.Contains(answer, "magic API proxy for http://"+u.Addr().String()+"/root version ") {
		t.Errorf("got %d %s", status, answer)
	}
	for _, test := range []struct {
		name, target, line string
		status             int
		text               string
	}{
		{"a rule", "/user", "Authorization: Bearer " + token + "\r\n", 200, "ok"},
		{"without Bearer", "/user", "Authorization: " + token + "\r\n", 200, "ok"},
		{"the beginning of a path", "/USERS/x", "Authorization: Bearer " + token + "\r\n", 200, "ok"},
		{"below /s/", "/s/api/user", "Authorization: Bearer " + token + "\r\n", 200, "ok"},
		{"no rule", "/admin", "Authorization: Bearer " + token + "\r\n", 401, "Disallowed by API proxy"},
		{"none", "/user", "", 401, "No authorization token presented"},
		{"garbage", "/user", "Authorization: Bearer x\r\n", 400, "Not a valid magic token"},
	} {
		status, answer := f.send(t, "GET "+test.target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+test.line+"\r\n")
		if status != test.status || !strings.HasSuffix(answer, "\r\n\r\n"+test.text) || strings.Contains(answer, upstreamSecret) {
			t.Errorf("%s: got %d\n%s", test.name, status, answer)
		}
		if test.status == 200 && (!strings.Contains(u.last(t), "Authorization: Bearer "+upstreamSecret) || !strings.Contains(answer, "X-Magic-Api-Proxy")) {
			t.Errorf("%s: sent %s\nanswered %s", test.name, u.last(t), answer)
		}
	}
}

func itoa(n int) string {
	if n == 0 {
		return ""
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// everyMember is a services file with each member that there is.
const everyMember = `{
	"_comment": "ours", // every member
	"services": {
		"_comment": "services",
		"all": {
			"_comment": "x", "base_url": "https://api.example.org/v2/", "credential": {"type": "bearer", "token": {"file": "FILE"}, "_comment": "y"},
			"valid_audiences": ["ci"], "people": ["*"], "requires_service_token": true, "connect_timeout": 5, "read_timeout": null,
			"allow_redirects": false, "accept": ["pass", "key"], "rules": ["GET /a/.*", {"methods": ["POST"], "path": "/b/*"}], "deny": ["* /a/secret"],
			"scopes": {"read": ["GET /a/.*"]}, "hosts": ["api.proxy.example"], "default": true, "legacy_match": false, "encoded_slash": "preserve",
			"semicolon": "allow", "empty_segments": "allow", "request_headers": ["Accept"], "response_headers": ["ETag"], "max_request_bytes": 1048576,
			"rate": {"requests": 100, "per": "1m"}, "concurrency": 10, "networks": ["192.0.2.0/24"], "allow_private": false, "proxy": null,
			"strip_prefix": "/api/v3", "ca_file": "CA", "client_cert_file": "CA", "client_key_file": "CA", "websocket": true, "stream": true,
			"revoked": ["abc"], "not_before": "2026-01-01T00:00:00Z",
		},
		"basic": {"base_url": "api.example.org", "credential": {"username": "u", "password": "p"}},
		"headers": {"base_url": "https://api.example.org", "credential": {"headers": {"X-Token": {"env": "HOME"}}}},
		"query": {"base_url": "https://api.example.org", "credential": {"type": "query", "name": "key", "value": "v"}},
		"path": {"base_url": "https://api.example.org", "credential": {"type": "path", "template": "/bot{token}/", "token": "t"}},
		"person": {"base_url": "https://api.example.org", "credential": {"type": "person"}},
		"none": {"base_url": "https://api.example.org", "credential": null, "valid_audiences": null, "requires_service_token": null, "unknown": 1},
	},
	"audit_log": {"type": "local_dir", "root_dir": "/var/log/lockbox"},
}`

func readEveryMember(t *testing.T, o proxy.FileOptions) (*proxy.Services, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	content := strings.NewReplacer("FILE", file, "CA", file).Replace(everyMember)
	return proxy.ParseServices([]byte(content), o)
}

func TestParseServicesTakesEveryMember(t *testing.T) {
	services, err := readEveryMember(t, proxy.FileOptions{Lockbox: true})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, warning := range services.Warnings {
		if !strings.Contains(warning, "spans slashes") {
			texts = append(texts, warning)
		}
	}
	want := []string{
		"services.none.requires_service_token: null means true here; in lockbox it opened the service to everyone",
		"services.none.unknown: no such member; it has no effect",
	}
	if !slices.Equal(texts, want) {
		t.Errorf("got warnings %q", texts)
	}
	if s := services.ByName["basic"]; s.Base.String() != "https://api.example.org" || !s.AllowPrivate || !s.Accepts("lockbox") || s.Proxy != "env" {
		t.Errorf("got %+v", s)
	}
	if s := services.ByName["none"]; s.Open || s.Nobody {
		t.Errorf("got %+v", s)
	}
	if _, err := readEveryMember(t, proxy.FileOptions{Strict: true}); err == nil || !strings.Contains(err.Error(), "services.none.unknown") || strings.Contains(err.Error(), "_comment") {
		t.Errorf("strict: got %v", err)
	}
}

func TestParseServicesRefusesBaseURLs(t *testing.T) {
	for _, base := range []string{
		"", "ftp://x", "https://", "https://u:p@x", "https://x?a", "https://x#a", "https://x/../y", "https://x/%2e%2e/y", "http://2130706433", "http://0x7f.1",
		"http://0177.0.0.1", "http://127.1", "http://[fe80::1%25eth0]", "https://x/a\\b", "https://x:99999",
	} {
		if _, err := proxy.ParseServices([]byte(`{"services":{"a":{"base_url":"`+strings.ReplaceAll(base, `\`, `\\`)+`"}}}`), proxy.FileOptions{}); err == nil {
			t.Errorf("%q is taken", base)
		}
	}
	for _, base := range []string{"api.example.org", "https://x/a/", "http://127.0.0.1:8080", "http://[::1]:80/a", "http://localhost", "https://1.example", "http://10.0.0.7"} {
		if _, err := proxy.ParseServices([]byte(`{"services":{"a":{"base_url":"`+base+`"}}}`), proxy.FileOptions{}); err != nil {
			t.Errorf("%q: %v", base, err)
		}
	}
}

// TestParseServicesShowsNoSecret: what is wrong beside a secret is said without it.
func TestParseServicesShowsNoSecret(t *testing.T) {
	for _, credential := range []string{
		`{"type":"bearer","token":"marked-secret\n"}`, `{"type":"bearer","token":["marked-secret"]}`, `{"type":"basic","username":"marked-secret:","password":"marked-secret"}`,
		`{"type":"headers","headers":{"Host":"marked-secret"}}`, `{"type":"nothing","token":"marked-secret"}`, `"marked-secret"`, `{"type":"query","value":"marked-secret"}`,
	} {
		_, err := proxy.ParseServices([]byte(`{"services":{"a":{"base_url":"https://x","credential":`+credential+`}}}`), proxy.FileOptions{})
		if err == nil || strings.Contains(err.Error(), "marked-secret") {
			t.Errorf("%s: got %v", credential, err)
		}
	}
}

// changing is a resolver whose answers differ from one look-up to the next.
type changing struct {
	answers []netip.Addr
	asked   int
}

func (c *changing) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	c.asked++
	return []netip.Addr{c.answers[min(c.asked, len(c.answers))-1]}, nil
}

func TestServeChecksTheAddressThatItDials(t *testing.T) {
	u := newUpstream(t, ok)
	_, port, _ := strings.Cut(u.Addr().String(), ":")
	for _, test := range []struct {
		name, addresses, more string
		status                int
	}{
		{"loopback behind a name", "127.0.0.1", "", 502},
		{"allowed", "127.0.0.1", `,"allow_private":true`, 200},
		{"metadata, though private addresses are allowed", "169.254.169.254", `,"allow_private":true`, 502},
		{"metadata in IPv6", "::ffff:169.254.169.254", `,"allow_private":true`, 502},
		{"metadata behind NAT64", "64:ff9b::a9fe:a9fe", `,"allow_private":true`, 502},
		{"metadata behind 6to4", "2002:a9fe:a9fe::1", `,"allow_private":true`, 502},
		{"loopback in IPv6", "::ffff:127.0.0.1", "", 502},
		{"unspecified", "0.0.0.0", "", 502},
		{"carrier-grade NAT", "100.64.0.1", "", 502},
	} {
		names := &changing{answers: []netip.Addr{netip.MustParseAddr(test.addresses), netip.MustParseAddr("127.0.0.1")}}
		f := newFixture(t, u, `{"services":{"notes":{"base_url":"http://inside.example:`+port+`","requires_service_token":false`+test.more+`}}}`,
			func(o *proxy.Options) { o.Resolver = names })
		status, answer := f.send(t, "GET /s/notes/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if status != test.status || names.asked != 1 {
			t.Errorf("%s: got %d after %d look-ups\n%s", test.name, status, names.asked, answer)
		}
		if test.status == 502 && !strings.Contains(answer, "upstream_address") {
			t.Errorf("%s: got\n%s", test.name, answer)
		}
	}
}

func TestNewRefusesServiceThatLeadsBack(t *testing.T) {
	services, err := proxy.ParseServices([]byte(`{"services":{"a":{"base_url":"https://API.example.org/s/a"}}}`), proxy.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proxy.New(proxy.Options{Names: []string{"api.example.org"}, Event: func(context.Context, proxy.Event) {}}, services); err == nil {
		t.Error("it is taken")
	}
}

// TestSecretsStayWhereTheyBelong sends marked secrets through, and looks for them in the
// events, the log and the answer.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	echo := goUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		w.Header().Set("Location", "/v1/x?token="+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		_, _ = io.WriteString(w, "body")
	})
	f := behind(t, echo, notes)
	held := f.pass(t, "notes", "* .*")
	_, answer := f.send(t, "GET /s/notes/a?api-key="+held+"&b=value-of-b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "+held+"\r\n\r\n")
	for _, marked := range []string{upstreamSecret, held} {
		if strings.Contains(answer, marked) {
			t.Errorf("answered\n%s", answer)
		}
	}
	for _, e := range f.events {
		text := strings.Join(e.Query, ",") + e.Path + e.Detail + e.Rule
		if strings.Contains(text, held) || strings.Contains(text, "value-of-b") || strings.Contains(text, upstreamSecret) {
			t.Errorf("event %+v", e)
		}
	}
	if len(f.events) == 0 {
		t.Error("no event")
	}
}

func FuzzParseServices(f *testing.F) {
	f.Add(everyMember)
	f.Add(lockboxFile)
	f.Fuzz(func(t *testing.T, content string) {
		if strings.Contains(content, `"file"`) || strings.Contains(content, "_file") {
			return // what it would read is not ours
		}
		services, err := proxy.ParseServices([]byte(content), proxy.FileOptions{Lockbox: true})
		if err == nil {
			for name, s := range services.ByName {
				if s.Name != name || s.Base == nil || s.Base.User != nil || s.Base.RawQuery != "" {
					t.Fatalf("took %+v", s)
				}
			}
			return
		}
		if _, found := errors.AsType[proxy.Mistakes](err); !found || err.Error() == "" {
			t.Fatalf("got %v", err)
		}
	})
}

// TestOperatorsPageHasEveryMember also reads the page's recipes.
func TestOperatorsPageHasEveryMember(t *testing.T) {
	content, err := os.ReadFile("../../docs/passes/operators.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	for _, member := range regexp.MustCompile(`"([a-z_]{4,})":`).FindAllStringSubmatch(everyMember, -1) {
		if name := member[1]; !slices.Contains([]string{"none", "unknown", "methods"}, name) && !strings.Contains(page, "`"+name+"`") && !strings.Contains(page, `"`+name+`"`) {
			t.Errorf("%s is not on the page", name)
		}
	}
	t.Setenv("SLACK_TOKEN", "x")
	recipes := strings.Split(page, "```json\n")[1:]
	if len(recipes) < 4 {
		t.Fatalf("%d recipes", len(recipes))
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, recipe := range recipes {
		text, _, _ := strings.Cut(recipe, "```")
		text = regexp.MustCompile(`/run/secrets/\w+`).ReplaceAllString(text, secret)
		if _, err := proxy.ParseServices([]byte(text), proxy.FileOptions{Strict: true}); err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}
}

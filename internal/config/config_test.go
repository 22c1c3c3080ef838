package config_test

import (
	"log/slog"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/token2go/token2go/internal/config"
	"github.com/token2go/token2go/internal/secret"
)

const day = 24 * time.Hour

func TestLoadOfEmptyEnvironmentGivesDefaults(t *testing.T) {
	c := loaded(t)
	want := config.Config{
		Gateway: config.Gateway{Host: "127.0.0.1", Port: 8080},
		Tokens: config.Tokens{HeaderNames: []string{
			"X-Forwarded-Access-Token", "X-Auth-Request-Access-Token", "X-Access-Token",
			"OIDC_access_token", "Access-Token", "Token", "Authorization",
		}},
		Identity: config.Identity{HeaderNames: []string{
			"X-Forwarded-Preferred-Username", "X-Forwarded-Email", "X-Forwarded-User",
			"X-Auth-Request-Preferred-Username", "X-Auth-Request-Email", "X-Auth-Request-User",
			"OIDC_CLAIM_preferred_username", "OIDC_CLAIM_email", "OIDC_CLAIM_sub", "X-User", "Remote-User",
		}},
		Flow:   config.Flow{Consent: "auto", Modes: []string{"query", "form_post", "page"}, MaxURL: 3072},
		Ops:    config.Ops{Host: "127.0.0.1", Port: 8082},
		Log:    config.Log{Level: slog.LevelInfo},
		Limits: config.Limits{MaxHeaderBytes: 65536, ShutdownTimeout: 15 * time.Second},

		Database: config.Database{MaxAge: 10 * time.Second, Stale: "refuse"},
		People: config.People{
			Identity: "token", Keep: time.Minute, SubjectClaim: "sub", LoginClaim: "preferred_username", EmailClaim: "email",
			RolesClaim: "realm_access.roles", GroupsClaim: "groups", SecretHeader: "X-Token2go-Gateway-Secret",
		},
		Keys: config.Keys{
			Prefix: "t2g", Kinds: []string{"opaque"}, MinTTL: time.Hour, DefaultTTL: 90 * day, MaxTTL: 365 * day, MaxPerPerson: 100, Failures: 60,
		},
		API:    config.API{Host: "127.0.0.1", Port: 8081},
		Passes: config.Passes{MaxTTL: 90 * day},
	}
	same(t, c, want)
	if c.Hosts() != nil {
		t.Errorf("got the hosts %q, want every host", c.Hosts())
	}
}

// same compares the exported fields.
func same(t *testing.T, got, want config.Config) {
	t.Helper()
	for _, field := range reflect.VisibleFields(reflect.TypeOf(got)) {
		if !field.IsExported() {
			continue
		}
		g, w := reflect.ValueOf(got).FieldByIndex(field.Index), reflect.ValueOf(want).FieldByIndex(field.Index)
		if !reflect.DeepEqual(g.Interface(), w.Interface()) {
			t.Errorf("%s: got %v, want %v", field.Name, g, w)
		}
	}
}

func TestLoadReadsVersion1Variables(t *testing.T) {
	c := loaded(t, "T2G_SERVER_PORT=9090", "T2G_TOKEN_HEADER_NAMES= Token , ,Access-Token,",
		"T2G_ADD_TOKEN_HEADER_NAMES=X-Mine", "T2G_FALLBACK_TOKEN="+marked, "T2G_UI_TARGET=Data Hub",
		"T2G_UI_TITLE=Tokens", "T2G_UI_DESC1=<b>one</b>", "T2G_UI_DESC2=<p>two\n\tlines</p>", "T2G_UI_MISC=<i>three</i>")
	want := loaded(t)
	want.Gateway.Port = 9090
	want.Tokens.HeaderNames = []string{"Token", "Access-Token"}
	want.Tokens.AddHeaderNames = []string{"X-Mine"}
	want.Tokens.Fallback = secret.New(marked)
	want.UI.Target, want.UI.Title = "Data Hub", "Tokens"
	want.UI.Desc1, want.UI.Desc2, want.UI.Misc = "<b>one</b>", "<p>two\n\tlines</p>", "<i>three</i>"
	same(t, c, want)
	if got, want := c.Tokens.Headers(), []string{"Token", "Access-Token", "X-Mine"}; !slices.Equal(got, want) {
		t.Errorf("got the headers %q, want %q", got, want)
	}
}

func TestTokenHeadersAppendsAddedNamesOnce(t *testing.T) {
	c := loaded(t, "T2G_TOKEN_HEADER_NAMES=Token,Authorization", "T2G_ADD_TOKEN_HEADER_NAMES=token,X-Mine")
	if got, want := c.Tokens.Headers(), []string{"Token", "Authorization", "X-Mine"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The traps of the library.

func TestLoadTrimsListItems(t *testing.T) {
	c := loaded(t, "T2G_TOKEN_HEADER_NAMES= Token ,\tX-Mine , token", "T2G_GATEWAY_CIDRS= 10.0.0.0/8 , 192.0.2.7 ",
		"T2G_FLOW_MODES= query , page ", "T2G_FLOW_TARGETS= https://a.example/** , https://b.example/x ")
	if want := []string{"Token", "X-Mine"}; !slices.Equal(c.Tokens.HeaderNames, want) {
		t.Errorf("got %q, want %q", c.Tokens.HeaderNames, want)
	}
	if got := c.Gateway.CIDRs; len(got) != 2 || got[0].String() != "10.0.0.0/8" || got[1].String() != "192.0.2.7/32" {
		t.Errorf("got %v, want 10.0.0.0/8 and 192.0.2.7/32", got)
	}
	if want := []string{"query", "page"}; !slices.Equal(c.Flow.Modes, want) {
		t.Errorf("got %q, want %q", c.Flow.Modes, want)
	}
	if want := []string{"https://a.example/**", "https://b.example/x"}; !slices.Equal(c.Flow.Targets, want) {
		t.Errorf("got %q, want %q", c.Flow.Targets, want)
	}
}

func TestLoadTreatsBlankAsUnset(t *testing.T) {
	unset := loaded(t)
	var assignments []string
	for _, v := range config.Variables() {
		assignments = append(assignments, v.Name+"=")
	}
	empty := loaded(t, assignments...)
	same(t, empty, unset)
	same(t, loaded(t, "T2G_SERVER_HOST=  ", "T2G_FALLBACK_TOKEN= \t"), unset)
	for _, setting := range empty.Settings() {
		if setting.Set {
			t.Errorf("%s: got set, want the default", setting.Name)
		}
	}
}

func TestLoadIgnoresUnprefixedNames(t *testing.T) {
	want := loaded(t)
	var assignments []string
	for _, v := range config.Variables() {
		assignments = append(assignments, strings.TrimPrefix(v.Name, "T2G_")+"=1")
	}
	assignments = append(assignments, "HOST=1", "PORT=1", "SOCKET=1", "SERVERHOST=1", "SERVERPORT=1", "T2G=1")
	same(t, loaded(t, assignments...), want)
}

func TestFaultHidesSecret(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent")
	jwt := "eyJhbGciOiJub25lIn0." + marked + "."
	for _, assignments := range [][]string{
		{"T2G_FALLBACK_TOKEN=Bearer " + marked},
		{"T2G_FALLBACK_TOKEN=" + marked + "\x01"},
		{"T2G_FALLBACK_TOKEN=" + marked + "\xff"},
		{"T2G_FALLBACK_TOKEN=" + marked, "T2G_FALLBACK_TOKEN_FILE=" + absent},
		{"T2G_FALLBACK_TOKEN_FILE=" + marked},
		{"T2G_FALLBACK_TOKEN_FILE=" + marked + "\n" + marked},
		{"T2G_FALLBACK_TOKEN_FILE=" + written(t, "token", "two "+marked)},
		{"T2G_FALBACK_TOKEN=" + marked},
		{"t2g_fallback_token=" + marked},
		{"T2G_SERVER_PORT=" + jwt},
		{"T2G_UI_SIGN_IN_URL=" + jwt},
		{"T2G_PUBLIC_URL=https://me:" + marked + "@token.example.org/"},
		{"T2G_PUBLIC_URL=https://me:" + marked + "%zz@token.example.org/"},
		{"T2G_TLS_KEY_FILE=-----BEGIN PRIVATE KEY-----\n" + marked, "T2G_TLS_CERT_FILE=" + absent},
		{"T2G_TLS_KEY_FILE=" + marked, "T2G_TLS_CERT_FILE=" + absent},
	} {
		found := faults(t, assignments...)
		if len(found) == 0 {
			t.Errorf("%q: got no fault", assignments)
		}
		if strings.Contains(found.Error(), marked) {
			t.Errorf("%q: shown in %s", assignments, found)
		}
	}
}

func TestFaultOfSecretHasItsSize(t *testing.T) {
	fault := refused(t, "T2G_FALLBACK_TOKEN=Bearer abc")
	if want := "a value of 10 bytes"; !strings.HasPrefix(fault.Given, want) {
		t.Errorf("got %q, want it to begin with %q", fault.Given, want)
	}
}

func TestLoadRejectsUnknownNameWithTheNearest(t *testing.T) {
	for _, test := range []struct{ given, nearest string }{
		{"T2G_SERVER_PROT", "T2G_SERVER_PORT"},
		{"T2G_GATEWAY_CIDR", "T2G_GATEWAY_CIDRS"},
		{"T2G_CIDRS", "T2G_API_CIDRS"},
		{"T2G_ALLOWED_HOST", "T2G_ALLOWED_HOSTS"},
		{"T2G_FLOW_CONSENTS", "T2G_FLOW_CONSENT"},
		{"T2G_HEADER_NAMES", "T2G_TOKEN_HEADER_NAMES"},
		{"T2G_TLS_CERT", "T2G_TLS_CERT_FILE"},
		{"T2G_LOGLEVEL", "T2G_LOG_LEVEL"},
		{"t2g_server_host", "T2G_SERVER_HOST"},
		{"T2G_", "T2G_UI_MISC"},
	} {
		fault := refused(t, test.given+"=1")
		if fault.Name != test.given || !strings.HasSuffix(fault.Want, " "+test.nearest) {
			t.Errorf("%s: got %v, want it to name %s", test.given, fault, test.nearest)
		}
	}
}

func TestUnknownNameIsQuotedAndShortened(t *testing.T) {
	line := refused(t, "T2G_A\x1b[2J\nb"+strings.Repeat("C", 5000)+"=1").Error()
	if strings.ContainsAny(line, "\x1b\n") || len(line) > 300 {
		t.Errorf("got %q, want one short line", line)
	}
}

func TestLoadReportsEveryUnknownName(t *testing.T) {
	got := names(faults(t, "T2G_ZEBRA=1", "T2G_APE=1", "T2G_SERVER_PORT=x", "T2G_LION=1"))
	want := []string{"T2G_SERVER_PORT", "T2G_APE", "T2G_LION", "T2G_ZEBRA"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoadIgnoresKubernetesServiceLinks(t *testing.T) {
	var assignments []string
	for _, service := range []string{"T2G", "T2G_SERVER", "T2G_FOO", "T2G_FOO_BAR2"} {
		for _, link := range []string{
			"_SERVICE_HOST=10.0.0.1", "_SERVICE_PORT=8080", "_SERVICE_PORT_HTTP=8080", "_SERVICE_PORT_HTTP_ALT=8081",
			"_PORT_8080_TCP=tcp://10.0.0.1:8080", "_PORT_8080_TCP_PROTO=tcp", "_PORT_8080_TCP_PORT=8080",
			"_PORT_8080_TCP_ADDR=10.0.0.1", "_PORT_53_UDP=udp://10.0.0.1:53", "_PORT_53_UDP_PROTO=udp",
		} {
			assignments = append(assignments, service+link)
		}
		if service != "T2G_SERVER" {
			assignments = append(assignments, service+"_PORT=tcp://10.0.0.1:8080")
		}
	}
	same(t, loaded(t, assignments...), loaded(t))
}

func TestLoadRejectsMistypedPortName(t *testing.T) {
	for _, given := range []string{"T2G_PORT=8080", "T2G_SERVR_PORT=8080", "T2G_PORT_8080=1", "T2G_SERVICE=1", "T2G_SERVICE_HOSTS=1"} {
		name, _, _ := strings.Cut(given, "=")
		if fault := refused(t, given); fault.Name != name {
			t.Errorf("%s: got %v, want a fault of %s", given, fault, name)
		}
	}
}

func TestFaultExplainsKubernetesServiceLink(t *testing.T) {
	for _, test := range []struct{ name, service string }{
		{"T2G_SERVER_PORT", "t2g-server"},
		{"T2G_OPS_PORT", "t2g-ops"},
	} {
		fault := refused(t, test.name+"=tcp://10.0.0.1:8080")
		for _, want := range []string{"`enableServiceLinks: false`", "rename the Service", test.service} {
			if fault.Name != test.name || !strings.Contains(fault.Want, want) {
				t.Errorf("got %v, want %s and it to say %q", fault, test.name, want)
			}
		}
	}
}

func TestLoadIgnoresTestVariables(t *testing.T) {
	same(t, loaded(t, "T2G_TEST_BROWSER=/usr/bin/chromium"), loaded(t))
}

func TestLoadReportsAllFaults(t *testing.T) {
	wrong := map[string]string{
		"T2G_SERVER_HOST":            "127.0.0.1:8080",
		"T2G_SERVER_PORT":            "eighty",
		"T2G_SERVER_SOCKET":          "gateway.sock",
		"T2G_TLS_CERT_FILE":          filepath.Join(t.TempDir(), "absent.crt"),
		"T2G_TLS_KEY_FILE":           filepath.Join(t.TempDir(), "absent.key"),
		"T2G_GATEWAY_CIDRS":          "10.0.0.0/99",
		"T2G_BASE_PATH":              "token2go",
		"T2G_PUBLIC_URL":             "token.example.org",
		"T2G_ALLOWED_HOSTS":          "*.example.org",
		"T2G_TOKEN_HEADER_NAMES":     "Access Token",
		"T2G_ADD_TOKEN_HEADER_NAMES": "Token:",
		"T2G_FALLBACK_TOKEN":         "Bearer " + marked,
		"T2G_IDENTITY_HEADER_NAMES":  ",",
		"T2G_UI_TARGET":              "Data\nHub",
		"T2G_UI_TITLE":               "Tit\x1ble",
		"T2G_UI_DESC1":               "bell\x07.",
		"T2G_UI_DESC2":               "\xff\xfe",
		"T2G_UI_MISC":                "\x7f.",
		"T2G_UI_SIGN_IN_URL":         "//evil.example/",
		"T2G_UI_SIGN_OUT_URL":        "javascript:alert(1)",
		"T2G_FLOW_TARGETS":           ",,",
		"T2G_FLOW_CONSENT":           "sometimes",
		"T2G_FLOW_MODES":             "auto",
		"T2G_FLOW_MAX_URL":           "1",
		"T2G_OPS_HOST":               "http://localhost",
		"T2G_OPS_PORT":               "-1",
		"T2G_OPS_ALLOWED_HOSTS":      "*.example.org",
		"T2G_OPS_PPROF":              "perhaps",
		"T2G_LOG_FORMAT":             "xml",
		"T2G_LOG_LEVEL":              "loud",
		"T2G_MAX_HEADER_BYTES":       "64k",
		"T2G_DRAIN_DELAY":            "5",
		"T2G_SHUTDOWN_TIMEOUT":       "1h",
		"T2G_FALLBACK_TOKEN_FILE":    "absent",

		"T2G_DATABASE_URL":             "sqlite:" + marked + " ",
		"T2G_DATABASE_URL_FILE":        "absent",
		"T2G_DATABASE_KEY":             "a b",
		"T2G_DATABASE_KEY_FILE":        "absent",
		"T2G_DATABASE_MAX_AGE":         "0s",
		"T2G_DATABASE_STALE":           "maybe",
		"T2G_IDENTITY":                 "name",
		"T2G_OIDC_ISSUER":              "id.example.org",
		"T2G_OIDC_AUDIENCES":           ",",
		"T2G_OIDC_CLIENTS":             ",",
		"T2G_OIDC_ID_TOKENS":           "perhaps",
		"T2G_OIDC_USERINFO_MAX_AGE":    "1d",
		"T2G_CLAIM_SUBJECT":            ".sub",
		"T2G_CLAIM_LOGIN":              "a..b",
		"T2G_CLAIM_EMAIL":              "email.",
		"T2G_CLAIM_ROLES":              ".",
		"T2G_CLAIM_GROUPS":             "a\x01",
		"T2G_ADMIN_CLAIM":              "groups",
		"T2G_SUBJECT_HEADER":           "X User",
		"T2G_LOGIN_HEADER":             "X-User,X-Name",
		"T2G_EMAIL_HEADER":             "X:Mail",
		"T2G_GROUPS_HEADER":            "X Groups",
		"T2G_ADMIN_GROUP":              "\x01.",
		"T2G_GATEWAY_SECRET":           "two words",
		"T2G_GATEWAY_SECRET_FILE":      "absent",
		"T2G_GATEWAY_SECRET_HEADER":    "X Secret",
		"T2G_KEYS_PREFIX":              "T",
		"T2G_KEYS_KINDS":               "uuid",
		"T2G_KEYS_APPS":                ",",
		"T2G_KEYS_MIN_TTL":             "1s",
		"T2G_KEYS_DEFAULT_TTL":         "90",
		"T2G_KEYS_MAX_TTL":             "10y",
		"T2G_KEYS_NEVER_END":           "2",
		"T2G_KEYS_MAX_PER_PERSON":      "many",
		"T2G_KEYS_IN_URL":              "2",
		"T2G_KEYS_MAKERS":              ",",
		"T2G_KEYS_SIGNED_IN_WITHIN":    "31d",
		"T2G_KEYS_SEEN_WITHIN":         "-1d",
		"T2G_KEYS_FAILURES":            "-1",
		"T2G_KEYS_MAX_TTL_FOR":         "operators=30",
		"T2G_KEYS_MAX_PER_PERSON_FOR":  "=3",
		"T2G_KEYS_NEVER_END_FOR":       ",",
		"T2G_KEYS_IN_URL_FOR":          ",",
		"T2G_API_HOST":                 "127.0.0.1:8081",
		"T2G_API_PORT":                 "off",
		"T2G_API_SOCKET":               "api.sock",
		"T2G_API_TLS_CERT_FILE":        "\x01.",
		"T2G_API_TLS_KEY_FILE":         "\x01.",
		"T2G_API_CIDRS":                "10.0.0.0/99",
		"T2G_API_URL":                  "api.example.org",
		"T2G_API_ALLOWED_HOSTS":        "*.example.org",
		"T2G_API_CORS_ORIGINS":         "https://maps.example.org/",
		"T2G_API_TRUSTED_PROXIES":      "proxy",
		"T2G_COMPATIBILITY":            "other",
		"T2G_COMPATIBILITY_GET":        "maybe",
		"T2G_REGISTRATION":             "maybe",
		"T2G_SERVICES_FILE":            "\x01.",
		"T2G_PASS_KEY_FILE":            "\x01.",
		"T2G_PASS_MAX_TTL":             "1s",
		"T2G_LOCKBOX_SIGNING_KEY_FILE": "\x01.",
		"T2G_MAGIC_KEYS_DIR":           "\x01.",
		"T2G_MAGIC_SERVICE":            "\x01.",
		"T2G_MAGIC_ORIGIN":             "api.github.com",
		"T2G_MAGIC_MAX_AGE":            "1x",
		"T2G_MAGIC_OPEN_MINT":          "perhaps",
		"T2G_MINT_SECRET":              "two words",
		"T2G_MINT_SECRET_FILE":         "absent",
	}
	var assignments, want []string
	for _, v := range config.Variables() {
		value, there := wrong[v.Name]
		if !there {
			t.Fatalf("%s: no wrong value in this test", v.Name)
		}
		assignments, want = append(assignments, v.Name+"="+value), append(want, v.Name)
	}
	found := faults(t, append(assignments, "T2G_NONSENSE=1")...)
	if want = append(want, "T2G_NONSENSE"); !slices.Equal(names(found), want) {
		t.Fatalf("got  %q\nwant %q", names(found), want)
	}
	lines := strings.Split(found.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d lines, want %d:\n%s", len(lines), len(want), found)
	}
	for i, line := range lines {
		if !regexp.MustCompile(`^` + want[i] + `: got .+; want .+; for example T2G_\w+=.+$`).MatchString(line) {
			t.Errorf("got the line %s", line)
		}
		if strings.ContainsAny(line, "\x00\x07\x1b\x7f") || !utf8.ValidString(line) {
			t.Errorf("got control characters in %q", line)
		}
	}
}

func TestLoadKeepsSoundVariablesBesideAFault(t *testing.T) {
	environment(t, "T2G_OPS_PORT=x", "T2G_SERVER_PORT=9090", "T2G_FLOW_TARGETS=https://hub.example.org/")
	c, err := config.Load()
	if err == nil || c.Gateway.Port != 9090 || c.Ops.Port != 8082 || len(c.Flow.Targets) != 1 {
		t.Errorf("got %d, %d and %q with the error %v, want what was right and one default", c.Gateway.Port, c.Ops.Port, c.Flow.Targets, err)
	}
}

func TestFaultsAddSortsAndKeepsTheFirst(t *testing.T) {
	found := faults(t, "T2G_LOG_LEVEL=loud", "T2G_SERVER_PORT=x", "T2G_ZEBRA=1")
	found = found.Add(config.FaultFor("T2G_FLOW_TARGETS", "http://hub.example.org/", "an https URL"),
		config.FaultFor("T2G_FLOW_TARGETS", "second", "one line is enough"))
	want := []string{"T2G_SERVER_PORT", "T2G_FLOW_TARGETS", "T2G_LOG_LEVEL", "T2G_ZEBRA"}
	if !slices.Equal(names(found), want) {
		t.Fatalf("got %q, want %q", names(found), want)
	}
	line := `T2G_FLOW_TARGETS: got "http://hub.example.org/"; want an https URL; for example T2G_FLOW_TARGETS=https://hub.example.org/user/*/token2go/**`
	if got := found[1].String(); got != line {
		t.Errorf("got  %s\nwant %s", got, line)
	}
	if got := config.FaultFor("T2G_FALLBACK_TOKEN", marked, "x").Error(); strings.Contains(got, marked) {
		t.Errorf("got the secret in %q", got)
	}
	if got := config.FaultFor("T2G_NONE", marked, "x").Error(); got != "T2G_NONE: got a value of 19 bytes; want x" {
		t.Errorf("got %q", got)
	}
}

func TestFaultShortensLongValue(t *testing.T) {
	if got := refused(t, "T2G_LOG_LEVEL="+strings.Repeat("é", 5000)); len(got.Error()) > 300 || !strings.Contains(got.Given, "…") {
		t.Errorf("got %d bytes, want a short line: %s", len(got.Error()), got)
	}
}

func TestLoadReadsTheProcessEnvironment(t *testing.T) {
	environment(t)
	t.Setenv("T2G_UI_TITLE", "now")
	if c, err := config.Load(); err != nil || c.UI.Title != "now" {
		t.Errorf("got %q and %v, want the title", c.UI.Title, err)
	}
}

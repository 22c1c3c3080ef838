package config_test

import (
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/config"
)

// value is how the one variable takes effect, or "refused".
func value(t *testing.T, name, given string) string {
	t.Helper()
	environment(t, name+"="+given)
	c, err := config.Load()
	if err != nil {
		return "refused"
	}
	for _, setting := range c.Settings() {
		if setting.Name == name {
			return setting.Value
		}
	}
	t.Fatalf("%s: not in the settings", name)
	return ""
}

func TestLoadNormalisesOrRejectsValues(t *testing.T) {
	const no = "refused"
	for _, test := range []struct{ name, given, want string }{
		{"T2G_SERVER_HOST", "0.0.0.0", "0.0.0.0"},
		{"T2G_SERVER_HOST", "[::1]", "::1"},
		{"T2G_SERVER_HOST", "::", "::"},
		{"T2G_SERVER_HOST", "localhost", "localhost"},
		{"T2G_SERVER_HOST", "my_pod.example", "my_pod.example"},
		{"T2G_SERVER_HOST", "[127.0.0.1]", no},
		{"T2G_SERVER_HOST", "127.1", no},
		{"T2G_SERVER_HOST", "0x7f000001", no},
		{"T2G_SERVER_HOST", "*", no},
		{"T2G_SERVER_HOST", "::1:8080:", no},
		{"T2G_SERVER_HOST", "-a.example", no},
		{"T2G_SERVER_PORT", "0", "0"},
		{"T2G_SERVER_PORT", "+80", no},
		{"T2G_SERVER_PORT", "0x50", no},
		{"T2G_SERVER_PORT", "8080 8081", no},
		{"T2G_SERVER_PORT", "99999999999999999999", no},

		{"T2G_GATEWAY_CIDRS", "2001:db8::/32, ::1", "2001:db8::/32,::1/128"},
		{"T2G_GATEWAY_CIDRS", "::ffff:192.0.2.7", "192.0.2.7/32"},
		{"T2G_GATEWAY_CIDRS", "10.0.0.1,10.0.0.1/32", "10.0.0.1/32"},
		{"T2G_GATEWAY_CIDRS", "::ffff:10.0.0.0/104", no},
		{"T2G_GATEWAY_CIDRS", "10.1.2.3/8", no},
		{"T2G_GATEWAY_CIDRS", "fe80::1%eth0", no},
		{"T2G_GATEWAY_CIDRS", "gateway.example", no},
		{"T2G_GATEWAY_CIDRS", ",", no},

		{"T2G_BASE_PATH", "/", ""},
		{"T2G_BASE_PATH", "/a/b/", "/a/b"},
		{"T2G_BASE_PATH", "/a/../b", no},
		{"T2G_BASE_PATH", "//a", no},
		{"T2G_BASE_PATH", "/a//", no},
		{"T2G_BASE_PATH", "/a%2fb", no},
		{"T2G_BASE_PATH", `/a\b`, no},
		{"T2G_BASE_PATH", "/a b", no},
		{"T2G_BASE_PATH", "/a?b", no},

		{"T2G_PUBLIC_URL", "https://Token.Example.org:443/", "https://token.example.org"},
		{"T2G_PUBLIC_URL", "HTTP://localhost:80/x/", "http://localhost/x"},
		{"T2G_PUBLIC_URL", "https://[2001:DB8::1]:8443/a/b", "https://[2001:db8::1]:8443/a/b"},
		{"T2G_PUBLIC_URL", "https://token.example.org:80", "https://token.example.org:80"},
		{"T2G_PUBLIC_URL", "https://token.example.org?", no},
		{"T2G_PUBLIC_URL", "https://token.example.org/#", no},
		{"T2G_PUBLIC_URL", "https://me@token.example.org", no},
		{"T2G_PUBLIC_URL", "https:token.example.org", no},
		{"T2G_PUBLIC_URL", "https:///x", no},
		{"T2G_PUBLIC_URL", "https://a.example:0", no},
		{"T2G_PUBLIC_URL", "https://a.example:", no},
		{"T2G_PUBLIC_URL", "https://a.example:65536", no},
		{"T2G_PUBLIC_URL", `https://a.example\b`, no},
		{"T2G_PUBLIC_URL", "https://a.example//", no},
		{"T2G_PUBLIC_URL", "https://a.example/b/../c", no},
		{"T2G_PUBLIC_URL", "https://exämple.org", no},
		{"T2G_PUBLIC_URL", "ftp://a.example", no},

		{"T2G_ALLOWED_HOSTS", "Token.Example.org, token.example.org,LOCALHOST:8080", "token.example.org,localhost:8080"},
		{"T2G_ALLOWED_HOSTS", "::1,[::1],[::1]:8080", "[::1],[::1]:8080"},
		{"T2G_ALLOWED_HOSTS", "*", "*"},
		{"T2G_ALLOWED_HOSTS", "*.example.org", no},
		{"T2G_ALLOWED_HOSTS", "https://a.example", no},
		{"T2G_ALLOWED_HOSTS", "a.example/", no},
		{"T2G_ALLOWED_HOSTS", "a.example:http", no},
		{"T2G_ALLOWED_HOSTS", "a.example:080", no},
		{"T2G_ALLOWED_HOSTS", "[127.0.0.1]", no},

		{"T2G_TOKEN_HEADER_NAMES", "X!#$%&'*+-.^_`|~9", "X!#$%&'*+-.^_`|~9"},
		{"T2G_TOKEN_HEADER_NAMES", "Tökén", no},
		{"T2G_TOKEN_HEADER_NAMES", "Token;", no},
		{"T2G_TOKEN_HEADER_NAMES", "Token\nX-Mine", no},
		{"T2G_TOKEN_HEADER_NAMES", "Token,\n\tX-Mine,\r\n", "Token,X-Mine"},

		{"T2G_UI_SIGN_IN_URL", "/oauth2/sign_in?rd=/x", "/oauth2/sign_in?rd=/x"},
		{"T2G_UI_SIGN_IN_URL", "https://id.example.org/in", "https://id.example.org/in"},
		{"T2G_UI_SIGN_IN_URL", `/\evil.example`, no},
		{"T2G_UI_SIGN_IN_URL", "/a\t/b", no},
		{"T2G_UI_SIGN_IN_URL", "oauth2/sign_in", no},
		{"T2G_UI_SIGN_IN_URL", "/%zz", no},
		{"T2G_UI_SIGN_IN_URL", "https://me@id.example.org/", no},
		{"T2G_UI_SIGN_IN_URL", "data:text/html,x", no},
		{"T2G_UI_SIGN_OUT_URL", `/"onclick=`, no},

		{"T2G_FLOW_CONSENT", "ALWAYS", "always"},
		{"T2G_FLOW_MODES", "page,query,page", "page,query"},
		{"T2G_FLOW_MODES", "query,none", no},
		{"T2G_FLOW_MODES", " , ", no},
		{"T2G_FLOW_TARGETS", "https://a.example/X,https://a.example/x", "https://a.example/X,https://a.example/x"},
		{"T2G_FLOW_TARGETS", "https://a.example/\x01", no},
		{"T2G_OPS_PORT", "0", "0"},
		{"T2G_OPS_ALLOWED_HOSTS", "Ops.Example.org:8082, ops.example.org:8082", "ops.example.org:8082"},
		{"T2G_OPS_PPROF", "TRUE", "true"},
		{"T2G_OPS_PPROF", "0", "false"},
		{"T2G_OPS_PPROF", "yes", no},
		{"T2G_LOG_LEVEL", "WARN", "warn"},
		{"T2G_LOG_LEVEL", "INFO+2", no},
		{"T2G_DRAIN_DELAY", "1500ms", "1.5s"},
		{"T2G_DRAIN_DELAY", "-1s", no},
		{"T2G_UI_TITLE", "Für alle ☀", "Für alle ☀"},
		{"T2G_UI_TITLE", "a\tb", no},
		{"T2G_UI_DESC1", "a\r\n\tb", "a\r\n\tb"},
	} {
		t.Run(test.name+"="+test.given, func(t *testing.T) {
			if got := value(t, test.name, test.given); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestLoadRejectsControlCharacters(t *testing.T) {
	html := map[string]bool{"T2G_UI_DESC1": true, "T2G_UI_DESC2": true, "T2G_UI_MISC": true}
	for _, v := range config.Variables() {
		for _, char := range []string{"\n", "\t", "\x01", "\x1b", "\x7f", "\u0085", "\xff"} {
			given := v.Example + char + v.Example
			if v.Name == "T2G_FLOW_TARGETS" {
				given = "https://a.example/" + char + "x"
			}
			allowed := html[v.Name] && (char == "\n" || char == "\t")
			if got := value(t, v.Name, given) != "refused"; got != allowed {
				t.Errorf("%s with %q: got allowed %v, want %v", v.Name, char, got, allowed)
			}
		}
	}
}

func TestLoadRejectsNULInSecretFile(t *testing.T) {
	fault := refused(t, "T2G_FALLBACK_TOKEN_FILE="+written(t, "token", "a\x00b"))
	if !strings.Contains(fault.Given, "U+0000") {
		t.Errorf("got %v, want it to name the NUL", fault)
	}
}

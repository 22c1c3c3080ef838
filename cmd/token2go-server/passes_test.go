package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// upstreamSecret is the credential of the API behind the proxy.
const upstreamSecret = "s3cr3t-of-the-api"

// serving is an environment with a services file, whose service notes is an API that
// answers what it was asked, and by whom.
func serving(t testing.TB, more ...string) []string {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		good := r.Header.Get("Authorization") == "Bearer "+upstreamSecret
		fmt.Fprintf(w, "%s %s, credential right: %v", r.Method, r.RequestURI, good)
	}))
	t.Cleanup(upstream.Close)
	path := filepath.Join(t.TempDir(), "services.json")
	text := fmt.Sprintf(`{"services":{"notes":{"base_url":%q,"credential":{"type":"bearer","token":%q},
		"rules":["* /notes.*"],"scopes":{"read":["GET /notes/.*"]},"accept":["pass","key"]}}}`, upstream.URL+"/v1", upstreamSecret)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return append([]string{"T2G_SERVICES_FILE=" + path, "T2G_API_PORT=0", "T2G_OIDC_ISSUER=http://127.0.0.1:1", "T2G_OIDC_AUDIENCES=test"}, more...)
}

func (h *instance) call(t *testing.T, pass, method, path string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+h.api+"/s/notes"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+pass)
	answer := newBrowser(t).send(t, r)
	return answer.status, answer.body
}

func TestPassOfCommandLineOpensService(t *testing.T) {
	t.Parallel()
	for _, stored := range []bool{false, true} {
		t.Run(fmt.Sprintf("database %v", stored), func(t *testing.T) {
			t.Parallel()
			environment := serving(t)
			if stored {
				environment = append(environment, storing(t)[:1]...)
			}
			h := openInstance(t, environment...)
			minted := tool(t, environment, "pass", "mint", "--service", "notes", "--scope", "read", "--rule", "PUT /notes/.*", "--name", "agent", "--ttl", "90s")
			if minted.code != 0 || minted.stderr != "" {
				t.Fatalf("got %+v", minted)
			}
			text := strings.TrimSpace(minted.stdout)
			if status, body := h.call(t, text, http.MethodGet, "/notes/1?a=%2F"); status != http.StatusOK || body != "GET /v1/notes/1?a=%2F, credential right: true" {
				t.Errorf("got %d %s", status, body)
			}
			for call, want := range map[string]int{"PUT /notes/1": 200, "DELETE /notes/1": 403, "GET /admin": 403, "GET /notes/%2e%2e/admin": 400} {
				method, path, _ := strings.Cut(call, " ")
				if status, body := h.call(t, text, method, path); status != want {
					t.Errorf("%s: got %d %s, want %d", call, status, body, want)
				}
			}
			inspected := toolWith(t, environment, text+"\n", "pass", "inspect")
			for _, want := range []string{"service   notes\n", "made for  operator\n", "rule      PUT /notes/.*\n", "scope     read\n"} {
				if inspected.code != 0 || !strings.Contains(inspected.stdout, want) {
					t.Errorf("inspect lacks %q: %+v", want, inspected)
				}
			}
			if log := h.stdout.String(); strings.Contains(log, upstreamSecret) || strings.Contains(log, text) {
				t.Error("the log has a credential")
			}
		})
	}
}

func TestProgramAttenuatesPass(t *testing.T) {
	t.Parallel()
	environment := serving(t)
	h := openInstance(t, environment...)
	text := strings.TrimSpace(mustTool(t, environment, "pass", "mint", "--service", "notes", "--scope", "read"))
	r, err := http.NewRequest(http.MethodPost, "http://"+h.api+"/passes/attenuate", strings.NewReader(`{"rules":["* /notes/7"],"ttl":"1m"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+text)
	r.Header.Set("Content-Type", "application/json")
	answer := newBrowser(t).send(t, r)
	var made struct{ Pass string }
	if err := json.Unmarshal([]byte(answer.body), &made); answer.status != http.StatusCreated || err != nil {
		t.Fatalf("got %d %s", answer.status, answer.body)
	}
	for call, want := range map[string]int{"GET /notes/7": 200, "PUT /notes/7": 403, "GET /notes/8": 403} {
		method, path, _ := strings.Cut(call, " ")
		if status, body := h.call(t, made.Pass, method, path); status != want {
			t.Errorf("%s: got %d %s, want %d", call, status, body, want)
		}
	}
}

func TestPassMintRefuses(t *testing.T) {
	t.Parallel()
	environment := serving(t, "T2G_PASS_MAX_TTL=1d")
	for want, arguments := range map[string][]string{
		"usage: want --service":             {"mint"},
		"usage: a pass wants at least":      {"mint", "--service", "notes"},
		"usage: the life of a pass must":    {"mint", "--service", "notes", "--scope", "read", "--ttl", "25h"},
		"usage: rule \"GET (\"":             {"mint", "--service", "notes", "--rule", "GET ("},
		"usage: network \"x\"":              {"mint", "--service", "notes", "--scope", "read", "--network", "x"},
		"usage: scopes: want names":         {"mint", "--service", "notes", "--scope", "x"},
		"usage: there is no such service":   {"mint", "--service", "x", "--scope", "read"},
		"usage: pass wants one of its comm": {},
	} {
		if got := tool(t, environment, append([]string{"pass"}, arguments...)...); got.code != exitUsage || !strings.HasPrefix(got.stderr, want) || got.stdout != "" {
			t.Errorf("%q: got %+v, want %q", arguments, got, want)
		}
	}
	if got := tool(t, environment, "pass", "mint", "--service", "notes", "--rule", "* .*"); got.code != 0 || !strings.HasPrefix(got.stderr, "warning: * .*: it allows every method on every path\n") {
		t.Errorf("got %+v", got)
	}
	if got := toolWith(t, environment, "x", "pass", "inspect"); got.code != exitFailed || got.stderr != "not a pass of this server\n" {
		t.Errorf("not a pass: got %+v", got)
	}
	if got := tool(t, nil, "pass", "mint", "--service", "notes", "--scope", "read"); got.code != exitUsage || !strings.Contains(got.stderr, "T2G_SERVICES_FILE") {
		t.Errorf("without services: got %+v", got)
	}
	if info, err := os.Stat(filepath.Join(filepath.Dir(strings.TrimPrefix(environment[0], "T2G_SERVICES_FILE=")), "pass.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info, err)
	}
}

func TestPageOfPassesNeedsNoDatabase(t *testing.T) {
	t.Parallel()
	h := openInstance(t, serving(t)...)
	status, body := mustGet(t, "http://"+h.gateway+"/passes", tokenHeader, "no-jwt")
	if status == http.StatusNotFound {
		t.Errorf("got %d %s, want the page behind a proof of identity", status, body)
	}
	process.Until(t, "the API listener answers", func() bool {
		status, _, err := get("http://" + h.api + "/.well-known/token2go/pass.json")
		return err == nil && status == http.StatusOK
	})
}

// toolWith is tool with standard input.
func toolWith(t testing.TB, environment []string, input string, arguments ...string) outcome {
	t.Helper()
	c := exec.Command(os.Args[0], arguments...)
	c.Stdin = strings.NewReader(input)
	p := launchCommand(t, c, environment...)
	return outcome{p.Code(t), p.stdout.String(), p.stderr.String()}
}

func TestServicesValidate(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(text string) string {
		path := filepath.Join(folder, "services.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, test := range []struct {
		text   string
		code   int
		stdout string // a part
		stderr string // how it begins
	}{
		{`{"services":{"notes":{"base_url":"http://127.0.0.1:1","rules":["GET /notes/.*"]}}}`, 0, "ok       notes: http://127.0.0.1:1\n", ""},
		{`{"services":{"notes":{"base_url":"http://127.0.0.1:1","scopes":{"all":["* .*"]}}}}`, 0, "warning  services.notes: * .*: it allows every method", ""},
		{`{"services":{"notes":{"base_url":"https://notes.invalid"}}}`, 1, "refused  services.notes.base_url: ", "calls of a service would be refused"},
		{`{"services":{"notes":{"base_url":"ftp://notes"}}}`, 2, "", "usage: services.notes.base_url"},
		{`{`, 2, "", "usage: services file"},
	} {
		got := tool(t, nil, "services", "validate", write(test.text))
		if got.code != test.code || !strings.Contains(got.stdout, test.stdout) || !strings.HasPrefix(got.stderr, test.stderr) {
			t.Errorf("%s: got %+v, want %+v", test.text, got, test)
		}
	}
	if got := tool(t, nil, "services", "validate"); got.code != exitUsage {
		t.Errorf("without a file: got %+v", got)
	}
}

package check_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// conformanceChecks are the checks of Schemathesis that an answer must pass: no 5xx, and no status,
// type, header or body that the document does not have. What is not among them is
// whether the document refuses all that the server refuses: a key that is no key cannot
// be told from one by a schema.
const conformanceChecks = "not_a_server_error,status_code_conformance,content_type_conformance," +
	"response_headers_conformance,response_schema_conformance,unsupported_method,allow_header_conformance"

// good are parameters with which a request is answered in full; by chance none would be.
// They replace what is made up in some of the requests to these operations.
const good = `warnings = false

[[operations]]
include-name = "GET /flow/redirect/token"
[operations.parameters]
"query.target" = "http://127.0.0.1:41234/callback"
"query.state" = "of-the-contract"
"query.publicKeyType" = "jwk"
"query.publicKey" = '{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}'

[[operations]]
include-name = "GET /static/{file}"
[operations.parameters]
"path.file" = "FILE"

[[operations]]
include-name = "GET /swagger-ui/{file}"
[operations.parameters]
"path.file" = "swagger-ui.css"
`

func TestServerConformsToAPIDocument(t *testing.T) {
	program := need(t, "schemathesis")
	gateway, ops := process.Port(t), process.Port(t)
	serve(t, gateway, ops)
	const token = "X-Forwarded-Access-Token: a-token-for-the-contract"
	for _, test := range []struct {
		name    string
		headers []string
	}{
		{"a program that is signed in", []string{token}},
		{"a program that is not", nil},
		{"a browser that is signed in", []string{
			token, "Accept: text/html",
			"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-User: ?1",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var options []string
			for _, header := range test.headers {
				options = append(options, "--header", header)
			}
			if said, err := contract(t, program, filepath.Join(top, "openapi/gateway.yaml"), gateway, options...); err != nil {
				t.Errorf("%v\n%s", err, said)
			}
		})
	}
	// What was asked must have led somewhere, or nothing was compared.
	seen := scrape(t, ops)
	for _, want := range []struct {
		metric, label string
		values        []string
	}{
		{"token2go_requests_total", "status", []string{"200", "303", "400", "401", "403", "405"}},
		{"token2go_handovers_total", "decision", []string{"handed_over", "asked", "refused"}},
		{"token2go_handovers_total", "way", []string{"token", "query"}},
	} {
		for _, value := range want.values {
			if !slices.Contains(seen[want.metric][want.label], value) {
				t.Errorf("%s was never counted with %s=%q", want.metric, want.label, value)
			}
		}
	}
}

// TestKeysConformToAPIDocument asks a server that makes API keys, as an administrator.
func TestKeysConformToAPIDocument(t *testing.T) {
	program := need(t, "schemathesis")
	gateway, ops := process.Port(t), process.Port(t)
	const secret = "of-the-contract-alone"
	serve(t, gateway, ops,
		"T2G_DATABASE_URL=sqlite:"+filepath.Join(t.TempDir(), "t2g.db"), "T2G_API_PORT="+process.Port(t), "T2G_API_URL=https://api.example.org",
		"T2G_IDENTITY=headers", "T2G_SUBJECT_HEADER=X-Forwarded-User", "T2G_GROUPS_HEADER=X-Forwarded-Groups", "T2G_ADMIN_GROUP=admins",
		"T2G_GATEWAY_SECRET="+secret, "T2G_KEYS_MAX_PER_PERSON=0",
	)
	options := []string{"--include-path-regex", "^/(keys|admin)"}
	for _, header := range []string{"X-Forwarded-User: ada", "X-Forwarded-Groups: admins", "X-Forwarded-Access-Token: a-token", "X-Token2go-Gateway-Secret: " + secret} {
		options = append(options, "--header", header)
	}
	for name, more := range map[string][]string{
		"a program": nil,
		"a browser": {"--header", "Accept: text/html", "--header", "Sec-Fetch-Site: same-origin", "--header", "Sec-Fetch-Mode: navigate", "--header", "Sec-Fetch-Dest: document"},
	} {
		t.Run(name, func(t *testing.T) {
			if said, err := contract(t, program, filepath.Join(top, "openapi/gateway.yaml"), gateway, append(slices.Clone(options), more...)...); err != nil {
				t.Errorf("%v\n%s", err, said)
			}
		})
	}
	seen := scrape(t, ops)
	for _, value := range []string{"200", "201", "400", "404", "405"} {
		if !slices.Contains(seen["token2go_requests_total"]["status"], value) {
			t.Errorf("no answer had the status %s", value)
		}
	}
}

// TestAPIConformsToAPIDocument asks the API listener, as an application that may ask about
// keys, as a key's holder who revokes, and without a key.
func TestAPIConformsToAPIDocument(t *testing.T) {
	program := need(t, "schemathesis")
	listener, ops := process.Port(t), process.Port(t)
	database := "T2G_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "t2g.db")
	serve(t, "off", ops, database, "T2G_API_PORT="+listener, "T2G_API_TRUSTED_PROXIES=127.0.0.1")
	key := makeKey(t, database, "--grant", "introspect:maps")
	const mine = "^/(health|check|introspect|jwks|status-lists|.well-known/token2go/[as])"
	for name, options := range map[string][]string{
		"an application":  {"--include-path-regex", mine, "--header", "Authorization: Bearer " + key},
		"without a key":   {"--include-path-regex", mine},
		"a proxy":         {"--include-path-regex", "^/verify"}, // with a key, every method is answered
		"who has a wrong": {"--include-path-regex", mine, "--header", "X-Api-Key: t2g_wrong"},
		"who revokes":     {"--include-path", "/revoke"},
	} {
		t.Run(name, func(t *testing.T) {
			if said, err := contract(t, program, filepath.Join(top, "openapi/api.yaml"), listener, options...); err != nil {
				t.Errorf("%v\n%s", err, said)
			}
		})
	}
	seen := scrape(t, ops)
	for _, value := range []string{"200", "400", "401", "403", "404"} {
		if !slices.Contains(seen["token2go_requests_total"]["status"], value) {
			t.Errorf("no answer had the status %s", value)
		}
	}
}

// makeKey makes an API key on the command line.
func makeKey(t testing.TB, database string, flags ...string) string {
	t.Helper()
	c := exec.Command(server(t), append([]string{"keys", "make", "--name", "contract", "--owner", "tests"}, flags...)...)
	c.Env = []string{database, "T2G_SERVER_PORT=off"}
	for field := range strings.FieldsSeq(run(t, c)) {
		if strings.HasPrefix(field, "t2g_") && len(field) > 40 {
			return field
		}
	}
	t.Fatal("the command printed no key")
	return ""
}

// contract asks the server what the document offers, and returns what Schemathesis says.
// The seed is fixed, so that a tree is judged the same twice.
func contract(t testing.TB, program, document, gateway string, options ...string) (said string, err error) {
	t.Helper()
	document, err = filepath.Abs(document)
	if err != nil {
		t.Fatal(err)
	}
	folder, base := t.TempDir(), "http://127.0.0.1:"+gateway
	config := filepath.Join(folder, "schemathesis.toml")
	parameters, _, _ := strings.Cut(good, "[[operations]]")
	if filepath.Base(document) == "gateway.yaml" {
		parameters = strings.Replace(good, "FILE", staticFile(t, base), 1)
	}
	if err := os.WriteFile(config, []byte(parameters), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, program, "--no-color", "--config-file", config, "run", document, "--url", base,
		"--phases", "examples,coverage,fuzzing", "--checks", conformanceChecks, "--max-redirects", "0",
		"--max-examples", "20", "--seed", "1", "--continue-on-failure", "--request-timeout", "10")
	c.Args = append(c.Args, options...)
	c.Dir = folder // where it keeps what failed
	out, err := c.CombinedOutput()
	return string(out), err
}

// staticFile is the name of a file of the page, which has a hash in it.
func staticFile(t testing.TB, base string) string {
	t.Helper()
	answer, err := http.Get(base + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`static/(app\.[0-9a-f]+\.css)`).FindSubmatch(page)
	if found == nil {
		t.Fatalf("the page names no style sheet:\n%s", page)
	}
	return string(found[1])
}

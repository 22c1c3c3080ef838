package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/pass/lockbox"
	"github.com/token2go/token2go/internal/pass/magic"
)

// outcome is what a command printed, and its exit code.
type outcome struct {
	code           int
	stdout, stderr string
}

func runCommand(t *testing.T, arguments ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), arguments, &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

func TestRulesCheck(t *testing.T) {
	t.Parallel()
	const issues = "GET /repos/[^/]+/issues"
	for _, test := range []struct {
		name      string
		arguments []string
		want      outcome
	}{
		{"good rules", []string{issues, `{"methods":["GET"],"path":"/x/**"}`}, outcome{0, "ok       " + issues + "\nok       {\"methods\":[\"GET\"],\"path\":\"/x/**\"}\n", ""}},
		{"a rule with a comma", []string{"GET /a{1,2}"}, outcome{0, "ok       GET /a{1,2}\n", ""}},
		{"a finding", []string{"* .*"}, outcome{0, "warning  * .*: it allows every method on every path\n", ""}},
		{"allowed", []string{issues, "--try", "GET /repos/x/issues?a=b"}, outcome{0, "ok       " + issues + "\nallowed  GET /repos/x/issues?a=b: by " + issues + "\n", ""}},
		{"no rule", []string{issues, "--try", "GET /user"}, outcome{1, "ok       " + issues + "\nrefused  GET /user: no rule allows it\n", "a request that was tried is refused\n"}},
		{"denied", []string{issues, "--deny", issues, "--try", "GET /repos/x/issues"}, outcome{1, "ok       " + issues + "\nrefused  GET /repos/x/issues: denied by " + issues + "\n", "a request that was tried is refused\n"}},
		{"another method by the query", []string{"GET /a", "--try", "GET /a?_method=DELETE"}, outcome{1, "ok       GET /a\nrefused  GET /a?_method=DELETE: the query asks for another method\n", "a request that was tried is refused\n"}},
		{"a path that is not canonical", []string{"GET /a/.*", "--try", "GET /a/%2e%2e/b"}, outcome{1, "ok       GET /a/.*\nrefused  GET /a/%2e%2e/b: path is not canonical: dot_segment\n", "a request that was tried is refused\n"}},
		{"an encoded slash that is allowed", []string{"GET /a/.*", "--encoded-slash", "--try", "GET /a/b%2Fc"}, outcome{0, "ok       GET /a/.*\nallowed  GET /a/b%2Fc: by GET /a/.*\n", ""}},
		{"no rule at all", nil, outcome{2, "", "usage: want at least one rule"}},
		{"a wrong rule", []string{"GET /("}, outcome{2, "", "usage: rule \"GET /(\""}},
		{"a wrong request", []string{"GET /a", "--try", "/a"}, outcome{2, "ok       GET /a\n", "usage: request \"/a\", want one such as"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := runCommand(t, append([]string{"rules", "check"}, test.arguments...)...)
			if got.code != test.want.code || got.stdout != test.want.stdout || !strings.HasPrefix(got.stderr, test.want.stderr) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestLockboxTokens(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("a signing key of more than 32 bytes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := lockbox.ReadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	service := runCommand(t, "lockbox", "service-token", "--service-name", "notes", "--audience", "ci", "--signing-key-file", path, "--duration", "60")
	authorization := []string{"Bearer " + strings.TrimSuffix(service.stdout, "\n")}
	if _, err := key.VerifyService(authorization, "notes", nil, time.Now().Add(58*time.Second)); err != nil || service.code != 0 || service.stderr != "" {
		t.Errorf("service token: got %+v, %v", service, err)
	}
	if _, err := key.VerifyService(authorization, "notes", nil, time.Now().Add(61*time.Second)); err == nil {
		t.Error("the service token is valid for longer than asked")
	}
	admin := runCommand(t, "lockbox", "admin-token", "--signing-key-file", path)
	if err := key.VerifyAdmin([]string{"Bearer " + strings.TrimSuffix(admin.stdout, "\n")}, time.Now().Add(59*time.Minute)); err != nil || admin.code != 0 {
		t.Errorf("admin token: got %+v, %v", admin, err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if weak := runCommand(t, "lockbox", "admin-token", "--signing-key-file", path); weak.code != 0 || !strings.HasPrefix(weak.stderr, "warning: the signing key is shorter") {
		t.Errorf("a short key: got %+v", weak)
	}
	for want, arguments := range map[string][]string{
		"usage: lockbox wants one of its commands":          {},
		"usage: want --service-name and --audience":         {"service-token", "--signing-key-file", path},
		"usage: want --signing-key-file":                    {"admin-token"},
		"usage: duration: got 0, want at least 1 second":    {"admin-token", "--signing-key-file", path, "--duration", "0"},
		"usage: lockbox signing key: open " + path + ".no:": {"admin-token", "--signing-key-file", path + ".no"},
	} {
		if got := runCommand(t, append([]string{"lockbox"}, arguments...)...); got.code != exitUsage || !strings.HasPrefix(got.stderr, want) || got.stdout != "" {
			t.Errorf("%q: got %+v, want %q", arguments, got, want)
		}
	}
}

func TestMagicKeys(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "new", "keys")
	if got := runCommand(t, "magic", "keys", folder); got.code != 0 || !strings.Contains(got.stdout, folder) {
		t.Fatalf("got %+v", got)
	}
	if _, err := magic.ReadKeys(magic.Options{Folder: folder, Service: "github", Origin: "https://api.github.example"}); err != nil {
		t.Error(err)
	}
	for want, arguments := range map[string][]string{"there is a key already": {"keys", folder}, "usage: want one folder": {"keys"}} {
		if got := runCommand(t, append([]string{"magic"}, arguments...)...); got.code != exitUsage || !strings.Contains(got.stderr, want) {
			t.Errorf("%q: got %+v, want %q", arguments, got, want)
		}
	}
}

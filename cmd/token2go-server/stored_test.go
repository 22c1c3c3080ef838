package main

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// storing is an environment with a database of its own, in which the issuer cannot be
// reached.
func storing(t testing.TB, more ...string) []string {
	t.Helper()
	return append([]string{
		"T2G_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "t2g.db"),
		"T2G_OIDC_ISSUER=http://127.0.0.1:1", "T2G_OIDC_AUDIENCES=test",
	}, more...)
}

// databaseFile is that of an environment of storing.
func databaseFile(environment []string) string {
	return strings.TrimPrefix(environment[0], "T2G_DATABASE_URL=sqlite:")
}

// tool runs a command that has the environment of a server.
func tool(t testing.TB, environment []string, arguments ...string) outcome {
	t.Helper()
	p := launch(t, arguments, environment...)
	return outcome{p.Code(t), p.stdout.String(), p.stderr.String()}
}

// mustTool is tool where the command succeeds. It returns what was printed.
func mustTool(t testing.TB, environment []string, arguments ...string) string {
	t.Helper()
	got := tool(t, environment, arguments...)
	if got.code != 0 {
		t.Fatalf("%q: exit code %d: %s", arguments, got.code, got.stderr)
	}
	return got.stdout
}

// openStored is a server with the database of an environment, and a key of its.
func openStored(t *testing.T, environment []string) (h *instance, key, id string) {
	t.Helper()
	h = openInstance(t, append(environment, "T2G_API_PORT=0")...)
	key = strings.TrimSpace(mustTool(t, environment, "keys", "make", "--name", "nightly", "--owner", "team"))
	return h, key, strings.Split(key, "_")[1]
}

func (h *instance) check(t testing.TB, key string) int {
	t.Helper()
	status, _ := mustGet(t, "http://"+h.api+"/check", "X-Api-Key", key)
	return status
}

func TestKeyOfCommandLineIsCheckedAndRevokedWithinASecond(t *testing.T) {
	t.Parallel()
	environment := storing(t)
	h, key, id := openStored(t, environment)
	if status := h.check(t, key); status != http.StatusOK {
		t.Fatalf("got %d at the key's first use, want 200", status)
	}
	if list := mustTool(t, environment, "keys", "list"); !regexp.MustCompile(`(?m)^` + id + ` +opaque +valid +\S+ +team +nightly$`).MatchString(list) {
		t.Errorf("got the list %s", list)
	}
	if got := mustTool(t, environment, "keys", "revoke", id, "--reason", "leaked"); !strings.HasPrefix(got, "key "+id+" is revoked since 20") {
		t.Errorf("got %q", got)
	}
	begin := time.Now()
	process.Until(t, "the key is refused", func() bool { return h.check(t, key) == http.StatusUnauthorized })
	if spent := time.Since(begin); spent > 3*time.Second { // a second is what is promised; the rest is for a busy machine
		t.Errorf("the server saw the revocation after %v", spent)
	}
	shown := mustTool(t, environment, "keys", "show", id)
	for _, want := range []string{"status     revoked", "leaked", "key made by command line", "key revoked by command line"} {
		if !strings.Contains(shown, want) {
			t.Errorf("show lacks %q:\n%s", want, shown)
		}
	}
	if everything := h.stdout.String() + shown; strings.Contains(everything, key[len(key)-38:]) {
		t.Error("the key is printed or logged")
	}
}

func TestKeyEndsByWhoeverHoldsIt(t *testing.T) {
	t.Parallel()
	h, key, _ := openStored(t, storing(t))
	r, err := http.NewRequest(http.MethodPost, "http://"+h.api+"/revoke", strings.NewReader("token="+key))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if answer := newBrowser(t).send(t, r); answer.status != http.StatusOK {
		t.Fatalf("got %d %s", answer.status, answer.body)
	}
	if got := h.check(t, key); got != http.StatusUnauthorized { // at once: it is the same process
		t.Errorf("got %d, want 401", got)
	}
	r, err = http.NewRequest(http.MethodGet, "http://"+h.api+"/check", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "rebound.example"
	if answer := newBrowser(t).send(t, r); answer.status != http.StatusMisdirectedRequest {
		t.Errorf("another host name: got %d, want 421", answer.status)
	}
}

func TestCommandsOfKeysRefuseMisuse(t *testing.T) {
	t.Parallel()
	environment := storing(t)
	mustTool(t, environment, "database", "migrate")
	if got := tool(t, environment, "keys", "make", "--name=a", "--owner=b"); got.code != 1 || !strings.HasPrefix(got.stderr, "database key: open") {
		t.Errorf("before there is a database key: got %+v", got)
	}
	h, key, id := openStored(t, environment)
	for _, test := range []struct {
		arguments []string
		code      int
		stderr    string
	}{
		{[]string{"keys", "revoke", key}, 2, "usage: got a whole key, which other users can read"},
		{[]string{"keys", "revoke"}, 2, "usage: want one ID of a key"},
		{[]string{"keys", "revoke", "0000000000"}, 1, "key 0000000000: not found"},
		{[]string{"keys", "show", "x"}, 2, "usage: "},
		{[]string{"keys", "make", "--name=a"}, 2, "usage: want --owner or --person"},
		{[]string{"keys", "make", "--name=a", "--owner=b", "--ttl=9999d"}, 2, "usage: ttl: \"9999 days\", want 1h0m0s to 365 days"},
		{[]string{"keys", "make", "--name=a", "--owner=b", "--ttl=many"}, 2, "usage: invalid argument"},
		{[]string{"keys", "make", "--name=a", "--owner=b", "--network=x"}, 2, "usage: "},
		{[]string{"keys", "make", "--owner=b"}, 2, "usage: name: want"},
		{[]string{"keys", "make", "--name=a", "--person=7"}, 1, "person 7: not found"},
		{[]string{"keys"}, 2, "usage: keys wants one of its commands"},
	} {
		if got := tool(t, environment, test.arguments...); got.code != test.code || !strings.HasPrefix(got.stderr, test.stderr) || got.stdout != "" {
			t.Errorf("%q: got %+v, want %d and %q", test.arguments, got, test.code, test.stderr)
		}
	}
	found := exec.Command(os.Args[0], "keys", "revoke", "-")
	found.Stdin = strings.NewReader(key + "\n")
	if p := launchCommand(t, found, environment...); p.Code(t) != 0 || !strings.Contains(p.stdout.String(), id) {
		t.Errorf("a whole key on standard input: got %s%s", p.stdout, p.stderr)
	}
	process.Until(t, "the key is refused", func() bool { return h.check(t, key) == http.StatusUnauthorized })
	if got := tool(t, nil, "keys", "list"); got.code != 2 || !strings.Contains(got.stderr, "wants T2G_DATABASE_URL") {
		t.Errorf("without a database: got %+v", got)
	}
	if got := tool(t, storing(t), "keys", "list"); got.code != 1 || !strings.Contains(got.stderr, "no such file") {
		t.Errorf("a database that does not exist: got %+v", got)
	}
}

func TestStartMakesDatabaseKeyOnce(t *testing.T) {
	t.Parallel()
	environment := storing(t)
	h, key, _ := openStored(t, environment)
	path := databaseFile(environment) + ".key"
	for _, file := range []string{path, databaseFile(environment)} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, %v, want mode 600", file, info, err)
		}
	}
	if lines := h.lines("made a database key; keep a copy of it apart from the database: without it no API key can be checked"); len(lines) != 1 || lines[0]["file"] != path {
		t.Errorf("got %v, want one line with the file", lines)
	}
	h.Signal(t, syscall.SIGTERM)
	h.Code(t)

	if err := os.Rename(path, path+".lost"); err != nil {
		t.Fatal(err)
	}
	if got := tool(t, environment); got.code != exitFailed || !strings.Contains(got.stderr, path+" does not exist, and live keys need it: 1; restore the file") {
		t.Errorf("without the file: got %+v", got)
	}
	other := append(environment, "T2G_DATABASE_KEY="+base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if got := tool(t, other); got.code != exitFailed || !strings.Contains(got.stderr, "1 live keys were made under the one with the ID") {
		t.Errorf("with another key: got %+v", got)
	}
	if got := tool(t, other, "database", "status"); got.code != exitFailed || !regexp.MustCompile(`database key  \w{16}  missing  live keys: 1`).MatchString(got.stdout) {
		t.Errorf("database status: got %+v", got)
	}
	if err := os.Rename(path+".lost", path); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rotated := append(environment, other[len(other)-1]+","+strings.TrimSpace(string(old)), "T2G_API_PORT=0")
	if second := openInstance(t, rotated...); second.check(t, key) != http.StatusOK {
		t.Error("a key of the old database key is refused")
	}
	if got := mustTool(t, rotated, "database", "status"); !strings.Contains(got, "current  live keys: 0") || !strings.Contains(got, "old      live keys: 1") {
		t.Errorf("database status: got %s", got)
	}
}

func TestBackupIsADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	environment := storing(t)
	_, key, _ := openStored(t, environment)
	backup := filepath.Join(t.TempDir(), "copy.db")
	mustTool(t, environment, "database", "backup", backup)
	if got := tool(t, environment, "database", "backup", backup); got.code != exitFailed || !strings.Contains(got.stderr, "exists") {
		t.Errorf("a file that exists: got %+v", got)
	}
	if err := os.Link(databaseFile(environment)+".key", backup+".key"); err != nil {
		t.Fatal(err)
	}
	restored := append([]string{"T2G_DATABASE_URL=sqlite:" + backup, "T2G_API_PORT=0"}, environment[1:]...)
	if h := openInstance(t, restored...); h.check(t, key) != http.StatusOK {
		t.Error("a key of the backup is refused")
	}
}

func TestKilledServerLosesNoKey(t *testing.T) {
	t.Parallel()
	environment := storing(t)
	h, key, id := openStored(t, environment)
	second := strings.TrimSpace(mustTool(t, environment, "keys", "make", "--name", "b", "--owner", "team"))
	mustTool(t, environment, "keys", "revoke", id)
	h.Signal(t, syscall.SIGKILL)
	h.Code(t)
	again := openInstance(t, append(environment, "T2G_API_PORT=0")...)
	if got := again.check(t, key); got != http.StatusUnauthorized {
		t.Errorf("the revoked key: got %d, want 401", got)
	}
	if got := again.check(t, second); got != http.StatusOK {
		t.Errorf("the other key: got %d, want 200", got)
	}
}

func TestTwoServersStartOnOneNewDatabase(t *testing.T) {
	t.Parallel()
	environment := append(storing(t), "T2G_API_PORT=0", "T2G_SERVER_PORT=0", "T2G_OPS_PORT=0")
	one := &instance{program: launch(t, nil, environment...)}
	two := &instance{program: launch(t, nil, environment...)}
	one.readAddresses(t)
	two.readAddresses(t)
	key := strings.TrimSpace(mustTool(t, environment, "keys", "make", "--name", "a", "--owner", "team"))
	for _, h := range []*instance{one, two} {
		if got := h.check(t, key); got != http.StatusOK {
			t.Errorf("got %d, want 200", got)
		}
	}
}

func TestReadyWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	environment := storing(t, "T2G_DATABASE_MAX_AGE=1s")
	h, key, _ := openStored(t, environment)
	if status, _ := mustGet(t, "http://"+h.ops+"/ready"); status != http.StatusOK {
		t.Errorf("got %d, want to be ready", status)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} { // as a broken disk would
		overwrite(t, databaseFile(environment)+suffix)
	}
	process.Until(t, "/ready waits", func() bool {
		status, body := mustGet(t, "http://"+h.ops+"/ready")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "waiting for the database")
	})
	if got := h.check(t, key); got != http.StatusServiceUnavailable {
		t.Errorf("a check: got %d, want 503", got)
	}
	_, metrics := mustGet(t, "http://"+h.ops+"/metrics")
	if !regexp.MustCompile(`(?m)^token2go_database_age_seconds [1-9]`).MatchString(metrics) {
		t.Error("the metric of the age is not above a second")
	}
}

// overwrite makes zeros of what a file has, where it is.
func overwrite(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(make([]byte, info.Size())); err != nil {
		t.Fatal(err)
	}
}

// addPerson stores someone as a visit at the gateway does.
func addPerson(t *testing.T, environment []string, p store.Person) store.Person {
	t.Helper()
	opened, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + databaseFile(environment), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	stored, err := opened.Visit(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func TestPeopleAreDisabledOnTheCommandLine(t *testing.T) {
	t.Parallel()
	environment := storing(t)
	h := openInstance(t, append(environment, "T2G_API_PORT=0")...)
	ann := addPerson(t, environment, store.Person{Issuer: "i", Subject: "a-1", Login: "ann\x1b[2J", Email: "ann@example.org", Seen: time.Now()})
	addPerson(t, environment, store.Person{Issuer: "other", Subject: "a-2", Login: "ann", Email: "ann@example.org", Seen: time.Now()})
	id := strconv.FormatInt(ann.ID, 10)
	key := strings.TrimSpace(mustTool(t, environment, "keys", "make", "--name", "job", "--person", id))
	process.Until(t, "the key is good", func() bool { return h.check(t, key) == http.StatusOK })
	if list := mustTool(t, environment, "people", "list", "--text", "a-1"); !regexp.MustCompile(`(?m)^`+id+` +yes +\S+ +ann\?\[2J +ann@example.org +a-1$`).MatchString(list) || strings.Count(list, "\n") != 2 {
		t.Errorf("got the list %q", list)
	}
	if got := tool(t, environment, "people", "deactivate", "ann@example.org"); got.code != exitUsage || !strings.Contains(got.stderr, "several people") {
		t.Errorf("a name of two people: got %+v", got)
	}
	if got := tool(t, environment, "people", "deactivate", "bob"); got.code != exitFailed || !strings.Contains(got.stderr, "not found") {
		t.Errorf("a name of no one: got %+v", got)
	}
	mustTool(t, environment, "people", "deactivate", "a-1")
	process.Until(t, "the key is refused", func() bool { return h.check(t, key) == http.StatusUnauthorized })
	mustTool(t, environment, "people", "activate", id)
	process.Until(t, "the key is good again", func() bool { return h.check(t, key) == http.StatusOK })
	if got := mustTool(t, environment, "people", "revoke-keys", id, "--reason", "left"); !strings.Contains(got, "revoked: 1") {
		t.Errorf("got %q", got)
	}
	process.Until(t, "the key is refused", func() bool { return h.check(t, key) == http.StatusUnauthorized })
	shown := mustTool(t, environment, "people", "show", id)
	for _, want := range []string{"person disabled by command line", "person enabled by command line", "key revoked by command line", "revoked"} {
		if !strings.Contains(shown, want) {
			t.Errorf("show lacks %q:\n%s", want, shown)
		}
	}
}

func TestSignedKeyEndsWithItsSigningKeyOnTheCommandLine(t *testing.T) {
	t.Parallel()
	environment := append(storing(t), "T2G_KEYS_KINDS=opaque,jwt", "T2G_API_URL=http://api.example.org")
	h := openInstance(t, append(environment, "T2G_API_PORT=0")...)
	key := strings.TrimSpace(mustTool(t, environment, "keys", "make", "--name", "offline", "--owner", "team", "--jwt"))
	process.Until(t, "the signed key is good", func() bool { return h.check(t, key) == http.StatusOK })
	first := regexp.MustCompile(`(?m)^(\S+) +apikey +active `).FindStringSubmatch(mustTool(t, environment, "signing-keys", "list"))
	if first == nil {
		t.Fatal("no signing key is active")
	}
	next := strings.TrimSpace(mustTool(t, environment, "signing-keys", "new"))
	mustTool(t, environment, "signing-keys", "activate", "--now", "--", next)
	mustTool(t, environment, "signing-keys", "retire", "--", first[1])
	if got := h.check(t, key); got != http.StatusOK {
		t.Errorf("a key of the retired one: got %d, want 200", got)
	}
	mustTool(t, environment, "signing-keys", "revoke", "--", first[1])
	process.Until(t, "the key is refused", func() bool { return h.check(t, key) == http.StatusUnauthorized })
	if got := tool(t, environment, "signing-keys", "retire", "--", next); got.code != exitUsage || !strings.Contains(got.stderr, "no other key is active") {
		t.Errorf("the last active one: got %+v", got)
	}
}

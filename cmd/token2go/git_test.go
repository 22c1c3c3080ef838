package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// repository serves a small repository to who has a token, as a host behind a gateway
// that takes tokens does.
type repository struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string // schemes of the credentials that came, in order, each once
}

func newRepository(t testing.TB, refuse bool) *repository {
	t.Helper()
	folder := t.TempDir()
	work, bare := filepath.Join(folder, "work"), filepath.Join(folder, "served", "team", "project.git")
	if err := os.MkdirAll(filepath.Dir(bare), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{
		{"init", "--quiet", work},
		{"-C", work, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "--allow-empty", "--message", "a beginning"},
		{"clone", "--quiet", "--bare", work, bare},
		{"-C", bare, "update-server-info"},
	} {
		c := exec.Command("git", arguments...)
		c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder}
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", arguments, err, out)
		}
	}
	r := new(repository)
	files := http.FileServer(http.Dir(filepath.Join(folder, "served")))
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		scheme, token, _ := strings.Cut(q.Header.Get("Authorization"), " ")
		if user, password, ok := q.BasicAuth(); ok && user == "oauth2" {
			token = password
		}
		if scheme != "" {
			r.note(scheme)
		}
		if refuse || strings.Count(token, ".") != 2 || !strings.HasPrefix(token, "eyJ") {
			w.Header()["Www-Authenticate"] = []string{`Bearer realm="git"`, `Basic realm="git"`}
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(w, q)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *repository) note(scheme string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.seen, scheme) {
		r.seen = append(r.seen, scheme)
	}
}

func (r *repository) schemes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

func (r *repository) host() string { return strings.TrimPrefix(r.URL, "http://") }

// newGitShell has a profile that names the host of a repository, and no other.
func newGitShell(t *testing.T, server *t2gtest.Server, r *repository) *shell {
	t.Helper()
	s := newShell(t)
	s.run(t, "token2go config set work server "+server.Gateway)
	s.run(t, "token2go config set work git-hosts "+r.host())
	s.run(t, "git config --global credential.helper '!token2go git-credential'")
	return s
}

func TestGitCredentialServesHostsOfTheProfile(t *testing.T) {
	t.Parallel()
	needProgram(t, "git")
	server := t2gtest.Start(t, t2gtest.Options{})
	named := newRepository(t, false)
	s := newGitShell(t, server, named)
	s.run(t, "git clone --quiet "+named.URL+"/team/project.git")
	if out := s.run(t, "git -C project log --format=%s"); out != "a beginning\n" {
		t.Errorf("got %q, want what is in the repository", out)
	}
	want := "Basic"
	if version := gitVersion(t); version >= 246 {
		want = "Bearer"
	} else {
		t.Logf("git %d.%d sends no bearer token; what a newer one does is tried by the protocol alone", version/100, version%100)
	}
	if got := named.schemes(); len(got) != 1 || got[0] != want {
		t.Errorf("got %v, want %s", got, want)
	}
	// The token is in the cache, so git fetches without the person.
	s.run(t, "git -C project fetch --quiet")
	s.mustHaveTabs(t, 1)
}

func TestGitCredentialRefusesOtherHosts(t *testing.T) {
	t.Parallel()
	needProgram(t, "git")
	server := t2gtest.Start(t, t2gtest.Options{})
	named, other := newRepository(t, false), newRepository(t, false)
	s := newGitShell(t, server, named)
	if out, err := s.try("git clone --quiet " + other.URL + "/team/project.git"); err == nil {
		t.Errorf("got a clone, want none: %s", out)
	}
	if got := other.schemes(); len(got) > 0 {
		t.Errorf("another host got %v, want nothing", got)
	}
	s.mustHaveTabs(t, 0)
}

// git says which credential was refused, and the next call asks for another.
func TestGitCredentialErasesARefusedToken(t *testing.T) {
	t.Parallel()
	needProgram(t, "git")
	server := t2gtest.Start(t, t2gtest.Options{})
	named := newRepository(t, true)
	s := newGitShell(t, server, named)
	if out, err := s.try("git clone --quiet " + named.URL + "/team/project.git"); err == nil {
		t.Errorf("got a clone, want none: %s", out)
	}
	if _, err := s.try("token2go status work"); err == nil {
		t.Error("the refused token is kept")
	}
	s.mustHaveTabs(t, 1)
}

// A helper store that the system or the person has set up would write the token down.
func TestGitRecipeKeepsTheTokenFromOtherHelpers(t *testing.T) {
	t.Parallel()
	needProgram(t, "git")
	server := t2gtest.Start(t, t2gtest.Options{})
	named := newRepository(t, false)
	s := newShell(t)
	s.run(t, "token2go config set work server "+server.Gateway)
	s.run(t, "token2go config set work git-hosts "+named.host())
	s.run(t, "git config --global credential.helper store")
	s.run(t, "git config --global --add credential.helper '!token2go git-credential'")
	for _, command := range []string{"token2go doctor work", "token2go status"} {
		if out, _ := s.try(command); !strings.Contains(out, "store writes the token") || !strings.Contains(out, "--replace-all") {
			t.Errorf("%s: got %s, want it to warn of the store", command, out)
		}
	}
	s.run(t, "git config --global --unset-all credential.helper")
	s.run(t, "git config --global credential.helper store")
	key := "credential." + named.URL + ".helper"
	s.run(t, "git config --global --replace-all "+key+" '' && git config --global --add "+key+" '!token2go git-credential'")
	s.run(t, "git clone --quiet "+named.URL+"/team/project.git")
	if out := s.run(t, "cat .git-credentials 2>&1 || true"); strings.Contains(out, "eyJ") {
		t.Errorf("got %s, want no token there", out)
	}
	if out := s.run(t, "token2go doctor work"); !strings.Contains(out, "asks token2go alone") {
		t.Errorf("got %s, want all well", out)
	}
	s.run(t, "echo https://oauth2:token@"+named.host()+" > .git-credentials")
	if out, _ := s.try("token2go doctor work"); !strings.Contains(out, ".git-credentials holds a credential of "+named.host()) {
		t.Errorf("got %s, want the old credential named", out)
	}
}

// gitVersion is 246 for git 2.46.
func gitVersion(t *testing.T) int {
	t.Helper()
	out, err := exec.Command("git", "version").Output()
	var major, minor int
	if _, scanning := fmt.Sscanf(string(out), "git version %d.%d", &major, &minor); err != nil || scanning != nil {
		t.Fatalf("got %q: %v, %v", out, err, scanning)
	}
	return 100*major + minor
}

// shell runs scripts with a home directory of its own.
type shell struct {
	home        string
	environment []string
}

func newShell(t testing.TB) *shell {
	t.Helper()
	s := &shell{home: t.TempDir()}
	s.environment = append(environmentOf(t, s.home), "GIT_TERMINAL_PROMPT=0")
	return s
}

func (s *shell) try(script string) (string, error) {
	c := exec.Command("sh", "-euc", script)
	c.Dir, c.Env = s.home, s.environment
	out, err := c.CombinedOutput()
	return string(out), err
}

func (s *shell) run(t testing.TB, script string) string {
	t.Helper()
	out, err := s.try(script)
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// mustHaveTabs: that many addresses were opened.
func (s *shell) mustHaveTabs(t testing.TB, want int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.home, "tabs"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if got := strings.Count(string(text), "\n"); got != want {
		t.Errorf("got %s tabs, want %d", strconv.Itoa(got), want)
	}
}

// needProgram skips a test where a program is missing, and fails it where it may not be.
func needProgram(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		process.Missing(t, err.Error())
	}
}

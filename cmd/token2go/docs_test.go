package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

var shellBlocks = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// Every block of shell in the clients' docs is run as it stands, one after the other as
// a reader would, but for the addresses.
func TestCommandsOfTheDocsRun(t *testing.T) {
	process.Slow(t)
	t.Parallel()
	pages, err := filepath.Glob("../../docs/clients-*.md")
	// What the Python package's pages say is run by the package's own tests.
	pages = slices.DeleteFunc(pages, func(page string) bool { return strings.HasPrefix(filepath.Base(page), "clients-python") })
	if err != nil || len(pages) == 0 {
		t.Fatalf("found %d pages: %v", len(pages), err)
	}
	for _, page := range pages {
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			blocks := shellBlocks.FindAllStringSubmatch(string(text), -1)
			if len(blocks) == 0 {
				t.Fatal("no block of shell")
			}
			r := newReader(t)
			for _, block := range blocks {
				r.runs(t, block[1])
			}
		})
	}
}

func TestCommandsOfTheReadmeRun(t *testing.T) {
	process.Slow(t)
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, passage, found := strings.Cut(string(text), "## In your shell\n")
	block := shellBlocks.FindStringSubmatch(passage)
	if !found || block == nil {
		t.Fatal("no passage about the shell")
	}
	newReader(t).runs(t, block[1])
}

// reader is somebody who tries out what a page says.
type reader struct {
	*sheller
	addresses *strings.Replacer
}

func newReader(t *testing.T) *reader {
	t.Helper()
	for _, program := range []string{"curl", "git", "kubectl"} {
		mustHave(t, program)
	}
	server := t2gtest.Start(t, t2gtest.Options{})
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "); strings.Count(token, ".") != 2 {
			t.Errorf("%s got %q, want a token", r.URL, r.Header.Get("Authorization"))
		}
	}))
	t.Cleanup(service.Close)
	code, cluster := newRepository(t, false), newCluster(t)
	r := &reader{sheller: newSheller(t), addresses: strings.NewReplacer(
		"https://t2g.example.org", server.Gateway, "https://api.example.org", service.URL,
		"https://git.example.org", code.URL, "git.example.org", code.host(),
		"https://k8s.example.org", cluster.URL, "client.authentication.k8s.io/v1", execVersion(t),
	)}
	cluster.authority(t, r.home)
	r.standIn(t, "gdalinfo", `test "$GDAL_HTTP_AUTH" = BEARER; test "${GDAL_HTTP_BEARER#eyJ}" != "$GDAL_HTTP_BEARER"`)
	return r
}

// standIn is a program in place of one that is large, and checks what it is given.
func (r *reader) standIn(t *testing.T, name, script string) {
	t.Helper()
	folder := filepath.Join(r.home, "bin")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\nset -eu\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.environment[0] = "PATH=" + folder + ":" + os.Getenv("PATH")
}

func (r *reader) runs(t *testing.T, block string) {
	t.Helper()
	if out, err := r.try(r.addresses.Replace(block)); err != nil {
		t.Errorf("%v from\n%s\nwhich says\n%s", err, block, out)
	}
}

// mustHave skips a test where a program is missing, and fails it where it may not be.
func mustHave(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		process.Missing(t, err.Error())
	}
}

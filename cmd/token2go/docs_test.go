package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/cli"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// The shell blocks of a page run in order, with only the addresses replaced.
func TestDocsCommandsRun(t *testing.T) {
	process.Slow(t)
	t.Parallel()
	pages, err := filepath.Glob("../../docs/clients-[^p]*.md") // those of Python are run by its own tests
	if err != nil || len(pages) == 0 {
		t.Fatalf("found %d pages: %v", len(pages), err)
	}
	for _, page := range append(pages, "../../README.md") {
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			if _, section, found := strings.Cut(string(text), "\n## In your shell\n"); found {
				text = []byte(strings.SplitN(section, "\n## ", 2)[0])
			}
			blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
			if len(blocks) == 0 {
				t.Fatal("no block of shell")
			}
			s, addresses := newDocsShell(t)
			for _, block := range blocks {
				if out, err := s.try(addresses.Replace(block[1])); err != nil {
					t.Errorf("%v from\n%s\nwhich prints\n%s", err, block[1], out)
				}
			}
		})
	}
}

// newDocsShell has all that the pages name, and what replaces their addresses.
func newDocsShell(t *testing.T) (*shell, *strings.Replacer) {
	t.Helper()
	for _, program := range []string{"curl", "git", "kubectl"} {
		needProgram(t, program)
	}
	server, code, cluster := t2gtest.Start(t, t2gtest.Options{}), newRepository(t, false), newCluster(t)
	service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); !strings.HasPrefix(got, "Bearer eyJ") {
			t.Errorf("%s got %q, want a token", r.URL, got)
		}
	}))
	t.Cleanup(service.Close)
	s := newShell(t)
	cluster.authority(t, s.home)
	const gdal = "#!/bin/sh\ntest \"$GDAL_HTTP_AUTH\" = BEARER && test \"${GDAL_HTTP_BEARER#eyJ}\" != \"$GDAL_HTTP_BEARER\"\n"
	if err := os.WriteFile(filepath.Join(s.home, "gdalinfo"), []byte(gdal), 0o700); err != nil {
		t.Fatal(err)
	}
	s.environment = append(s.environment, "PATH="+s.home+":"+os.Getenv("PATH"))
	return s, strings.NewReplacer(
		"https://t2g.example.org", server.Gateway, "https://api.example.org", service.URL,
		"https://git.example.org", code.URL, "git.example.org", code.host(),
		"https://k8s.example.org", cluster.URL, "client.authentication.k8s.io/v1", execVersion(t),
	)
}

func TestHelpExamplesParse(t *testing.T) {
	t.Parallel()
	example := regexp.MustCompile(`(?m)^[^#!\n]*\btoken2go ([^#|&)"\n]+)`)
	for _, c := range command(new(cli.Env)).Commands() {
		for _, found := range example.FindAllStringSubmatch(c.Example, -1) {
			root := command(new(cli.Env))
			about, rest, err := root.Find(strings.Fields(found[1]))
			if err == nil {
				err = about.ParseFlags(rest)
			}
			if err == nil {
				err = about.ValidateArgs(about.Flags().Args())
			}
			if err != nil || about == root {
				t.Errorf("%s: %v", found[0], err)
			}
		}
	}
}

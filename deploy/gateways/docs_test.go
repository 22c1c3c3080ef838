package gateways_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest"
)

// setting is where docs/gateways.md leads to a recipe, and the header that it says with it.
var (
	link    = regexp.MustCompile(`\]\(\.\./deploy/gateways/([^)]+/[^)]+)\)`)
	setting = regexp.MustCompile(`\bT2G_TOKEN_HEADER_NAMES=([\w-]+)`)
)

// The page names a recipe and its header in one line, or in one item of a list.
func TestThePageOfHeadersSaysWhatTheRecipesDo(t *testing.T) {
	page, err := os.ReadFile("../../docs/gateways.md")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, item := range regexp.MustCompile(`\n(?:- |\| )`).Split(string(page), -1) {
		recipe, header := link.FindStringSubmatch(item), setting.FindStringSubmatch(item)
		if (recipe == nil) != (header == nil) {
			t.Errorf("a recipe without a header, or a header without a recipe: %.300s", item)
		}
		if recipe != nil && header != nil {
			said[recipe[1]] = header[1]
		}
	}
	paths, err := filepath.Glob("*/*")
	if err != nil {
		t.Fatal(err)
	}
	paths = slices.DeleteFunc(paths, func(path string) bool { return strings.HasPrefix(path, "testdata/") })
	recipes := 0
	for _, path := range paths {
		recipe, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		header := setting.FindSubmatch(recipe)
		if header == nil {
			continue // not one that has Token2go behind it
		}
		recipes++
		if said[path] != string(header[1]) {
			t.Errorf("the page says %q of %s, which says %s", said[path], path, header[1])
		}
		if !slices.Contains(t2gtest.Names(), said[path]) {
			t.Errorf("the page says %q of %s, which no server looks at by default", said[path], path)
		}
		delete(said, path)
	}
	if recipes == 0 || len(said) > 0 {
		t.Errorf("got %d recipes; the page names others, too: %v", recipes, said)
	}
}

// Every flag of the page that a recipe has to have is in that recipe.
func TestTheFlagsOfThePageAreInTheRecipes(t *testing.T) {
	page, err := os.ReadFile("../../docs/gateways.md")
	if err != nil {
		t.Fatal(err)
	}
	for section, path := range map[string]string{
		"oauth2-proxy": "oauth2-proxy/README.md", "nginx": "nginx/token2go.conf",
		"Traefik": "traefik/token2go.yaml", "Caddy": "caddy/Caddyfile",
	} {
		recipe, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(string(page), "\n## "+section+"\n")
		flags, _, _ := strings.Cut(text, "**Header**")
		found := regexp.MustCompile(`--[a-z-]+`).FindAllString(flags, -1)
		if len(found) == 0 {
			t.Errorf("%s: no flag", section)
		}
		for _, flag := range found {
			if !strings.Contains(string(recipe), flag) {
				t.Errorf("%s does not mention %s", path, flag)
			}
		}
	}
}

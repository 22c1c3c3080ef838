package internal_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	fenced   = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	shown    = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	unmarked = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// Every relative link of a document leads to a file, and to a heading of it.
func TestDocumentsLinkToExistingFilesAndHeadings(t *testing.T) {
	pages := documents(t)
	if len(pages) == 0 {
		t.Fatal("no documents")
	}
	for page, text := range pages {
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			path, fragment, _ := strings.Cut(found[1], "#")
			if strings.Contains(path, ":") {
				continue
			}
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if other, is := pages[target]; is && fragment != "" && !hasHeading(other, fragment) {
				t.Errorf("%s: %s has no heading %q", page, target, fragment)
			}
		}
	}
}

// documents are the texts of all Markdown files, without blocks of code.
func documents(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if name := entry.Name(); err == nil && entry.IsDir() && name != ".." && (strings.HasPrefix(name, ".") || name == "node_modules") {
			return filepath.SkipDir
		}
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		found[path] = fenced.ReplaceAllString(string(text), "")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// hasHeading reports whether GitHub would give a heading this fragment.
func hasHeading(text, fragment string) bool {
	for _, found := range heading.FindAllStringSubmatch(text, -1) {
		title := strings.ToLower(shown.ReplaceAllString(found[1], "$1"))
		if strings.ReplaceAll(unmarked.ReplaceAllString(title, ""), " ", "-") == fragment {
			return true
		}
	}
	return false
}

package internal_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	link    = regexp.MustCompile(`\]\(([^)\s:#]*)(?:#([^)\s]*))?\)`) // within the repository
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	markup  = regexp.MustCompile(`\]\([^)]*\)|[^\p{L}\p{N}_ -]`)
)

func TestDocumentsLinkToExistingFilesAndHeadings(t *testing.T) {
	tracked, err := exec.Command("git", "-C", "..", "ls-files", "*.md").Output()
	if err != nil || len(tracked) == 0 {
		t.Fatalf("got the documents %q: %v", tracked, err)
	}
	pages, headings := map[string]string{}, map[string]bool{}
	for page := range strings.FieldsSeq(string(tracked)) {
		text, err := os.ReadFile(filepath.Join("..", page))
		if err != nil {
			t.Fatal(err)
		}
		pages[page] = fenced.ReplaceAllString(string(text), "")
		for _, found := range heading.FindAllStringSubmatch(pages[page], -1) {
			title := strings.ToLower(markup.ReplaceAllString(found[1], ""))
			headings[page+"#"+strings.ReplaceAll(title, " ", "-")] = true // as GitHub names them
		}
	}
	for page, text := range pages {
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			target := page
			if found[1] != "" {
				target = filepath.Join(filepath.Dir(page), found[1])
			}
			if _, err := os.Stat(filepath.Join("..", target)); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if _, isPage := pages[target]; isPage && found[2] != "" && !headings[target+"#"+found[2]] {
				t.Errorf("%s: %s has no heading %q", page, target, found[2])
			}
		}
	}
}

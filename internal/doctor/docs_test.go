package doctor_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tables are those of docs/gateways/echo.md, each headed by the name of a gateway.
var (
	tables = regexp.MustCompile("(?m)^\\| ([\\w-]+) \\| `/echo` says \\|\n\\|---\\|---\\|\n((?:\\| .* \\|\n)+)")
	row    = regexp.MustCompile(`(?m)^\| (.*) \| (.*) \|$`)
)

// Two verdicts that most rows would repeat are explained once, above the tables.
func TestDocumentedVerdictsAreThoseOfExamine(t *testing.T) {
	page, err := os.ReadFile("../../docs/gateways/echo.md")
	if err != nil {
		t.Fatal(err)
	}
	simple := strings.NewReplacer("`", "", ",", "").Replace
	verdicts := map[string][]string{}
	for _, e := range examples() {
		verdicts[simple(e.name)] = slices.DeleteFunc(e.want, func(title string) bool {
			return strings.HasPrefix(title, "note The request came through ") || title == "warn More names are looked at than needed"
		})
	}
	found := tables.FindAllStringSubmatch(string(page), -1)
	if len(found) != 5 {
		t.Errorf("got the verdicts on %d gateways, want those on five", len(found))
	}
	for _, table := range found {
		for _, cells := range row.FindAllStringSubmatch(table[2], -1) {
			name := table[1] + " " + simple(cells[1])
			got := strings.Split(strings.ReplaceAll(cells[2], ": ", " "), "; ")
			if diff := cmp.Diff(verdicts[name], got); diff != "" {
				t.Errorf("%s (-doctor +page):\n%s", name, diff)
			}
		}
	}
}

package process_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

var exported = regexp.MustCompile(`(?m)^\s*export ([A-Z0-9_]+)$|^\s*export ([A-Z0-9_]+)=\$root`)

// Without the programs that .ci/env names, other tests are skipped, which the go command
// does not print. So this one fails, once for all of them.
func TestProgramsAreInstalled(t *testing.T) {
	process.Slow(t)
	content, err := os.ReadFile("../../../.ci/env")
	if err != nil {
		t.Fatal(err)
	}
	var names, missing []string
	for _, found := range exported.FindAllStringSubmatch(string(content), -1) {
		name := found[1] + found[2]
		names = append(names, name)
		if _, err := os.Stat(os.Getenv(name)); err != nil {
			missing = append(missing, name)
		}
	}
	if len(names) < 10 {
		t.Fatalf("got the variables %q in .ci/env, want ten or more", names)
	}
	if len(missing) > 0 {
		t.Fatalf("%s name no programs, so the tests that need them are skipped. "+
			"To run every test: make setup && source .ci/env. To run those that need nothing: go test -short ./...", strings.Join(missing, ", "))
	}
}

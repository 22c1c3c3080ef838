// Package internal_test checks the dependency rules of docs/architecture.md, over what go
// list reports of this module. A new package begins with a row in imports.
package internal_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/token2go/token2go/"

// imports lists what each package may import of this module. Paths are without
// "internal/". "static" and "openapi" may be imported by all.
var imports = map[string]string{
	"serve": "", "secret": "", "problem": "", "audit": "", "rule": "", "manual": "", "atomicfile": "", "loopback": "", "static": "", "openapi": "",
	"web":       "problem audit",
	"page":      "",
	"apidocs":   "page",
	"gateway":   "web page apidocs problem audit secret seal token flow doctor identity apikey check keys store rule pass signing directory passes",
	"api":       "web problem audit secret token identity apikey check keys store rule pass signing directory proxy passes",
	"ops":       "web problem",
	"seal":      "secret",
	"token":     "secret",
	"flow":      "seal token secret",
	"doctor":    "token secret loopback",
	"identity":  "token secret",
	"apikey":    "secret",
	"check":     "apikey secret",
	"store":     "secret apikey",
	"keys":      "apikey secret store",
	"keyring":   "secret signing store",
	"replica":   "apikey check store pass",
	"signing":   "secret",
	"directory": "secret",
	"pass":      "rule signing secret apikey",
	"proxy":     "rule pass pass/lockbox pass/magic check apikey problem secret",
	"config":    "secret loopback apikey",
	"demo":      "token secret",

	"passes":       "pass rule secret store apikey",
	"pass/lockbox": "secret", "pass/magic": "rule secret",
	"store/storetest": "store secret apikey t2gtest/process", "directory/keycloak": "directory secret",
	"t2gtest":         "serve web page gateway api ops audit secret token flow demo config identity apikey check signing store keys t2gtest/process passes pass rule",
	"t2gtest/process": "", "t2gtest/browser": "t2gtest/process",

	"gateway/browsertest": "gateway token flow secret seal",

	"cmd/token2go-server": "serve web page gateway api ops audit secret token flow demo config manual store keys replica apikey check doctor proxy signing identity directory secret rule pass passes pass/lockbox pass/magic keyring",
	"deploy/gateways":     "",
	"cmd/token2go":        "cli manual", "cli": "clients/go/token2go atomicfile loopback",
	"clients/go/token2go": "seal secret loopback", "clients/go/keyauth": "apikey secret signing loopback",
}

// forTests may be imported by every test.
const forTests = "t2gtest t2gtest/process t2gtest/browser demo problem ops store/storetest"

// libraries lists who may import a library, in tests too.
var libraries = map[string]string{
	"github.com/go-chi/chi":                "gateway api ops",
	"github.com/swaggo":                    "apidocs",
	"github.com/kelseyhightower/envconfig": "config",
	"database/sql":                         "store store/storetest",
	"github.com/jackc/pgx":                 "store store/storetest",
	"modernc.org/sqlite":                   "store",
}

// withoutHTTP are the packages that may not import net/http; their tests may.
const withoutHTTP = "secret seal rule apikey check pass pass/lockbox pass/magic passes keyring"

type pkg struct {
	ImportPath, Dir, Name, Doc                  string
	GoFiles, Imports, TestImports, XTestImports []string
}

func (p pkg) name() string { return short(p.ImportPath) }

func short(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, module), "internal/")
}

func TestDependencyRules(t *testing.T) {
	for _, p := range list(t) {
		for _, fault := range faults(p) {
			t.Error(fault)
		}
		if len(p.GoFiles) > 0 {
			checkDeclarations(t, p)
		}
	}
}

// list asks go, which looks at no .venv and at no other module.
func list(t *testing.T) (packages []pkg) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Name,Doc,GoFiles,Imports,TestImports,XTestImports", "./...")
	command.Dir = ".."
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var p pkg
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 10 {
		t.Fatalf("go list reports %d packages", len(packages))
	}
	return packages
}

func faults(p pkg) (found []string) {
	allowed, known := imports[p.name()]
	if !known && p.name() != "internal" {
		return []string{p.name() + " is not in the table"}
	}
	forTest := append(p.TestImports, p.XTestImports...)
	for _, path := range append(slices.Clone(p.Imports), forTest...) {
		inCode := slices.Contains(p.Imports, path)
		switch {
		case strings.HasPrefix(path, module):
			if name := short(path); name != p.name() && !in(name, allowed+" static openapi") && (inCode || !in(name, reachable(p.name())+" "+forTests)) {
				found = append(found, p.name()+" imports "+name)
			}
		case inCode && path == "net/http" && in(p.name(), withoutHTTP):
			found = append(found, p.name()+" imports net/http")
		}
		for library, owners := range libraries {
			if (path == library || strings.HasPrefix(path, library+"/")) && !in(p.name(), owners) {
				found = append(found, p.name()+" imports "+path)
			}
		}
	}
	return found
}

func in(name, names string) bool { return slices.Contains(strings.Fields(names), name) }

// reachable lists what a package imports, directly or through others.
func reachable(name string) string {
	all := imports[name]
	for next := range strings.FieldsSeq(imports[name]) {
		all += " " + reachable(next)
	}
	return all
}

// variable is a package variable whose value makes sense only if something writes to it.
var variable = regexp.MustCompile(`^var \w+ ([^=(]*|.*= ?(make\(|new\(|&|"|\d|true|false).*)\n?$`)

// checkDeclarations wants a package comment, and neither init nor a variable that is not an
// embedded file.
func checkDeclarations(t *testing.T, p pkg) {
	t.Helper()
	if p.Name != "main" && !strings.HasPrefix(p.Doc, "Package "+p.Name+" ") {
		t.Errorf("%s: the package comment begins with %q", p.name(), p.Doc)
	}
	for _, name := range p.GoFiles {
		text, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		before := ""
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "func init()") || variable.MatchString(line) && !strings.HasPrefix(before, "//go:embed") {
				t.Errorf("%s: %s", p.name(), line)
			}
			before = line
		}
	}
}

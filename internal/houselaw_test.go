// Package internal_test holds the house to its law: which rooms there are, whom each
// may know, and that none keeps anything in a package's variables.
//
// The law is written out in docs/architecture.md. A room that is missing here fails
// the test, so a new room begins with a row in arrows.
package internal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/token2go/token2go"

// arrows says which rooms each room may import. A room is named by its path in the
// module, without "internal/".
func arrows() map[string][]string {
	inner := []string{
		"secret", "problem", "seal", "token", "flow", "doctor", "audit", "apidocs", "static", "openapi",
	}
	server := append(slices.Clone(inner), "config", "web", "demo")
	return map[string][]string{
		"secret":     nil,
		"problem":    nil,
		"audit":      nil,
		"apidocs":    nil,
		"manual":     nil,
		"atomicfile": nil,
		"static":     nil,
		"openapi":    nil,

		"apikey": {"secret"},
		"check":  {"apikey"},
		"seal":   {"secret"},
		"token":  {"secret"},
		"config": {"secret"},
		"flow":   {"seal", "token", "secret"},
		"doctor": {"token", "secret"},
		"demo":   {"token", "secret"},
		"web":    inner,

		"t2gtest":             append(slices.Clone(server), "t2gtest/process"),
		"t2gtest/process":     nil,
		"t2gtest/browser":     {"t2gtest/process"},
		"cmd/token2go-server": append(slices.Clone(server), "manual"),

		"clients/go/token2go": {"seal", "secret"},
		"cli":                 {"clients/go/token2go", "atomicfile"},
		"cmd/token2go":        {"cli", "manual"},
	}
}

// testsMayAlso says which rooms any room's test may import besides those that the
// room itself reaches, at whatever distance: a server to knock at, the gateway before
// it, the contract and the refusals to compare its answers with, and what runs programs
// and a browser beside it.
func testsMayAlso() []string {
	return []string{"t2gtest", "t2gtest/process", "t2gtest/browser", "demo", "openapi", "problem"}
}

// owners says which rooms alone may import a package, or one below it, in tests too.
func owners() map[string][]string {
	return map[string][]string{
		"github.com/go-chi/chi":                {"web"},
		"github.com/swaggo":                    {"apidocs"},
		"github.com/kelseyhightower/envconfig": {"config"},
		"database/sql":                         {"store"},
	}
}

// strangers says which rooms may not import a package; their tests may.
func strangers() map[string][]string {
	return map[string][]string{
		"net/http": {"secret", "seal", "rule", "apikey", "check"},
	}
}

// tables says why a package variable that is neither an embedded file nor a sentinel
// error nor a compiled pattern may stand. Each is filled where it is declared and
// never written to.
func tables() map[string]string {
	return map[string]string{
		"problem.table":    "the kinds of problem, with the status and title of each",
		"web.contentTypes": "the media type of each kind of static file",
		"web.known":        "the one table from sentinel to problem",
	}
}

func grabBags() []string {
	return []string{"pkg", "util", "utils", "common", "helpers", "models", "services", "middleware"}
}

// listed is what go list says of a package, as far as the law asks.
type listed struct {
	ImportPath, Dir, Name, Doc        string
	GoFiles, CgoFiles, IgnoredGoFiles []string
	TestGoFiles, XTestGoFiles         []string
}

// room is a package that was read.
type room struct {
	name, clause, doc string
	code, tests       []*ast.File
}

func TestTheHouseKeepsItsLaw(t *testing.T) {
	rooms := read(t)
	t.Run("every package is a room", func(t *testing.T) {
		known := arrows()
		for _, r := range rooms {
			if _, found := known[r.name]; !found && len(r.code) > 0 {
				t.Errorf("%s is a package and no room: add it to the house first", r.name)
			}
		}
	})
	t.Run("arrows point only as written", func(t *testing.T) {
		for _, r := range rooms {
			report(t, strayArrows(r))
		}
	})
	t.Run("a library is known by its own room alone", func(t *testing.T) {
		for _, r := range rooms {
			report(t, strayLibraries(r))
		}
	})
	t.Run("a room says its law in one sentence", func(t *testing.T) {
		for _, r := range rooms {
			report(t, lawless(r))
		}
	})
	t.Run("nothing is kept in a package's variables", func(t *testing.T) {
		unused := tables()
		for _, r := range rooms {
			report(t, globals(r, unused))
		}
		for name := range unused {
			t.Errorf("%s is excused and does not exist", name)
		}
	})
	t.Run("no folder is a grab bag", func(t *testing.T) { report(t, baggage(t, os.DirFS(".."))) })
}

func report(t *testing.T, faults []string) {
	t.Helper()
	for _, fault := range faults {
		t.Error(fault)
	}
}

// read lists and parses every package of the module.
func read(t *testing.T) []room {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-e", "-json", "./...")
	command.Dir = ".."
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var rooms []room
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		rooms = append(rooms, enter(t, p))
	}
	if !slices.ContainsFunc(rooms, func(r room) bool { return r.name == "secret" }) {
		t.Fatalf("listed %d packages and not internal/secret", len(rooms))
	}
	return rooms
}

// enter parses a package's files, also those that this machine's build leaves out.
func enter(t *testing.T, p listed) room {
	t.Helper()
	name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module+"/"), "internal/")
	r := room{name: name, clause: p.Name, doc: p.Doc}
	for _, file := range slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGoFiles, p.TestGoFiles, p.XTestGoFiles) {
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			r.tests = append(r.tests, parsed)
		} else {
			r.code = append(r.code, parsed)
		}
	}
	return r
}

// imports lists what the files import, each once.
func imports(files []*ast.File) []string {
	seen := map[string]bool{}
	for _, file := range files {
		for _, spec := range file.Imports {
			if path, err := strconv.Unquote(spec.Path.Value); err == nil {
				seen[path] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func strayArrows(r room) (faults []string) {
	may := arrows()[r.name]
	tests := slices.Concat(reach(r.name), testsMayAlso())
	for _, way := range []struct {
		who   string
		files []*ast.File
		may   []string
	}{{r.name, r.code, may}, {"a test of " + r.name, r.tests, tests}} {
		for _, path := range imports(way.files) {
			to, own := strings.CutPrefix(path, module+"/")
			to = strings.TrimPrefix(to, "internal/")
			if own && to != r.name && !slices.Contains(way.may, to) {
				faults = append(faults, fmt.Sprintf("%s imports %s; it may import %v", way.who, to, way.may))
			}
		}
	}
	return faults
}

// reach lists the rooms that a room knows, directly or through others.
func reach(name string) []string {
	known := arrows()
	reached := slices.Clone(known[name])
	for i := 0; i < len(reached); i++ {
		for _, next := range known[reached[i]] {
			if !slices.Contains(reached, next) {
				reached = append(reached, next)
			}
		}
	}
	return reached
}

func strayLibraries(r room) (faults []string) {
	for library, rooms := range owners() {
		for _, path := range imports(slices.Concat(r.code, r.tests)) {
			if within(path, library) && !slices.Contains(rooms, r.name) {
				faults = append(faults, fmt.Sprintf("%s imports %s, which is for %v", r.name, path, rooms))
			}
		}
	}
	for library, rooms := range strangers() {
		for _, path := range imports(r.code) {
			if within(path, library) && slices.Contains(rooms, r.name) {
				faults = append(faults, fmt.Sprintf("%s imports %s, which it may not know", r.name, path))
			}
		}
	}
	return faults
}

func within(path, library string) bool {
	return path == library || strings.HasPrefix(path, library+"/")
}

func lawless(r room) []string {
	begin := "Package " + r.clause + " "
	if r.clause == "main" {
		begin = ""
	}
	if len(r.code) == 0 || r.doc != "" && strings.HasPrefix(r.doc, begin) && strings.HasSuffix(r.doc, ".") {
		return nil
	}
	return []string{fmt.Sprintf("%s begins with %q, which is no sentence of the form %q", r.name, r.doc, begin+"….")}
}

// globals lists the variables and init functions that may not stand, and the writes
// to variables that may. It takes the excuses that it uses out of excused.
func globals(r room, excused map[string]string) (faults []string) {
	declared := map[string]bool{}
	for _, file := range r.code {
		for _, declaration := range file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				faults = append(faults, r.name+" has an init function")
			}
			for _, v := range variables(declaration) {
				declared[v.name] = true
				if _, found := excused[r.name+"."+v.name]; found {
					delete(excused, r.name+"."+v.name)
				} else if !v.constant {
					faults = append(faults, fmt.Sprintf("%s.%s is a package variable", r.name, v.name))
				}
			}
		}
	}
	for _, file := range r.code {
		for _, name := range written(file) {
			if declared[name] {
				faults = append(faults, fmt.Sprintf("%s.%s is written to, or a local one hides it", r.name, name))
			}
		}
	}
	return faults
}

// variable is a package variable; constant says that it only lacks the keyword.
type variable struct {
	name     string
	constant bool
}

func variables(declaration ast.Decl) (found []variable) {
	group, ok := declaration.(*ast.GenDecl)
	if !ok || group.Tok != token.VAR {
		return nil
	}
	for _, s := range group.Specs {
		spec := s.(*ast.ValueSpec)
		embed := embeds(spec.Doc) || len(group.Specs) == 1 && embeds(group.Doc)
		for i, name := range spec.Names {
			if name.Name != "_" { // a statement that a type has an interface's methods
				constant := embed || i < len(spec.Values) && fixed(spec.Values[i])
				found = append(found, variable{name.Name, constant})
			}
		}
	}
	return found
}

func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, "//go:embed ")
	})
}

// fixed reports whether the value is a sentinel error or a compiled pattern.
func fixed(value ast.Expr) bool {
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return false
	}
	function, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	from, ok := function.X.(*ast.Ident)
	return ok && slices.Contains([]string{"errors.New", "regexp.MustCompile"}, from.Name+"."+function.Sel.Name)
}

// written lists the variables that a file assigns to, or to a part of, by name.
func written(file *ast.File) (names []string) {
	ast.Inspect(file, func(node ast.Node) bool {
		var targets []ast.Expr
		switch n := node.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				targets = n.Lhs
			}
		case *ast.IncDecStmt:
			targets = []ast.Expr{n.X}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear") {
				targets = n.Args[:1]
			}
		}
		for _, target := range targets {
			names = append(names, root(target))
		}
		return true
	})
	return names
}

// root is the name of the variable that an expression is a part of.
func root(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.SelectorExpr:
		return root(e.X)
	case *ast.StarExpr:
		return root(e.X)
	case *ast.ParenExpr:
		return root(e.X)
	}
	return ""
}

func baggage(t *testing.T, tree fs.FS) (faults []string) {
	t.Helper()
	folders := 0
	err := fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() || path == "." {
			return err
		}
		if strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		folders++
		if slices.Contains(grabBags(), entry.Name()) {
			faults = append(faults, path+" is named for what fits nowhere else")
		}
		return nil
	})
	if err != nil || folders == 0 {
		t.Fatalf("walked %d folders: %v", folders, err)
	}
	return faults
}

func TestTheLawFindsWhatBreaksIt(t *testing.T) {
	for _, test := range []struct{ name, room, code, want string }{
		{"an arrow that is not written", "seal", `import "github.com/token2go/token2go/internal/web"`, "seal imports web; it may import [secret]"},
		{"an arrow that is written", "seal", `import "github.com/token2go/token2go/internal/secret"`, ""},
		{"net/http where no HTTP is spoken", "seal", `import "net/http"`, "seal imports net/http, which it may not know"},
		{"a name that begins as net/http", "seal", `import "net/httpx"`, ""},
		{"chi outside web", "flow", `import "github.com/go-chi/chi/v5"`, "flow imports github.com/go-chi/chi/v5, which is for [web]"},
		{"chi inside web", "web", `import "github.com/go-chi/chi/v5"`, ""},
		{"an init function", "flow", `func init() {}`, "flow has an init function"},
		{"a method named init", "flow", `func (t T) init() {}`, ""},
		{"a variable", "flow", `var count int`, "flow.count is a package variable"},
		{"a variable in a group with an embed", "flow", "//go:embed x\nvar (\n\tcount int\n)\nvar (\n//go:embed x\na string\nb string\n)", "flow.b is a package variable"},
		{"an embedded file", "flow", "//go:embed x\nvar file string", ""},
		{"a sentinel error", "flow", `var ErrX = errors.New("x")`, ""},
		{"a compiled pattern", "flow", `var digits = regexp.MustCompile("[0-9]")`, ""},
		{"a statement about a type", "flow", `var _ error = (*T)(nil)`, ""},
		{"a table with a reason", "problem", `var table = map[int]int{}`, ""},
		{"a table written to", "problem", "var table = map[int]int{}\nfunc f() { table[1] = 2 }", "problem.table is written to, or a local one hides it"},
		{"a table cleared", "problem", "var table = map[int]int{}\nfunc f() { clear(table) }", "problem.table is written to, or a local one hides it"},
		{"an error replaced", "flow", "var ErrX = errors.New(\"x\")\nfunc f() { ErrX = nil }", "flow.ErrX is written to, or a local one hides it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\n"+test.code, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			r := room{name: test.room, code: []*ast.File{file}}
			faults := slices.Concat(strayArrows(r), strayLibraries(r), globals(r, tables()))
			if got := strings.Join(faults, "\n"); !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestATestMayReachFurtherThanItsRoom(t *testing.T) {
	for _, test := range []struct {
		name, room, imported string
		stray                bool
	}{
		{"a room that its room reaches through another", "flow", "secret", false},
		{"the server under test", "flow", "t2gtest", false},
		{"a room above its own", "seal", "web", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			source := "package x\nimport \"github.com/token2go/token2go/internal/" + test.imported + "\""
			file, err := parser.ParseFile(token.NewFileSet(), "x_test.go", source, 0)
			if err != nil {
				t.Fatal(err)
			}
			faults := strayArrows(room{name: test.room, tests: []*ast.File{file}})
			if got := len(faults) > 0; got != test.stray {
				t.Errorf("got %v, want stray %v", faults, test.stray)
			}
		})
	}
}

func TestARoomWithoutALawIsFound(t *testing.T) {
	code := []*ast.File{{}}
	for _, test := range []struct {
		name, clause, doc string
		lawless           bool
	}{
		{"no comment", "seal", "", true},
		{"no sentence", "seal", "Package seal closes envelopes", true},
		{"another's name", "seal", "Package sale closes envelopes.", true},
		{"a law", "seal", "Package seal closes envelopes.", false},
		{"a program says what it does", "main", "Token2go-server hands out tokens.", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			faults := lawless(room{name: test.clause, clause: test.clause, doc: test.doc, code: code})
			if got := len(faults) > 0; got != test.lawless {
				t.Errorf("got %v, want lawless %v", faults, test.lawless)
			}
		})
	}
}

func TestAGrabBagIsFound(t *testing.T) {
	tree := fstest.MapFS{"internal/seal/seal.go": {}, "internal/web/helpers/x.go": {}, ".cache/util/x.go": {}}
	got := baggage(t, tree)
	if len(got) != 1 || !strings.HasPrefix(got[0], "internal/web/helpers ") {
		t.Errorf("got %q, want internal/web/helpers alone", got)
	}
}

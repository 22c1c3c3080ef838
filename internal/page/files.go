package page

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/token2go/token2go/static"
)

// ErrNotFound is returned where no page or file has the name.
var ErrNotFound = errors.New("no such page or file")

// asset is a file that pages load.
type asset struct {
	*File
	path    string   // below the server's prefix, hash included
	imports []string // paths of the scripts that it imports, directly or not
}

// assets are the files that pages load, under names that change with their content, so
// that browsers may keep them for good.
type assets struct {
	byName map[string]*asset // app.css
	hashed map[string]*asset // app.0123456789ab.css
}

func newAssets() (*assets, error) {
	files, err := fs.Sub(static.Assets, "assets")
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, err
	}
	a := &assets{byName: map[string]*asset{}, hashed: map[string]*asset{}}
	for _, entry := range entries {
		if err := a.load(files, entry.Name(), nil); err != nil {
			return nil, fmt.Errorf("asset %s: %w", entry.Name(), err)
		}
	}
	return a, nil
}

// load adds one file, after the scripts that it imports. The trail lists the files that
// led here.
func (a *assets) load(files fs.FS, name string, trail []string) error {
	if a.byName[name] != nil {
		return nil
	}
	if slices.Contains(trail, name) {
		return errors.New("scripts import each other")
	}
	extension := path.Ext(name)
	if contentTypes[extension] == "" {
		return fmt.Errorf("no content type for %q", extension)
	}
	plain, err := fs.ReadFile(files, name)
	if err != nil {
		return err
	}
	one := &asset{}
	if extension == ".js" {
		if plain, err = a.linkImports(files, one, plain, append(trail, name)); err != nil {
			return err
		}
	}
	one.File = NewFile(name, func() []byte { return plain })
	hashed := strings.TrimSuffix(name, extension) + "." + one.content().hash + extension
	one.path = "/static/" + hashed
	a.byName[name], a.hashed[hashed] = one, one
	return nil
}

var importClause = regexp.MustCompile(`from "\./([a-z0-9-]+\.js)"`)

// linkImports puts hashed names into import clauses: a page and all of its scripts are
// then of one version, even while replicas are replaced.
func (a *assets) linkImports(files fs.FS, one *asset, plain []byte, trail []string) ([]byte, error) {
	for _, match := range importClause.FindAllSubmatch(plain, -1) {
		name := string(match[1])
		if err := a.load(files, name, trail); err != nil {
			return nil, err
		}
		imported := a.byName[name]
		clause := `from ".` + strings.TrimPrefix(imported.path, "/static") + `"`
		plain = bytes.ReplaceAll(plain, match[0], []byte(clause))
		for _, path := range append(imported.imports, imported.path) {
			if !slices.Contains(one.imports, path) {
				one.imports = append(one.imports, path)
			}
		}
	}
	return plain, nil
}

// path is where the file of this plain name is served, such as
// /static/app.0123456789ab.css, without the server's prefix; empty for unknown names.
func (a *assets) path(name string) string {
	if one := a.byName[name]; one != nil {
		return one.path
	}
	return ""
}

// imports are the paths of the scripts that a script imports, directly or not, so that
// a page can load them all at once.
func (a *assets) imports(name string) []string {
	if one := a.byName[name]; one != nil {
		return one.imports
	}
	return nil
}

// ServeFile answers GET and HEAD for the file whose name follows /static/. The error is
// ErrNotFound, with nothing written.
//
// A plain name or an outdated hash gets the current content, to be revalidated each time:
// while replicas are replaced, a page of one version may load files from the other.
func (p *Pages) ServeFile(w http.ResponseWriter, r *http.Request, name string) error {
	one, caching := p.files.hashed[name], "public, max-age=31536000, immutable"
	if one == nil {
		one, caching = p.files.byName[withoutHash(name)], "no-cache"
	}
	if one == nil {
		return ErrNotFound
	}
	w.Header().Set("Cache-Control", caching)
	one.Serve(w, r)
	return nil
}

var hashPart = regexp.MustCompile(`\.[0-9a-f]{6,64}(\.[a-z]+)$`)

func withoutHash(name string) string { return hashPart.ReplaceAllString(name, "$1") }

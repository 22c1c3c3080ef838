package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/token2go/token2go/static"
)

// errNotFound says that nothing is served under the name.
var errNotFound = errors.New("nothing here")

// asset is one file as it is sent.
type asset struct {
	path    string // below the prefix, hash included
	hash    string
	kind    string   // Content-Type
	imports []string // paths of the scripts that it imports, directly or not
	plain   []byte
	gzipped []byte // nil where compression gains nothing
}

// assets are the files that pages load, under names that change with their content, so
// that browsers may keep them for good.
type assets struct {
	byName map[string]*asset // app.css
	hashed map[string]*asset // app.0123456789ab.css
}

// newAssets hashes and compresses every embedded file.
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

// load adds one file, after the scripts that it imports. The trail is the chain of
// files that led here.
func (a *assets) load(files fs.FS, name string, trail []string) error {
	if a.byName[name] != nil {
		return nil
	}
	if slices.Contains(trail, name) {
		return errors.New("scripts import each other")
	}
	content, err := fs.ReadFile(files, name)
	if err != nil {
		return err
	}
	one := &asset{plain: content}
	if path.Ext(name) == ".js" {
		if err := a.linkImports(files, one, append(trail, name)); err != nil {
			return err
		}
	}
	return a.add(name, one)
}

var importClause = regexp.MustCompile(`from "\./([a-z0-9-]+\.js)"`)

// linkImports puts hashed names into import clauses: a page and all of its scripts are
// then of one version, even while replicas are replaced.
func (a *assets) linkImports(files fs.FS, one *asset, trail []string) error {
	for _, match := range importClause.FindAllSubmatch(one.plain, -1) {
		name := string(match[1])
		if err := a.load(files, name, trail); err != nil {
			return err
		}
		imported := a.byName[name]
		clause := `from ".` + strings.TrimPrefix(imported.path, "/static") + `"`
		one.plain = bytes.ReplaceAll(one.plain, match[0], []byte(clause))
		for _, path := range append(imported.imports, imported.path) {
			if !slices.Contains(one.imports, path) {
				one.imports = append(one.imports, path)
			}
		}
	}
	return nil
}

// add completes the asset whose content and imports are known.
func (a *assets) add(name string, one *asset) error {
	extension := path.Ext(name)
	kind, known := contentTypes[extension]
	if !known {
		return fmt.Errorf("no content type for %q", extension)
	}
	sum := sha256.Sum256(one.plain)
	one.kind, one.hash = kind, hex.EncodeToString(sum[:6])
	hashed := strings.TrimSuffix(name, extension) + "." + one.hash + extension
	one.path = "/static/" + hashed
	zipped, err := compress(one.plain)
	if err != nil {
		return err
	}
	if len(zipped) < len(one.plain) {
		one.gzipped = zipped
	}
	a.byName[name], a.hashed[hashed] = one, one
	return nil
}

var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
	".png": "image/png",
	".ico": "image/x-icon",
}

func compress(content []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// path is where the file of this plain name is served, such as
// /static/app.0123456789ab.css, without the server's prefix. It is empty for a name
// that is not known.
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

// serve answers GET and HEAD for one file, whose name is what follows /static/. The
// error is errNotFound, with nothing written.
//
// A plain name or an outdated hash gets the present content, to be checked each time:
// while replicas are replaced, a page of the one version asks a server of the other.
func (a *assets) serve(w http.ResponseWriter, r *http.Request, name string) error {
	one, caching := a.hashed[name], "public, max-age=31536000, immutable"
	if one == nil {
		one, caching = a.byName[withoutHash(name)], "no-cache"
	}
	if one == nil {
		return errNotFound
	}
	header := w.Header()
	header.Set("Cache-Control", caching)
	one.serve(w, r)
	return nil
}

func (one *asset) serve(w http.ResponseWriter, r *http.Request) {
	header, content, etag := w.Header(), one.plain, one.hash
	header.Set("Content-Type", one.kind)
	if one.gzipped != nil {
		header.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Values("Accept-Encoding")) {
			content, etag = one.gzipped, one.hash+"-gzip"
			header.Set("Content-Encoding", "gzip")
		}
	}
	etag = `"` + etag + `"`
	header.Set("ETag", etag)
	if unchanged(r.Header.Values("If-None-Match"), etag) {
		header.Del("Content-Type")
		header.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(content)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // a reader who has gone is nobody's error
	}
}

// unchanged compares If-None-Match weakly (RFC 9110, section 13.1.2): a gateway that
// compresses makes our strong ETag weak. A Range is not looked at, which the same RFC
// allows: nobody loads styles in pieces, and a piece of what is packed is of no use.
func unchanged(values []string, etag string) bool {
	for candidate := range strings.SplitSeq(strings.Join(values, ","), ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
			return true
		}
	}
	return false
}

var hashPart = regexp.MustCompile(`\.[0-9a-f]{6,64}(\.[a-z]+)$`)

func withoutHash(name string) string { return hashPart.ReplaceAllString(name, "$1") }

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3). The wildcard counts as
// no, which costs bytes and nothing else.
func acceptsGzip(values []string) bool {
	for coding := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return !zeroWeight.MatchString(strings.TrimSpace(weight))
		}
	}
	return false
}

var zeroWeight = regexp.MustCompile(`^[qQ]\s*=\s*0(\.0*)?$`)

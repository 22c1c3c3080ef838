package gateway_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/token2go/token2go/static"
)

// loaded are the addresses that a page loads by itself: styles, scripts and icons.
func (p page) loaded() []string {
	var list []string
	for _, one := range p {
		switch one.tag {
		case "link":
			list = append(list, one.attributes["href"])
		case "script", "img":
			list = append(list, one.attributes["src"])
		}
	}
	return list
}

var hashedName = regexp.MustCompile(`^/static/[a-z-]+\.([0-9a-f]{12})\.[a-z]+$`)

// browserLoads asks as a browser does for what a page loads.
func browserLoads() []string { return []string{"Accept-Encoding", "gzip, deflate, br, zstd"} }

func TestHashedFilesAreImmutable(t *testing.T) {
	t.Parallel()
	server := open(t)
	_, body := get(t, server.Client(), server.Direct+"/", "Accept", "text/html")
	list := pageIn(t, body).loaded()
	if len(list) < 5 {
		t.Fatalf("got %v loaded, want styles, scripts and icons", list)
	}
	for _, path := range list {
		if !hashedName.MatchString(path) {
			t.Errorf("%s: its name does not change with its content", path)
		}
		answer, _ := get(t, server.Client(), server.Direct+path, browserLoads()...)
		if got, want := answer.header.Get("Cache-Control"), "public, max-age=31536000, immutable"; answer.status != http.StatusOK || got != want {
			t.Errorf("%s: got %d and %q, want %q", path, answer.status, got, want)
		}
		again, body := get(t, server.Client(), server.Direct+path, append(browserLoads(), "If-None-Match", "W/"+answer.header.Get("ETag"))...)
		if again.status != http.StatusNotModified || body != "" || again.header.Get("ETag") != answer.header.Get("ETag") {
			t.Errorf("%s: got %d the second time, want 304", path, again.status)
		}
	}
}

// TestFileNamesContainTheirHash: one of another content has another name, in the clauses
// by which scripts load each other, too.
func TestFileNamesContainTheirHash(t *testing.T) {
	t.Parallel()
	server := open(t)
	_, body := get(t, server.Client(), server.Direct+"/", "Accept", "text/html")
	clause := regexp.MustCompile(`from "\./([^"]+)"`)
	seen := map[string]bool{}
	queue := pageIn(t, body).loaded()
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		answer, text := get(t, server.Client(), server.Direct+path, "Accept-Encoding", "identity")
		parts := hashedName.FindStringSubmatch(path)
		if parts == nil || answer.header.Get("ETag") != `"`+parts[1]+`"` {
			t.Errorf("%s: got the tag %s, want that of its name", path, answer.header.Get("ETag"))
		}
		for _, imported := range clause.FindAllStringSubmatch(text, -1) {
			queue = append(queue, "/static/"+imported[1])
		}
	}
	if !seen["/static/"+nameOf(t, seen, "token")] {
		t.Errorf("got %v, want the imported scripts among them", seen)
	}
}

// nameOf is the name with the hash of the script of that plain name.
func nameOf(t *testing.T, seen map[string]bool, plain string) string {
	t.Helper()
	for path := range seen {
		if name, found := strings.CutPrefix(path, "/static/"+plain+"."); found && strings.HasSuffix(name, ".js") {
			return strings.TrimPrefix(path, "/static/")
		}
	}
	t.Fatalf("no page loads %s.js", plain)
	return ""
}

// TestServeFileAnswersOutdatedNames: while replicas are replaced, the one that made
// the page is not the one that is asked for its styles.
func TestServeFileAnswersOutdatedNames(t *testing.T) {
	t.Parallel()
	server := open(t)
	content, err := static.Assets.ReadFile("assets/app.css")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"app.css", "app.0123456789ab.css", "app.012345.css", "app." + strings.Repeat("0f", 32) + ".css"} {
		answer, body := get(t, server.Client(), server.Direct+"/static/"+name)
		if answer.status != http.StatusOK || body != string(content) || answer.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: got %d, %d bytes and %q, want the present styles, not to be kept unasked", name, answer.status, len(body), answer.header.Get("Cache-Control"))
		}
	}
	for _, name := range []string{
		"app.0123456789ab.js2", "app.xyzxyzxyzxyz.css", "app.01234.css", "nothing.css", "nothing.0123456789ab.css", "layout.html", "static.go",
		"..%2fstatic.go", "%2e%2e", ".css", ".0123456789ab.css", "app.css%00", "APP.css", "app.css.gz",
	} {
		answer, body := get(t, server.Client(), server.Direct+"/static/"+name, with(ofAda)...)
		refused(t, answer, body, http.StatusNotFound, "not_found")
	}
}

func TestFilesAreCompressedOnRequest(t *testing.T) {
	t.Parallel()
	server := open(t)
	_, plain := get(t, server.Client(), server.Direct+"/static/app.css", "Accept-Encoding", "identity")
	for _, test := range []struct {
		accept string
		packed bool
	}{
		{"gzip", true},
		{"gzip, deflate, br, zstd", true},
		{"br;q=1.0, GZIP;q=0.8", true},
		{"gzip;q=0.001", true},
		{"gzip;q=0", false},
		{"gzip; q=0.000, br", false},
		{"identity", false},
		{"br", false},
		{"*", false},
		{"x-gzip2", false},
	} {
		answer, body := get(t, server.Client(), server.Direct+"/static/app.css", "Accept-Encoding", test.accept)
		if got := answer.header.Get("Content-Encoding") == "gzip"; got != test.packed || answer.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: got it packed: %t, varying by %q, want %t", test.accept, got, answer.header.Get("Vary"), test.packed)
		}
		if test.packed {
			body = unpacked(t, body)
		}
		if body != plain {
			t.Errorf("%s: got %d bytes, want the same content", test.accept, len(body))
		}
	}
}

func unpacked(t *testing.T, body string) string {
	t.Helper()
	reader, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if _, err := io.Copy(&text, reader); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// TestFilesIgnoreRange: no one loads styles in parts, and a piece of a packed
// file would be of no use.
func TestFilesIgnoreRange(t *testing.T) {
	t.Parallel()
	server := open(t)
	for _, lines := range [][]string{{"Accept-Encoding", "gzip"}, {"Accept-Encoding", "identity"}} {
		whole, body := get(t, server.Client(), server.Direct+"/static/app.css", lines...)
		for _, piece := range []string{"bytes=0-9", "bytes=5-", "bytes=-3", "bytes=0-1,5-6", "bytes=99999999-"} {
			answer, got := get(t, server.Client(), server.Direct+"/static/app.css", append(lines, "Range", piece)...)
			if answer.status != http.StatusOK || got != body || answer.length != whole.length {
				t.Errorf("%v, %s: got %d and %d bytes, want the whole file", lines, piece, answer.status, len(got))
			}
		}
	}
}

// TestAnswersWithTokensAreNotCompressed walks the pages as well: what is told of a token and
// what an attacker sends would be packed together (BREACH).
func TestAnswersWithTokensAreNotCompressed(t *testing.T) {
	t.Parallel()
	server := open(t)
	k := jweClient(t)
	lines := with(ofAda, append(byProgram(), browserLoads()...)...)
	for _, path := range []string{"/", "/index.html", "/token", "/echo", "/nothing", k.path(), k.path("responseMode=form_post"), k.path("target=", "responseMode=page"), flowPath} {
		for _, accept := range []string{"text/html", "application/json"} {
			lines[slices.Index(lines, "Accept")+1] = accept
			answer, _ := get(t, server.Client(), server.Direct+path, lines...)
			if answer.header.Get("Content-Encoding") != "" || answer.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s for %s: got it packed as %q, %q, want neither packed nor kept", path, accept, answer.header.Get("Content-Encoding"), answer.header.Get("Cache-Control"))
			}
		}
	}
}

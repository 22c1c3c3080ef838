package apidocs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html"
	"net/http"
	"net/url"
	"path"
	"sync"

	httpSwagger "github.com/swaggo/http-swagger/v2"
)

//go:embed page
var page embed.FS

// A file is ready to be sent, plain and compressed, each made when it is first asked for
// and then kept: together about 2 MB if both forms of all are used, 0.5 MB if only the
// compressed ones are.
type file struct {
	mediaType     string
	plain, packed func() content
}

type content struct {
	bytes []byte
	etag  string
}

// shelf lists what is served, by the name after Root and a slash. It is the whole list:
// http-swagger has more files, source maps and pages with inline scripts among them.
func shelf(notice string) map[string]*file {
	index := newFile("index.html", func(name string) []byte { return announce(own(name), notice) })
	return map[string]*file{
		"":                     index,
		"index.html":           index,
		"initializer.js":       newFile("initializer.js", own),
		"token2go.css":         newFile("token2go.css", own),
		"swagger-ui.css":       newFile("swagger-ui.css", theirs),
		"swagger-ui-bundle.js": newFile("swagger-ui-bundle.js", theirs),
	}
}

func newFile(name string, read func(string) []byte) *file {
	return &file{
		mediaType: mediaType(name),
		plain:     sync.OnceValue(func() content { return identify(read(name)) }),
		packed:    sync.OnceValue(func() content { return identify(compress(read(name))) }),
	}
}

// mediaType does not ask the system's table of types, which differs between machines.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	default:
		return "text/html; charset=utf-8"
	}
}

// identify names the bytes as they are sent: plain and compressed ones differ, as a strong
// ETag must (RFC 9110, section 8.8.3.3).
func identify(text []byte) content {
	sum := sha256.Sum256(text)
	return content{bytes: text, etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
}

func compress(text []byte) []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(text)
	_ = w.Close()
	return bytes.Clone(packed.Bytes())
}

// own reads a file of ours. The names are those in shelf, so the error cannot occur.
func own(name string) []byte {
	text, _ := page.ReadFile("page/" + name)
	return text
}

// announce puts a notice at the top of the page.
func announce(page []byte, notice string) []byte {
	if notice == "" {
		return page
	}
	const top = "<body>\n"
	line := `  <aside class="t2g-notice" aria-label="Notice">` + html.EscapeString(notice) + "</aside>\n"
	return bytes.Replace(page, []byte(top), []byte(top+line), 1)
}

// theirs has http-swagger serve one of its files.
//
// No caller's request gets as far: its handler takes the path from the raw request line,
// writes into the request, answers HEAD with 405, and redirects for good to where a
// prefix does not reach.
func theirs(name string) []byte {
	r := &http.Request{
		Method:     http.MethodGet,
		URL:        &url.URL{Path: "/" + name},
		RequestURI: "/" + name,
		Header:     http.Header{},
	}
	answer := &recorder{header: http.Header{}}
	httpSwagger.Handler()(answer, r)
	return bytes.Clone(answer.body.Bytes())
}

// A recorder keeps the body of an answer.
type recorder struct {
	header http.Header
	body   bytes.Buffer
}

func (a *recorder) Header() http.Header            { return a.header }
func (a *recorder) WriteHeader(int)                {}
func (a *recorder) Write(text []byte) (int, error) { return a.body.Write(text) }

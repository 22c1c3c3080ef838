package apidocs

import (
	"bytes"
	"embed"
	"html"
	"net/http"
	"net/url"

	httpSwagger "github.com/swaggo/http-swagger/v2"

	"github.com/token2go/token2go/internal/page"
)

//go:embed page
var folder embed.FS

// newFiles lists what is served, by the name after Root and a slash. http-swagger has more
// files, among them source maps and pages with inline scripts, which are not served.
func newFiles(notice string) map[string]*page.File {
	files := map[string]*page.File{
		"index.html": page.NewFile("index.html", func() []byte { return withNotice(embedded("index.html"), notice) }),
	}
	files[""] = files["index.html"]
	for _, name := range []string{"initializer.js", "token2go.css"} {
		files[name] = page.NewFile(name, func() []byte { return embedded(name) })
	}
	for _, name := range []string{"swagger-ui.css", "swagger-ui-bundle.js"} {
		files[name] = page.NewFile(name, func() []byte { return fromSwagger(name) })
	}
	return files
}

// embedded reads a file of ours. The names are those in newFiles, so the error cannot occur.
func embedded(name string) []byte {
	text, _ := folder.ReadFile("page/" + name)
	return text
}

// withNotice puts a notice at the top of the page.
func withNotice(page []byte, notice string) []byte {
	if notice == "" {
		return page
	}
	const top = "<body>\n"
	line := `  <aside class="t2g-notice" aria-label="Notice">` + html.EscapeString(notice) + "</aside>\n"
	return bytes.Replace(page, []byte(top), []byte(top+line), 1)
}

// fromSwagger has http-swagger serve one of its files, once.
//
// Its handler sees no caller's request: it takes the path from the raw request line, writes
// into the request, answers HEAD with 405, and redirects permanently without the prefix.
func fromSwagger(name string) []byte {
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

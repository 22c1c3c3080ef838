// Package apidocs serves Swagger UI; it is the only importer of http-swagger.
//
// The index page is ours and holds no inline script or style, so that it runs under CSP.
// All its addresses are relative: it reads the document at ../openapi.json and the icon at
// ../favicon.ico, whatever prefix stands in front of Root.
package apidocs

import (
	"net/http"
	"strconv"
	"strings"
)

// Root is where Handler expects to be mounted, with and without a slash after it.
const Root = "/swagger-ui"

// CSP is the Content-Security-Policy that the page needs; Handler sends it with every
// file. The data: images are Swagger UI's own icons, written into its style sheet.
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Options says what Handler cannot know by itself.
type Options struct {
	// NotFound answers requests for files that are not here. Required.
	NotFound http.Handler
	// Notice is plain text above the page; none when empty.
	Notice string
}

// Handler serves the page at Root and a slash, its files below, and a redirect at Root.
//
// It sees paths that begin with Root: a prefix in front is stripped by the caller, Root
// itself is not. It answers whatever method it is given as GET or HEAD; the router refuses
// the others. Files are read and compressed at their first use, not at the start.
func Handler(o Options) http.Handler {
	files := shelf(o.Notice)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == Root {
			Redirect(w, r)
			return
		}
		name, _ := strings.CutPrefix(r.URL.Path, Root+"/")
		file, known := files[name]
		if !known {
			o.NotFound.ServeHTTP(w, r)
			return
		}
		file.serve(w, r)
	})
}

// Redirect leads from Root without a slash, or from any other path beside it, to the page.
//
// The location is relative and constant: nothing of the request is in it, and it holds
// under every prefix.
func Redirect(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", "."+Root+"/")
	w.Header().Set("Content-Length", "0") // which net/http tells of a GET alone
	w.WriteHeader(http.StatusSeeOther)
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	content := f.plain
	header := w.Header()
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		content = f.packed
		header.Set("Content-Encoding", "gzip")
	}
	body := content()
	header.Set("Content-Security-Policy", CSP)
	header.Set("Cache-Control", "no-cache")
	header.Set("Vary", "Accept-Encoding")
	header.Set("ETag", body.etag)
	if matches(r.Header.Get("If-None-Match"), body.etag) {
		header.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", f.mediaType)
	header.Set("Content-Length", strconv.Itoa(len(body.bytes)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body.bytes)
	}
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3). Only gzip by its name
// counts; anything unclear gets the plain file.
func acceptsGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		name, weight, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return !isZero(weight)
		}
	}
	return false
}

// isZero reports whether the weight of a coding, such as "q=0.0", forbids it.
func isZero(weight string) bool {
	_, number, found := strings.Cut(weight, "=")
	q, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	return found && (err != nil || q <= 0)
}

// matches compares If-None-Match weakly with one ETag (RFC 9110, section 13.1.2): a
// gateway that compresses makes our strong ETags weak.
func matches(list, etag string) bool {
	for candidate := range strings.SplitSeq(list, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
			return true
		}
	}
	return false
}

// Package apidocs serves Swagger UI; it is the only importer of http-swagger.
//
// The index page is ours and holds no inline script or style, so that it runs under CSP.
// All its addresses are relative: it reads the document at ../openapi.json and the icon at
// ../favicon.ico, whatever prefix precedes Root.
package apidocs

import (
	"net/http"
	"strings"
)

// Root is where Handler expects to be mounted, with and without a slash after it.
const Root = "/swagger-ui"

// CSP is the Content-Security-Policy that the page needs; Handler sends it with every
// file. The data: images are Swagger UI's own icons, written into its style sheet.
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Options are what Handler needs.
type Options struct {
	// NotFound answers requests for other files. Required.
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
	files := newFiles(o.Notice)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == Root {
			Redirect(w)
			return
		}
		name, _ := strings.CutPrefix(r.URL.Path, Root+"/")
		file, known := files[name]
		if !known {
			o.NotFound.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", CSP)
		w.Header().Set("Cache-Control", "no-cache")
		file.Serve(w, r)
	})
}

// Redirect leads from Root without a slash, or from any other path beside it, to the page.
//
// The location is constant, so a request cannot choose it, and relative, so it is right
// under every prefix.
func Redirect(w http.ResponseWriter) {
	w.Header().Set("Location", "."+Root+"/")
	w.Header().Set("Content-Length", "0") // net/http sets it for GET only
	w.WriteHeader(http.StatusSeeOther)
}

package demo

import (
	"bytes"
	"embed"
	"net/http"
)

//go:embed *.html demo.css demo.svg
var files embed.FS

// policy has no form-action on purpose: browsers apply it to every redirect that follows
// a form, and a sign-in may end at a program's loopback address.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"

// page is what the templates show.
type page struct {
	Title  string
	Text   string
	Place  string // what the person asked for, for showing
	Back   string // the same, to return to
	State  string
	People []Person
	Link   string
	Action string
}

// show answers with a page. Its referrer policy is not no-referrer: with that one, its
// forms would send "Origin: null", and over plain http nothing else says where a POST
// comes from.
func (g *Gateway) show(w http.ResponseWriter, status int, name string, content page) {
	var out bytes.Buffer
	if err := g.pages.ExecuteTemplate(&out, name, content); err != nil {
		http.Error(w, "the demo's page is broken", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // the client is gone; nobody is left to tell
}

// asset serves one embedded file.
func asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeFileFS(w, r, files, name)
	}
}

// abridge shortens what was asked for to a length that can be read.
func abridge(text string) string {
	const most = 96
	if len(text) <= most {
		return text
	}
	return text[:most-24] + "…" + text[len(text)-20:]
}

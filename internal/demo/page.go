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
	Asked  string // what the person asked for, shortened
	Back   string // the same, to return to
	State  string
	People []Person
	Link   string
	Action string
}

// show answers with a page. Its referrer policy is not no-referrer: with that one, its
// forms would send "Origin: null", and over plain http no other header names the
// origin of a POST.
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
	_, _ = out.WriteTo(w) // fails only where the client is gone
}

// asset serves one embedded file.
func asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeFileFS(w, r, files, name)
	}
}

// shorten limits an address to a length that fits on the page.
func shorten(text string) string {
	const maxLength = 96
	if len(text) <= maxLength {
		return text
	}
	return text[:maxLength-24] + "…" + text[len(text)-20:]
}

// Package static holds the page templates and the files that a browser loads with them.
package static

import "embed"

// Templates are the pages under templates/, in html/template syntax: layout.html is
// the frame, every other file fills it.
//
//go:embed templates/*.html
var Templates embed.FS

// Assets are the styles, scripts and icons under assets/. They hold no secret.
//
//go:embed assets/*
var Assets embed.FS

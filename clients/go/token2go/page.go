package token2go

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"strconv"
	"strings"
)

// The pages hold no script and load nothing: when the person reads them, there is no
// server any more.
const style = `:root{color-scheme:light dark}
body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto 0;padding:0 1.5rem;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25}
b{display:inline-block;font:600 1.1rem ui-monospace,monospace;padding:.1em .6em;margin:0 .3em .4em 0;border:1px solid;border-radius:.4em}`

// harden sets what holds for every answer of the listener.
func harden(header http.Header) {
	sum := sha256.Sum256([]byte(style))
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+
		"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// refuse answers an unexpected request without details.
func refuse(w http.ResponseWriter, status int) {
	write(w, status, "text/plain; charset=utf-8", http.StatusText(status)+"\n")
}

func write(w http.ResponseWriter, status int, kind, text string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = strings.NewReader(text).WriteTo(w)
}

const isPage = "text/html; charset=utf-8"

// document is a page of a heading and paragraphs, which are HTML.
func document(heading string, paragraphs ...string) string {
	heading = html.EscapeString(heading)
	return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
		`<link rel="icon" href="data:,"><title>` + heading + ` · Token2go</title><style>` + style + `</style></head>` +
		`<body><main><h1>` + heading + `</h1><p>` + strings.Join(paragraphs, "</p><p>") + `</p></main></body></html>` + "\n"
}

// verdictPage says whether it worked. It holds no part of the answer but what an error
// said.
func verdictPage(v verdict, words [4]string) string {
	ask := "<b>" + strings.Join(words[:], "</b><b>") + "</b>"
	const end = "You can close this page."
	if v.err != nil {
		return document("No token was handed over", html.EscapeString(v.err.Error()), "The program that asked shows these words:", ask, end)
	}
	return document("The program has its token", "It is the program that shows these words:", ask, end)
}

func unacceptedPage() string {
	return document("This answer was not accepted", "The program still waits. Go back to it, and open the address that it shows again.")
}

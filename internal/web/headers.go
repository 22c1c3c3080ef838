package web

import "net/http"

// Content security policies (CSP3). A page that needs another one says why.
const (
	noPagePolicy = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
	PagePolicy   = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// permissions turns off what the pages do not use; they copy the token.
const permissions = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=(), clipboard-write=(self)"

// SecurityHeaders sets the headers that every answer needs. Pages need PageHeaders, too.
func SecurityHeaders(h http.Header) {
	// One allocation for all values, because every request needs them.
	values := &[...]string{noPagePolicy, "nosniff", "no-referrer", "same-origin", "no-store"}
	h["Content-Security-Policy"] = values[0:1:1]
	h["X-Content-Type-Options"] = values[1:2:2]
	h["Referrer-Policy"] = values[2:3:3]
	h["Cross-Origin-Resource-Policy"] = values[3:4:4]
	h["Cache-Control"] = values[4:5:5]
}

// ClearSecurityHeaders removes what SecurityHeaders set, for an answer of another server.
func ClearSecurityHeaders(h http.Header) {
	for _, name := range []string{
		"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Resource-Policy", "Cache-Control",
	} {
		delete(h, name)
	}
}

// PageHeaders sets the headers of a page, under a policy that allows what the page loads.
func PageHeaders(h http.Header, policy string) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", permissions)
	h.Set("Document-Policy", "force-load-at-top") // no fragment in a link scrolls or moves the focus
}

package web

import "net/http"

// PagePolicy is the content security policy (CSP3) of answers that need no other.
const PagePolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// permissions turns off what our pages do not use; copying the token stays allowed.
const permissions = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=(), clipboard-write=(self)"

// SecurityHeaders sets the headers of every answer to a browser. A handler may replace them.
func SecurityHeaders(h http.Header) {
	// One allocation for all values, because every request needs them.
	values := &[...]string{PagePolicy, "nosniff", "DENY", "no-referrer", "same-origin", "same-origin", permissions, "no-store", "force-load-at-top"}
	h["Content-Security-Policy"] = values[0:1:1]
	h["X-Content-Type-Options"] = values[1:2:2]
	h["X-Frame-Options"] = values[2:3:3]
	h["Referrer-Policy"] = values[3:4:4]
	h["Cross-Origin-Opener-Policy"] = values[4:5:5]
	h["Cross-Origin-Resource-Policy"] = values[5:6:6]
	h["Permissions-Policy"] = values[6:7:7]
	h["Cache-Control"] = values[7:8:8]
	h["Document-Policy"] = values[8:9:9] // no fragment in a link scrolls or moves the focus
}

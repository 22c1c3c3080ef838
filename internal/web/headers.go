package web

import "net/http"

// Content security policies (CSP3). Each names just what its page uses.
const (
	policyPage = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

	// policyQuestion has no form-action: with one, the browser blocks the redirect from
	// the answered form to the client, and to the identity provider where the gateway's
	// session has ended meanwhile. The page holds escaped text and one script.
	policyQuestion = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"

	// policyFormPost is followed by the one place that the page posts to.
	policyFormPost = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; " +
		"frame-ancestors 'none'; form-action "
)

// secure sets what every answer carries. A handler may put another policy in place.
func secure(h http.Header) {
	// One allocation for all: every request comes here.
	values := &[...]string{policyPage, "nosniff", "DENY", "no-referrer", "same-origin", "same-origin", permissions, "no-store", "force-load-at-top"}
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

// permissions switches off what no page of ours uses; copying the token is the one
// power that stays.
const permissions = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=(), clipboard-write=(self)"

package web

import "net/http"

// Content security policies (CSP3). Each names just what its page uses.
const (
	policyPage = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

	// policyQuestion has no form-action: with one, the browser blocks the redirect from
	// the answered form to the client, and to the identity provider where the gateway's
	// session has ended meanwhile. The page holds escaped text and no script.
	policyQuestion = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"

	// policyFormPost is followed by the one place that the page posts to.
	policyFormPost = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; " +
		"frame-ancestors 'none'; form-action "
)

// secure sets what every answer carries. A handler may put another policy in place.
func secure(h http.Header) {
	h["Content-Security-Policy"] = []string{policyPage}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["X-Frame-Options"] = []string{"DENY"}
	h["Referrer-Policy"] = []string{"no-referrer"}
	h["Cross-Origin-Opener-Policy"] = []string{"same-origin"}
	h["Cross-Origin-Resource-Policy"] = []string{"same-origin"}
	h["Permissions-Policy"] = []string{permissions}
	h["Cache-Control"] = []string{"no-store"}
}

// permissions switches off what no page of ours uses; copying the token is the one
// power that stays.
const permissions = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=(), clipboard-write=(self)"

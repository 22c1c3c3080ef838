package t2gtest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// given is an answer before it is spoiled.
type given struct {
	method, path string
	status       int
	header       map[string]string
	body         string
}

// good is an answer of /token as it should be, or one of another path with the same
// headers.
func good() *given {
	return &given{
		method: http.MethodGet, path: "/token", status: http.StatusOK,
		header: map[string]string{
			"Content-Type":                 "application/json",
			"Cache-Control":                "no-store",
			"Content-Security-Policy":      "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Permissions-Policy":           "usb=()",
		},
		body: `{"timestamp":"2026-01-15T09:30:00Z","fingerprint":"` + strings.Repeat("0a", 32) + `","secret":"s"}`,
	}
}

const problemBody = `{"type":"urn:token2go:problem:token_not_found","kind":"token_not_found","title":"t","status":401,"detail":"d"}`

func (g *given) refuse(status int, body string) {
	g.status, g.body = status, body
	g.header["Content-Type"] = "application/problem+json"
}

// page makes the answer one of the token page.
func (g *given) page() {
	g.path, g.body = "/", "<!doctype html><html></html>"
	g.header["Content-Type"] = "text/html; charset=utf-8"
	g.header["Cross-Origin-Opener-Policy"], g.header["Permissions-Policy"] = "same-origin", "usb=()"
}

// ServeHTTP answers whatever is asked in this way.
func (g *given) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	for name, value := range g.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(g.status)
	_, _ = io.WriteString(w, g.body)
}

func TestCheckAcceptsGoodAnswers(t *testing.T) {
	for name, change := range map[string]func(*given){
		"a token":         func(*given) {},
		"the head of one": func(g *given) { g.method, g.body = http.MethodHead, "" },
		"a token's page": func(g *given) {
			g.path, g.body = "/", "<!doctype html><html></html>\n"
			g.header["Content-Type"] = "text/html; charset=utf-8"
		},
		"no token": func(g *given) { g.refuse(401, problemBody); g.header["WWW-Authenticate"] = `Bearer realm="token2go"` },
		"a path of no one": func(g *given) {
			g.path = "/x"
			g.refuse(404, strings.ReplaceAll(strings.ReplaceAll(problemBody, "token_not_found", "not_found"), "401", "404"))
		},
		"a file": func(g *given) { g.path, g.body = "/static/a.css", "a{}"; g.header["Content-Type"] = "text/css" },
	} {
		t.Run(name, func(t *testing.T) {
			if err := knock(t, change); err != nil {
				t.Errorf("got %v, want the answer to pass", err)
			}
		})
	}
}

// TestCheckRejectsBadAnswers keeps every other test honest.
func TestCheckRejectsBadAnswers(t *testing.T) {
	for name, spoil := range map[string]func(*given){
		"a member too few":             func(g *given) { g.body = `{"timestamp":"2026-01-15T09:30:00Z","secret":"s"}` },
		"a member too many":            func(g *given) { g.body = strings.Replace(g.body, "{", `{"more":1,`, 1) },
		"a member of another type":     func(g *given) { g.body = strings.Replace(g.body, `"s"`, "1", 1) },
		"a fingerprint that is none":   func(g *given) { g.body = strings.Replace(g.body, "0a", "zz", 1) },
		"no JSON":                      func(g *given) { g.body = "secret" },
		"no body":                      func(g *given) { g.body = "" },
		"a body where none is":         func(g *given) { g.path, g.status, g.header["Location"] = "/docs", 303, "./swagger-ui/" },
		"another content type":         func(g *given) { g.header["Content-Type"] = "text/plain" },
		"a status of no one":           func(g *given) { g.status = http.StatusAccepted },
		"an answer to no operation":    func(g *given) { g.path = "/secret" },
		"an answer to no method":       func(g *given) { g.method = http.MethodDelete },
		"a token that may be kept":     func(g *given) { g.header["Cache-Control"] = "private" },
		"a compressed token":           func(g *given) { g.header["Content-Encoding"] = "br" },
		"no policy":                    func(g *given) { delete(g.header, "Content-Security-Policy") },
		"an unsafe policy":             func(g *given) { g.header["Content-Security-Policy"] += "; script-src 'unsafe-inline'" },
		"a policy that lets frames in": func(g *given) { g.header["Content-Security-Policy"] = "default-src 'none'; base-uri 'none'" },
		"sniffing":                     func(g *given) { delete(g.header, "X-Content-Type-Options") },
		"a referrer":                   func(g *given) { g.header["Referrer-Policy"] = "origin" },
		"embedding":                    func(g *given) { delete(g.header, "Cross-Origin-Resource-Policy") },
		"an opener":                    func(g *given) { g.page(); delete(g.header, "Cross-Origin-Opener-Policy") },
		"all permissions":              func(g *given) { g.page(); delete(g.header, "Permissions-Policy") },
		"a 401 without a challenge":    func(g *given) { g.refuse(401, problemBody) },
		"a 401 with another challenge": func(g *given) { g.refuse(401, problemBody); g.header["WWW-Authenticate"] = "Basic" },
		"a problem of another status":  func(g *given) { g.refuse(403, problemBody) },
		"a problem of another kind": func(g *given) {
			g.refuse(401, strings.ReplaceAll(problemBody, "token_not_found", "not_found"))
			g.header["WWW-Authenticate"] = `Bearer realm="token2go"`
		},
		"a 404 in plain text": func(g *given) { g.path = "/x"; g.refuse(404, "not found"); g.header["Content-Type"] = "text/plain" },
		"a 405 without the methods": func(g *given) {
			g.path = "/health"
			g.refuse(405, strings.ReplaceAll(strings.ReplaceAll(problemBody, "token_not_found", "method_not_allowed"), "401", "405"))
		},
		"a packed file that is none": func(g *given) {
			g.path, g.header["Content-Type"], g.header["Content-Encoding"], g.header["Cache-Control"] = "/static/a.css", "text/css", "gzip", "public"
		},
		"half a page": func(g *given) {
			g.path, g.body = "/", "<!doctype html><html>"
			g.header["Content-Type"] = "text/html; charset=utf-8"
		},
		"a page in another code": func(g *given) { g.path, g.body = "/", "<!doctype html></html>"; g.header["Content-Type"] = "text/html" },
		"a redirect elsewhere":   func(g *given) { g.path, g.status, g.body, g.header["Location"] = "/docs", 303, "", "//evil.example/" },
		"a redirect for good":    func(g *given) { g.path, g.status, g.body, g.header["Location"] = "/docs", 301, "", "./swagger-ui/" },
	} {
		t.Run(name, func(t *testing.T) {
			if err := knock(t, spoil); err == nil || !strings.Contains(err.Error(), "contract: ") {
				t.Errorf("got %v, want a breach of the contract", err)
			}
		})
	}
}

// knock asks a server that gives a good answer after a change, as tests ask ours.
func knock(t *testing.T, change func(*given)) error {
	t.Helper()
	g := good()
	change(g)
	server := httptest.NewServer(g)
	defer server.Close()
	h := &Server{Direct: server.URL, contract: NewContract(t)}
	r, err := http.NewRequest(g.method, server.URL+g.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "identity")
	answer, err := h.Visitor().Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || !bytes.Equal(body, []byte(g.body)) {
		t.Errorf("got %q (%v), want the body that was checked", body, err)
	}
	return nil
}

func TestCheckIgnoresPrefix(t *testing.T) {
	c := NewContract(t)
	c.prefix = "/a/b"
	for path, known := range map[string]bool{"/a/b/token": true, "/a/b/": true, "/a/b": true, "/a/b/x": false, "/a/token": false} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		if got := c.operation(r) != nil; got != known {
			t.Errorf("%s: got known %t, want %t", path, got, known)
		}
	}
}

func TestOperationsAreListed(t *testing.T) {
	if list := NewContract(t).Operations(); !slices.Contains(list, "POST /flow/redirect/token") || len(list) < 10 {
		t.Errorf("got %v", list)
	}
}

package gateway_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest"
)

// operations are those of the API document, in order.
func operations(t *testing.T) []string {
	t.Helper()
	list := t2gtest.NewContract(t).Operations()
	slices.Sort(list)
	return list
}

func TestRoutesEqualDocumentedOperations(t *testing.T) {
	t.Parallel()
	routes, err := open(t).Handler.Routes()
	if err != nil {
		t.Fatal(err)
	}
	isHead := func(route string) bool { return strings.HasPrefix(route, "HEAD ") }
	if got, want := slices.DeleteFunc(slices.Clone(routes), isHead), operations(t); !slices.Equal(got, want) {
		t.Errorf("got routes     %v\nwant operations %v", got, want)
	}
	for _, route := range routes {
		path, isGet := strings.CutPrefix(route, "GET ")
		if isGet && slices.Contains(routes, "HEAD "+path) != (path != flowPath) {
			t.Errorf("%s: HEAD is registered: %t", path, path == flowPath)
		}
	}
}

// example is an address at which an operation's path can be tried.
func example(path string) string {
	switch {
	case strings.HasPrefix(path, "/static/"):
		return "/static/app.css"
	case strings.HasPrefix(path, "/keys/{id}"):
		return strings.Replace(path, "{id}", "4fT9qLw2Xa", 1)
	case strings.HasPrefix(path, "/swagger-ui/{"):
		return "/swagger-ui/swagger-ui.css"
	}
	return path
}

func TestHeadEqualsGetExceptInFlow(t *testing.T) {
	t.Parallel()
	server := open(t)
	for _, operation := range operations(t) {
		path, isGet := strings.CutPrefix(operation, "GET ")
		if !isGet || path == flowPath {
			continue
		}
		for _, lines := range [][]string{with("t0ken", "Accept-Encoding", "gzip"), {"Accept", "text/html", "Accept-Encoding", "identity"}} {
			whole, body := send(t, server.Client(), http.MethodGet, server.Direct+example(path), "", lines...)
			head, none := send(t, server.Client(), http.MethodHead, server.Direct+example(path), "", lines...)
			whole.header.Del("Date")
			head.header.Del("Date")
			if head.status != whole.status || none != "" {
				t.Errorf("%s: HEAD got %d and %q, want %d and no body", path, head.status, none, whole.status)
			}
			for name := range whole.header {
				if got, want := head.header.Get(name), whole.header.Get(name); got != want {
					t.Errorf("%s: HEAD got %s %q, want %q", path, name, got, want)
				}
			}
			if whole.status != http.StatusSeeOther && body == "" {
				t.Errorf("%s: got no body", path)
			}
		}
	}
	answer, _ := send(t, server.Client(), http.MethodHead, server.Direct+tripleClient(t).path(), "", with("t0ken")...)
	if answer.status != http.StatusMethodNotAllowed || answer.header.Get("Location") != "" || answer.header.Get("Allow") != "GET, POST" {
		t.Errorf("HEAD of the flow got %d to %q, allowed %q; want 405, GET and POST", answer.status, answer.header.Get("Location"), answer.header.Get("Allow"))
	}
}

func TestRoutesRejectOtherMethods(t *testing.T) {
	t.Parallel()
	server := open(t)
	known := operations(t)
	for _, operation := range known {
		_, path, _ := strings.Cut(operation, " ")
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"} {
			if slices.Contains(known, method+" "+path) {
				continue
			}
			answer, body := send(t, server.Client(), method, server.Direct+example(path), "", with("t0ken-of-ada")...)
			refused(t, answer, body, http.StatusMethodNotAllowed, "method_not_allowed")
			if got, want := answer.header.Get("Allow"), methodsOf(known, path); got != want {
				t.Errorf("%s %s: allowed are %q, want %q", method, path, got, want)
			}
			if strings.Contains(body, "t0ken-of-ada") || strings.Contains(body, "BREW") {
				t.Errorf("%s %s: the answer repeats what was sent: %s", method, path, body)
			}
		}
	}
}

// methodsOf lists the methods of a path as the Allow header does.
func methodsOf(operations []string, path string) string {
	var methods []string
	for _, method := range []string{"GET", "POST", "PATCH"} {
		if slices.Contains(operations, method+" "+path) {
			methods = append(methods, method)
			if method == "GET" && path != flowPath {
				methods = append(methods, "HEAD")
			}
		}
	}
	return strings.Join(methods, ", ")
}

func TestUnknownPathIsNotFoundForEveryMethod(t *testing.T) {
	t.Parallel()
	server := open(t)
	for _, path := range []string{"/nothing", "/Token", "/token/", "/flow", "/flow/redirect/token/", "/static", "/static/", "/static/a/b", "/echo/x", "//token", "/%74oken", "/ready", "/metrics", "/debug/pprof/"} {
		for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS", "BREW"} {
			answer, body := send(t, server.Client(), method, server.Direct+path, "", with("t0ken")...)
			refused(t, answer, body, http.StatusNotFound, "not_found")
			if answer.header.Get("Allow") != "" {
				t.Errorf("%s %s: allowed are %q, want nothing said", method, path, answer.header.Get("Allow"))
			}
		}
	}
}

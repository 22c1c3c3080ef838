package apidocs_test

import (
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/apidocs"
)

const notFound = "answered by the caller's NotFound"

func get(target, notice string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	apidocs.Handler(apidocs.Options{Notice: notice, NotFound: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, notFound, http.StatusNotFound)
	})}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

func TestHandlerServesEveryFileWithType(t *testing.T) {
	for _, test := range []struct{ path, mediaType, want string }{
		{"/swagger-ui/", "text/html; charset=utf-8", "<title>API · Token2go</title>"},
		{"/swagger-ui/index.html", "text/html; charset=utf-8", "<title>API · Token2go</title>"},
		{"/swagger-ui/initializer.js", "text/javascript; charset=utf-8", `url: "../openapi.json"`},
		{"/swagger-ui/token2go.css", "text/css; charset=utf-8", ".t2g-bar"},
		{"/swagger-ui/swagger-ui.css", "text/css; charset=utf-8", ".swagger-ui"},
		{"/swagger-ui/swagger-ui-bundle.js", "text/javascript; charset=utf-8", "SwaggerUIBundle"},
	} {
		w := get(test.path, "")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s: got %d, want 200 with %q", test.path, w.Code, test.want)
		}
		if got := w.Header(); got.Get("Content-Type") != test.mediaType || got.Get("Content-Security-Policy") != apidocs.CSP {
			t.Errorf("%s: got %v, want type %q and policy %q", test.path, got, test.mediaType, apidocs.CSP)
		}
	}
}

func TestHandlerLeavesUnknownFilesToNotFound(t *testing.T) {
	for _, target := range []string{
		"/swagger-ui/nothing", "/swagger-ui/doc.json", "/swagger-ui/swagger-ui-bundle.js.map", "/swagger-ui/swagger-ui.css/",
		"/swagger-ui//swagger-ui.css", "/swagger-ui/../token", "/swagger-ui/%2e%2e/token", "/swagger-ui/page/index.html",
		"/swagger-ui/swagger-ui.css%00", "/swagger-uix", "/swagger-ui.css",
	} {
		if w := get(target, ""); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), notFound) {
			t.Errorf("%s: got %d %.40q, want the caller's 404", target, w.Code, w.Body)
		}
	}
}

func TestHandlerEscapesNotice(t *testing.T) {
	const want = `class="t2g-notice" aria-label="Notice">For &lt;trying&gt; out</aside>`
	if !strings.Contains(get("/swagger-ui/", "For <trying> out").Body.String(), want) {
		t.Errorf("the page does not contain %q", want)
	}
	if strings.Contains(get("/swagger-ui/", "").Body.String(), `"t2g-notice"`) {
		t.Error("the page without a notice contains one")
	}
}

func TestRedirectIsRelativeAndIgnoresQuery(t *testing.T) {
	w := httptest.NewRecorder()
	apidocs.Redirect(w)
	if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != "./swagger-ui/" {
		t.Errorf("got %d to %q, want 303 to ./swagger-ui/", w.Code, got)
	}
}

func TestPageHasNothingInlineAndReferencesExistingFiles(t *testing.T) {
	index := get("/swagger-ui/", "").Body.String()
	inline := regexp.MustCompile(`(?is)<script[^>]*>[^<]|<style|\s(?:style|on[a-z]+)\s*=|javascript:|(?:https?:)?//[a-z]|(?:src|href)="/`)
	if found := inline.FindString(index); found != "" || strings.Contains(apidocs.CSP, "unsafe") {
		t.Errorf("got %q in the page, and policy %s", found, apidocs.CSP)
	}
	files := 0
	for _, match := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(index, -1) {
		if target := path.Join("/swagger-ui", match[1]); strings.HasPrefix(target, "/swagger-ui/") {
			files++
			if got := get(target, "").Code; got != http.StatusOK {
				t.Errorf("%s: got %d, want 200", match[1], got)
			}
		}
	}
	if files < 4 {
		t.Errorf("the page references %d files, want two styles and two scripts", files)
	}
}

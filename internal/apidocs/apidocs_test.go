package apidocs_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/token2go/token2go/internal/apidocs"
)

const notFound = "answered by the caller's NotFound"

func newHandler() http.Handler {
	return apidocs.Handler(apidocs.Options{NotFound: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, notFound, http.StatusNotFound)
	})})
}

// handler is shared, because every new one compresses the large script again.
var handler = sync.OnceValue(newHandler)

// ask sends a request with the path as a client may write it, and headers in pairs.
func ask(t *testing.T, method, target string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	handler().ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, answer *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// files holds a mark that is in each file, and nowhere in an error page.
var files = []struct{ path, mediaType, mark string }{
	{"/swagger-ui/", "text/html; charset=utf-8", "<title>API · Token2go</title>"},
	{"/swagger-ui/index.html", "text/html; charset=utf-8", "<title>API · Token2go</title>"},
	{"/swagger-ui/initializer.js", "text/javascript; charset=utf-8", `url: "../openapi.json"`},
	{"/swagger-ui/token2go.css", "text/css; charset=utf-8", ".t2g-bar"},
	{"/swagger-ui/swagger-ui.css", "text/css; charset=utf-8", ".swagger-ui"},
	{"/swagger-ui/swagger-ui-bundle.js", "text/javascript; charset=utf-8", "SwaggerUIBundle"},
}

func TestHandlerServesEveryFileWithType(t *testing.T) {
	for _, test := range files {
		answer := ask(t, http.MethodGet, test.path)
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: got %d, want 200", test.path, answer.StatusCode)
		}
		if got := answer.Header.Get("Content-Type"); got != test.mediaType {
			t.Errorf("%s: got type %q, want %q", test.path, got, test.mediaType)
		}
		if !strings.Contains(text(t, answer), test.mark) {
			t.Errorf("%s does not hold %q", test.path, test.mark)
		}
		if got := answer.Header.Get("Content-Security-Policy"); got != apidocs.CSP {
			t.Errorf("%s: got policy %q, want %q", test.path, got, apidocs.CSP)
		}
	}
}

func TestHandlerEscapesNotice(t *testing.T) {
	noticed := apidocs.Handler(apidocs.Options{NotFound: http.NotFoundHandler(), Notice: "For <trying> out"})
	for _, path := range []string{"/swagger-ui/", "/swagger-ui/index.html"} {
		w := httptest.NewRecorder()
		noticed.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		const want = `class="t2g-notice" aria-label="Notice">For &lt;trying&gt; out</aside>`
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s does not hold %q", path, want)
		}
		if strings.Contains(text(t, ask(t, http.MethodGet, path)), `"t2g-notice"`) {
			t.Errorf("%s holds a notice, want none unless told", path)
		}
	}
}

func TestHandlerCompressesUnderAnotherETag(t *testing.T) {
	for _, test := range files {
		plain, packed := ask(t, http.MethodGet, test.path), ask(t, http.MethodGet, test.path, "Accept-Encoding", "br, gzip;q=0.8")
		if got := packed.Header.Get("Content-Encoding"); got != "gzip" {
			t.Fatalf("%s: got encoding %q, want gzip", test.path, got)
		}
		unpacked, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(unpacked)
		if err != nil {
			t.Fatal(err)
		}
		if string(body) != text(t, plain) {
			t.Errorf("%s: compressed and plain differ", test.path)
		}
		if packed.Header.Get("ETag") == plain.Header.Get("ETag") {
			t.Errorf("%s: compressed and plain share an ETag", test.path)
		}
		if packed.Header.Get("Vary") != "Accept-Encoding" || plain.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s does not vary by Accept-Encoding", test.path)
		}
	}
}

func TestHandlerCompressesOnlyForGzip(t *testing.T) {
	for accept, want := range map[string]string{
		"gzip": "gzip", "deflate, GZIP": "gzip", "gzip ; q=0.001": "gzip",
		"": "", "identity": "", "gzip;q=0": "", "gzip; q=0.000": "", "gzip;q=x": "", "x-gzipped": "", "*": "",
	} {
		answer := ask(t, http.MethodGet, "/swagger-ui/token2go.css", "Accept-Encoding", accept)
		if got := answer.Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: got %q, want %q", accept, got, want)
		}
	}
}

func TestHandlerIsSafeForConcurrentUse(t *testing.T) {
	fresh := newHandler()
	answers := make([]*httptest.ResponseRecorder, 8)
	var readers sync.WaitGroup
	for i := range answers {
		answers[i] = httptest.NewRecorder()
		readers.Go(func() {
			r := httptest.NewRequest(http.MethodGet, "/swagger-ui/swagger-ui.css", nil)
			r.Header.Set("Accept-Encoding", "gzip")
			fresh.ServeHTTP(answers[i], r)
		})
	}
	readers.Wait()
	for i, answer := range answers {
		if answer.Body.Len() == 0 || answer.Body.String() != answers[0].Body.String() {
			t.Errorf("reader %d got %d bytes, want the %d of the first", i, answer.Body.Len(), answers[0].Body.Len())
		}
	}
}

func TestHandlerAnswersHEADWithoutBody(t *testing.T) {
	for _, test := range files {
		for _, accept := range []string{"", "gzip"} {
			get := ask(t, http.MethodGet, test.path, "Accept-Encoding", accept)
			head := ask(t, http.MethodHead, test.path, "Accept-Encoding", accept)
			if got := text(t, head); got != "" {
				t.Errorf("%s: HEAD has a body of %d bytes", test.path, len(got))
			}
			if head.StatusCode != get.StatusCode || head.ContentLength != int64(len(text(t, get))) {
				t.Errorf("%s: HEAD got %d with length %d, want those of GET", test.path, head.StatusCode, head.ContentLength)
			}
			for name := range get.Header {
				if got, want := head.Header.Get(name), get.Header.Get(name); got != want {
					t.Errorf("%s: HEAD got %s %q, want %q", test.path, name, got, want)
				}
			}
		}
	}
}

func TestHandlerAnswersNotModified(t *testing.T) {
	for _, accept := range []string{"", "gzip"} {
		etag := ask(t, http.MethodGet, "/swagger-ui/", "Accept-Encoding", accept).Header.Get("ETag")
		for _, known := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
			answer := ask(t, http.MethodGet, "/swagger-ui/", "Accept-Encoding", accept, "If-None-Match", known)
			if answer.StatusCode != http.StatusNotModified || text(t, answer) != "" || answer.Header.Get("ETag") != etag {
				t.Errorf("If-None-Match %s: got %d %s, want 304 %s without a body", known, answer.StatusCode, answer.Header.Get("ETag"), etag)
			}
		}
		if got := ask(t, http.MethodGet, "/swagger-ui/", "Accept-Encoding", accept, "If-None-Match", `"other"`).StatusCode; got != http.StatusOK {
			t.Errorf("another ETag: got %d, want 200", got)
		}
	}
}

func TestHandlerLeavesUnknownFilesToNotFound(t *testing.T) {
	for _, target := range []string{
		"/swagger-ui/nothing",
		"/swagger-ui/doc.json",
		"/swagger-ui/swagger-ui-bundle.js.map",
		"/swagger-ui/oauth2-redirect.html",
		"/swagger-ui/swagger-ui.css/",
		"/swagger-ui/a/swagger-ui.css",
		"/swagger-ui//swagger-ui.css",
		"/swagger-ui/./swagger-ui.css",
		"/swagger-ui/../token",
		"/swagger-ui/../swagger-ui/swagger-ui.css",
		"/swagger-ui/%2e%2e/token",
		"/swagger-ui/..%2ftoken",
		"/swagger-ui/%2e%2e%5ctoken",
		"/swagger-ui/page/index.html",
		"/swagger-ui/swagger-ui.css%00",
		"/swagger-uix",
		"/swagger-uiswagger-ui.css",
		"/elsewhere",
		"/swagger-ui.css",
	} {
		answer := ask(t, http.MethodGet, target)
		if body := text(t, answer); answer.StatusCode != http.StatusNotFound || !strings.Contains(body, notFound) {
			t.Errorf("%s: got %d %.40q, want the caller's 404", target, answer.StatusCode, body)
		}
	}
}

func TestRedirectIgnoresRequest(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		answer := ask(t, method, "/swagger-ui?next=//evil.example/", "Host", "evil.example", "X-Forwarded-Prefix", "//evil.example")
		if got := answer.Header.Get("Location"); answer.StatusCode != http.StatusSeeOther || got != "./swagger-ui/" {
			t.Errorf("%s: got %d to %q, want 303 to ./swagger-ui/", method, answer.StatusCode, got)
		}
		if got := text(t, answer); got != "" {
			t.Errorf("%s: got body %q, want none", method, got)
		}
	}
}

func TestRedirectWorksUnderEveryPrefix(t *testing.T) {
	for from, want := range map[string]string{
		"http://gateway.example/swagger-ui":       "http://gateway.example/swagger-ui/",
		"http://gateway.example/docs":             "http://gateway.example/swagger-ui/",
		"http://gateway.example/t2g/a/swagger-ui": "http://gateway.example/t2g/a/swagger-ui/",
	} {
		r := httptest.NewRequest(http.MethodGet, from, nil)
		w := httptest.NewRecorder()
		apidocs.Redirect(w, r)
		target, err := r.URL.Parse(w.Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		if got := target.String(); got != want {
			t.Errorf("%s: got %s, want %s", from, got, want)
		}
	}
}

func TestPageHasNothingInline(t *testing.T) {
	index := text(t, ask(t, http.MethodGet, "/swagger-ui/"))
	for what, pattern := range map[string]string{
		"a script without src":     `(?is)<script(?:\s+(?:defer|async|type="[^"]*"))*\s*>`,
		"a script with content":    `(?is)<script[^>]*>[^<]`,
		"a style element":          `(?i)<style`,
		"a style attribute":        `(?i)\sstyle\s*=`,
		"an event handler":         `(?i)\son[a-z]+\s*=`,
		"a javascript: address":    `(?i)javascript:`,
		"an address of elsewhere":  `(?i)(?:https?:)?//[a-z]`,
		"an address from the root": `(?i)(?:src|href)="/`,
	} {
		if found := regexp.MustCompile(pattern).FindString(index); found != "" {
			t.Errorf("the page holds %s: %q", what, found)
		}
	}
	if strings.Contains(apidocs.CSP, "unsafe") {
		t.Errorf("the policy is unsafe: %s", apidocs.CSP)
	}
}

func TestPageReferencesExistingFiles(t *testing.T) {
	index := text(t, ask(t, http.MethodGet, "/swagger-ui/"))
	outside := map[string]bool{"/": true, "/favicon.ico": true, "/openapi.yaml": true, "/openapi.json": true}
	within := 0
	for _, match := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(index, -1) {
		target := path.Join("/swagger-ui", match[1])
		if outside[target] {
			continue
		}
		within++
		if got := ask(t, http.MethodGet, target).StatusCode; got != http.StatusOK {
			t.Errorf("%s: got %d, want 200", match[1], got)
		}
	}
	if within < 4 {
		t.Errorf("got %d files, want the page to name its two styles and two scripts", within)
	}
}

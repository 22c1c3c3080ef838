package t2gtest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Every other test of the server relies on these.
func TestCheckRejectsBadAnswers(t *testing.T) {
	document := NewContract(t)
	r := httptest.NewRequest(http.MethodGet, "/health", nil)
	for name, change := range map[string]func(a *http.Response, body *string){
		"":                     func(*http.Response, *string) {},
		"member of other type": func(_ *http.Response, body *string) { *body = `{"status":1}` },
		"unlisted status":      func(a *http.Response, _ *string) { a.StatusCode = http.StatusAccepted },
		"content type":         func(a *http.Response, _ *string) { a.Header.Set("Content-Type", "text/plain") },
		"no policy":            func(a *http.Response, _ *string) { a.Header.Del("Content-Security-Policy") },
	} {
		body := `{"status":"OK."}`
		answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{
			"Content-Type": {"application/json"}, "X-Content-Type-Options": {"nosniff"}, "Referrer-Policy": {"no-referrer"},
			"Cross-Origin-Resource-Policy": {"same-origin"},
			"Content-Security-Policy":      {"default-src 'none'; base-uri 'none'; frame-ancestors 'none'"},
		}, Body: io.NopCloser(strings.NewReader(""))}
		change(answer, &body)
		if err := document.Check(r, answer, []byte(body)); (err == nil) != (name == "") {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

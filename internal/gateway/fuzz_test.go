package gateway_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// FuzzGateway sends whatever net/http can read to the gateway listener. Every answer keeps
// the contract, none is a failure of ours, a redirect leads to loopback or to our own
// pages, and the token is in no answer but that of /token.
func FuzzGateway(f *testing.F) {
	var output process.Output
	settings, _ := t2gtest.Defaults(&output)
	server, err := gateway.New(settings)
	if err != nil {
		f.Fatal(err)
	}
	contract := t2gtest.NewContract(f)
	browser := "Accept: text/html\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document"
	form := browser + "\r\nContent-Type: application/x-www-form-urlencoded"
	for _, operation := range contract.Operations() {
		method, path, _ := strings.Cut(operation, " ")
		f.Add(method, example(path), browser, "")
		f.Add("HEAD", example(path)+"?a=b", "Accept-Encoding: gzip", "")
	}
	for _, k := range flowClients(f) {
		f.Add("GET", k.path("client=my tool"), "", "")
		f.Add("GET", k.path("target=", "responseMode=page"), browser, "")
		f.Add("POST", k.path("responseMode=form_post"), form, "decision=allow&fingerprint="+strings.Repeat("0", 64)+"&expiry=1&mac=x")
	}
	f.Add("GET", "/nothing/%2e%2e/%zz?;&%", "X-Forwarded-Prefix: /a/b\r\nHost: other", "")
	f.Add("GET", "/echo?pretty&token=x", "Cookie: a=b; c\r\nAuthorization: Basic YTpi\r\nX-Forwarded-Access-Token: a,b", "")
	f.Add("GET", "/token", "Sec-Purpose: prefetch;prerender\r\nIf-None-Match: *\r\nRange: bytes=0-", "")
	f.Add("GET", "http://127.0.0.1@evil.example/docs", "X-Forwarded-Prefix: //evil.example", "")
	f.Add("OPTIONS", "*", "Origin: null", "")
	f.Add("CONNECT", "127.0.0.1:80", "", "")

	f.Fuzz(func(t *testing.T, method, target, lines, body string) {
		lines = strings.Trim(lines, "\r\n")
		if lines != "" {
			lines += "\r\n"
		}
		raw := method + " " + target + " HTTP/1.1\r\nHost: t2g.example.org\r\n" + lines + "\r\n"
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return // net/http refuses it before it reaches us
		}
		const ours = "m4rked-t0ken-0f-4da-9X2kQ7vT"
		if len(r.Header["X-Forwarded-Access-Token"]) == 0 {
			r.Header.Set("X-Forwarded-Access-Token", ours)
		}
		r.RemoteAddr, r.Body = "192.0.2.7:4711", http.NoBody
		if body != "" {
			r.Body = httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)).Body
		}
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		answer := w.Result()
		answer.Request = r
		text := w.Body.String()
		if r.Method == http.MethodHead {
			text = "" // which net/http does not send
		}
		if answer.StatusCode >= 500 && answer.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("got %d: %s\n%s", answer.StatusCode, text, output.String())
		}
		if err := contract.Check(r, answer, []byte(text)); err != nil {
			t.Fatal(err)
		}
		checkLocation(t, answer.Header.Get("Location"))
		if strings.Contains(text, ours) && !strings.Contains(raw, ours) && r.URL.Path != "/token" {
			t.Fatalf("the answer holds the token: %s", text)
		}
		if written := output.String(); strings.Contains(written, ours) && !strings.Contains(raw, ours) || strings.Contains(written, `"level":"ERROR"`) {
			t.Fatalf("got on record: %s", written)
		}
		output = process.Output{}
	})
}

// checkLocation wants a redirect to loopback or to our own pages.
func checkLocation(t *testing.T, location string) {
	t.Helper()
	if location == "" || location == "./swagger-ui/" {
		return
	}
	to, err := url.Parse(location)
	if err != nil || to.Scheme != "http" || to.User != nil || to.Fragment != "" {
		t.Fatalf("got a redirect to %q (%v)", location, err)
	}
	switch to.Hostname() {
	case "127.0.0.1", "localhost", "::1":
	default:
		t.Fatalf("got a redirect to %q", location)
	}
}

package t2gtest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/token2go/token2go/openapi"
)

// Contract is the API document, to compare answers with.
type Contract struct {
	document  *openapi3.T
	prefix    string // goes before every path of the document
	transport http.RoundTripper
}

// NewContract loads the gateway listener's document, for a server without a prefix.
func NewContract(t testing.TB) *Contract { return newContract(t, loadGateway) }

// NewAPIContract loads the API listener's document.
func NewAPIContract(t testing.TB) *Contract { return newContract(t, loadAPI) }

func newContract(t testing.TB, load func() (*openapi3.T, error)) *Contract {
	t.Helper()
	document, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return &Contract{document: document, transport: NewClient(t).Transport}
}

// NewClient makes a client with a transport of its own. A test must not use the default
// one while others run: each httptest.Server that is closed closes its connections, which
// breaks requests that are about to use them.
func NewClient(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Each document is parsed once for all tests, which only read it.
var loadGateway, loadAPI = loader(openapi.GatewayJSON()), loader(openapi.APIYAML())

func loader(text string) func() (*openapi3.T, error) {
	return sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData([]byte(text)) })
}

// Operations lists the document's operations as "METHOD /path".
func (c *Contract) Operations() []string {
	var list []string
	for path, item := range c.document.Paths.Map() {
		for method := range item.Operations() {
			list = append(list, method+" "+path)
		}
	}
	return list
}

// Check compares an answer to r, with its whole body, with the document and with what it
// promises of every path. What has no operation there can only be refused.
func (c *Contract) Check(r *http.Request, answer *http.Response, body []byte) error {
	if err := c.check(r, answer, body); err != nil {
		return fmt.Errorf("%s %s: got %d: %w", r.Method, r.URL.Path, answer.StatusCode, err)
	}
	return nil
}

func (c *Contract) check(r *http.Request, answer *http.Response, body []byte) error {
	if err := everywhere(r, answer, body); err != nil {
		return err
	}
	operation := c.operation(r)
	if operation == nil {
		var err error
		if operation, err = c.unknown(r, answer); err != nil {
			return err
		}
	}
	described := operation.Responses.Status(answer.StatusCode)
	if described == nil {
		return errors.New("the API document does not name this status")
	}
	if r.Method == http.MethodHead {
		return nil
	}
	body, err := unpacked(answer, body)
	if err != nil {
		return err
	}
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, Route: &routers.Route{Spec: c.document, Operation: operation}},
		Status:                 answer.StatusCode, Header: answer.Header,
		Options: &openapi3filter.Options{MultiError: true, ExcludeResponseBody: !strings.HasSuffix(kind, "json")},
	}
	if err := openapi3filter.ValidateResponse(r.Context(), input.SetBodyBytes(body)); err != nil {
		return err
	}
	return checkBody(described.Value.Content, kind, answer, body)
}

// unpacked undoes the compression that a test asked for itself; any other, the
// transport has undone.
func unpacked(answer *http.Response, body []byte) ([]byte, error) {
	switch coding := answer.Header.Get("Content-Encoding"); coding {
	case "":
		return body, nil
	case "gzip":
		reader, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(reader)
	default:
		return nil, fmt.Errorf("the answer is compressed as %s", coding)
	}
}

// everywhere checks what holds for every path.
func everywhere(r *http.Request, answer *http.Response, body []byte) error {
	h := answer.Header
	policy := h.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, part) {
			return fmt.Errorf("the content security policy lacks %s: %q", part, policy)
		}
	}
	switch {
	case strings.Contains(policy, "unsafe-"):
		return fmt.Errorf("the content security policy is unsafe: %s", policy)
	case h.Get("X-Content-Type-Options") != "nosniff":
		return errors.New("the answer lacks X-Content-Type-Options: nosniff")
	case h.Get("Referrer-Policy") != "no-referrer" && h.Get("Referrer-Policy") != "same-origin":
		return fmt.Errorf("the referrer policy is %q", h.Get("Referrer-Policy"))
	case h.Get("Cross-Origin-Resource-Policy") != "same-origin":
		return errors.New("other origins may embed the answer")
	case strings.HasPrefix(h.Get("Content-Type"), "text/html") && (h.Get("Cross-Origin-Opener-Policy") != "same-origin" || h.Get("Permissions-Policy") == ""):
		return errors.New("other origins may open the page, or it lacks a permissions policy")
	case answer.StatusCode >= 400 && h.Get("Cache-Control") != "no-store":
		return fmt.Errorf("a refusal may be kept: Cache-Control is %q", h.Get("Cache-Control"))
	case h.Get("Cache-Control") == "no-store" && (answer.Uncompressed || h.Get("Content-Encoding") != ""):
		return errors.New("what is not to be stored is compressed")
	case r.Method == http.MethodHead && len(body) > 0:
		return errors.New("the answer to a HEAD has a body")
	}
	return nil
}

// unknown checks the answer of an operation that is not documented. It can only be refused,
// with a problem or its page; a preflight (CORS) is answered without a body.
func (c *Contract) unknown(r *http.Request, answer *http.Response) (*openapi3.Operation, error) {
	if answer.StatusCode == http.StatusNoContent && r.Header.Get("Access-Control-Request-Method") != "" {
		empty := &openapi3.ResponseRef{Value: openapi3.NewResponse()}
		return &openapi3.Operation{Responses: openapi3.NewResponses(openapi3.WithStatus(http.StatusNoContent, empty))}, nil
	}
	switch answer.StatusCode {
	case http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusForbidden, http.StatusMisdirectedRequest, http.StatusRequestHeaderFieldsTooLarge: // refused before routing
	default:
		return nil, errors.New("the API document has no such operation")
	}
	content := openapi3.Content{
		"application/problem+json": &openapi3.MediaType{Schema: c.document.Components.Schemas["Problem"]},
		"text/html":                &openapi3.MediaType{},
	}
	refusal := &openapi3.ResponseRef{Value: openapi3.NewResponse().WithContent(content)}
	return &openapi3.Operation{Responses: openapi3.NewResponses(openapi3.WithStatus(answer.StatusCode, refusal))}, nil
}

// checkBody checks what openapi3filter does not look at.
func checkBody(content openapi3.Content, kind string, answer *http.Response, body []byte) error {
	switch {
	case len(content) == 0 && len(body) > 0:
		return errors.New("there is a body, and the API document names none")
	case len(content) == 0:
		return nil
	case content[kind] == nil:
		return fmt.Errorf("the API document does not name the content type %q", kind)
	case len(body) == 0:
		return errors.New("there is no body")
	case kind == "text/html":
		return wholePage(answer.Header.Get("Content-Type"), string(body))
	case strings.HasSuffix(kind, "json"):
		return sameStatus(body, answer.StatusCode)
	}
	return nil
}

// sameStatus compares the status that a problem repeats (RFC 9457, section 3.1.2).
func sameStatus(body []byte, status int) error {
	if status < 400 {
		return nil
	}
	var problem struct{ Status int }
	if err := json.Unmarshal(body, &problem); err != nil {
		return err
	}
	if problem.Status != status {
		return fmt.Errorf("the problem has status %d", problem.Status)
	}
	return nil
}

func wholePage(kind, page string) error {
	if !strings.EqualFold(kind, "text/html; charset=utf-8") {
		return fmt.Errorf("the page is of type %q", kind)
	}
	page = strings.ToLower(strings.TrimSpace(page))
	if !strings.HasPrefix(page, "<!doctype html>") || !strings.HasSuffix(page, "</html>") {
		return errors.New("the page is not whole")
	}
	return nil
}

// operation finds a request's operation in the document; HEAD is answered as GET is.
func (c *Contract) operation(r *http.Request) *openapi3.Operation {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	path, _ := strings.CutPrefix(r.URL.EscapedPath(), c.prefix)
	if rest, keyed := strings.CutPrefix(path, "/k/"); keyed { // of the API listener
		_, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	if path == "" {
		path = "/"
	}
	paths := c.document.Paths.Map()
	if path == "/verify" || strings.HasPrefix(path, "/verify/") {
		method = http.MethodGet // documented once for every method
	}
	item := paths[path]
	for pattern, candidate := range paths {
		if item == nil && matches(pattern, path) {
			item = candidate
		}
	}
	if item == nil {
		return nil
	}
	return item.GetOperation(method)
}

// matches reports whether a path fits a pattern: {path} at its end takes any number of
// segments, another parameter one.
func matches(pattern, path string) bool {
	wanted, given := strings.Split(pattern, "/"), strings.Split(path, "/")
	for i, segment := range wanted {
		switch {
		case segment == "{path}":
			return len(given) > i
		case i >= len(given), segment != given[i] && !strings.HasPrefix(segment, "{"):
			return false
		}
	}
	return len(wanted) == len(given)
}

// Client returns a client that checks every answer of a host against the document. It
// follows no redirects.
func (c *Contract) Client(host string) *http.Client {
	return &http.Client{
		Transport:     &checked{contract: c, hosts: map[string]bool{host: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// checked is a transport that checks every answer of some hosts against the contract. A
// violation is the request's error, so that no test can overlook it.
type checked struct {
	contract *Contract
	hosts    map[string]bool
	cookie   *http.Cookie
}

func (c *checked) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if c.cookie != nil {
		r.AddCookie(c.cookie)
	}
	answer, err := c.contract.transport.RoundTrip(r)
	if err != nil || !c.hosts[r.URL.Host] || ofTheGateway(r.URL.Path) {
		return answer, err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	_ = answer.Body.Close()
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if err := c.contract.Check(r, answer, body); err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	return answer, nil
}

// ofTheGateway reports whether the pretend gateway answers a path itself.
func ofTheGateway(path string) bool {
	for _, folder := range []string{"/oauth2/", "/provider/", "/.well-known/"} {
		if strings.HasPrefix(path, folder) {
			return true
		}
	}
	return false
}

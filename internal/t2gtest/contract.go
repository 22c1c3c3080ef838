package t2gtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"token2go/openapi"
)

// Contract is the API document, ready to hold answers against.
type Contract struct{ document *openapi3.T }

// NewContract loads the document.
func NewContract(t testing.TB) *Contract {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData([]byte(openapi.YAML()))
	if err != nil {
		t.Fatal(err)
	}
	return &Contract{document: document}
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

// Check holds an answer against the document. What has no operation there can only be
// answered 404 or 405, with a problem or its page.
func (c *Contract) Check(r *http.Request, answer *http.Response, body []byte) error {
	operation := c.operation(r)
	if operation == nil {
		if answer.StatusCode < 400 {
			return fmt.Errorf("%s %s: got %d for what the API document does not know", r.Method, r.URL.Path, answer.StatusCode)
		}
		return nil
	}
	described := operation.Responses.Status(answer.StatusCode)
	if described == nil {
		return fmt.Errorf("%s %s: got status %d, which the API document does not name", r.Method, r.URL.Path, answer.StatusCode)
	}
	if err := c.validate(described.Value, answer, body); err != nil {
		return fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	return nil
}

func (c *Contract) validate(described *openapi3.Response, answer *http.Response, body []byte) error {
	for name, wanted := range described.Headers {
		if wanted.Value.Required && answer.Header.Get(name) == "" {
			return fmt.Errorf("the answer lacks the header %s", name)
		}
	}
	if len(body) == 0 {
		return nil
	}
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	media := described.Content.Get(kind)
	if media == nil {
		return fmt.Errorf("got content type %q with %d, which the API document does not name", kind, answer.StatusCode)
	}
	if media.Schema == nil || !strings.HasSuffix(kind, "json") {
		return nil
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	return media.Schema.Value.VisitJSON(value, openapi3.VisitAsResponse(), openapi3.MultiErrors())
}

// operation finds what the document says of a request; HEAD is answered as GET is.
func (c *Contract) operation(r *http.Request) *openapi3.Operation {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	paths := c.document.Paths
	item := paths.Value(r.URL.Path)
	if item == nil {
		folder := r.URL.Path[:strings.LastIndexByte(r.URL.Path, '/')+1]
		item = paths.Value(folder + "{file}")
	}
	if item == nil {
		return nil
	}
	return item.GetOperation(method)
}

// checked is a transport that holds every answer of some hosts against the contract. A
// breach is the request's error, so that no test can overlook it.
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
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || !c.hosts[r.URL.Host] {
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

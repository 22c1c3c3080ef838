package passes_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/passes"
)

func TestInput(t *testing.T) {
	for _, test := range []struct{ text, field string }{
		{`{"service":"notes","scopes":["read"],"rules":["GET /a",{"methods":["GET"],"path":"/b/*"}],"ttl":"7d","networks":["192.0.2.7"],"rate":{"requests":5,"per":"1m"}}`, ""},
		{`{"rules":["GET ("]}`, "rules"},
		{`{"rules":[{"methods":["GET"],"path":"b"}]}`, "rules"},
		{`{"rules":[1]}`, "rules"},
		{`{"networks":["192.0.2.7/8"]}`, "networks"},
		{`{"ttl":"soon"}`, "ttl"},
		{`{"ttl":"-1d"}`, "ttl"},
		{`{"ttl":"70000d"}`, "ttl"},
		{`{"rate":{"requests":0,"per":"1m"}}`, "rate"},
		{`{"rate":{"requests":1}}`, "rate"},
	} {
		var in passes.Input
		if err := json.Unmarshal([]byte(test.text), &in); err != nil {
			t.Fatal(err)
		}
		request, err := in.Request()
		invalid, _ := errors.AsType[*passes.Invalid](err)
		if invalid == nil {
			invalid = new(passes.Invalid)
		}
		if invalid.Field != test.field || (err != nil) != (test.field != "") {
			t.Errorf("%s: got %v, want %q", test.text, err, test.field)
		}
		if err == nil && (request.TTL != 7*24*time.Hour || fmt.Sprint(request.Networks) != "[192.0.2.7/32]" || request.Rate.Requests != 5 || len(request.Rules) != 2) {
			t.Errorf("got %+v", request)
		}
	}
	for text, field := range map[string]string{`{"method":"GET"}`: "url", `{"url":"/"}`: "method", `{"rules":["x"],"method":"GET","url":"/"}`: "rules"} {
		var in passes.Input
		if err := json.Unmarshal([]byte(text), &in); err != nil {
			t.Fatal(err)
		}
		_, err := in.Question()
		if invalid, found := errors.AsType[*passes.Invalid](err); !found || invalid.Field != field {
			t.Errorf("%s: got %v, want %q", text, err, field)
		}
	}
}

package gateway

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/token2go/token2go/internal/passes"
)

// readPassInput reads a pass that a person asks for, or a request that is tried on one: as
// JSON, or as the fields of a form, which it returns too.
func readPassInput(r *http.Request) (passes.Input, values, error) {
	var in passes.Input
	form, err := readBody(r, &in)
	if err != nil || form == nil {
		return in, nil, err
	}
	v := values(form)
	in = passes.Input{
		Service: v.get("service"), Name: v.get("name"), Scopes: v["scopes"], TTL: v.get("ttl"), Networks: v.list("networks"),
		Method: v.get("method"), URL: v.get("url"),
	}
	methods := v["methods"]
	for _, path := range v.lines("paths") {
		object, err := json.Marshal(map[string]any{"methods": methods, "path": path})
		if err != nil {
			return in, v, err
		}
		in.Rules = append(in.Rules, object)
	}
	for _, text := range v.lines("rules") {
		quoted, err := json.Marshal(text)
		if err != nil {
			return in, v, err
		}
		in.Rules = append(in.Rules, quoted)
	}
	return in, v, nil
}

// lines are the lines of a field that are not empty.
func (v values) lines(name string) (lines []string) {
	for line := range strings.Lines(v.get(name)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

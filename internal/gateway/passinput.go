package gateway

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/token2go/token2go/internal/passes"
	"github.com/token2go/token2go/internal/rule"
)

// passInput is a pass that a person asks for, or a request that is tried on one: as JSON,
// or as the fields of a form.
type passInput struct {
	Service  string            `json:"service"`
	Name     string            `json:"name"`
	Scopes   []string          `json:"scopes"`
	Rules    []json.RawMessage `json:"rules"`
	TTL      string            `json:"ttl"`
	Networks []string          `json:"networks"`
	Rate     *rateInput        `json:"rate"`

	// Of a request that is tried.
	Pass   string `json:"pass"`
	Method string `json:"method"`
	URL    string `json:"url"`
}

func readPassInput(r *http.Request) (passInput, values, error) {
	var in passInput
	form, err := readBody(r, &in)
	if err != nil || form == nil {
		return in, nil, err
	}
	v := values(form)
	in = passInput{
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

func (in passInput) rules() ([]rule.Rule, error) {
	var rules []rule.Rule
	for _, text := range in.Rules {
		var r rule.Rule
		if err := json.Unmarshal(text, &r); err != nil {
			field := "rules"
			if strings.HasPrefix(string(text), "{") {
				field = "paths"
			}
			return nil, &fieldError{field, err.Error()}
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func (in passInput) request() (passes.Request, error) {
	rules, err := in.rules()
	if err != nil {
		return passes.Request{}, err
	}
	networks, err := parseNetworks(in.Networks)
	if err != nil {
		return passes.Request{}, err
	}
	rate, err := parseRate(in.Rate)
	if err != nil {
		return passes.Request{}, err
	}
	ttl, err := parseSpan(in.TTL)
	if err != nil {
		return passes.Request{}, &fieldError{"ttl", err.Error()}
	}
	return passes.Request{Service: in.Service, Name: in.Name, Rules: rules, Scopes: in.Scopes, TTL: ttl, Networks: networks, Rate: rate}, nil
}

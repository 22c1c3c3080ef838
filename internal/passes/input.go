package passes

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/rule"
)

// Input is a pass that is asked for, or a request that is tried on one, as JSON.
type Input struct {
	Service  string            `json:"service"`
	Name     string            `json:"name"`
	Scopes   []string          `json:"scopes"`
	Rules    []json.RawMessage `json:"rules"` // texts or objects
	TTL      string            `json:"ttl"`   // such as 1h or 7d; empty: 0
	Networks []string          `json:"networks"`
	Rate     *struct {
		Requests int    `json:"requests"`
		Per      string `json:"per"`
	} `json:"rate"`

	// Of a request that is tried.
	Pass   string `json:"pass"`
	Method string `json:"method"`
	URL    string `json:"url"`
}

// Request is what the input asks for. The error is an *Invalid.
func (in Input) Request() (Request, error) {
	r := Request{Service: in.Service, Name: in.Name, Scopes: in.Scopes}
	var err error
	if r.Rules, err = in.ParseRules(); err != nil {
		return Request{}, err
	}
	for _, text := range in.Networks {
		network, err := apikey.ParseNetwork(text)
		if err != nil {
			return Request{}, &Invalid{"networks", fmt.Sprintf("addresses or networks such as 192.0.2.0/24, not %q", text)}
		}
		r.Networks = append(r.Networks, network)
	}
	if r.TTL, err = parseSpan(in.TTL); err != nil {
		return Request{}, &Invalid{"ttl", "a span such as 90m, 1h or 7d"}
	}
	if in.Rate == nil {
		return r, nil
	}
	per, err := parseSpan(in.Rate.Per)
	if err != nil || in.Rate.Requests < 1 || per < time.Second {
		return Request{}, &Invalid{"rate", "a number of requests from 1 in a span of a second or more"}
	}
	r.Rate = apikey.Rate{Requests: in.Rate.Requests, Per: per}
	return r, nil
}

// ParseRules reads the rules. The error is an *Invalid.
func (in Input) ParseRules() ([]rule.Rule, error) {
	var rules []rule.Rule
	for _, text := range in.Rules {
		var r rule.Rule
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, &Invalid{"rules", `a method and a pattern such as "GET /repos/.*", or methods and a path; ` + err.Error()}
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// Question is what the input asks of Explain. The error is an *Invalid.
func (in Input) Question() (Question, error) {
	rules, err := in.ParseRules()
	switch {
	case err != nil:
		return Question{}, err
	case in.URL == "":
		return Question{}, &Invalid{"url", "an address, or its path such as /notes/1"}
	case in.Method == "":
		return Question{}, &Invalid{"method", "a method such as GET"}
	}
	return Question{Service: in.Service, Pass: in.Pass, Rules: rules, Scopes: in.Scopes, Method: in.Method, URL: in.URL}, nil
}

// parseSpan reads a span of days, or one as Go writes it.
func parseSpan(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	if days, found := strings.CutSuffix(text, "d"); found {
		number, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(number) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}

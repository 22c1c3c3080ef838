package passes

import (
	"errors"

	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/rule"
)

// Question is a request about which is asked whether it would be allowed.
type Question struct {
	Service string // may be empty with Pass
	Pass    string // the text of a pass; empty: Rules and Scopes count
	Rules   []rule.Rule
	Scopes  []string
	Method  string
	URL     string // absolute, as the upstream or this server has it, or from its path on
}

// Explanation says what would become of a request. Nothing is called.
type Explanation struct {
	Allowed bool     `json:"allowed"`
	Because string   `json:"because"`           // for people
	Rule    string   `json:"rule,omitempty"`    // the last rule that decided, as it was written
	Path    string   `json:"path,omitempty"`    // as rules see it
	Sent    string   `json:"sent,omitempty"`    // what would go to the upstream
	Headers []string `json:"headers,omitempty"` // what would be added, masked
}

func refused(because string) Explanation { return Explanation{Because: because} }

// Explain tries a request on a pass or on rules. Without a pass the actor must be one who
// may use the service. The error may be ErrService or one of package pass.
func (m *Manager) Explain(by Actor, q Question) (Explanation, error) {
	service, sets, err := m.limits(by, q)
	if err != nil {
		return Explanation{}, err
	}
	path, query := service.cut(q.URL, m.o.Server)
	examined, err := rule.Examine(path, service.Path)
	if refusal, found := errors.AsType[*rule.PathError](err); found {
		return refused("the path is refused, whatever the rules: " + string(refusal.Reason)), nil
	}
	if rule.OverridesMethod(query) {
		return refused("the query asks the service for another method"), nil
	}
	call := rule.Call{Method: q.Method, Path: examined, Query: query}
	answer := Explanation{Path: examined.String()}
	for _, set := range sets {
		decision := set.Decide(call)
		answer.Rule = decision.Rule
		switch {
		case decision.Denied:
			answer.Because = set.whose + " denies it by " + decision.Rule
			return answer, nil
		case !decision.Allowed:
			answer.Because = "no rule of " + set.whose + " allows it"
			return answer, nil
		}
	}
	answer.Allowed, answer.Because = true, "allowed by "+answer.Rule
	answer.Sent, answer.Headers = q.Method+" "+service.BaseURL+path, service.Injected
	if query != "" {
		answer.Sent += "?" + query
	}
	return answer, nil
}

// limit is rules with whose they are.
type limit struct {
	rule.Set
	whose string
}

// limits are the sets that must all allow a request.
func (m *Manager) limits(by Actor, q Question) (Service, []limit, error) {
	own := pass.Pass{Service: q.Service, Limit: pass.Limit{Rules: q.Rules, Scopes: q.Scopes}}
	whose := "the pass"
	if q.Pass != "" {
		opened, err := m.o.Issuer.Inspect(q.Pass)
		if err != nil {
			return Service{}, nil, err
		}
		if q.Service != "" && q.Service != opened.Service {
			return Service{}, nil, pass.ErrService
		}
		// Whoever holds a pass may use its service.
		own, by = opened, Actor{Mints: []string{opened.Service}}
	}
	service, err := m.service(by, own.Service)
	if err != nil {
		return Service{}, nil, err
	}
	var limits []limit
	for _, set := range service.Sets {
		limits = append(limits, limit{set, "the service"})
	}
	for i, set := range own.Sets(service.scopes()) {
		if i > 0 || len(own.Rules)+len(own.Scopes) == 0 {
			whose = "the pass that this one was made from"
		}
		limits = append(limits, limit{set, whose})
	}
	return service, limits, nil
}

package rule

import "slices"

// Set says what may be called: what a rule of Allow fits, unless one of Deny does.
type Set struct {
	Allow  []Rule
	Deny   []Rule
	Legacy bool // rules of Allow fit the beginning of a path, without case, as magic-api-proxy's do
}

// Call is a request as rules see it.
type Call struct {
	Method string
	Path   Path
	Query  string // raw, without the question mark
}

// Decision is what a Set says of a call.
type Decision struct {
	Allowed bool
	Rule    string // the rule that decided, as it was written; empty where none fits
	Denied  bool   // Rule is one of Deny
}

// Decide looks for a rule that fits. TRACE and CONNECT are never allowed.
func (s Set) Decide(c Call) Decision {
	if isForbidden(c.Method) {
		return Decision{}
	}
	if i := slices.IndexFunc(s.Deny, func(r Rule) bool { return r.denies(c) }); i >= 0 {
		return Decision{Rule: s.Deny[i].text, Denied: true}
	}
	if i := slices.IndexFunc(s.Allow, func(r Rule) bool { return r.allows(c, s.Legacy) }); i >= 0 {
		return Decision{Allowed: true, Rule: s.Allow[i].text}
	}
	return Decision{}
}

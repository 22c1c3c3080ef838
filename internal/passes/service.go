package passes

import (
	"slices"
	"strings"

	"github.com/token2go/token2go/internal/rule"
)

// Service is what passes are for.
type Service struct {
	Name     string // in the services file and in addresses
	Title    string // for people; empty: the name
	Scopes   []Scope
	Sets     []rule.Set   // what may be called at all: each must allow
	Path     rule.Options // how paths are examined
	BaseURL  string       // without a slash at its end
	Origin   string       // of BaseURL
	Injected []string     // headers and parameters that are added, with their values masked
	Personal bool         // the credential is the token of the person who makes the pass
	People   []string     // roles, groups or subjects who may make passes; nil: administrators alone
}

// Scope is a set of rules with a name.
type Scope struct {
	Name  string
	Title string // for people; empty: the name
	Rules []rule.Rule
}

// Everyone is the entry of Service.People that stands for everyone who is signed in.
const Everyone = "*"

// scopes are the rules by the name of their scope.
func (s Service) scopes() map[string][]rule.Rule {
	rules := map[string][]rule.Rule{}
	for _, scope := range s.Scopes {
		rules[scope.Name] = scope.Rules
	}
	return rules
}

// Actor is who asks.
type Actor struct {
	Name    string   // for events: a person's or a key's subject, or such as "command line"
	Subject string   // of passes that the actor makes: pass.PersonSubject and its like
	Person  []string // the person's subject, roles and groups; nil: no person
	Mints   []string // services that the key of the actor may mint for
	Admin   bool
}

// uses reports whether the actor may make passes for the service.
func (a Actor) uses(s Service) bool {
	if a.Admin || slices.Contains(a.Mints, s.Name) {
		return true
	}
	return a.Person != nil && (slices.Contains(s.People, Everyone) ||
		slices.ContainsFunc(a.Person, func(name string) bool { return slices.Contains(s.People, name) }))
}

// cut returns the path and query that a URL has below the service's base URL. It may be
// absolute, as the upstream or this server has it, or begin with a slash.
func (s Service) cut(url, server string) (path, query string) {
	for _, base := range []string{s.BaseURL, server + "/s/" + s.Name} {
		rest, found := strings.CutPrefix(url, base)
		if found && (rest == "" || strings.ContainsAny(rest[:1], "/?")) {
			url = rest
			break
		}
	}
	path, query, _ = strings.Cut(url, "?")
	if path == "" {
		path = "/"
	}
	return path, query
}

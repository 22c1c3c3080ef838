package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/rule"
)

// rulesPlan holds the flags of rules check.
type rulesPlan struct {
	deny, try []string
	rule.Options
}

func rulesCommand() *cobra.Command {
	return group("rules", "Try the rules of services and passes", "rules is about rules: which methods and paths of a service may be called.", rulesCheckCommand())
}

func rulesCheckCommand() *cobra.Command {
	var plan rulesPlan
	c := &cobra.Command{
		Use:   "check RULE…",
		Short: "Read rules, point out what is probably not meant, and try requests on them",
		Long: "check reads rules, each a text such as \"GET /repos/.*\" or an object such as\n" +
			"{\"methods\":[\"GET\"],\"path\":\"/repos/*/issues/**\"}, and prints what is probably not meant. With --try it\n" +
			"prints which rule allows or denies a request. Nothing is called.\n\n" +
			"It ends with exit code 1 if a request that it tried would be refused, with 2 if a rule is wrong.",
		Example: "  token2go-server rules check 'GET /repos/[^/]+/issues' --try 'GET /repos/x/issues?state=open' --try 'GET /user'",
		RunE: func(c *cobra.Command, arguments []string) error {
			return plan.run(c.OutOrStdout(), arguments)
		},
	}
	// Not StringSlice, which would take a comma in a pattern for the end of a rule.
	c.Flags().StringArrayVar(&plan.deny, "deny", nil, "`RULE` that refuses what others allow; may be given again")
	c.Flags().StringArrayVar(&plan.try, "try", nil, "`REQUEST` to try, such as \"GET /user\"; may be given again")
	c.Flags().BoolVar(&plan.EncodedSlash, "encoded-slash", false, "the service has encoded_slash: preserve")
	c.Flags().BoolVar(&plan.Semicolon, "semicolon", false, "the service has semicolon: allow")
	c.Flags().BoolVar(&plan.EmptySegments, "empty-segments", false, "the service has empty_segments: allow")
	return c
}

var errRefused = errors.New("a request that was tried is refused")

func (p rulesPlan) run(w io.Writer, texts []string) error {
	if len(texts) == 0 {
		return fmt.Errorf("%w: want at least one rule; try token2go-server rules check --help", errUsage)
	}
	allow, err := parseRules(texts)
	if err != nil {
		return err
	}
	deny, err := parseRules(p.deny)
	if err != nil {
		return err
	}
	for _, r := range allow {
		findings := rule.Lint(r)
		if len(findings) == 0 {
			fmt.Fprintf(w, "ok       %s\n", r)
		}
		for _, finding := range findings {
			fmt.Fprintf(w, "warning  %s: %s\n", r, finding)
		}
	}
	refused := false
	for _, request := range p.try {
		verdict, allowed, err := p.verdict(rule.Set{Allow: allow, Deny: deny}, request)
		if err != nil {
			return err
		}
		refused = refused || !allowed
		fmt.Fprintf(w, "%-8s %s: %s\n", map[bool]string{true: "allowed", false: "refused"}[allowed], request, verdict)
	}
	if refused {
		return errRefused
	}
	return nil
}

// verdict tries one request, as it would be on the wire.
func (p rulesPlan) verdict(set rule.Set, request string) (why string, allowed bool, err error) {
	method, target, found := strings.Cut(request, " ")
	if !found {
		return "", false, fmt.Errorf("%w: request %q, want one such as \"GET /user\"", errUsage, request)
	}
	path, query, _ := strings.Cut(target, "?")
	examined, err := rule.Examine(path, p.Options)
	if refusal, found := errors.AsType[*rule.PathError](err); found {
		return refusal.Error(), false, nil
	}
	decision := set.Decide(rule.Call{Method: method, Path: examined, Query: query})
	switch {
	case decision.Denied:
		return "denied by " + decision.Rule, false, nil
	case !decision.Allowed:
		return "no rule allows it", false, nil
	case rule.OverridesMethod(query):
		return "the query asks for another method", false, nil
	}
	return "by " + decision.Rule, true, nil
}

// parseRules reads rules in either form.
func parseRules(texts []string) ([]rule.Rule, error) {
	var rules []rule.Rule
	for _, text := range texts {
		var r rule.Rule
		var err error
		if strings.HasPrefix(text, "{") {
			err = json.Unmarshal([]byte(text), &r)
		} else {
			r, err = rule.Parse(text)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

package rule

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// Lint lists what is probably not meant in a rule that allows: a sentence each.
func Lint(r Rule) []string {
	var findings []string
	add := func(found bool, format string, args ...any) {
		if found {
			findings = append(findings, fmt.Sprintf(format, args...))
		}
	}
	everything := r.path.MatchString("/") && r.path.MatchString("/a/b.c") && r.path.MatchString("/admin")
	add(everything && r.coversMethod("DELETE"), "it allows every method on every path")
	add(strings.Contains(r.pattern, "graphql"), "a GraphQL endpoint has one path for every action: this rule allows all of them")
	prefix, _ := r.path.LiteralPrefix()
	add(prefix != "" && prefix[0] != '/', "it allows nothing: every path begins with a slash")
	add(strings.Contains(r.pattern, `\?`) || strings.ContainsAny(r.pattern, "#"), "it allows nothing with a query or a fragment in it: rules see the path alone")
	if strings.HasPrefix(r.text, "{") {
		return findings // a glob has no expression to be wrong
	}
	parsed, err := syntax.Parse(r.pattern, syntax.Perl)
	if err != nil {
		return findings // compile refused it
	}
	add(hasLooseDot(parsed), `. matches any character; write \. for a dot`)
	add(crossesSlash(parsed), "an expression before the end of the path spans slashes; [^/]+ is one segment")
	return findings
}

// hasLooseDot reports whether a dot is between letters, where a literal one is meant.
func hasLooseDot(expression *syntax.Regexp) bool {
	for i, part := range expression.Sub {
		isDot := part.Op == syntax.OpAnyCharNotNL || part.Op == syntax.OpAnyChar
		if isDot && expression.Op == syntax.OpConcat && i > 0 && expression.Sub[i-1].Op == syntax.OpLiteral {
			return true
		}
		if hasLooseDot(part) {
			return true
		}
	}
	return false
}

// crossesSlash reports whether a repetition that is not the last part fits a slash.
func crossesSlash(expression *syntax.Regexp) bool {
	if expression.Op != syntax.OpConcat {
		return false
	}
	for _, part := range expression.Sub[:len(expression.Sub)-1] {
		for part.Op == syntax.OpCapture {
			part = part.Sub[0]
		}
		switch part.Op {
		case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat:
			if fitsSlash(part.Sub[0]) {
				return true
			}
		}
	}
	return false
}

// fitsSlash reports whether an expression for one character fits a slash.
func fitsSlash(expression *syntax.Regexp) bool {
	compiled, err := regexp.Compile("^(?:" + expression.String() + ")$")
	return err == nil && compiled.MatchString("/")
}

package rule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// AnyMethod is the method of a rule that matches every method.
const AnyMethod = "*"

// Rule allows, or denies, some methods on some paths.
//
// It is written as a text, METHOD PATTERN, where PATTERN is a regular expression (RE2) for
// the whole path, or as an object: {"methods":["GET"],"path":"/repos/*/issues/**",
// "query":{"state":["open"]}}. In the object's path, * is one segment and a last ** any
// rest. A parameter of the query must be given exactly once, with one of the values.
//
// HEAD is allowed where GET is.
type Rule struct {
	text    string // as it was written
	methods []string
	path    *regexp.Regexp // for the whole path
	folded  *regexp.Regexp // likewise, without case, with slashes at the end: for denying
	legacy  *regexp.Regexp // for the beginning of the path, without case
	query   map[string][]string
	pattern string // as a regular expression, not anchored
}

// String is the rule as it was written.
func (r Rule) String() string { return r.text }

// maxPattern bounds what one rule may cost, in bytes.
const maxPattern = 2048

// Parse reads a rule written as a text.
func Parse(text string) (Rule, error) {
	method, pattern, found := strings.Cut(text, " ")
	pattern = strings.TrimLeft(pattern, " ")
	if !found || method == "" || pattern == "" {
		return Rule{}, fmt.Errorf(`rule %q, want "METHOD PATTERN" such as "GET /repos/.*"`, text)
	}
	if err := checkMethod(method); err != nil {
		return Rule{}, fmt.Errorf("rule %q: %w", text, err)
	}
	return compile(Rule{text: text, methods: []string{method}, pattern: pattern})
}

// UnmarshalJSON reads a rule in either form.
func (r *Rule) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		parsed, err := Parse(text)
		*r = parsed
		return err
	}
	var object struct {
		Methods []string            `json:"methods"`
		Path    string              `json:"path"`
		Query   map[string][]string `json:"query"`
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&object); err != nil {
		return fmt.Errorf(`rule: %w; want "METHOD PATTERN" or {"methods":[…],"path":"/…","query":{…}}`, err)
	}
	parsed, err := parseObject(string(data), object.Methods, object.Path, object.Query)
	*r = parsed
	return err
}

// MarshalJSON writes the rule as it was written.
func (r Rule) MarshalJSON() ([]byte, error) {
	if strings.HasPrefix(r.text, "{") {
		return []byte(r.text), nil
	}
	return json.Marshal(r.text)
}

func parseObject(text string, methods []string, path string, query map[string][]string) (Rule, error) {
	if len(methods) == 0 {
		return Rule{}, fmt.Errorf(`rule %s: no methods; ["*"] is every method`, text)
	}
	for _, method := range methods {
		if err := checkMethod(method); err != nil {
			return Rule{}, fmt.Errorf("rule %s: %w", text, err)
		}
	}
	pattern, err := fromGlob(path)
	if err != nil {
		return Rule{}, fmt.Errorf("rule %s: %w", text, err)
	}
	for name, values := range query {
		if name == "" || len(values) == 0 {
			return Rule{}, fmt.Errorf("rule %s: the query wants a name and at least one value for each parameter", text)
		}
	}
	return compile(Rule{text: text, methods: methods, pattern: pattern, query: query})
}

// checkMethod requires a method as it is in a request: methods are compared exactly.
func checkMethod(method string) error {
	switch {
	case method == AnyMethod:
		return nil
	case isForbidden(method):
		return fmt.Errorf("method %s is never allowed", strings.ToUpper(method))
	case method != strings.ToUpper(method):
		return fmt.Errorf("method %q matches no request; write %s", method, strings.ToUpper(method))
	case strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "":
		return fmt.Errorf("method %q, want one such as GET, or * for every method", method)
	}
	return nil
}

// isForbidden reports whether no rule can allow a method: TRACE echoes the credential,
// CONNECT opens a tunnel.
func isForbidden(method string) bool {
	return strings.EqualFold(method, "TRACE") || strings.EqualFold(method, "CONNECT")
}

// fromGlob makes a regular expression of an object's path.
func fromGlob(path string) (string, error) {
	if !strings.HasPrefix(path, "/") {
		return "", fmt.Errorf("path %q, want one that begins with /", path)
	}
	segments := strings.Split(path[1:], "/")
	for i, segment := range segments {
		switch {
		case segment == "**" && i == len(segments)-1:
			segments[i] = ".*"
		case segment == "*":
			segments[i] = "[^/]+"
		case strings.Contains(segment, "*"):
			return "", fmt.Errorf("path %q: * matches one whole segment, ** for any rest at the end", path)
		case strings.ContainsAny(segment, "?#"):
			return "", fmt.Errorf("path %q has a query or a fragment; the query has a member of its own", path)
		default:
			segments[i] = regexp.QuoteMeta(segment)
		}
	}
	return "/" + strings.Join(segments, "/"), nil
}

// compile prepares the expressions. The pattern is compiled alone first, so that it
// cannot close the group that anchors it.
func compile(r Rule) (Rule, error) {
	if len(r.pattern) > maxPattern {
		return Rule{}, fmt.Errorf("rule of %d bytes, want at most %d", len(r.pattern), maxPattern)
	}
	if _, err := regexp.Compile(r.pattern); err != nil {
		return Rule{}, fmt.Errorf("rule %q: %w", r.text, err)
	}
	group := "(?:" + r.pattern + ")"
	var errs [3]error
	r.path, errs[0] = regexp.Compile("^" + group + "$")
	r.folded, errs[1] = regexp.Compile("(?i)^" + group + "/*$")
	r.legacy, errs[2] = regexp.Compile("(?i)^" + group)
	if err := errors.Join(errs[:]...); err != nil {
		return Rule{}, fmt.Errorf("rule %q: %w", r.text, err)
	}
	return r, nil
}

// coversMethod reports whether the rule is about the method.
func (r Rule) coversMethod(method string) bool {
	return slices.ContainsFunc(r.methods, func(m string) bool {
		return m == AnyMethod || m == method || m == "GET" && method == "HEAD"
	})
}

// allows reports whether the rule allows the request. Every way to read the path must
// match, so that no upstream makes another path of an allowed one.
func (r Rule) allows(c Call, legacy bool) bool {
	expression := r.path
	if legacy {
		expression = r.legacy
	}
	if !r.coversMethod(c.Method) || !expression.MatchString(c.Path.decoded) {
		return false
	}
	// An upstream that decodes first would find another query in the path.
	hasQuery := func(reading string) bool { return strings.ContainsAny(reading, "?#") }
	if len(r.query) > 0 && (hasQuery(c.Path.decoded) || slices.ContainsFunc(c.Path.others, hasQuery)) {
		return false
	}
	for _, reading := range c.Path.others {
		if !expression.MatchString(reading) {
			return false
		}
	}
	return hasValues(r.query, c.Query)
}

// denies reports whether the rule denies the request: one way to read the path suffices,
// without case. The query of a rule that denies need only be there.
func (r Rule) denies(c Call) bool {
	if !r.coversMethod(c.Method) && !r.coversMethod(strings.ToUpper(c.Method)) {
		return false
	}
	matches := func(reading string) bool {
		return r.folded.MatchString(reading) || r.folded.MatchString(widest(reading))
	}
	return (matches(c.Path.decoded) || slices.ContainsFunc(c.Path.others, matches)) && hasAny(r.query, c.Query)
}

// widest is the path that the most lenient upstream makes of a reading: encoded slashes
// are slashes, full-width letters and their like are plain ones (NFKC), and spaces
// and dots at the end of a name do not count.
func widest(reading string) string {
	segments := strings.Split(norm.NFKC.String(strings.ReplaceAll(reading, encodedSlash, "/")), "/")
	for i, segment := range segments {
		segments[i] = strings.TrimRight(segment, ". ")
	}
	return strings.Join(segments, "/")
}

// hasValues reports whether each parameter is given exactly once, by the widest reading of
// the query, under its exact name and with one of its values, so that every upstream reads
// the same.
func hasValues(want map[string][]string, query string) bool {
	const tooMany = 500 // PHP and Node's qs ignore what comes after 1000
	// Upstreams differ in what they make of a raw semicolon or number sign.
	if len(want) > 0 && (strings.ContainsAny(query, ";#") || strings.Count(query, "&") > tooMany) {
		return false
	}
	for name, values := range want {
		given := parameters(query, name)
		if len(given) != 1 || !given[0].is(name, values) {
			return false
		}
	}
	return true
}

// hasAny reports whether one of the parameters is given with one of its values, without
// case; with none wanted, it is.
func hasAny(want map[string][]string, query string) bool {
	for name, values := range want {
		for _, given := range parameters(query, name) {
			sent := strings.TrimSpace(unescapeQuery(given.value))
			if slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, sent) }) {
				return true
			}
		}
	}
	return len(want) == 0
}

// parameter is a piece of a raw query.
type parameter struct{ name, value string }

// is reports whether the strictest upstream reads the name and one of the values.
func (p parameter) is(name string, values []string) bool {
	decoded, err := url.QueryUnescape(p.name)
	if err != nil || decoded != name {
		return false
	}
	value, err := url.QueryUnescape(p.value)
	return err == nil && slices.Contains(values, value)
}

// parameters are the pieces of a raw query that some upstream takes for a parameter of this
// name: pieces between & or ;, names without case, in any encoding and as PHP rewrites
// them (https://www.php.net/manual/en/language.variables.external.php).
func parameters(query, name string) []parameter {
	wanted := underscores(name)
	var found []parameter
	for piece := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		key, value, _ := strings.Cut(piece, "=")
		plain, _, _ := strings.Cut(strings.TrimSpace(unescapeQuery(key)), "\x00")
		beforeIndex, _, _ := strings.Cut(plain, "[")
		for _, reading := range []string{beforeIndex, plain} {
			if strings.EqualFold(underscores(reading), wanted) {
				found = append(found, parameter{key, value})
				break
			}
		}
	}
	return found
}

// underscores is a name as PHP rewrites it.
func underscores(name string) string {
	return strings.NewReplacer(".", "_", " ", "_", "[", "_").Replace(name)
}

// unescapeQuery decodes what the most lenient upstream decodes, IIS's %uXXXX among it; the
// rest stays as it is.
func unescapeQuery(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '+' {
			out.WriteByte(' ')
			continue
		}
		if c, valid := unescape(text[i:]); text[i] == '%' && valid {
			out.WriteByte(c)
			i += 2
			continue
		}
		if len(text) >= i+6 && strings.EqualFold(text[i:i+2], "%u") {
			if r, err := strconv.ParseUint(text[i+2:i+6], 16, 16); err == nil {
				out.WriteRune(rune(r))
				i += 5
				continue
			}
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

// OverridesMethod reports whether a query asks the upstream for another method than the
// request's, as some frameworks and APIs allow.
func OverridesMethod(query string) bool {
	if query == "" {
		return false
	}
	for _, name := range []string{
		"_method", "x-http-method-override", "x-http-method", "x-method-override",
		"_HttpMethod", "$httpMethod", // Salesforce, Google
	} {
		if len(parameters(query, name)) > 0 {
			return true
		}
	}
	return false
}

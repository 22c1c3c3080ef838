package rule_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/rule"
)

// vectors is openapi/vectors/paths.json.
type vectors struct {
	Rules rule.Set
	Cases []struct {
		Path, Verdict string
		Reason        rule.Reason
		Options       rule.Options
	}
	Targets []struct {
		Target, Host, Path, Query string
		Refused                   bool
	}
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	data, err := os.ReadFile("../../openapi/vectors/paths.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Cases) < 600 || len(v.Targets) == 0 {
		t.Fatalf("%d paths and %d targets, want 600 and some", len(v.Cases), len(v.Targets))
	}
	return v
}

func TestExamineAndDecideOnHostilePaths(t *testing.T) {
	v := readVectors(t)
	for _, test := range v.Cases {
		verdict, reason := decide(v.Rules, test.Path, test.Options)
		if verdict != test.Verdict || reason != test.Reason {
			t.Errorf("%q %+v: got %s %s, want %s %s", shortened(test.Path), test.Options, verdict, reason, test.Verdict, test.Reason)
		}
	}
}

func decide(rules rule.Set, raw string, options rule.Options) (string, rule.Reason) {
	path, err := rule.Examine(raw, options)
	if refusal, refused := errors.AsType[*rule.PathError](err); refused {
		return "refused", refusal.Reason
	}
	switch d := rules.Decide(rule.Call{Method: "GET", Path: path}); {
	case d.Allowed:
		return "allowed", ""
	case d.Denied:
		return "denied", ""
	}
	return "no_rule", ""
}

func shortened(text string) string { return text[:min(len(text), 80)] }

func TestExamineKeepsTheBytes(t *testing.T) {
	for _, raw := range []string{"/caf%C3%A9", "/caf%c3%a9", "/%61dmin", "/a%20b+c", "/a|b"} {
		path, err := rule.Examine(raw, rule.Options{})
		if err != nil || path.Raw() != raw {
			t.Errorf("%q: got %q, %v", raw, path.Raw(), err)
		}
	}
	path, err := rule.Examine("/%61dmin/caf%C3%A9", rule.Options{})
	if err != nil || path.String() != "/admin/café" {
		t.Errorf("got %q, %v", path, err)
	}
}

func TestExamineUnscoped(t *testing.T) {
	for path, want := range map[string]rule.Reason{
		"/caf%e9": "", "/a;b": "", "/%ff": "",
		"/%c0%ae%c0%ae/": rule.Overlong, "/../a": rule.DotSegment, "/a%2fb": rule.EncodedSlash, "/..;/a": rule.DotSegment,
	} {
		_, err := rule.Examine(path, rule.Options{Unscoped: true})
		refusal, _ := errors.AsType[*rule.PathError](err)
		if refusal == nil {
			refusal = new(rule.PathError)
		}
		if refusal.Reason != want {
			t.Errorf("%q: got %q, want %q", path, refusal.Reason, want)
		}
	}
}

func TestSplitTarget(t *testing.T) {
	for _, test := range readVectors(t).Targets {
		path, query, err := rule.SplitTarget(test.Target, test.Host)
		if (err != nil) != test.Refused || path != test.Path || query != test.Query {
			t.Errorf("%q: got %q, %q, %v", test.Target, path, query, err)
		}
	}
}

func TestParse(t *testing.T) {
	for _, test := range []struct{ text, problem string }{
		{"GET /repos/.*", ""},
		{"* .*", ""},
		{"GET  /repos", ""},
		{"POST /x|/y", ""},
		{"PROPFIND /x", ""},
		{"", "METHOD PATTERN"},
		{"GET", "METHOD PATTERN"},
		{"GET ", "METHOD PATTERN"},
		{"/repos", "METHOD PATTERN"},
		{"get /user", "write GET"},
		{"TRACE /x", "never allowed"},
		{"Connect /x", "never allowed"},
		{"GET,POST /x", "want one such as GET"},
		{"GET /x(", "missing"},
		{"GET /x)|(/admin", "unexpected"},
		{"GET /(?!admin)", "invalid or unsupported"},
		{"GET /" + strings.Repeat("a", 3000), "at most 2048"},
	} {
		_, err := rule.Parse(test.text)
		if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) {
			t.Errorf("%q: got %v, want %q", shortened(test.text), err, test.problem)
		}
	}
}

func TestUnmarshalJSON(t *testing.T) {
	for _, test := range []struct{ text, problem string }{
		{`"GET /x"`, ""},
		{`{"methods":["GET","POST"],"path":"/repos/*/issues/**"}`, ""},
		{`{"methods":["*"],"path":"/"}`, ""},
		{`{"methods":["GET"],"path":"/x","query":{"state":["open","closed"]}}`, ""},
		{`{"methods":[],"path":"/x"}`, "no methods"},
		{`{"path":"/x"}`, "no methods"},
		{`{"methods":["get"],"path":"/x"}`, "write GET"},
		{`{"methods":["GET"],"path":"x"}`, "begins with /"},
		{`{"methods":["GET"],"path":"/v*/x"}`, "whole segment"},
		{`{"methods":["GET"],"path":"/**/x"}`, "whole segment"},
		{`{"methods":["GET"],"path":"/x?a=b"}`, "query"},
		{`{"methods":["GET"],"path":"/x","query":{"a":[]}}`, "at least one value"},
		{`{"methods":["GET"],"paths":"/x"}`, "unknown field"},
		{`7`, "METHOD PATTERN"},
	} {
		var r rule.Rule
		err := json.Unmarshal([]byte(test.text), &r)
		if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) {
			t.Errorf("%s: got %v, want %q", test.text, err, test.problem)
			continue
		}
		if again, err := json.Marshal(r); test.problem == "" && (err != nil || string(again) != test.text) {
			t.Errorf("%s is written as %s, %v", test.text, again, err)
		}
	}
}

func TestDecide(t *testing.T) {
	for _, test := range []struct {
		name, rules          string
		method, path, query  string
		legacy, wantsAllowed bool
	}{
		{"the whole path", `["GET /user"]`, "GET", "/user", "", false, true},
		{"a longer name", `["GET /user"]`, "GET", "/users/secret", "", false, false},
		{"a path below", `["GET /user"]`, "GET", "/user/keys", "", false, false},
		{"a slash at the end", `["GET /user"]`, "GET", "/user/", "", false, false},
		{"an alternative is anchored, too", `["GET /x|/admin"]`, "GET", "/admin/keys", "", false, false},
		{"an alternative", `["GET /x|/admin"]`, "GET", "/admin", "", false, true},
		{"anchors of its own", `["GET ^/user$"]`, "GET", "/user", "", false, true},
		{"another case", `["GET /user"]`, "GET", "/User", "", false, false},
		{"another method", `["GET /user"]`, "POST", "/user", "", false, false},
		{"a method in lower case", `["GET /user"]`, "get", "/user", "", false, false},
		{"HEAD where GET is", `["GET /user"]`, "HEAD", "/user", "", false, true},
		{"GET where HEAD is", `["HEAD /user"]`, "GET", "/user", "", false, false},
		{"every method", `["* /user"]`, "PURGE", "/user", "", false, true},
		{"TRACE under every method", `["* .*"]`, "TRACE", "/user", "", false, false},
		{"trace in lower case", `["* .*"]`, "Trace", "/user", "", false, false},
		{"CONNECT under every method", `["* .*"]`, "CONNECT", "/user", "", false, false},
		{"one of many rules", `["GET /a","GET /b"]`, "GET", "/b", "", false, true},
		{"no rule", `[]`, "GET", "/", "", false, false},
		{"one segment", `[{"methods":["GET"],"path":"/repos/*/issues"}]`, "GET", "/repos/a/issues", "", false, true},
		{"not two", `[{"methods":["GET"],"path":"/repos/*/issues"}]`, "GET", "/repos/a/b/issues", "", false, false},
		{"any rest", `[{"methods":["GET"],"path":"/repos/**"}]`, "GET", "/repos/a/b/c", "", false, true},
		{"an empty rest", `[{"methods":["GET"],"path":"/repos/**"}]`, "GET", "/repos/", "", false, true},
		{"not without the slash", `[{"methods":["GET"],"path":"/repos/**"}]`, "GET", "/repos", "", false, false},
		{"a dot is a dot in a glob", `[{"methods":["GET"],"path":"/a.b"}]`, "GET", "/axb", "", false, false},
		{"a parameter", `[{"methods":["GET"],"path":"/x","query":{"state":["open"]}}]`, "GET", "/x", "a=1&state=open", false, true},
		{"another value", `[{"methods":["GET"],"path":"/x","query":{"state":["open"]}}]`, "GET", "/x", "state=all", false, false},
		{"none", `[{"methods":["GET"],"path":"/x","query":{"state":["open"]}}]`, "GET", "/x", "", false, false},
		{"twice", `[{"methods":["GET"],"path":"/x","query":{"state":["open"]}}]`, "GET", "/x", "state=open&state=all", false, false},
		{"twice, with a semicolon", `[{"methods":["GET"],"path":"/x","query":{"state":["open"]}}]`, "GET", "/x", "state=open;state=all", false, false},
		{"twice, in another case", `[{"methods":["GET"],"path":"/x","query":{"state":["open"]}}]`, "GET", "/x", "state=open&STATE=all", false, false},
		{"twice, as a list", `[{"methods":["GET"],"path":"/x","query":{"state":["open"]}}]`, "GET", "/x", "state=open&state[]=all", false, false},
		{"twice, encoded", `[{"methods":["GET"],"path":"/x","query":{"state":["open"]}}]`, "GET", "/x", "state=open&%73tate=all", false, false},
		{"legacy: the beginning suffices", `["GET /user"]`, "GET", "/users/secret", "", true, true},
		{"legacy: without case", `["GET /user"]`, "GET", "/USER", "", true, true},
		{"legacy: not in the middle", `["GET /user"]`, "GET", "/x/user", "", true, false},
		{"legacy: alternatives begin there, too", `["GET /x|/admin"]`, "GET", "/y/admin", "", true, false},
	} {
		set := rule.Set{Legacy: test.legacy}
		if err := json.Unmarshal([]byte(test.rules), &set.Allow); err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		path, err := rule.Examine(test.path, rule.Options{})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		d := set.Decide(rule.Call{Method: test.method, Path: path, Query: test.query})
		if d.Allowed != test.wantsAllowed || d.Allowed == (d.Rule == "") {
			t.Errorf("%s: got %+v", test.name, d)
		}
	}
}

func TestDenyWins(t *testing.T) {
	set := rule.Set{Allow: rules(t, "* .*"), Deny: rules(t, "DELETE .*", "* /admin.*")}
	for call, allowed := range map[string]bool{
		"GET /x": true, "DELETE /x": false, "delete /x": false, "GET /admin": false, "GET /Admin/": false, "GET /adm%69n": false, "GET /administrators": false,
	} {
		method, raw, _ := strings.Cut(call, " ")
		path, err := rule.Examine(raw, rule.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if d := set.Decide(rule.Call{Method: method, Path: path}); d.Allowed != allowed || d.Denied == allowed {
			t.Errorf("%s: got %+v, want allowed %v", call, d, allowed)
		}
	}
}

func rules(t testing.TB, texts ...string) []rule.Rule {
	t.Helper()
	var parsed []rule.Rule
	for _, text := range texts {
		r, err := rule.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, r)
	}
	return parsed
}

func TestOverridesMethod(t *testing.T) {
	for query, want := range map[string]bool{
		"": false, "method=DELETE": false, "_method=DELETE": true, "a=1&_method=DELETE": true, "a=1;_method=DELETE": true,
		"_Method=DELETE": true, "_HttpMethod=PATCH": true, "$httpMethod=DELETE": true, "_method%00x=DELETE": true, "%u005fmethod=DELETE": true, "%5fmethod=DELETE": true, "_method": true, "_method[]=DELETE": true, "x_method=DELETE": false,
	} {
		if got := rule.OverridesMethod(query); got != want {
			t.Errorf("%q: got %v, want %v", query, got, want)
		}
	}
}

func TestLint(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"GET /repos/[^/]+/issues", ""},
		{`GET /v1\.0/items`, ""},
		{"GET /repos/.*", ""},
		{"* .*", "every method on every path"},
		{"POST /graphql", "GraphQL"},
		{"GET repos/.*", "begins with a slash"},
		{"GET /repos/.*/issues", "spans slashes"},
		{"GET /repos/(.+)/issues", "spans slashes"},
		{"GET /repos/[^?]+/issues", "spans slashes"},
		{"GET /v1.0/items", `write \.`},
		{`GET /items\?page=.*`, "the path alone"},
	} {
		findings := strings.Join(rule.Lint(rules(t, test.text)[0]), "\n")
		if test.want == "" && findings != "" || !strings.Contains(findings, test.want) {
			t.Errorf("%s: got %q, want %q", test.text, findings, test.want)
		}
	}
}

// FuzzExamine looks for a path that is allowed and leaves the rule when it is decoded,
// cut and resolved as upstreams do.
func FuzzExamine(f *testing.F) {
	v := readVectors(f)
	for _, test := range v.Cases {
		f.Add(test.Path, test.Options.EncodedSlash, test.Options.Semicolon, test.Options.EmptySegments)
	}
	set := rule.Set{Allow: rules(f, "GET /public/.*")}
	f.Fuzz(func(t *testing.T, raw string, encodedSlash, semicolon, empty bool) {
		path, err := rule.Examine(raw, rule.Options{EncodedSlash: encodedSlash, Semicolon: semicolon, EmptySegments: empty})
		if err != nil || !set.Decide(rule.Call{Method: "GET", Path: path}).Allowed {
			return
		}
		if path.Raw() != raw {
			t.Fatalf("%q is sent as %q", raw, path.Raw())
		}
		for _, reading := range upstreamReadings(raw) {
			if !strings.HasPrefix(reading, "/public/") {
				t.Fatalf("%q is allowed and may be read as %q", raw, reading)
			}
		}
	})
}

func BenchmarkExamineAndDecide(b *testing.B) {
	set := rule.Set{Allow: rules(b, "GET /repos/[^/]+/issues", "GET /repos/[^/]+/pulls/.*"), Deny: rules(b, "* /admin.*")}
	for b.Loop() {
		path, err := rule.Examine("/repos/token2go/pulls/17/files", rule.Options{})
		if err != nil || !set.Decide(rule.Call{Method: "GET", Path: path}).Allowed {
			b.Fatal(err)
		}
	}
}

// TestDecideReadsQueryAsEveryUpstream: where upstreams read a query in different ways, a
// parameter that must have a value has it for all of them, or the call is not allowed.
func TestDecideReadsQueryAsEveryUpstream(t *testing.T) {
	var allow, deny rule.Set
	object := []byte(`[{"methods":["GET"],"path":"/**","query":{"user_id":["7"]}}]`)
	if err := json.Unmarshal(object, &allow.Allow); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`["GET .*"]`), &deny.Allow); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(object, &deny.Deny); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, path, query string
		allowed, denied   bool
	}{
		{"once", "/x", "a=1&user_id=7", true, true},
		{"encoded", "/x", "user%5Fid=%37", true, true},
		{"in another case, which another upstream does not know", "/x", "USER_ID=7", false, true},
		{"as a list", "/x", "user_id[]=7", false, true},
		{"PHP's dot", "/x", "user_id=7&user.id=8", false, true},
		{"PHP's space", "/x", "user_id=7&user+id=8", false, true},
		{"PHP's open bracket", "/x", "user_id=7&user[id=8", false, true},
		{"PHP's null", "/x", "user_id=7&user_id%00x=8", false, true},
		{"PHP's null beside a bad escape", "/x", "user_id=7&user_id%00%zz=8", false, true},
		{"PHP's dot alone", "/x", "user.id=7", false, true},
		{"IIS's escapes", "/x", "user_id=7&%u0075ser_id=8", false, true},
		{"IIS's escapes in the value", "/x", "user_id=%u0037", false, true},
		{"a semicolon, for which Go drops the piece", "/x", "user_id=7;a=1", false, true},
		{"a number sign, at which Node ends the query", "/x", "a=1#&user_id=7", false, true},
		{"after a thousand, which PHP drops", "/x", strings.Repeat("a=1&", 1000) + "user_id=7", false, true},
		{"a query in the path", "/x%3Fuser_id=8", "user_id=7", false, true},
		{"a query in the path, encoded twice", "/x%253Fuser_id=8", "user_id=7", false, true},
		{"another value", "/x", "user_id=8", false, false},
		{"none", "/x", "", false, false},
	} {
		path, err := rule.Examine(test.path, rule.Options{})
		if err != nil {
			if test.allowed {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		call := rule.Call{Method: "GET", Path: path, Query: test.query}
		if got := allow.Decide(call).Allowed; got != test.allowed {
			t.Errorf("%s: got allowed %v, want %v", test.name, got, test.allowed)
		}
		if got := deny.Decide(call).Denied; got != test.denied {
			t.Errorf("%s: got denied %v, want %v", test.name, got, test.denied)
		}
	}
}

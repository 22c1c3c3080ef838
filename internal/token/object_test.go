package token

import (
	"encoding/json"
	"strings"
	"testing"
)

func read(text string) bool {
	return eachMember(text, func(string, string) {})
}

func TestMemberAcceptsJSONObjects(t *testing.T) {
	for _, test := range []struct {
		text string
		want bool
	}{
		{`{}`, true},
		{" {\t} \r\n", true},
		{`{"a":1}`, true},
		{`{"a" : [1 , {"b":"}]\""} , null,true,false,-0.5e+3] , "":"\u00fC\n"}`, true},
		{``, false},
		{`[]`, false},
		{`{`, false},
		{`{}x`, false},
		{`{}{}`, false},
		{`{"a"}`, false},
		{`{"a":}`, false},
		{`{"a":1,}`, false},
		{`{,"a":1}`, false},
		{`{"a":1 "b":2}`, false},
		{`{a:1}`, false},
		{`{1:1}`, false},
		{`{"a":01}`, false},
		{`{"a":1.}`, false},
		{`{"a":.5}`, false},
		{`{"a":+1}`, false},
		{`{"a":1e}`, false},
		{`{"a":-}`, false},
		{`{"a":nul}`, false},
		{`{"a":nulll}`, false},
		{`{"a":[1,]}`, false},
		{`{"a":[1}`, false},
		{`{"a":[}]`, false},
		{`{"a":"` + "\n" + `"}`, false},
		{`{"a":"\x"}`, false},
		{`{"a":"\u12g4"}`, false},
		{`{"a":"\u00` + "\x10" + `0"}`, false},
		{`{"a":"\u12`, false},
		{`{"a":"\`, false},
		{`{"a":"\"}`, false},
		{`{"a":` + "\x00}", false},
		{`{"a":tru`, false},
	} {
		if got := read(test.text); got != test.want {
			t.Errorf("%.60q: got %v, want %v", test.text, got, test.want)
		}
		if isObject := json.Valid([]byte(test.text)) && strings.HasPrefix(strings.TrimLeft(test.text, " \t\r\n"), "{"); isObject != test.want {
			t.Errorf("%.60q: encoding/json accepts it: %v, want %v", test.text, isObject, test.want)
		}
	}
}

func FuzzObject(f *testing.F) {
	for _, text := range []string{
		`{}`, ` { "a" : [ 1 , {"b":"}]\""} , null,true,false,-0.5e+3] , "":"\u00fC\n" } `, `{"a":01}`, `{"a":"\ud800"}`, `{"a":nulll}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want := json.Valid([]byte(text)) && strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{")
		if got := read(text); got != want && strings.Count(text, "[")+strings.Count(text, "{") <= maxDepth {
			t.Errorf("got %v, want what encoding/json accepts, %v", got, want)
		}
		members := map[string]json.RawMessage{}
		if !read(text) || json.Unmarshal([]byte(text), &members) != nil {
			return
		}
		eachMember(text, func(name, value string) {
			if value == string(members[name]) {
				delete(members, name)
			}
		})
		for name := range members {
			t.Errorf("member %q is not read as it is written", name)
		}
	})
}

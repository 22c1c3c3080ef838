package gateway_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// corpus reads the targets of the flow's own tests; the head of the file says how it is
// written.
func corpus(t *testing.T) (patterns []flow.Pattern, cases [][3]string) {
	t.Helper()
	text, err := os.ReadFile("../flow/testdata/targets.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		columns := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		switch {
		case columns[0] == "" || columns[0][0] == '#':
		case columns[0] == "pattern":
			pattern, err := flow.ParsePattern(columns[1])
			if err != nil {
				t.Fatal(err)
			}
			patterns = append(patterns, pattern)
		case len(columns) == 3 && (columns[0] == "accept" || columns[0] == "refuse"):
			cases = append(cases, [3]string(columns))
		default:
			t.Fatalf("line of no known kind: %q", line)
		}
	}
	if len(cases) < 550 || len(patterns) == 0 {
		t.Fatalf("got %d cases and %d patterns, want at least 550 and one", len(cases), len(patterns))
	}
	return patterns, cases
}

// navigation is an address that a browser is sent to, and the target that was asked for.
type navigation struct{ address, target string }

// TestFlowNavigatesToRequestedTarget asks for each target and gathers each address that the
// server sends a browser to: those of the redirect, of the form and of an error. A
// browser's own parser then says where they lead.
func TestFlowNavigatesToRequestedTarget(t *testing.T) {
	t.Parallel()
	patterns, cases := corpus(t)
	server := open(t, func(o *gateway.Options) {
		o.Rules.Targets, o.Rules.Consent = patterns, flow.ConsentNever
	})
	client, k := server.Client(), jweClient(t)
	ask := func(value string, changes ...string) (reply, string) {
		address := server.Direct + flowPath + "?target=" + value + "&" + k.query(append([]string{"target="}, changes...)...)
		answer, body := get(t, client, address, with(ofAda)...)
		if answer.status == http.StatusOK && pageIn(t, body).text("question") != "" {
			return decide(t, client, server.Direct, body, "allow", with(ofAda, fromOurPage()...)...)
		}
		return answer, body
	}
	var navigations []navigation
	for _, test := range cases {
		verdict, value, want := test[0], test[1], test[2]
		if verdict == "refuse" {
			answer, body := ask(value)
			location := answer.header.Get("Location")
			got := refusal{}
			if location == "" && answer.status >= 400 {
				got = problemIn(t, body)
			}
			if !strings.Contains(strings.ReplaceAll(got.Detail, "`", ""), want) {
				t.Errorf("%s: got %d to %q: %q, want it refused: %q", value, answer.status, location, got.Detail, want)
			}
			continue
		}
		answer, body := ask(value)
		k.opens(t, redirected(t, answer, body, want))
		navigations = append(navigations, navigation{answer.header.Get("Location"), want})
		answer, body = ask(value, "format=jws")
		refusedAtTarget(t, answer, body, want, "invalid_request")
		navigations = append(navigations, navigation{answer.header.Get("Location"), want})
		_, body = ask(value, "responseMode=form_post")
		action, fields := pageIn(t, body).form(t)
		if k.opens(t, fields); action != want {
			t.Errorf("%s: the form leads to %q, want %s", value, action, want)
		}
		navigations = append(navigations, navigation{action, want})
	}
	checkNavigations(t, navigations)
}

// parsed is an address as a browser's parser takes it apart (WHATWG URL).
type parsed struct {
	Protocol, Username, Password, Hostname, Port, Hash string
	Names                                              []string // of the query's parameters
}

const parser = `
const lines = require("node:fs").readFileSync(0, "utf8");
const taken = JSON.parse(lines).map((text) => {
  const { protocol, username, password, hostname, port, hash, searchParams } = new URL(text, "https://t2g.example.org/flow/redirect/token");
  return { protocol, username, password, hostname, port, hash, names: [...searchParams.keys()] };
});
console.log(JSON.stringify(taken));`

// checkNavigations has every address read by a browser's parser, in one process for all.
func checkNavigations(t *testing.T, navigations []navigation) {
	t.Helper()
	addresses := make([]string, len(navigations))
	for i, one := range navigations {
		addresses[i] = one.address
	}
	input, err := json.Marshal(addresses)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(process.Need(t, "T2G_TEST_NODE", "node"), "-e", parser)
	command.Stdin, command.Stderr = bytes.NewReader(input), os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := read[[]parsed](t, string(output))
	if len(seen) != len(navigations) || len(seen) < 100 {
		t.Fatalf("got %d addresses read of %d, want all of them and at least 100", len(seen), len(navigations))
	}
	for i, got := range seen {
		checkNavigation(t, navigations[i], got)
	}
}

// checkNavigation compares where a browser goes with where it was to go. The target's text
// is split here at its delimiters, by no parser that the server uses.
func checkNavigation(t *testing.T, one navigation, got parsed) {
	t.Helper()
	scheme, rest, _ := strings.Cut(one.target, "://")
	host := rest[:strings.IndexByte(rest, '/')]
	colon := strings.LastIndexByte(host, ':')
	name, port := host, ""
	if colon > strings.LastIndexByte(host, ']') {
		name, port = host[:colon], host[colon+1:]
	}
	if scheme == "http" && port == "80" {
		port = "" // as browsers write the usual port
	}
	if scheme == "http" && !slices.Contains([]string{"localhost", "127.0.0.1", "[::1]"}, name) {
		t.Errorf("%s is taken without TLS and is not loopback", one.target)
	}
	if got.Protocol != scheme+":" || got.Hostname != name || got.Port != port || got.Username+got.Password+got.Hash != "" {
		t.Errorf("%s leads a browser to %+v, want %s", one.address, got, one.target)
	}
	for _, field := range []string{"state", "response", "error", "error_description", "key", "nonce", "payload"} {
		count := 0
		for _, name := range got.Names {
			if strings.EqualFold(name, field) {
				count++
			}
		}
		if want := strings.Count("?"+strings.ReplaceAll(one.address[len(one.target):], "&", "?"), "?"+field+"="); count != want || count > 1 {
			t.Errorf("%s: a browser reads %s %d times, want %d", one.address, field, count, want)
		}
	}
}

// TestPortRedirectsToLoopback does the same for the short form of a target.
func TestPortRedirectsToLoopback(t *testing.T) {
	t.Parallel()
	server := open(t, func(o *gateway.Options) { o.Rules.Consent = flow.ConsentNever })
	k := jweClient(t)
	var navigations []navigation
	paths := []string{
		"", "cb", "/cb", "//evil.example/", "///", "@evil.example", ":81@evil.example/", "http://evil.example/", "..", "../..//evil.example",
		"%2f%2fevil.example", "a%3Fb", "a%23b", "a;b", "&state=x", "javascript:alert(1)", "%00", "%0d%0aLocation:x", ".evil.example", "*", "!$'()+,=~",
	}
	refusedPaths := []string{`\evil.example`, `/\evil.example`, "a?b", "a#b", "#", "a b", "a\tb", "a\r\nLocation: x", "ä", "a%2", "a|b", `a"b`, "[::1]"}
	for _, port := range []string{"1", "80", "443", "8080", "65535"} {
		for _, path := range paths {
			answer, body := get(t, server.Client(), server.Direct+k.path("target=", "port="+port, "path="+path), with(ofAda)...)
			target := "http://127.0.0.1:" + port + "/" + strings.TrimPrefix(path, "/")
			k.opens(t, redirected(t, answer, body, target))
			navigations = append(navigations, navigation{answer.header.Get("Location"), target})
		}
		for _, path := range refusedPaths {
			answer, body := get(t, server.Client(), server.Direct+k.path("target=", "port="+port, "path="+path), with(ofAda)...)
			refused(t, answer, body, http.StatusForbidden, "target_not_allowed")
		}
	}
	for _, port := range []string{"0", "00080", "65536", "99999999999", "-1", "+80", " 80", "80 ", "0x50", "8e1", "８０", "80@evil.example", "80/", "80#", "evil.example:80", "http"} {
		answer, body := get(t, server.Client(), server.Direct+k.path("target=", "port="+port), with(ofAda)...)
		refused(t, answer, body, http.StatusForbidden, "target_not_allowed")
	}
	checkNavigations(t, navigations)
}

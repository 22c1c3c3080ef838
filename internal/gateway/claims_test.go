package gateway_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// readClaims prints what static/assets/jwt.js reads from each of the tokens on stdin.
const readClaims = `
const { decode, moment } = await import(process.argv[1]);
const text = (value) => (typeof value === "string" ? value.toWellFormed() : "");
const time = (claims, name) => moment(name, claims[name])?.toISOString().replace(/\.\d+Z$/, "Z") ?? "";
let input = "";
for await (const chunk of process.stdin) input += chunk;
console.log(JSON.stringify(JSON.parse(input).map((token) => {
	const jwt = decode(token);
	if (!jwt) return { type: "opaque" };
	const c = jwt.claims;
	return {
		type: "JWT", expires: time(c, "exp"), issued: time(c, "iat"), notBefore: time(c, "nbf"),
		issuer: text(c.iss), subject: text(c.sub), username: text(c.preferred_username),
	};
})));`

type readClaim struct{ Type, Expires, Issued, NotBefore, Issuer, Subject, Username string }

// claimCase is one of openapi/vectors/claims.json, which README.md beside it explains.
type claimCase struct {
	readClaim
	Name, Token, Header, Payload string
	Repeat                       [][]any
}

// text is the token of the case.
func (c claimCase) text() string {
	if c.Token != "" {
		return c.Token
	}
	for _, r := range c.Repeat {
		c.Payload = strings.ReplaceAll(c.Payload, r[0].(string), strings.Repeat(r[1].(string), int(r[2].(float64))))
	}
	if c.Header == "" {
		c.Header = `{"alg":"RS256"}`
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(c.Header)) + "." + encode([]byte(c.Payload)) + ".c2lnbmF0dXJl"
}

// TestPageScriptReadsClaims holds the script against the vectors that server and clients
// read, too: a claim of another JSON type loses only itself.
func TestPageScriptReadsClaims(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("../../openapi/vectors/claims.json")
	if err != nil {
		t.Fatal(err)
	}
	cases := read[struct{ Cases []claimCase }](t, string(file)).Cases
	tokens := make([]string, len(cases))
	for i, one := range cases {
		tokens[i] = one.text()
	}
	input, err := json.Marshal(tokens)
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("../../static/assets/jwt.js")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(process.Need(t, "T2G_TEST_NODE", "node"), "--input-type=module", "-e", readClaims, script)
	command.Stdin = strings.NewReader(string(input))
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	results := read[[]readClaim](t, string(output))
	if len(results) != len(cases) || len(cases) < 50 {
		t.Fatalf("got %d results of %d cases", len(results), len(cases))
	}
	for i, got := range results {
		if got != cases[i].readClaim {
			t.Errorf("%s: got %+v, want %+v", cases[i].Name, got, cases[i].readClaim)
		}
	}
}

package static_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// claimsScript compares what jwt.js reads with the vectors, and prints each difference.
const claimsScript = `
import { readFileSync } from "node:fs";
const script = readFileSync("assets/jwt.js", "base64");
const { decode, moment } = await import("data:text/javascript;base64," + script);
const { cases } = JSON.parse(readFileSync("../openapi/vectors/claims.json", "utf8"));
const encode = (text) => Buffer.from(text).toString("base64url");
const text = (value) => (typeof value === "string" && value !== "" ? value.toWellFormed() : undefined);
const time = (claims, name) => moment(name, claims[name])?.toISOString().replace(/\.\d+Z$/, "Z");
for (const { name, header = '{"alg":"RS256"}', payload, token, repeat = [], type, ...rest } of cases) {
  const full = repeat.reduce((made, [placeholder, part, count]) => made.replaceAll(placeholder, part.repeat(count)), payload);
  const jwt = decode(token ?? encode(header) + "." + encode(full) + ".c2lnbmF0dXJl");
  const claims = jwt?.claims ?? {};
  const got = {
    type: jwt ? "JWT" : "opaque",
    expires: time(claims, "exp"), issued: time(claims, "iat"), notBefore: time(claims, "nbf"),
    issuer: text(claims.iss), subject: text(claims.sub), scope: text(claims.scope), username: text(claims.preferred_username),
  };
  for (const key of Object.keys(got)) {
    const want = key === "type" ? type : rest[key];
    if (got[key] !== want) console.log(name + ": " + key + ": got " + got[key] + ", want " + want);
  }
}
console.log(cases.length > 50 ? "all compared" : "too few cases");
`

func TestDecodeReadsClaimsAsTheVectorsSay(t *testing.T) {
	command := exec.Command(process.Need(t, "T2G_TEST_NODE", "node"), "--input-type=module", "-e", claimsScript)
	output, err := command.CombinedOutput()
	if got := strings.TrimSpace(string(output)); err != nil || got != "all compared" {
		t.Errorf("got %v:\n%s", err, got)
	}
}

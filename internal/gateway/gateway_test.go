package gateway_test

import (
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/ops"
	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/t2gtest"
)

// open runs a server with changed options until the test ends.
func open(t testing.TB, changes ...func(*gateway.Options)) *t2gtest.Server {
	t.Helper()
	return t2gtest.Start(t, t2gtest.Options{Server: func(o *gateway.Options) {
		for _, change := range changes {
			change(o)
		}
	}})
}

// openOps runs a server with a changed ops listener until the test ends.
func openOps(t testing.TB, change func(*ops.Options)) *t2gtest.Server {
	t.Helper()
	return t2gtest.Start(t, t2gtest.Options{Ops: change})
}

// reply is an answer without its body.
type reply struct {
	status int
	header http.Header
	length int64 // as the header says; -1 where it does not
}

// send asks for an address and returns the answer and its body. Lines are the names and
// values of headers in turn.
func send(t testing.TB, client *http.Client, method, address, body string, lines ...string) (reply, string) {
	t.Helper()
	r, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(lines); i += 2 {
		if lines[i] == "Host" {
			r.Host = lines[i+1]
			continue
		}
		r.Header[lines[i]] = append(r.Header[lines[i]], lines[i+1])
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Header, answer.ContentLength}, string(text)
}

func get(t testing.TB, client *http.Client, address string, lines ...string) (reply, string) {
	t.Helper()
	return send(t, client, http.MethodGet, address, "", lines...)
}

// with is a header line with a token, and more lines.
func with(accessToken string, lines ...string) []string {
	return append([]string{"X-Forwarded-Access-Token", accessToken}, lines...)
}

// inBrowser are the headers of a page that a browser opened by a link on
// another site, and byProgram of one that a program had it open.
func inBrowser() []string {
	return fetched("cross-site", "navigate", "document", "Sec-Fetch-User", "?1")
}
func byProgram() []string { return fetched("none", "navigate", "document", "Sec-Fetch-User", "?1") }

func fetched(site, mode, destination string, lines ...string) []string {
	return append([]string{
		"Accept", "text/html,application/xhtml+xml,*/*;q=0.8", "User-Agent", "Mozilla/5.0",
		"Sec-Fetch-Site", site, "Sec-Fetch-Mode", mode, "Sec-Fetch-Dest", destination,
	}, lines...)
}

// refusal is what a program reads of a problem.
type refusal struct {
	Kind, Detail, Fix string
	Status            int
	Wanted, Arrived   []string
}

func problemIn(t testing.TB, body string) refusal {
	t.Helper()
	return read[refusal](t, body)
}

func read[T any](t testing.TB, text string) (value T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return value
}

// refused wants an answer of the status with a problem of the kind.
func refused(t testing.TB, answer reply, body string, status int, kind string) refusal {
	t.Helper()
	if answer.status != status || answer.header.Get("Location") != "" {
		t.Fatalf("got %d to %q, want %d %s: %s", answer.status, answer.header.Get("Location"), status, kind, body)
	}
	got := problemIn(t, body)
	if got.Kind != kind {
		t.Errorf("got kind %s (%s), want %s", got.Kind, got.Detail, kind)
	}
	for i, part := range strings.Split(got.Fix, "`") {
		if i%2 == 0 && (strings.Contains(part, "--") || strings.Contains(part, "T2G_")) {
			t.Errorf("%s: a flag or a variable is not in backticks: %s", kind, got.Fix)
		}
	}
	return got
}

// document is what is handed over.
type document struct {
	Timestamp, Fingerprint, Secret string
	Expires, Header, TokenType     string
}

// flowClient is a program that wants a token: the half of a key that it shows, and the
// half that it keeps.
type flowClient struct {
	private         crypto.PrivateKey
	kind, key, name string
}

// flowClients are one for every kind of key, with the test keys of the envelopes' vectors.
func flowClients(t testing.TB) []flowClient {
	t.Helper()
	var all []flowClient
	seen := map[string]bool{}
	for _, file := range []string{"triple", "jwe"} {
		text, err := os.ReadFile("../../openapi/vectors/" + file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range read[struct {
			Vectors []struct {
				PublicKeyType, PublicKey string
				TestPrivateKeyJwk        jose.JSONWebKey
			}
		}](t, string(text)).Vectors {
			name := fmt.Sprintf("%s of %d bytes", one.PublicKeyType, len(one.PublicKey))
			if !seen[name] {
				seen[name] = true
				all = append(all, flowClient{one.TestPrivateKeyJwk.Key, one.PublicKeyType, one.PublicKey, name})
			}
		}
	}
	if len(all) != 5 {
		t.Fatalf("got %d kinds of keys, want both PEM forms, RSA of two sizes and P-256 as JWK", len(all))
	}
	return all
}

// tripleClient is a program of the first version: PEM key and triple.
func tripleClient(t testing.TB) flowClient {
	t.Helper()
	return kindOf(t, "rsa2048-rfc5280-x509-pem of 451 bytes")
}

// jweClient is a program with an EC key, whose answers are short.
func jweClient(t testing.TB) flowClient { t.Helper(); return kindOf(t, "jwk of 126 bytes") }

func kindOf(t testing.TB, name string) flowClient {
	t.Helper()
	for _, k := range flowClients(t) {
		if k.name == name {
			return k
		}
	}
	t.Fatalf("no key of the kind %s", name)
	return flowClient{}
}

const (
	flowPath  = "/flow/redirect/token"
	loopback  = "http://127.0.0.1:41234/cb"
	someState = "5f0c9d1be2a74c6d 8f3be0a1&c2d3=e4f5+ä"
)

// query is that of a good request after changes: name=value sets a parameter, and
// name= takes it away.
func (k flowClient) query(changes ...string) string {
	values := url.Values{"target": {loopback}, "state": {someState}, "publicKeyType": {k.kind}, "publicKey": {k.key}}
	for _, change := range changes {
		name, value, _ := strings.Cut(change, "=")
		values.Set(name, value)
		if value == "" {
			values.Del(name)
		}
	}
	return values.Encode()
}

// path is where a browser is sent by the program.
func (k flowClient) path(changes ...string) string { return flowPath + "?" + k.query(changes...) }

// opens opens an answer's fields as the program would.
func (k flowClient) opens(t testing.TB, fields url.Values) document {
	t.Helper()
	if got := fields.Get("state"); got != someState {
		t.Errorf("got state %q, want %q", got, someState)
	}
	if text := fields.Get("response"); text != "" {
		return k.unseals(t, text)
	}
	private, isRSA := k.private.(*rsa.PrivateKey)
	if !isRSA {
		t.Fatalf("got a triple for a %T: %v", k.private, fields)
	}
	plain, err := seal.OpenTriple(private, seal.Triple{Key: fields.Get("key"), Nonce: fields.Get("nonce"), Payload: fields.Get("payload")})
	if err != nil {
		t.Fatalf("%v: %v", err, fields)
	}
	return read[document](t, plain.Reveal())
}

func (k flowClient) unseals(t testing.TB, text string) document {
	t.Helper()
	opened, err := seal.OpenJWE(k.private, text, someState)
	if err != nil {
		t.Fatal(err)
	}
	if opened.Expires.Sub(opened.IssuedAt) != 5*time.Minute {
		t.Errorf("good from %v until %v, want five minutes", opened.IssuedAt, opened.Expires)
	}
	return read[document](t, opened.Plaintext.Reveal())
}

// redirected wants a 303 to the target, and returns what was added to its query.
func redirected(t testing.TB, answer reply, body, target string) url.Values {
	t.Helper()
	location := answer.header.Get("Location")
	if answer.status != http.StatusSeeOther || body != "" || answer.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d, %q and body %q, want a 303 that is not stored", answer.status, answer.header.Get("Cache-Control"), body)
	}
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	added, found := strings.CutPrefix(location, target+separator)
	if !found {
		t.Fatalf("got a redirect to %q, want to %s", location, target)
	}
	values, err := url.ParseQuery(added)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// refusedAtTarget wants a refusal that is sent to the target.
func refusedAtTarget(t testing.TB, answer reply, body, target, code string) string {
	t.Helper()
	fields := redirected(t, answer, body, target)
	if got := fields.Get("error"); got != code {
		t.Errorf("got error %q (%s), want %s", got, fields.Get("error_description"), code)
	}
	if fields.Get("error_description") == "" {
		t.Error("the client gets no reason")
	}
	return fields.Get("error_description")
}

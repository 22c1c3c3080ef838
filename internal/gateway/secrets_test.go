package gateway_test

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/token"
)

// testSecrets are secrets by the location where they are sent: texts that occur nowhere else.
type testSecrets map[string]string

func newTestSecrets() testSecrets {
	m := testSecrets{}
	for _, location := range []string{
		"token", "second token", "claim", "password", "cookie", "query", "parameter", "target",
		"path", "body", "header", "referrer", "method", "host", "fallback", "panic",
	} {
		m[location] = rand.Text() + rand.Text()
	}
	return m
}

// fragments are what a text is searched for: ten characters of a secret, as it is, in small
// letters, in hexadecimal and in base64, each with the location of the secret.
type fragments map[string]string

const fragmentLength = 10

func (m testSecrets) fragments() fragments {
	all := fragments{}
	for location, value := range m {
		for i := range len(value) - fragmentLength + 1 {
			part := value[i : i+fragmentLength]
			for _, text := range []string{
				part, strings.ToLower(part), fmt.Sprintf("%x", part), base64.RawStdEncoding.EncodeToString([]byte(part)),
			} {
				all[text[:fragmentLength]] = location
			}
		}
	}
	return all
}

// in names the locations whose secrets are in the text, whole or in part.
func (p fragments) in(text string) []string {
	found := map[string]bool{}
	for i := range len(text) - fragmentLength + 1 {
		if location, known := p[text[i:i+fragmentLength]]; known {
			found[location] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// jwt is a token with a secret among its claims and another for its signature.
func (m testSecrets) jwt(expires time.Time) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"jti":"%s","exp":%d}`, m["claim"], expires.Unix())
	return encode([]byte(`{"alg":"RS256"}`)) + "." + encode([]byte(claims)) + "." + m["token"]
}

// secretRequest is a request with test secrets, and the locations whose secrets its answer may hold.
type secretRequest struct {
	name, method, address, body string
	lines                       []string
	allowed                     []string
}

// withSecrets puts secrets into a request wherever a caller can put anything.
func (m testSecrets) withSecrets(method, path, name string, lines ...string) secretRequest {
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	return secretRequest{
		name: path[:strings.IndexByte(path+"?", '?')] + " with " + name, method: method, allowed: mayHold(method, path),
		address: path + separator + "x=" + m["query"] + "&" + m["parameter"] + "=1",
		body:    "decision=allow&mac=" + m["body"] + "&fingerprint=" + m["body"] + "&" + m["body"] + "=1",
		lines: append([]string{
			"Content-Type", "application/x-www-form-urlencoded",
			"Cookie", "_oauth2_proxy=" + m["cookie"] + "; " + m["cookie"],
			"X-Api-Key", m["header"], "X-Note", m["header"], "User-Agent", m["header"],
			"Referer", "https://t2g.example.org/a?code=" + m["referrer"], "Proxy-Authorization", "Basic " + m["password"],
		}, lines...),
	}
}

// tokens are the ways in which a token comes, or something in its location.
func (m testSecrets) tokens() map[string][]string {
	return map[string][]string{
		"a token":                {"X-Forwarded-Access-Token", m["token"]},
		"a token and another":    {"X-Forwarded-Access-Token", m["token"], "Authorization", "Bearer " + m["second token"]},
		"one token twice":        {"Token", m["token"], "Token", m["token"]},
		"two tokens":             {"Token", m["token"], "Token", m["second token"]},
		"two in one":             {"Token", m["token"] + "," + m["second token"]},
		"a space inside":         {"Authorization", "Bearer " + m["token"] + " " + m["second token"]},
		"not UTF-8":              {"Token", m["token"] + "\xff"},
		"a password":             {"Authorization", "Basic " + m["password"]},
		"an unknown scheme":      {"Authorization", m["password"] + " " + m["token"]},
		"a value without scheme": {"Authorization", m["token"]},
		"a JWT":                  {"X-Access-Token", m.jwt(time.Now().Add(time.Hour))},
		"a JWT that expired":     {"X-Access-Token", m.jwt(time.Now().Add(-time.Hour))},
		"no token":               nil,
	}
}

// origins are how a request comes: from a program, by a program, from elsewhere and from a
// page of ours.
func origins() [][]string {
	return [][]string{
		nil, byProgram(), fetched("cross-site", "navigate", "iframe"), {"Sec-Purpose", "prefetch"},
		{"Accept", "text/html", "Sec-Fetch-Site", "same-origin"},
	}
}

// requests walk every route by every way, and every refusal that a request can cause.
// Where a token matters, each way in which one comes is tried.
func (m testSecrets) requests(t *testing.T) []secretRequest {
	t.Helper()
	k := jweClient(t)
	toTarget := k.path("target=" + loopback + "/" + m["target"] + "?a=" + m["target"])
	answering := []string{
		"/", "/token", "/echo", "/echo?pretty&token=" + m["query"], toTarget, tripleClient(t).path(),
		k.path("target=", "port=80", "path="+m["target"]), k.path("target=", "responseMode=page"), k.path("responseMode=form_post"),
	}
	refusing := []string{
		k.path("publicKey=" + m["query"]), k.path("publicKeyType=" + m["query"]), k.path("format=" + m["query"]),
		k.path("responseMode=" + m["query"]), k.path("minTTL=" + m["query"]), k.path("client=" + m["query"] + m["query"]),
		k.path("target=http://" + m["target"] + ".example/"), k.path("target=http://u:" + m["target"] + "@127.0.0.1/"),
		k.path("port=" + m["target"]), k.path("state=a\n" + m["query"]), k.path() + "&state=" + m["query"],
		k.path() + ";" + m["query"], k.path() + "&" + m["query"] + "=%", k.path("state=", "stat="+m["query"]),
		"/" + m["path"], "/static/" + m["path"] + ".css", "/swagger-ui/" + m["path"], flowPath + "/" + m["path"], "/a/" + m["path"] + "/%2e%2e/b",
	}
	for _, operation := range operations(t) {
		_, path, _ := strings.Cut(operation, " ")
		refusing = append(refusing, example(path))
	}
	var all []secretRequest
	for _, way := range origins() {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			for name, lines := range m.tokens() {
				for _, path := range answering {
					all = append(all, m.withSecrets(method, path, name, append(slices.Clone(lines), way...)...))
				}
			}
			for _, path := range refusing {
				all = append(all, m.withSecrets(method, path, "a token", with(m["token"], way...)...))
			}
		}
	}
	for _, path := range []string{"/token", "/echo", flowPath, "/" + m["path"]} {
		all = append(all,
			m.withSecrets(m["method"], path, "another method", with(m["token"])...),
			m.withSecrets(http.MethodGet, path, "another host", with(m["token"], "Host", m["host"][:40]+".example")...))
	}
	large := m.withSecrets(http.MethodPost, k.path(), "a large body", with(m["token"], "Sec-Fetch-Site", "same-origin")...)
	large.body += strings.Repeat("&x="+m["body"], 400)
	return append(all, large)
}

// mayHold are the locations whose secrets an answer may hold: a program's answer goes to the
// target that it named, a question's form leads back to its own query, and /token is
// for the token.
func mayHold(method, path string) []string {
	switch {
	case strings.HasPrefix(path, flowPath+"?"):
		return []string{"target", "query", "parameter"}
	case method == http.MethodGet && path == "/token":
		return []string{"token", "claim", "fallback"}
	}
	return nil
}

// TestNoSecretLeaks sends test secrets in every location of a request to
// every route and every refusal, and looks for them wherever the server writes: its log,
// the record of hand-overs, the access lines, the metrics, and the answers but for the
// one location where each belongs.
func TestNoSecretLeaks(t *testing.T) {
	t.Parallel()
	fallback := newTestSecrets()
	for name, change := range map[string]func(*gateway.Options){
		"the defaults": func(*gateway.Options) {},
		"always asked": askAlways,
		"a fallback token": func(o *gateway.Options) {
			o.Tokens = token.NewExtractor(t2gtest.Names(), secret.New(fallback["fallback"]))
		},
		"another peer":             func(o *gateway.Options) { o.Peers = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} },
		"another host":             func(o *gateway.Options) { o.Hosts = []string{"t2g.example.org"} },
		"few bytes of headers":     func(o *gateway.Options) { o.MaxHeaderBytes = 600 },
		"a record that is full":    func(o *gateway.Options) { o.Audit = audit.New(broken{o.Access}) },
		"no identity, but its own": func(o *gateway.Options) { o.Identity = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newTestSecrets()
			m["fallback"] = fallback["fallback"]
			server, find := open(t, change), m.fragments()
			client := server.Client()
			statuses := map[int]int{}
			for _, one := range m.requests(t) {
				answer, body := send(t, client, one.method, server.Direct+one.address, one.body, one.lines...)
				statuses[answer.status]++
				for _, location := range find.in(fmt.Sprint(answer.header) + body) {
					if !slices.Contains(one.allowed, location) {
						t.Fatalf("%s %s: the answer (%d) holds the secret of the %s: %v %s", one.method, one.name, answer.status, location, answer.header, body)
					}
				}
			}
			searchOutput(t, server, find)
			if lines := strings.Count(server.Output.String(), `"msg":"access"`); lines < 1000 {
				t.Errorf("got %d access lines, want one for each request", lines)
			}
			for _, status := range []int{200, 303, 400, 401, 403, 404, 405, 413, 503} {
				if name == "the defaults" && statuses[status] == 0 {
					t.Errorf("no answer had the status %d: %v", status, statuses)
				}
			}
		})
	}
}

// searchOutput looks through all that the server has written, and all that its ops listener
// tells.
func searchOutput(t *testing.T, server *t2gtest.Server, find fragments) {
	t.Helper()
	for line := range strings.Lines(server.Output.String()) {
		if found := find.in(line); len(found) > 0 {
			t.Fatalf("a line holds the secrets of %v: %s", found, line)
		}
	}
	for _, path := range []string{"/metrics", "/ready", "/health"} {
		_, body := get(t, t2gtest.NewClient(t), server.Ops+path)
		if found := find.in(body); len(found) > 0 || body == "" {
			t.Errorf("%s contains the secrets of %v: %s", path, found, body)
		}
	}
}

// secretError is an error that holds a secret.
type secretError struct{ secret string }

func (e secretError) Error() string  { return "with " + e.secret }
func (e secretError) String() string { return "with " + e.secret }

// TestPanicLogsNoValue: the server's clock breaks, with a secret in
// what it throws, in handlers that hold the token by then.
func TestPanicLogsNoValue(t *testing.T) {
	t.Parallel()
	m := newTestSecrets()
	find := m.fragments()
	var throw atomic.Pointer[any]
	server := open(t, clock(func() time.Time {
		if thrown := throw.Swap(nil); thrown != nil {
			panic(*thrown)
		}
		return time.Now()
	}))
	addresses := []string{"/token", jweClient(t).path(), tripleClient(t).path(), jweClient(t).path("target=", "responseMode=page")}
	for name, value := range map[string]any{
		"a text": m["panic"], "an error": secretError{m["panic"]}, "a pointer": &secretError{m["panic"]},
		"a wrapped error": fmt.Errorf("with %w", secretError{m["panic"]}), "a list": []string{m["panic"]}, "a map": map[string]string{m["panic"]: m["panic"]},
	} {
		for _, address := range addresses {
			for _, lines := range [][]string{nil, byProgram()} {
				one := m.withSecrets(http.MethodGet, address, "a broken clock", with(m["token"], lines...)...)
				throw.Store(&value)
				answer, body := send(t, server.Client(), one.method, server.Direct+one.address, "", one.lines...)
				if answer.status != http.StatusInternalServerError || answer.header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s at %s: got %d, want 500: %s", name, address, answer.status, body)
				}
				if found := find.in(fmt.Sprint(answer.header) + body); len(found) > 0 {
					t.Errorf("%s at %s: the answer holds the secrets of %v: %s", name, address, found, body)
				}
			}
		}
	}
	searchOutput(t, server, find)
	output := server.Output.String()
	if got, want := strings.Count(output, `"msg":"panic"`), 6*len(addresses)*2; got != want || !strings.Contains(output, "gateway_test.secretError") || !strings.Contains(output, "adapter.go") {
		t.Errorf("got %d panics on record, want %d, with the type and the stack", got, want)
	}
	if strings.Contains(output, "(0x") || strings.Contains(output, "{0x") {
		t.Error("a stack has arguments, which can be parts of a token")
	}
	answer, _ := get(t, server.Client(), server.Direct+"/token", with(m["token"])...)
	if answer.status != http.StatusOK {
		t.Errorf("got %d after all that, want the server to go on", answer.status)
	}
}

// TestAbortedHandlerDropsConnection: net/http expects this panic.
func TestAbortedHandlerDropsConnection(t *testing.T) {
	t.Parallel()
	server := open(t, clock(func() time.Time { panic(http.ErrAbortHandler) }))
	r, err := http.NewRequest(http.MethodGet, server.Direct+"/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Token", ofAda)
	if answer, err := server.Client().Do(r); !errors.Is(err, io.EOF) {
		t.Errorf("got %v and %v, want the connection to end", answer, err)
	}
	if output := server.Output.String(); strings.Contains(output, `"msg":"panic"`) {
		t.Errorf("got %s, want no failure logged", output)
	}
}

// TestFragmentsFindSecrets shows that the search finds what it looks for.
func TestFragmentsFindSecrets(t *testing.T) {
	t.Parallel()
	m := newTestSecrets()
	find, value := m.fragments(), m["token"]
	for _, text := range []string{
		value, "a " + value[:20] + "…", strings.ToLower(value), fmt.Sprintf("%x", value), `{"a":"` + value[30:] + `"}`,
		base64.StdEncoding.EncodeToString([]byte(value)), base64.RawURLEncoding.EncodeToString([]byte(value)),
	} {
		if got := find.in(text); !slices.Equal(got, []string{"token"}) {
			t.Errorf("%s: got %v, want the token found", text, got)
		}
	}
	if got := find.in("nothing of the kind " + strings.Join(slices.Collect(maps.Keys(m)), " ")); len(got) > 0 {
		t.Errorf("got %v found in a text without secrets", got)
	}
}

// TestKeysLeakNothing sends test secrets in every member of the requests about keys, and
// looks for them, and for the secret of a key, wherever the server writes.
func TestKeysLeakNothing(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	made := s.made(`{"name":"job"}`)
	m := testSecrets{"key": made.Key[len("t2g_")+len(made.ID):], "body": rand.Text() + rand.Text(), "header": rand.Text() + rand.Text(), "query": rand.Text() + rand.Text()}
	find := m.fragments()
	at := "/keys/" + made.ID
	wrong := made.Key[:len(made.Key)-1] + "-"
	for _, request := range []struct{ method, path, body string }{
		{"GET", "/keys", ""}, {"GET", at, ""}, {"GET", at + "/usage", ""},
		{"GET", "/keys/" + made.Key, ""}, {"POST", "/keys/" + made.Key + "/revoke", "{}"},
		{"POST", "/keys", `{"name":"x","once":"` + m["body"] + `"}`},
		{"POST", "/keys", `{"name":"x","once":"` + m["body"] + `"}`},
		{"POST", "/keys", `{"name":"x","` + m["body"] + m["body"] + `":1}`},
		{"POST", "/keys", m["body"]},
		{"POST", "/keys/try", `{"key":"` + made.Key + `"}`},
		{"POST", "/keys/try", `{"key":"` + wrong + `"}`},
		{"POST", "/keys/try", `{"key":"` + m["body"] + `"}`},
		{"PATCH", at, `{"name":7,"note":"` + m["body"] + `"}`},
		{"POST", at + "/rotate", `{"overlap":"1h","once":"` + m["body"] + `"}`},
	} {
		for _, accept := range []string{"application/json", "text/html"} {
			answer, body := send(t, s.SignedIn(t, "ada.analyst"), request.method, s.Gateway+request.path+"?x="+m["query"], request.body,
				"Content-Type", "application/json", "Accept", accept, "User-Agent", m["header"], "X-Api-Key", made.Key)
			if found := find.in(fmt.Sprint(answer.header) + body); len(found) > 0 {
				t.Errorf("%s %s (%s): the answer (%d) holds the secrets of %v: %s", request.method, request.path, accept, answer.status, found, body)
			}
		}
	}
	searchOutput(t, s.Server, find)
	events, err := s.db.Events(t.Context(), store.EventFilter{})
	if err != nil || len(events) == 0 {
		t.Fatal(events, err)
	}
	if found := find.in(fmt.Sprint(events)); len(found) > 0 {
		t.Errorf("the events hold the secrets of %v", found)
	}
}

package gateway_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/ops"
	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/token"
)

func TestOpsReportsHealthAndReadiness(t *testing.T) {
	t.Parallel()
	server := open(t)
	for path, want := range map[string]string{"/health": `{"status":"OK."}`, "/ready": `{"status":"ready"}`} {
		answer, body := get(t, t2gtest.NewClient(t), server.Ops+path)
		if answer.status != http.StatusOK || body != want || answer.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %d %s, want %s", path, answer.status, body, want)
		}
	}
	server.Drain()
	if answer, body := get(t, t2gtest.NewClient(t), server.Ops+"/ready"); answer.status != http.StatusServiceUnavailable || body != `{"status":"draining"}` {
		t.Errorf("got %d %s from /ready of a server that drains, want 503", answer.status, body)
	}
	for _, address := range []string{server.Ops + "/health", server.Direct + "/health"} {
		if answer, _ := get(t, t2gtest.NewClient(t), address); answer.status != http.StatusOK {
			t.Errorf("got %d from /health of a server that drains, want 200", answer.status)
		}
	}
	if answer, _ := get(t, server.Client(), server.Direct+"/token", with(ofAda)...); answer.status != http.StatusOK {
		t.Errorf("got %d from a server that drains, want it to go on serving", answer.status)
	}
}

// TestOpsServesNoGatewayRoute: what is behind the gateway listener is not here, and the other
// way round.
func TestOpsServesNoGatewayRoute(t *testing.T) {
	t.Parallel()
	server := open(t)
	everyRoute(t, func(method, path string) {
		if path == "/health" {
			return
		}
		answer, body := send(t, t2gtest.NewClient(t), method, server.Ops+path, "", with(ofAda)...)
		if answer.status != http.StatusNotFound && answer.status != http.StatusMethodNotAllowed || strings.Contains(body, ofAda) {
			t.Errorf("%s %s: got %d %s, want nothing", method, path, answer.status, body)
		}
	})
	for _, path := range []string{"/health", "/ready", "/metrics", "/nothing", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline"} {
		answer, _ := get(t, t2gtest.NewClient(t), server.Ops+path)
		if strings.HasPrefix(path, "/debug/") && answer.status != http.StatusNotFound {
			t.Errorf("%s: got %d, want profiles switched off", path, answer.status)
		}
		for _, name := range []string{"Content-Security-Policy", "Referrer-Policy", "Cross-Origin-Resource-Policy"} {
			if answer.header.Get(name) == "" {
				t.Errorf("%s: the answer lacks %s", path, name)
			}
		}
		if answer.header.Get("X-Content-Type-Options") != "nosniff" || answer.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %q and %q, want nosniff and no-store", path, answer.header.Get("X-Content-Type-Options"), answer.header.Get("Cache-Control"))
		}
	}
}

func TestOpsRejectsReboundHosts(t *testing.T) {
	t.Parallel()
	server := openOps(t, func(o *ops.Options) {
		o.Pprof, o.Hosts = true, []string{"token2go.auth.svc", "web1.example.org:9102"}
	})
	for host, want := range map[string]int{
		"127.0.0.1:8082": 200, "10.42.0.7:8082": 200, "[::1]:8082": 200, "[fd00::7]": 200, "localhost:8082": 200,
		"token2go:8082": 200, "token2go.auth.svc:8082": 200, "Token2go.Auth.SVC": 200, "web1.example.org:9102": 200,
		"evil.example:8082": 421, "evil.example": 421, "127.0.0.1.evil.example:8082": 421, "localhost.:8082": 421,
		"web1.example.org:8082": 421, "sub.token2go.auth.svc:8082": 421,
	} {
		for _, path := range []string{"/metrics", "/debug/pprof/goroutine", "/debug/pprof/"} {
			if answer, body := get(t, t2gtest.NewClient(t), server.Ops+path, "Host", host); answer.status != want || want != 200 && strings.Contains(body, "go_") {
				t.Errorf("%s for %s: got %d, want %d", path, host, answer.status, want)
			}
		}
		for _, path := range []string{"/health", "/ready"} {
			if answer, _ := get(t, t2gtest.NewClient(t), server.Ops+path, "Host", host); answer.status != http.StatusOK {
				t.Errorf("%s for %s: got %d, want probes to be let through", path, host, answer.status)
			}
		}
	}
	server = openOps(t, func(o *ops.Options) { o.Hosts = []string{"*"} })
	if answer, _ := get(t, t2gtest.NewClient(t), server.Ops+"/metrics", "Host", "any.example.org"); answer.status != http.StatusOK {
		t.Errorf("got %d, want every name to be answered", answer.status)
	}
}

func TestOpsServesProfilesOnlyWhenEnabled(t *testing.T) {
	t.Parallel()
	server := openOps(t, func(o *ops.Options) { o.Pprof = true })
	for path, status := range map[string]int{"/debug/pprof/": 200, "/debug/pprof/goroutine": 200, "/debug/pprof/heap": 200, "/debug/pprof/symbol": 200, "/debug/pprof/nothing": 404, "/debug/pprof/cmdline": 404} {
		if answer, _ := get(t, t2gtest.NewClient(t), server.Ops+path); answer.status != status {
			t.Errorf("%s: got %d, want %d", path, answer.status, status)
		}
		answer, body := get(t, server.Client(), server.Direct+path)
		refused(t, answer, body, http.StatusNotFound, "not_found")
	}
}

// series are the lines of our own metrics, with their values.
func series(t *testing.T, server *t2gtest.Server) map[string]string {
	t.Helper()
	answer, body := get(t, t2gtest.NewClient(t), server.Ops+"/metrics")
	if answer.status != http.StatusOK || !strings.HasPrefix(answer.header.Get("Content-Type"), "text/plain") {
		t.Fatalf("got %d of type %q", answer.status, answer.header.Get("Content-Type"))
	}
	all := map[string]string{}
	for line := range strings.Lines(body) {
		if at := strings.LastIndexByte(line, ' '); strings.HasPrefix(line, "token2go_") {
			all[line[:at]] = strings.TrimSpace(line[at:])
		}
	}
	return all
}

func TestMetricsCountHandOvers(t *testing.T) {
	t.Parallel()
	server := open(t)
	k, client := jweClient(t), server.Client()
	get(t, client, server.Direct+"/token", with(ofAda)...)
	get(t, client, server.Direct+"/token", "Authorization", "Bearer "+ofAda)
	get(t, client, server.Direct+"/token")
	get(t, client, server.Direct+k.path(), with(ofAda)...)
	get(t, client, server.Direct+k.path("responseMode=form_post"), with(ofAda)...)
	_, question := get(t, client, server.Direct+k.path("target=", "responseMode=page"), with(ofAda, byProgram()...)...)
	decide(t, client, server.Direct, question, "deny", with(ofAda, fromOurPage()...)...)
	decide(t, client, server.Direct, question, "allow", with(ofAda, fromOurPage()...)...)
	get(t, client, server.Direct+k.path("target=http://evil.example/"), with(ofAda)...)
	get(t, client, server.Direct+"/nothing")
	got := series(t, server)
	for name, want := range map[string]string{
		`token2go_handovers_total{decision="handed_over",way="token"}`:                          "2",
		`token2go_handovers_total{decision="refused",way="token"}`:                              "1",
		`token2go_handovers_total{decision="handed_over",way="query"}`:                          "1",
		`token2go_handovers_total{decision="handed_over",way="form_post"}`:                      "1",
		`token2go_handovers_total{decision="asked",way="page"}`:                                 "1",
		`token2go_handovers_total{decision="refused",way="page"}`:                               "1",
		`token2go_handovers_total{decision="handed_over",way="page"}`:                           "1",
		`token2go_handovers_total{decision="refused",way="none"}`:                               "1",
		`token2go_refusals_total{listener="gateway",reason="token_not_found"}`:                  "1",
		`token2go_refusals_total{listener="gateway",reason="target_not_allowed"}`:               "1",
		`token2go_refusals_total{listener="gateway",reason="access_denied"}`:                    "1",
		`token2go_refusals_total{listener="gateway",reason="not_found"}`:                        "1",
		`token2go_token_header_total{header="X-Forwarded-Access-Token"}`:                        "4",
		`token2go_token_header_total{header="Authorization"}`:                                   "1",
		`token2go_token_header_total{header="OIDC_access_token"}`:                               "0",
		`token2go_requests_total{listener="gateway",route="/token",status="200"}`:               "2",
		`token2go_requests_total{listener="gateway",route="/token",status="401"}`:               "1",
		`token2go_requests_total{listener="gateway",route="/flow/redirect/token",status="303"}`: "1",
		`token2go_requests_total{listener="gateway",route="(none)",status="404"}`:               "1",
		`token2go_request_duration_seconds_count{listener="gateway",route="/token"}`:            "3",
		`token2go_request_duration_seconds_bucket{listener="gateway",route="/token",le="+Inf"}`: "3",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %s", name, got[name], want)
		}
	}
	build := slices.Collect(maps.Keys(got))
	if !slices.ContainsFunc(build, func(name string) bool {
		return strings.HasPrefix(name, `token2go_build_info{go="go`) && strings.Contains(name, `version="test"`)
	}) {
		t.Errorf("got %v, want the build among them", build)
	}
}

var label = regexp.MustCompile(`([a-z]+)="([^"]*)"`)

// TestMetricsBeginAtZero: of a counter that begins with its first event,
// Prometheus sees no increase, and no alert.
func TestMetricsBeginAtZero(t *testing.T) {
	t.Parallel()
	_, body := get(t, t2gtest.NewClient(t), open(t).Ops+"/metrics")
	lines := []string{`token2go_handovers_total{decision="handed_over",way="token"} 0`}
	for _, kind := range problem.Kinds() {
		lines = append(lines, `token2go_refusals_total{listener="gateway",reason="`+string(kind)+`"} 0`)
	}
	for _, want := range lines {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("a server that was asked nothing does not say %s", want)
		}
	}
}

// TestMetricsTakeNoLabelFromTheCaller sends texts of its own in whatever a caller can choose, and compares
// every label with the list that it must be from. More of the same makes no more series.
func TestMetricsTakeNoLabelFromTheCaller(t *testing.T) {
	t.Parallel()
	server := open(t)
	known := map[string][]string{
		"way":      {"token", "query", "form_post", "page", "auto", "none"},
		"decision": {"handed_over", "asked", "refused"},
		"header":   append(t2gtest.Names(), "fallback"),
		"listener": {"gateway", "ops"},
		"route":    {"(none)", "/metrics"},
		"version":  {"test"},
	}
	for _, operation := range operations(t) {
		_, path, _ := strings.Cut(operation, " ")
		known["route"] = append(known["route"], path)
	}
	for _, kind := range problem.Kinds() {
		known["reason"] = append(known["reason"], string(kind))
	}
	count := func() int {
		m := newTestSecrets()
		for _, one := range m.requests(t) {
			send(t, server.Client(), one.method, server.Direct+one.address, one.body, one.lines...)
		}
		got := series(t, server)
		for name := range got {
			for _, pair := range label.FindAllStringSubmatch(name, -1) {
				switch pair[1] {
				case "status", "le", "go":
					continue
				}
				if !slices.Contains(known[pair[1]], pair[2]) {
					t.Errorf("got the label %s, want one of %v", pair[0], known[pair[1]])
				}
			}
			if _, err := strconv.ParseFloat(got[name], 64); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		return len(got)
	}
	series(t, server) // which is a route of the ops listener itself
	if first, second := count(), count(); first != second || first < 30 {
		t.Errorf("got %d series and then %d, want the same and at least 30", first, second)
	}
}

// lines are what the server has logged with a message.
func lines(t *testing.T, server *t2gtest.Server, message string) []map[string]any {
	t.Helper()
	var list []map[string]any
	for text := range strings.Lines(server.Output.String()) {
		if line := read[map[string]any](t, text); line["msg"] == message {
			list = append(list, line)
		}
	}
	return list
}

// TestAuditRecordsEachOutcome compares each line, the time aside, with what
// it must hold and nothing else.
func TestAuditRecordsEachOutcome(t *testing.T) {
	t.Parallel()
	k := jweClient(t)
	key := k.public(t).ID()
	fingerprint := token.Fingerprint(secret.New(ofAda))
	person := []string{"X-Forwarded-Email", "ada@example.org", "X-Forwarded-Preferred-Username", "ada"}
	const header = "X-Forwarded-Access-Token"
	for _, test := range []struct {
		name, path string
		lines      []string
		answer     string // to the question, where there is one
		want       []map[string]any
	}{
		{"in clear", "/token", with(ofAda, person...), "", []map[string]any{
			{"decision": "handed_over", "way": "token", "person": "ada", "fingerprint": fingerprint, "header": header},
		}},
		{"in clear, but there is none", "/token", person, "", []map[string]any{
			{"decision": "refused", "way": "token", "reason": "token_not_found", "person": "ada"},
		}},
		{"in clear, for another site", "/token", with(ofAda, fetched("cross-site", "cors", "empty")...), "", []map[string]any{
			{"decision": "refused", "way": "token", "reason": "cross_site"},
		}},
		{"sealed", k.path("client=my tool", "responseMode=query"), with(ofAda, person...), "", []map[string]any{
			{"decision": "handed_over", "way": "query", "person": "ada", "target": "127.0.0.1:41234", "client": "my tool", "key": key, "fingerprint": fingerprint, "header": header},
		}},
		{"sealed and posted", k.path("responseMode=form_post"), with(ofAda), "", []map[string]any{
			{"decision": "handed_over", "way": "form_post", "target": "127.0.0.1:41234", "key": key, "fingerprint": fingerprint, "header": header},
		}},
		{"allowed", k.path("target=", "responseMode=page"), with(ofAda), "allow", []map[string]any{
			{"decision": "asked", "way": "page", "key": key, "fingerprint": fingerprint, "header": header},
			{"decision": "handed_over", "way": "page", "key": key, "fingerprint": fingerprint, "header": header},
		}},
		{"denied", k.path("responseMode=query"), with(ofAda, "Accept", "text/html"), "deny", []map[string]any{
			{"decision": "asked", "way": "query", "target": "127.0.0.1:41234", "key": key, "fingerprint": fingerprint, "header": header},
			{"decision": "refused", "way": "query", "reason": "access_denied", "target": "127.0.0.1:41234", "key": key, "fingerprint": fingerprint, "header": header},
		}},
		{"for a target elsewhere", k.path("target=http://evil.example/"), with(ofAda), "", []map[string]any{
			{"decision": "refused", "reason": "target_not_allowed"},
		}},
		{"without a key", k.path("publicKey="), with(ofAda), "", []map[string]any{
			{"decision": "refused", "reason": "invalid_request", "target": "127.0.0.1:41234"},
		}},
		{"without a token", k.path("responseMode=query"), nil, "", []map[string]any{
			{"decision": "refused", "way": "query", "reason": "token_not_found", "target": "127.0.0.1:41234", "key": key},
		}},
		{"in clear, ahead of time", "/token", with(ofAda, "Sec-Purpose", "prefetch"), "", []map[string]any{
			{"decision": "refused", "way": "token", "reason": "prefetch_refused"},
		}},
		{"sealed, in a frame", k.path(), with(ofAda, fetched("cross-site", "navigate", "iframe")...), "", []map[string]any{
			{"decision": "refused", "reason": "cross_site"},
		}},
		{"sealed, for an answer that is none", k.path("responseMode=query"), with(ofAda, "Accept", "text/html"), "perhaps", []map[string]any{
			{"decision": "asked", "way": "query", "target": "127.0.0.1:41234", "key": key, "fingerprint": fingerprint, "header": header},
			{"decision": "refused", "reason": "invalid_request"},
		}},
		{"that cannot be used", k.path("responseMode=query"), with("a,b"), "", []map[string]any{
			{"decision": "refused", "way": "query", "reason": "token_unusable", "target": "127.0.0.1:41234", "key": key},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := open(t)
			_, body := get(t, server.Client(), server.Direct+test.path, test.lines...)
			if test.answer != "" {
				decide(t, server.Client(), server.Direct, body, test.answer, append(slices.Clone(test.lines), "Sec-Fetch-Site", "same-origin")...)
			}
			got := lines(t, server, "audit")
			for _, line := range got {
				if at, err := time.Parse(time.RFC3339, line["time"].(string)); err != nil || time.Since(at).Abs() > time.Minute {
					t.Errorf("got the time %v (%v), want now", line["time"], err)
				}
				if line["listener"] != "gateway" || line["action"] != "hand_over" {
					t.Errorf("got listener %v and action %v", line["listener"], line["action"])
				}
				for _, name := range []string{"time", "level", "msg", "listener", "action"} {
					delete(line, name)
				}
			}
			if !slices.EqualFunc(got, test.want, func(a, b map[string]any) bool { return maps.Equal(a, b) }) {
				t.Errorf("got  %s\nwant %s", encoded(t, got), encoded(t, test.want))
			}
		})
	}
}

func encoded(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestHandOverHasAnAuditLineAndNoAccessLine(t *testing.T) {
	t.Parallel()
	server := open(t)
	get(t, server.Client(), server.Direct+"/token", with(ofAda)...)
	if audited, accessed := lines(t, server, "audit"), lines(t, server, "access"); len(audited) != 1 || len(accessed) != 0 {
		t.Errorf("got %d audit and %d access lines, want 1 and 0", len(audited), len(accessed))
	}
}

func TestAccessLineNamesRouteNotAddress(t *testing.T) {
	t.Parallel()
	server := open(t)
	for _, one := range []struct{ method, path, route string }{
		{"HEAD", "/token?a=b", "/token"}, {"HEAD", "/static/app.css", "/static/{file}"}, {"GET", "/nothing/at/all", "(none)"},
		{"DELETE", "/token", "(none)"}, {"BREW", "/token", "(none)"}, {"GET", "/flow/redirect/token?a=b", "/flow/redirect/token"},
	} {
		send(t, server.Client(), one.method, server.Direct+one.path, "", with(ofAda)...)
		all := lines(t, server, "access")
		last := all[len(all)-1]
		method := one.method
		if method == "BREW" {
			method = "other"
		}
		if got := slices.Sorted(maps.Keys(last)); !slices.Equal(got, []string{"bytes", "level", "listener", "method", "microseconds", "msg", "route", "status", "time"}) {
			t.Errorf("got the members %v", got)
		}
		if last["route"] != one.route || last["method"] != method {
			t.Errorf("%s %s: got %v of %v, want %s of %s", one.method, one.path, last["method"], last["route"], method, one.route)
		}
	}
}

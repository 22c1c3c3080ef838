package gateway_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/token"
)

// echoed is the report of /echo; the first three members are those of 1.0.3.
type echoed struct {
	Parameters, Headers map[string][]string
	RemoteAddr          string
	Token               struct {
		Found                    bool
		Header, Fingerprint, Why string
	}
	Verdicts []struct {
		Level, Title, Text string
		Fixes              []struct{ Gateway, Text, Code string }
	}
}

func TestEchoHasShapeOfVersion1(t *testing.T) {
	t.Parallel()
	server := open(t)
	answer, body := get(t, server.Client(), server.Direct+"/echo?a=1&a=2&b", with(ofAda, "X-Forwarded-User", "ada", "X-Two", "one", "X-Two", "two")...)
	if answer.status != http.StatusOK || answer.header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %d of type %q", answer.status, answer.header.Get("Content-Type"))
	}
	if members := slices.Sorted(maps.Keys(read[map[string]any](t, body))); !slices.Equal(members, []string{"headers", "parameters", "remoteAddr", "token", "verdicts"}) {
		t.Errorf("got the members %v", members)
	}
	got := read[echoed](t, body)
	if !slices.Equal(got.Parameters["a"], []string{"1", "2"}) || !slices.Equal(got.Parameters["b"], []string{""}) {
		t.Errorf("got the parameters %v, want them as sent", got.Parameters)
	}
	if !slices.Equal(got.Headers["X-Forwarded-User"], []string{"ada"}) || !slices.Equal(got.Headers["X-Two"], []string{"one", "two"}) || len(got.Headers["Host"]) != 1 {
		t.Errorf("got the headers %v, want them as sent, Host among them", got.Headers)
	}
	if !strings.HasPrefix(got.RemoteAddr, "127.0.0.1:") {
		t.Errorf("got the address %s, want the peer's", got.RemoteAddr)
	}
	if got.Token.Header != "X-Forwarded-Access-Token" || got.Token.Fingerprint != token.Fingerprint(secret.New(ofAda)) || got.Token.Why == "" {
		t.Errorf("got the token %+v, want its header, fingerprint and why", got.Token)
	}
}

func TestEchoIndentsOnRequest(t *testing.T) {
	t.Parallel()
	server := open(t)
	_, flat := get(t, server.Client(), server.Direct+"/echo", with(ofAda)...)
	for _, query := range []string{"?pretty", "?pretty=", "?pretty=false", "?a=1&pretty"} {
		_, body := get(t, server.Client(), server.Direct+"/echo"+query, with(ofAda)...)
		if !strings.Contains(body, "\n  \"headers\": {") {
			t.Errorf("%s: got %s, want it indented", query, body)
		}
	}
	if strings.Count(flat, "\n") != 1 {
		t.Errorf("got %s, want one line", flat)
	}
}

// TestEchoMasksCredentials: kind and length stand in for each.
func TestEchoMasksCredentials(t *testing.T) {
	t.Parallel()
	server := open(t, clock(at(noon)))
	text := jwtUntil(noon.Add(time.Hour))
	const random = "q7Zt2LmX9vKp4RbN8wYc3HsD6fGj1TaE"
	for _, test := range []struct{ name, value, hidden, shown string }{
		{"X-Forwarded-Access-Token", "hunter2", "hunter2", "7 bytes"},
		{"OIDC_access_token", "hunter2", "hunter2", "7 bytes"},
		{"Token", "hunter2", "hunter2", "7 bytes"},
		{"Authorization", "Bearer hunter2", "hunter2", "Bearer"},
		{"Authorization", "Basic dXNlcjpwYXNz", "dXNlcjpwYXNz", "Basic"},
		{"Authorization", `Digest username="u", response="abc"`, "abc", "Digest"},
		{"Proxy-Authorization", "Negotiate YIIabc", "YIIabc", "Negotiate"},
		{"Cookie", "_oauth2_proxy=hunter2; theme=darkest", "hunter2", "_oauth2_proxy"},
		{"Cookie", "theme=darkest", "darkest", "theme"},
		{"X-Api-Key", "hunter2", "hunter2", "7 bytes"},
		{"X-Anything", text, text, "JWT"},
		{"X-Anything", "said " + text + " indeed", text, "indeed"},
		{"X-Anything", random, random, "32 bytes"},
		{"Referer", "https://ada:hunter2@id.example.org/cb?code=xyz1", "hunter2", "id.example.org"},
		{"Referer", "https://id.example.org/cb?code=xyz1", "xyz1", "code="},
	} {
		t.Run(test.name+" "+test.shown, func(t *testing.T) {
			t.Parallel()
			_, body := get(t, server.Client(), server.Direct+"/echo", test.name, test.value)
			_, page := get(t, server.Client(), server.Direct+"/echo", test.name, test.value, "Accept", "text/html")
			for _, one := range []string{body, page} {
				if strings.Contains(one, test.hidden) || !strings.Contains(one, test.shown) {
					t.Errorf("want %q hidden and %q shown in %s", test.hidden, test.shown, one)
				}
			}
		})
	}
	_, body := get(t, server.Client(), server.Direct+"/echo?access_token=hunter2&code="+random+"&jwt="+text, "Authorization", "Basic dXNlcjpwYXNz")
	for _, hidden := range []string{"hunter2", random, text, token.Fingerprint(secret.New("dXNlcjpwYXNz")), token.Fingerprint(secret.New("hunter2"))} {
		if strings.Contains(body, hidden) {
			t.Errorf("%s is shown in %s", hidden, body)
		}
	}
}

// TestEchoRendersPage reads what an operator sees of a request with and without a token.
func TestEchoRendersPage(t *testing.T) {
	t.Parallel()
	server := open(t)
	const person = "X-Forwarded-User"
	answer, body := get(t, server.Client(), server.Direct+"/echo?a=1", with(ofAda, person, "ada", "Accept", "text/html")...)
	shown := pageIn(t, body)
	rows := map[string]string{}
	for _, row := range shown.with("tr") {
		rows[row.attributes["data-name"]] = row.text
	}
	if answer.status != http.StatusOK || !strings.Contains(shown.text("chosen"), "Taken from X-Forwarded-Access-Token") {
		t.Errorf("got %d and %q, want the header that was taken", answer.status, shown.text("chosen"))
	}
	if !strings.Contains(rows["X-Forwarded-Access-Token"], "Token") || !strings.Contains(rows[person], "ada") || !strings.Contains(rows["a"], "1") {
		t.Errorf("got the rows %v, want the headers and the parameter", rows)
	}
	if !strings.HasPrefix(shown.text("remote-addr"), "127.0.0.1:") {
		t.Errorf("got the address %q, want the peer's", shown.text("remote-addr"))
	}
	_, body = get(t, server.Client(), server.Direct+"/echo", person, "ada", "Accept", "text/html")
	shown = pageIn(t, body)
	if !strings.Contains(shown.text("chosen"), "Not found") || !strings.Contains(shown.text("verdicts"), "--pass-access-token") {
		t.Errorf("got %q and %q, want the setting named", shown.text("chosen"), shown.text("verdicts"))
	}
	for _, gateway := range []string{"oauth2-proxy", "nginx", "Traefik", "Caddy", "Apache"} {
		if !strings.Contains(shown.text("verdicts"), gateway) {
			t.Errorf("got %q, want a fix for %s", shown.text("verdicts"), gateway)
		}
	}
}

// TestEchoReportsFaults has a finding for each thing that the issue of a token
// can suffer from.
func TestEchoReportsFaults(t *testing.T) {
	t.Parallel()
	idToken := `{"iss":"https://id.example.org","typ":"ID","at_hash":"x","exp":` + "4102444800}"
	for _, test := range []struct {
		name, level, text string
		change            func(*gateway.Options)
		lines             []string
	}{
		{"no token", "bad", "No token", nil, []string{"X-Forwarded-User", "ada"}},
		{"two tokens", "bad", "cannot be used", nil, with("a", with("b")...)},
		{"an expired token", "bad", "expired", nil, with(jwtUntil(noon.Add(-time.Hour)))},
		{"an ID token", "warn", "ID token", nil, []string{"X-Forwarded-User", "ada", "Authorization", "Bearer " + encodedJWT(idToken)}},
		{"a header of the client's own", "warn", "client could have sent", nil, []string{"X-Forwarded-User", "ada", "Token", ofAda}},
		{"a host that others share", "warn", "share", publicly(t, "https://apps.example.org/t2g"), with(ofAda, "X-Forwarded-User", "ada")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			changes := []func(*gateway.Options){clock(at(noon))}
			if test.change != nil {
				changes = append(changes, test.change)
			}
			server := open(t, changes...)
			_, body := get(t, server.Client(), server.Direct+"/echo", test.lines...)
			for _, verdict := range read[echoed](t, body).Verdicts {
				if verdict.Level == test.level && strings.Contains(verdict.Title+verdict.Text, test.text) {
					return
				}
			}
			t.Errorf("got %s, want a finding of level %s with %q", body, test.level, test.text)
		})
	}
}

func TestAcceptChoosesPageOrJSON(t *testing.T) {
	t.Parallel()
	instance := open(t)
	for _, test := range []struct {
		accept string
		page   bool
	}{
		{"text/html", true},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true},
		{"TEXT/HTML; charset=utf-8", true},
		{"application/json;q=0.5, text/html;q=0.5", true},
		{"application/json;q=0.1, */*, text/html;q=0.5", true},
		{"text/html;q=0.1, application/json", false},
		{"text/html;q=0.1, */*", false},
		{"text/html;q=0.9, application/problem+json", false},
		{"text/html;q=0", false},
		{"text/html;q=x", false},
		{"application/json, text/html;q=0.999", false},
		{"text/html+x", false},
		{"*/*", false},
		{"text/*", false},
		{"", false},
	} {
		answer, _ := get(t, instance.Client(), instance.Direct+"/echo", with(ofAda, "Accept", test.accept)...)
		if got := strings.HasPrefix(answer.header.Get("Content-Type"), "text/html"); got != test.page {
			t.Errorf("%s: got a page: %t, want %t", test.accept, got, test.page)
		}
	}
}

package gateway_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/t2gtest"
)

// openPasses is a server that makes passes, with a database or without.
func openPasses(t testing.TB, db *store.Store) keyServer {
	t.Helper()
	s := keyServer{open(t, t2gtest.WithPasses(t, db)), db, t}
	client := s.SignedIn(t, "")
	eventually(t, "the issuer is known", func() bool {
		answer, _ := get(t, client, s.Gateway+"/passes")
		return answer.status == http.StatusOK
	})
	return s
}

type passDocument struct {
	ID, Pass, Address, Service, Name, Status, Reason string
	Scopes, Rules, Networks, Warnings                []string
}

type passList struct {
	Services []struct{ Name, Title, Address string }
	Stored   bool
	Passes   []passDocument
}

func (s keyServer) passes(person string) passList {
	s.t.Helper()
	_, body := get(s.t, s.SignedIn(s.t, person), s.Gateway+"/passes")
	return read[passList](s.t, body)
}

const readNotes = `{"service":"notes","scopes":["read"],"ttl":"1h","name":"agent","networks":["192.0.2.0/24"]}`

func TestPassIsMadeListedAndRevoked(t *testing.T) {
	t.Parallel()
	s := openPasses(t, t2gtest.Database(t))
	answer, body := s.inJSON("ada.analyst", http.MethodPost, "/passes", readNotes)
	made := read[passDocument](t, body)
	if answer.status != http.StatusCreated || made.Address != t2gtest.PassServer+"/s/notes/" || strings.Count(made.Pass, ".") != 2 || made.Networks[0] != "192.0.2.0/24" {
		t.Fatalf("got %d: %s", answer.status, body)
	}
	list := s.passes("ada.analyst")
	if !list.Stored || len(list.Passes) != 1 || list.Passes[0].ID != made.ID || list.Passes[0].Pass != "" || list.Passes[0].Name != "agent" || list.Passes[0].Status != "active" {
		t.Errorf("got %+v", list)
	}
	answer, body = s.inJSON("nora.newcomer", http.MethodPost, "/passes/"+made.ID+"/revoke", `{}`)
	refused(t, answer, body, http.StatusNotFound, "not_found")
	answer, body = s.inJSON("ada.analyst", http.MethodPost, "/passes/"+made.ID+"/revoke", `{"reason":"leaked"}`)
	if answer.status != http.StatusNoContent {
		t.Errorf("got %d: %s", answer.status, body)
	}
	if got := s.passes("ada.analyst").Passes[0]; got.Status != "revoked" || got.Reason != "leaked" {
		t.Errorf("got %+v", got)
	}
	try := `{"pass":"` + made.Pass + `","method":"GET","url":"/notes/1"}`
	answer, body = s.inJSON("ada.analyst", http.MethodPost, "/passes/try", try)
	refused(t, answer, body, http.StatusBadRequest, "invalid_request")
	output := s.Output.String()
	for _, action := range []string{"make_pass", "revoke_pass"} {
		if !strings.Contains(output, `"action":"`+action+`","person":"ada.analyst","pass":"`+made.ID) {
			t.Errorf("the log does not have %s", action)
		}
	}
	if strings.Contains(output, made.Pass) {
		t.Error("the log has the pass")
	}
}

func TestServicesAreThoseOfThePerson(t *testing.T) {
	t.Parallel()
	s := openPasses(t, nil)
	names := func(person string) string {
		var names []string
		for _, service := range s.passes(person).Services {
			names = append(names, service.Name)
		}
		return strings.Join(names, " ")
	}
	if got := names("ada.analyst"); got != "notes me" {
		t.Errorf("ada: got %q", got)
	}
	answer, body := s.inJSON("ada.analyst", http.MethodPost, "/passes", `{"service":"secret","rules":["GET /"],"ttl":"1h"}`)
	if got := refused(t, answer, body, http.StatusBadRequest, "invalid_request"); !strings.Contains(got.Detail, "`service`: there is no such service") {
		t.Errorf("got %q", got.Detail)
	}
}

func TestPassRequestsAreRefused(t *testing.T) {
	t.Parallel()
	s := openPasses(t, nil)
	for _, test := range []struct{ body, detail string }{
		{`{"service":"notes","ttl":"1h"}`, "`scopes`: a pass wants at least one rule or scope"},
		{`{"service":"notes","scopes":["all"],"ttl":"1h"}`, "`scopes`: want names of scopes"},
		{`{"service":"notes","scopes":["read"],"ttl":"91d"}`, "`ttl`: the life of a pass"},
		{`{"service":"notes","scopes":["read"],"ttl":"soon"}`, "`ttl`: "},
		{`{"service":"notes","rules":["GET ("],"ttl":"1h"}`, "`rules`: "},
		{`{"service":"notes","rules":[{"methods":["GET"],"path":"x"}],"ttl":"1h"}`, "`rules`: want"},
		{`{"service":"notes","scopes":["read"],"ttl":"1h","networks":["x"]}`, "`networks`: "},
		{`{"service":"notes","scope":["read"],"ttl":"1h"}`, "is not known"},
	} {
		answer, body := s.inJSON("ada.analyst", http.MethodPost, "/passes", test.body)
		if got := refused(t, answer, body, http.StatusBadRequest, "invalid_request"); !strings.Contains(got.Detail, test.detail) {
			t.Errorf("%s: got %q, want %q", test.body, got.Detail, test.detail)
		}
	}
	answer, body := send(t, s.SignedIn(t, "ada.analyst"), http.MethodPost, s.Gateway+"/passes", readNotes,
		"Content-Type", "application/json", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
	refused(t, answer, body, http.StatusForbidden, "cross_site")
}

func TestPassOfPersonsOwnToken(t *testing.T) {
	t.Parallel()
	s := openPasses(t, t2gtest.Database(t))
	answer, body := s.inJSON("ada.analyst", http.MethodPost, "/passes", `{"service":"me","rules":["GET /.*"],"ttl":"30d"}`)
	made := read[passDocument](t, body)
	if answer.status != http.StatusCreated {
		t.Fatalf("got %d: %s", answer.status, body)
	}
	kept, err := s.db.Pass(t.Context(), made.ID)
	if err != nil || len(kept.Secret) == 0 || kept.Expires.Sub(kept.Created).Hours() > 24 {
		t.Errorf("kept %d bytes until %s, %v; want the token sealed, and its end", len(kept.Secret), kept.Expires, err)
	}
}

func TestPassesWithoutDatabase(t *testing.T) {
	t.Parallel()
	s := openPasses(t, nil)
	answer, body := s.inJSON("ada.analyst", http.MethodPost, "/passes", readNotes)
	if answer.status != http.StatusCreated {
		t.Fatalf("got %d: %s", answer.status, body)
	}
	if list := s.passes("ada.analyst"); list.Stored || len(list.Passes) != 0 {
		t.Errorf("got %+v", list)
	}
	for _, path := range []string{"/passes/" + read[passDocument](t, body).ID + "/revoke", "/passes/end"} {
		answer, body := s.inJSON("ada.analyst", http.MethodPost, path, `{}`)
		refused(t, answer, body, http.StatusForbidden, "policy_refused")
	}
	_, page := get(t, s.SignedIn(t, "ada.analyst"), s.Gateway+"/passes", inBrowser()...)
	if !strings.Contains(page, `id="not-stored"`) || strings.Contains(page, `id="passes"`) {
		t.Error("the page does not say that nothing is listed")
	}
	answer, _ = get(t, s.SignedIn(t, "ada.analyst"), s.Gateway+"/keys")
	if answer.status != http.StatusNotFound {
		t.Errorf("/keys: got %d", answer.status)
	}
}

func TestPassForm(t *testing.T) {
	t.Parallel()
	s := openPasses(t, t2gtest.Database(t))
	fields := url.Values{
		"service": {"notes"}, "scopes": {"read"}, "ttl": {"1h"}, "name": {"<agent>"}, "methods": {"GET", "PUT"},
		"paths": {"/notes/*\r\n\r\n/notes/*/comments"}, "rules": {""}, "networks": {"192.0.2.0/24"}, "method": {"PUT"}, "url": {"/notes/7"},
	}
	answer, page := s.inForm("ada.analyst", "/passes/try", fields)
	if answer.status != http.StatusOK || !strings.Contains(page, "It would be allowed:") || !strings.Contains(page, "PUT https://notes.example.org/notes/7") ||
		!strings.Contains(page, "&lt;agent&gt;") || !strings.Contains(page, "/notes/*/comments") {
		t.Errorf("got %d: %s", answer.status, page)
	}
	fields.Set("url", "/admin")
	if _, page = s.inForm("ada.analyst", "/passes/try", fields); !strings.Contains(page, "It would be refused:</b> no rule of the service allows it.") {
		t.Errorf("got %s", page)
	}
	answer, page = s.inForm("ada.analyst", "/passes", fields)
	if answer.status != http.StatusCreated || answer.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d: %s", answer.status, page)
	}
	for _, want := range []string{"eyJ", "curl --fail-with-body", "OpenAI(", "Anthropic(", "mcpServers", "NOTES_BASE_URL", "GH_HOST", "gdalinfo", t2gtest.PassServer + "/s/notes/"} {
		if !strings.Contains(html.UnescapeString(page), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	list := s.passes("ada.analyst")
	if len(list.Passes) != 1 || len(list.Passes[0].Rules) != 2 || list.Passes[0].Name != "<agent>" {
		t.Fatalf("got %+v", list)
	}
	fields.Set("paths", "notes")
	answer, page = s.inForm("ada.analyst", "/passes", fields)
	if answer.status != http.StatusBadRequest || !strings.Contains(page, `id="rules-error"`) {
		t.Errorf("got %d: %s", answer.status, page)
	}
	_, page = get(t, s.SignedIn(t, "ada.analyst"), s.Gateway+"/passes?service=me", inBrowser()...)
	for _, want := range []string{"Make a pass for Your account", "the pass ends with your token", `data-id="` + list.Passes[0].ID, "End all my passes"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	answer, _ = s.inForm("ada.analyst", "/passes/end", url.Values{})
	if answer.status != http.StatusSeeOther || answer.header.Get("Location") != "/passes" {
		t.Errorf("got %d to %q", answer.status, answer.header.Get("Location"))
	}
}

func TestPassesAreNotFoundWithoutServices(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, path := range []string{"/passes", "/passes?service=x"} {
		answer, body := get(t, s.SignedIn(t, ""), s.Gateway+path)
		refused(t, answer, body, http.StatusNotFound, "not_found")
	}
	if _, page := get(t, s.SignedIn(t, ""), s.Gateway+"/", inBrowser()...); strings.Contains(page, "/passes") {
		t.Error("the page links to what does not exist")
	}
}

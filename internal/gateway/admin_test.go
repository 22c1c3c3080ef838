package gateway_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/store"
)

// admin is the pretend person who is in the administrators' group.
const admin = "omar.operator"

// personNumbered is the number of one of the pretend people.
func (s keyServer) personNumbered(login string) string {
	s.t.Helper()
	for _, p := range persons(s.t, s.db) {
		if p.Login == login {
			return fmt.Sprint(p.ID)
		}
	}
	s.t.Fatalf("%s was never here", login)
	return ""
}

func TestAdministrationIsForAdministrators(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	_ = s.made(`{"name":"job"}`)
	at := "/admin/people/" + s.personNumbered("ada.analyst")
	for _, request := range []struct{ method, path, body string }{
		{"GET", "/admin/keys", ""}, {"GET", "/admin/people", ""}, {"GET", at, ""}, {"GET", "/admin/events", ""},
		{"GET", "/admin/events?format=csv", ""}, {"GET", "/admin/signing-keys", ""}, {"POST", "/admin/keys", `{"name":"x","owner":"y"}`},
		{"POST", "/admin/keys/revoke", `{"app":"maps"}`}, {"PATCH", at, `{"active":false}`}, {"POST", at + "/revoke", `{}`},
	} {
		answer, body := s.inJSON("ada.analyst", request.method, request.path, request.body)
		refused(t, answer, body, http.StatusForbidden, "not_administrator")
	}
	answer, body := get(t, s.SignedIn(t, "ada.analyst"), s.Gateway+"/admin", "Accept", "text/html")
	if answer.status != http.StatusForbidden || !strings.Contains(body, "you are not an administrator") && !strings.Contains(body, "You are not an administrator") {
		t.Errorf("got %d: %s", answer.status, body)
	}
	if _, page := get(t, s.SignedIn(t, "ada.analyst"), s.Gateway+"/keys", "Accept", "text/html"); strings.Contains(page, `href="/admin"`) {
		t.Error("the page links to what only administrators may open")
	}
	if _, page := get(t, s.SignedIn(t, admin), s.Gateway+"/", "Accept", "text/html"); !strings.Contains(page, `href="/admin"`) {
		t.Error("an administrator's page has no link to the administration")
	}
	off := open(t)
	answer, body = get(t, off.Client(), off.Direct+"/admin/events", with("t0ken")...)
	refused(t, answer, body, http.StatusNotFound, "not_found")
	if len(keysIn(t, s.db)) != 1 {
		t.Error("something was changed")
	}
}

func TestAdministrationRejectsOtherOrigins(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	_ = s.made(`{"name":"job","apps":["maps"]}`)
	at := "/admin/people/" + s.personNumbered("ada.analyst")
	form := url.Values{"name": {"x"}, "owner": {"y"}, "app": {"maps"}, "active": {"false"}, "sure": {"true"}}.Encode()
	for _, path := range []string{"/admin/keys", "/admin/keys/revoke", at, at + "/revoke"} {
		lines := append(fetched("cross-site", "navigate", "document"), "Content-Type", "application/x-www-form-urlencoded")
		answer, body := send(t, s.SignedIn(t, admin), http.MethodPost, s.Gateway+path, form, lines...)
		if answer.status != http.StatusForbidden || !strings.Contains(body, "cross_site") {
			t.Errorf("%s: got %d", path, answer.status)
		}
	}
	if made := keysIn(t, s.db); len(made) != 1 || !made[0].Revoked.IsZero() {
		t.Errorf("got %+v, want nothing changed", made)
	}
}

func TestAdministratorFindsPeopleAndKeys(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	made := s.made(`{"name":"100% <b>night</b>","apps":["maps"]}`)
	_ = s.made(`{"name":"other","apps":["map"]}`)
	type list struct {
		Keys   []keyDocument
		People []struct{ ID, Login string }
	}
	for _, test := range []struct {
		path string
		want int
	}{
		{"/admin/keys", 2}, {"/admin/keys?q=NIGHT", 1}, {"/admin/keys?q=%25", 1}, {"/admin/keys?q=_", 0}, {"/admin/keys?q=ada.analyst", 2},
		{"/admin/keys?app=maps", 1}, {"/admin/keys?app=tiles", 0}, {"/admin/keys?q=" + made.ID, 1}, {"/admin/keys?person=" + s.personNumbered("ada.analyst"), 2},
		{"/admin/keys?after=zzzzzzzzzz", 0}, {"/admin/people?q=ADA", 1}, {"/admin/people?q=example.org", 2}, {"/admin/people?q=nobody", 0},
	} {
		answer, body := s.inJSON(admin, http.MethodGet, test.path, "")
		if got := read[list](t, body); answer.status != http.StatusOK || len(got.Keys)+len(got.People) != test.want {
			t.Errorf("%s: got %d: %s", test.path, answer.status, body)
		}
		if strings.Contains(body, made.Key) {
			t.Errorf("%s: the answer has the secret", test.path)
		}
	}
	for _, path := range []string{"/admin?q=night", "/admin/keys?q=night", "/admin/people/" + s.personNumbered("ada.analyst")} {
		answer, page := get(t, s.SignedIn(t, admin), s.Gateway+path, "Accept", "text/html")
		if answer.status != http.StatusOK || !strings.Contains(page, "100% &lt;b&gt;night&lt;/b&gt;") {
			t.Errorf("%s: got %d without the key", path, answer.status)
		}
	}
	for _, path := range []string{"/admin/keys?after=x", "/admin/keys?person=x", "/admin/people?afterPerson=-1", "/admin/events?key=x", "/admin/events?from=x", "/admin/events?format=xls"} {
		answer, body := s.inJSON(admin, http.MethodGet, path, "")
		refused(t, answer, body, http.StatusBadRequest, "invalid_request")
	}
	answer, body := s.inJSON(admin, http.MethodGet, "/admin/people/12", "")
	refused(t, answer, body, http.StatusNotFound, "not_found")
}

func TestAdministratorMakesMachineKey(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	answer, body := s.inJSON(admin, http.MethodPost, "/admin/keys", `{"name":"gateway","owner":"platform","grants":["introspect:maps"]}`)
	made := read[struct {
		ID, Key, Owner string
		Grants         []string
	}](t, body)
	if answer.status != http.StatusCreated || made.Owner != "platform" || !slices.Equal(made.Grants, []string{"introspect:maps"}) || !keyPattern.MatchString(made.Key) {
		t.Fatalf("got %d: %s", answer.status, body)
	}
	answer, body = s.inJSON(admin, http.MethodPost, "/admin/keys", `{"name":"gateway"}`)
	if got := refused(t, answer, body, http.StatusBadRequest, "invalid_request"); !strings.Contains(got.Detail, "`owner`") {
		t.Errorf("got %s", got.Detail)
	}
	answer, page := s.inForm(admin, "/admin/keys", url.Values{"name": {"x"}, "owner": {"platform"}, "grants": {"root"}})
	if answer.status != http.StatusBadRequest || !strings.Contains(page, `id="grants-error"`) || !strings.Contains(page, ">root</textarea>") {
		t.Errorf("got %d: %s", answer.status, page)
	}
	if answer, _ := s.inJSON(admin, http.MethodPost, "/keys/"+made.ID+"/rotate", `{"overlap":"0s"}`); answer.status != http.StatusCreated {
		t.Errorf("got %d for its rotation", answer.status)
	}
}

func TestAdministratorEndsKeys(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	maps, both, every := s.made(`{"name":"a","apps":["maps"]}`), s.made(`{"name":"b","apps":["tiles","maps"]}`), s.made(`{"name":"c"}`)
	status := func(id string) string {
		_, body := s.inJSON(admin, http.MethodGet, "/keys/"+id, "")
		return read[keyDocument](t, body).Status
	}
	answer, body := s.inJSON(admin, http.MethodPost, "/admin/keys/revoke", `{"app":"maps","reason":"shut down"}`)
	if got := read[struct{ Revoked []string }](t, body); answer.status != http.StatusOK || len(got.Revoked) != 2 {
		t.Fatalf("got %d: %s", answer.status, body)
	}
	if status(maps.ID) != "revoked" || status(both.ID) != "revoked" || status(every.ID) != "active" {
		t.Errorf("got %s, %s, %s", status(maps.ID), status(both.ID), status(every.ID))
	}
	at := "/admin/people/" + s.personNumbered("ada.analyst")
	answer, body = s.inForm(admin, at+"/revoke", url.Values{"reason": {"left"}})
	if answer.status != http.StatusBadRequest || status(every.ID) != "active" {
		t.Errorf("got %d without the confirmation: %s", answer.status, body)
	}
	answer, _ = s.inForm(admin, at+"/revoke", url.Values{"reason": {"left"}, "sure": {"true"}})
	if answer.status != http.StatusSeeOther || status(every.ID) != "revoked" {
		t.Errorf("got %d, and the key is %s", answer.status, status(every.ID))
	}
	for _, app := range []string{"", "*"} {
		answer, body := s.inJSON(admin, http.MethodPost, "/admin/keys/revoke", `{"app":"`+app+`"}`)
		refused(t, answer, body, http.StatusBadRequest, "invalid_request")
	}
	if output := s.Output.String(); !strings.Contains(output, `"action":"revoke_keys","person":"omar.operator","app":"maps","count":2`) {
		t.Error("the log does not have what the administrator did")
	}
}

func TestAdministratorCannotTakeOverKey(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	made := s.made(`{"name":"job"}`)
	answer, body := s.inJSON(admin, http.MethodPost, "/keys/"+made.ID+"/rotate", `{"overlap":"1h"}`)
	refused(t, answer, body, http.StatusForbidden, "policy_refused")
	_, page := get(t, s.SignedIn(t, admin), s.Gateway+"/keys/"+made.ID, "Accept", "text/html")
	if strings.Contains(page, "/rotate") || !strings.Contains(page, "Belongs to") || !strings.Contains(page, "ada.analyst") {
		t.Errorf("got %s", page)
	}
}

func TestAdministratorDisablesPerson(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	made := s.made(`{"name":"job"}`)
	at := "/admin/people/" + s.personNumbered("ada.analyst")
	answer, body := s.inJSON(admin, http.MethodPatch, at, `{"active":false}`)
	if got := read[struct{ Active bool }](t, body); answer.status != http.StatusOK || got.Active {
		t.Fatalf("got %d: %s", answer.status, body)
	}
	answer, body = s.inJSON(admin, http.MethodPost, "/keys/try", `{"key":"`+made.ID+`"}`)
	if answer.status != http.StatusOK || !strings.Contains(body, "invalid_key") || !strings.Contains(body, "disabled") {
		t.Errorf("got %d: %s", answer.status, body)
	}
	answer, body = s.inJSON("ada.analyst", http.MethodGet, "/keys", "")
	refused(t, answer, body, http.StatusForbidden, "person_disabled")
	answer, _ = s.inForm(admin, at, url.Values{"active": {"true"}, "sure": {"true"}})
	if answer.status != http.StatusSeeOther || !persons(t, s.db)[0].Active {
		t.Errorf("got %d, and the person is not enabled", answer.status)
	}
	answer, body = s.inJSON(admin, http.MethodPatch, at, `{}`)
	refused(t, answer, body, http.StatusBadRequest, "invalid_request")
}

func TestEventsAreFilteredAndExported(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	made := s.made(`{"name":"job"}`)
	_, _ = s.inJSON("ada.analyst", http.MethodPost, "/keys/"+made.ID+"/revoke", `{}`)
	id, err := apikey.ParseID(made.ID)
	if err != nil {
		t.Fatal(err)
	}
	const more = 1500
	for i := range more {
		actor := "=HYPERLINK(1)"
		if _, err := s.db.ChangeKey(t.Context(), id, func(*store.Key) error { return nil }, store.Event{Actor: actor, Action: "key changed", Attributes: map[string]string{"number": fmt.Sprint(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	type list struct {
		Events []struct{ Action, Actor, Key string }
		Next   string
	}
	client, today := s.SignedIn(t, admin), time.Now().UTC().Format(time.DateOnly)
	for _, test := range []struct {
		query string
		want  int
	}{
		{"", 99}, {"?action=key+made", 1}, {"?action=key", 0}, {"?actor=hyper", 99}, {"?key=" + made.ID + "&action=key+revoked", 1}, {"?key=0000000001", 0},
		{"?from=" + today + "&action=key+made", 1}, {"?to=2020-01-01", 0}, {"?to=" + today + "&action=key+made", 1},
	} {
		_, body := get(t, client, s.Gateway+"/admin/events"+test.query)
		if got := read[list](t, body); len(got.Events) != test.want || (got.Next != "") != (test.want == 99) {
			t.Errorf("%s: got %d events, next %q", test.query, len(got.Events), got.Next)
		}
	}
	_, lines := get(t, client, s.Gateway+"/admin/events?format=jsonl")
	if got := strings.Count(lines, "\n"); got != more+2 {
		t.Errorf("got %d lines, want %d", got, more+2)
	}
	answer, text := get(t, client, s.Gateway+"/admin/events?format=csv&action=key+changed")
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != more+1 || rows[1][2] != "'=HYPERLINK(1)" || answer.header.Get("Content-Disposition") != `attachment; filename="events.csv"` {
		t.Errorf("got %d rows, %v: %q", len(rows), err, rows[1])
	}
	_, page := get(t, client, s.Gateway+"/admin/events?actor=hyper", "Accept", "text/html")
	if !strings.Contains(page, "Older events") || !strings.Contains(page, `value="hyper"`) || !strings.Contains(page, "actor=hyper&amp;format=csv") {
		t.Errorf("got %s", page)
	}
	answer, page = get(t, client, s.Gateway+"/admin/events?from=tomorrow", "Accept", "text/html")
	if answer.status != http.StatusBadRequest || !strings.Contains(page, `value="tomorrow"`) {
		t.Errorf("got %d: %s", answer.status, page)
	}
}

func TestSigningKeysAreListedWithoutPrivateHalves(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	stored := store.SigningKey{ID: "thumbprint-1", Purpose: "api-key", State: "active", Created: time.Now(), Private: []byte("private-half")}
	err := s.db.ChangeSigningKeys(t.Context(), func([]store.SigningKey) ([]store.SigningKey, error) { return []store.SigningKey{stored}, nil }, store.Event{Action: "signing key made"})
	if err != nil {
		t.Fatal(err)
	}
	for _, accept := range []string{"application/json", "text/html"} {
		answer, body := get(t, s.SignedIn(t, admin), s.Gateway+"/admin/signing-keys", "Accept", accept)
		if answer.status != http.StatusOK || !strings.Contains(body, "thumbprint-1") || !strings.Contains(body, "active") || strings.Contains(body, "private") || strings.Contains(body, "cHJpdmF0ZS1oYWxm") {
			t.Errorf("%s: got %d: %s", accept, answer.status, body)
		}
	}
}

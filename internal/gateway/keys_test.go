package gateway_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/t2gtest"
)

// keyServer is a server that makes keys.
type keyServer struct {
	*t2gtest.Server
	db *store.Store
	t  testing.TB
}

func openKeys(t testing.TB, changes ...func(*keys.Policy)) keyServer {
	t.Helper()
	db := t2gtest.Database(t)
	s := keyServer{open(t, t2gtest.WithKeys(t, db, changes...)), db, t}
	s.waitForIssuer()
	return s
}

// waitForIssuer waits until the issuer's keys were fetched.
func (s keyServer) waitForIssuer() {
	s.t.Helper()
	client := s.SignedIn(s.t, "")
	eventually(s.t, "the issuer is known", func() bool {
		answer, _ := get(s.t, client, s.Gateway+"/keys")
		return answer.status == http.StatusOK
	})
}

// inJSON sends JSON as a person, and returns the answer.
func (s keyServer) inJSON(person, method, path, body string) (reply, string) {
	s.t.Helper()
	return send(s.t, s.SignedIn(s.t, person), method, s.Gateway+path, body, "Content-Type", "application/json")
}

// inForm sends a form from a page of ours as a person's browser does.
func (s keyServer) inForm(person, path string, fields url.Values, lines ...string) (reply, string) {
	s.t.Helper()
	lines = append(fetched("same-origin", "navigate", "document", "Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded"), lines...)
	return send(s.t, s.SignedIn(s.t, person), http.MethodPost, s.Gateway+path, fields.Encode(), lines...)
}

// keyDocument is a key as programs read it.
type keyDocument struct {
	ID, Key, Name, Note, Kind, Status, Reason, Replaces string
	EndsSoon                                            bool
	Expires, Revoked                                    time.Time
	Apps, Networks, Hosts, Roles                        []string
	Config                                              json.RawMessage
}

// made makes a key as ada.
func (s keyServer) made(body string) keyDocument {
	s.t.Helper()
	answer, text := s.inJSON("ada.analyst", http.MethodPost, "/keys", body)
	if answer.status != http.StatusCreated {
		s.t.Fatalf("got %d: %s", answer.status, text)
	}
	return read[keyDocument](s.t, text)
}

func TestKeyIsMadeListedAndRevoked(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	answer, body := s.inJSON("ada.analyst", http.MethodPost, "/keys", `{"name":"Nightly job","note":"on server 3","ttl":"30d","networks":["192.0.2.0/24"],"roles":["staff"],"config":{"layers":["roads"]},"rate":{"requests":100,"per":"1m"}}`)
	made := read[keyDocument](t, body)
	if answer.status != http.StatusCreated || answer.header.Get("Location") != "/keys/"+made.ID {
		t.Fatalf("got %d to %q: %s", answer.status, answer.header.Get("Location"), body)
	}
	if parsed, err := apikey.Prefix("t2g").Parse(made.Key); err != nil || parsed.ID.String() != made.ID {
		t.Errorf("got the key %q, %v", made.Key, err)
	}
	if made.Status != "active" || made.EndsSoon || time.Until(made.Expires) > 30*24*time.Hour || !slices.Equal(made.Networks, []string{"192.0.2.0/24"}) || !slices.Equal(made.Roles, []string{"staff"}) || string(made.Config) != `{"layers":["roads"]}` {
		t.Errorf("got %+v", made)
	}
	_, list := get(t, s.SignedIn(t, "ada.analyst"), s.Gateway+"/keys")
	if !strings.Contains(list, made.ID) || strings.Contains(list, made.Key) {
		t.Errorf("got %s, want the key without its secret", list)
	}
	answer, body = s.inJSON("ada.analyst", http.MethodPost, "/keys/"+made.ID+"/revoke", `{"reason":"leaked"}`)
	if revoked := read[keyDocument](t, body); answer.status != http.StatusOK || revoked.Status != "revoked" || revoked.Reason != "leaked" {
		t.Errorf("got %d: %s", answer.status, body)
	}
	output := s.Output.String()
	for _, action := range []string{"make_key", "revoke_key"} {
		if !strings.Contains(output, fmt.Sprintf(`"action":%q,"person":"ada.analyst","key":%q`, action, made.ID)) {
			t.Errorf("the log does not have %s", action)
		}
	}
}

func TestKeysOfOthersAreNotFound(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	made := s.made(`{"name":"ada's"}`)
	for _, request := range []struct{ method, path, body string }{
		{"GET", "/keys/" + made.ID, ""},
		{"GET", "/keys/" + made.ID + "/usage", ""},
		{"PATCH", "/keys/" + made.ID, `{"name":"mine"}`},
		{"POST", "/keys/" + made.ID + "/rotate", `{"overlap":"1h"}`},
		{"POST", "/keys/" + made.ID + "/revoke", `{}`},
		{"POST", "/keys/try", `{"key":"` + made.ID + `"}`},
		{"POST", "/keys/try", `{"key":"` + made.Key + `"}`},
	} {
		answer, body := s.inJSON("nora.newcomer", request.method, request.path, request.body)
		refused(t, answer, body, http.StatusNotFound, "not_found")
	}
	if _, list := get(t, s.SignedIn(t, "nora.newcomer"), s.Gateway+"/keys"); strings.Contains(list, made.ID) {
		t.Error("another person's list has the key")
	}
}

func TestKeyIsRotated(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	old := s.made(`{"name":"job","ttl":"30d"}`)
	answer, body := s.inJSON("ada.analyst", http.MethodPost, "/keys/"+old.ID+"/rotate", `{"overlap":"1h"}`)
	next := read[keyDocument](t, body)
	if answer.status != http.StatusCreated || next.Key == old.Key || next.Replaces != old.ID || next.Name != "job" {
		t.Fatalf("got %d: %s", answer.status, body)
	}
	_, body = get(t, s.SignedIn(t, "ada.analyst"), s.Gateway+"/keys/"+old.ID)
	if ends := read[keyDocument](t, body).Expires; time.Until(ends) > time.Hour {
		t.Errorf("the old key ends %v, want in an hour", ends)
	}
	_, body = s.inJSON("ada.analyst", http.MethodPost, "/keys/"+next.ID+"/rotate", `{"overlap":"0s"}`)
	if replaced := read[keyDocument](t, body).Replaces; replaced != next.ID {
		t.Errorf("got %s", body)
	}
	_, body = get(t, s.SignedIn(t, "ada.analyst"), s.Gateway+"/keys/"+next.ID)
	if status := read[keyDocument](t, body).Status; status != "revoked" {
		t.Errorf("got %s after a rotation without overlap, want it revoked", status)
	}
	answer, body = s.inJSON("ada.analyst", http.MethodPost, "/keys/"+old.ID+"/rotate", `{}`)
	refused(t, answer, body, http.StatusBadRequest, "invalid_request")
}

func TestKeyIsChangedOnlyNarrower(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	made := s.made(`{"name":"job","networks":["192.0.2.0/24"],"roles":["staff"]}`)
	answer, body := s.inJSON("ada.analyst", http.MethodPatch, "/keys/"+made.ID, `{"name":"job 2","networks":["192.0.2.7"]}`)
	if got := read[keyDocument](t, body); answer.status != http.StatusOK || got.Name != "job 2" || !slices.Equal(got.Networks, []string{"192.0.2.7/32"}) || !slices.Equal(got.Roles, []string{"staff"}) {
		t.Fatalf("got %d: %s", answer.status, body)
	}
	for _, test := range []struct{ body, detail string }{
		{`{"networks":["192.0.2.0/24"]}`, "`networks`: "},
		{`{"networks":[]}`, "`networks`: "},
		{`{"roles":["staff","analysts"]}`, "`roles`: analysts"},
		{`{"name":""}`, "`name`: want a name"},
		{`{"ttl":"1d"}`, "`ttl`: this cannot be changed"},
		{`{"expires":"2030-01-01"}`, "`expires`: this cannot be changed"},
		{`{"title":"x"}`, `"title" is not known`},
		{`{"name":7}`, "`name` must be of another type"},
		{`{"name":"x"} {}`, "something behind"},
		{`[]`, "not a JSON object"},
	} {
		answer, body := s.inJSON("ada.analyst", http.MethodPatch, "/keys/"+made.ID, test.body)
		if got := refused(t, answer, body, http.StatusBadRequest, "invalid_request"); !strings.Contains(got.Detail, test.detail) {
			t.Errorf("%s: got %q, want %q", test.body, got.Detail, test.detail)
		}
	}
}

func TestMakeNamesTheWrongMember(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	for _, test := range []struct{ body, detail string }{
		{`{}`, "`name`: want a name"},
		{`{"name":"x","ttl":"5y"}`, "`ttl`: "},
		{`{"name":"x","ttl":"400d"}`, "`ttl`: 400 days, want "},
		{`{"name":"x","expires":"tomorrow"}`, "`expires`: "},
		{`{"name":"x","expires":"2020-01-01"}`, "`expires`: "},
		{`{"name":"x","never":true}`, "`never`: "},
		{`{"name":"x","networks":["10.0.0"]}`, "`networks`: network \"10.0.0\""},
		{`{"name":"x","hosts":["https://maps.example.org"]}`, "`hosts`: "},
		{`{"name":"x","roles":["operators"]}`, "`roles`: operators"},
		{`{"name":"x","rate":{"requests":0,"per":"1m"}}`, "`rate`: "},
		{`{"name":"x","rate":{"requests":5,"per":"soon"}}`, "`rate`: "},
		{`{"name":"x","kind":"sealed"}`, "`kind`: "},
		{`{"name":"x","config":[1]}`, "`config`: "},
		{`{"name":"x\u202e"}`, "`name`: "},
		{`{"name":"x","config":{"a":"` + strings.Repeat("x", 9000) + `"}}`, "`config`: "},
	} {
		answer, body := s.inJSON("ada.analyst", http.MethodPost, "/keys", test.body)
		if got := refused(t, answer, body, http.StatusBadRequest, "invalid_request"); !strings.Contains(got.Detail, test.detail) {
			t.Errorf("%s: got %q, want %q", test.body[:min(len(test.body), 60)], got.Detail, test.detail)
		}
	}
	answer, body := s.inJSON("ada.analyst", http.MethodPost, "/keys", `{"name":"x","owner":"team"}`)
	refused(t, answer, body, http.StatusForbidden, "policy_refused")
	answer, body = s.inJSON("ada.analyst", http.MethodPost, "/keys", `{"name":"`+strings.Repeat("x", 70<<10)+`"}`)
	refused(t, answer, body, http.StatusRequestEntityTooLarge, "body_too_large")
	answer, body = send(t, s.SignedIn(t, ""), http.MethodPost, s.Gateway+"/keys", "name=x", "Content-Type", "text/plain")
	refused(t, answer, body, http.StatusBadRequest, "invalid_request")
}

// TestDayCountsToItsEnd is about "until today", which a date field offers in the evening.
func TestDayCountsToItsEnd(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	tomorrow := time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	made := s.made(`{"name":"x","expires":"` + tomorrow + `"}`)
	if got := made.Expires.Format(time.RFC3339); got != tomorrow+"T23:59:59Z" {
		t.Errorf("got the end %s", got)
	}
}

func TestFormKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	typed := url.Values{
		"name": {`<i>"job"</i>`}, "note": {"a note"}, "ttl": {"7d"}, "networks": {"10.0.0.0/8\nnonsense"}, "hosts": {"maps.example.org"},
		"roleChoice": {"some"}, "roles": {"staff"}, "rate": {"5"}, "per": {"1h"}, "config": {`{"a": 1}`}, "allowInUrl": {"true"}, "once": {"0123456789"},
	}
	answer, body := s.inForm("ada.analyst", "/keys", typed)
	if answer.status != http.StatusBadRequest || !strings.Contains(answer.header.Get("Content-Type"), "text/html") {
		t.Fatalf("got %d: %s", answer.status, body)
	}
	for _, want := range []string{
		`value="&lt;i&gt;&#34;job&#34;&lt;/i&gt;"`, `value="a note"`, `<option value="7d" selected>`, "10.0.0.0/8\nnonsense</textarea>",
		"maps.example.org</textarea>", `value="some" checked`, `value="staff" checked`, `value="5"`, `<option value="1h" selected>`,
		`{&#34;a&#34;: 1}</textarea>`, `name="allowInUrl" value="true" checked`, `aria-describedby="networks-hint networks-error" aria-invalid="true"`, `id="networks-error"`,
		`<details class="more" open>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if len(keysIn(t, s.db)) != 0 {
		t.Error("a key was made")
	}
}

// keysIn returns the keys in the database.
func keysIn(t testing.TB, db *store.Store) []store.Key {
	t.Helper()
	list, err := db.Keys(t.Context(), store.KeyFilter{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

var keyPattern = regexp.MustCompile(`t2g_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}`)

func TestFormMakesOneKeyHoweverOftenItIsSent(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	client := s.SignedIn(t, "ada.analyst")
	_, page := get(t, client, s.Gateway+"/keys", "Accept", "text/html")
	once := regexp.MustCompile(`name="once" value="([^"]+)"`).FindStringSubmatch(page)
	if once == nil {
		t.Fatal("the form has no field that is used once")
	}
	fields := url.Values{"name": {"job"}, "once": {once[1]}}
	answer, body := s.inForm("ada.analyst", "/keys", fields)
	if answer.status != http.StatusCreated || !keyPattern.MatchString(html.UnescapeString(body)) || answer.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d: %s", answer.status, body)
	}
	answer, body = s.inForm("ada.analyst", "/keys", fields)
	if answer.status != http.StatusConflict || keyPattern.MatchString(body) || !strings.Contains(body, "sent before") || !strings.Contains(body, "/rotate") {
		t.Errorf("got %d for the same form again: %s", answer.status, body)
	}
	if made := keysIn(t, s.db); len(made) != 1 {
		t.Errorf("got %d keys, want one", len(made))
	}
	if answer, _ := s.inForm("nora.newcomer", "/keys", fields); answer.status != http.StatusCreated {
		t.Errorf("got %d for another person's form, want its own key", answer.status)
	}
}

func TestFormRevokesOnlyWhenConfirmed(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	made := s.made(`{"name":"job"}`)
	answer, body := s.inForm("ada.analyst", "/keys/"+made.ID+"/revoke", url.Values{"reason": {"a reason"}})
	if answer.status != http.StatusBadRequest || !strings.Contains(body, `value="a reason"`) {
		t.Errorf("got %d without the confirmation: %s", answer.status, body)
	}
	answer, _ = s.inForm("ada.analyst", "/keys/"+made.ID+"/revoke", url.Values{"reason": {"a reason"}, "sure": {"true"}})
	if answer.status != http.StatusSeeOther || answer.header.Get("Location") != "/keys/"+made.ID {
		t.Errorf("got %d to %q", answer.status, answer.header.Get("Location"))
	}
	_, body = get(t, s.SignedIn(t, "ada.analyst"), s.Gateway+"/keys/"+made.ID, "Accept", "text/html")
	if !strings.Contains(body, "Revoked") || !strings.Contains(body, "a reason") || strings.Contains(body, "/rotate") {
		t.Errorf("got %s", body)
	}
}

func TestKeysRejectOtherOrigins(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	made := s.made(`{"name":"job"}`)
	form := url.Values{"name": {"x"}, "sure": {"true"}, "key": {made.ID}, "overlap": {"0s"}}.Encode()
	for _, path := range []string{"/keys", "/keys/" + made.ID, "/keys/" + made.ID + "/rotate", "/keys/" + made.ID + "/revoke", "/keys/try"} {
		for name, lines := range map[string][]string{
			"another site":           fetched("cross-site", "navigate", "document"),
			"a sibling":              fetched("same-site", "navigate", "document"),
			"a frame of our own":     fetched("same-origin", "navigate", "iframe"),
			"an old browser's":       {"Origin", "https://evil.example"},
			"a page without referer": {"Origin", "null"},
		} {
			answer, body := send(t, s.SignedIn(t, "ada.analyst"), http.MethodPost, s.Gateway+path, form, append(lines, "Content-Type", "application/x-www-form-urlencoded")...)
			if answer.status != http.StatusForbidden || !strings.Contains(body, "cross_site") {
				t.Errorf("%s to %s: got %d: %s", name, path, answer.status, body)
			}
		}
	}
	if made := keysIn(t, s.db); len(made) != 1 || !made[0].Revoked.IsZero() {
		t.Errorf("got %+v, want nothing changed", made)
	}
}

func TestTrySaysFirstStepThatRefuses(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	made := s.made(`{"name":"job","networks":["192.0.2.0/24"],"hosts":["*.example.org"],"apps":["maps"]}`)
	for _, test := range []struct{ facts, kind, detail string }{
		{`"address":"192.0.2.7","page":"https://a.example.org/x","app":"maps"`, "", "Every step passes"},
		{`"address":"198.51.100.7"`, "address_not_allowed", "limited to 192.0.2.0/24, and 198.51.100.7"},
		{`"address":"192.0.2.7"`, "page_not_allowed", "names no website"},
		{`"address":"192.0.2.7","page":"https://example.com/"`, "page_not_allowed", "limited to calls from the websites *.example.org"},
		{`"address":"192.0.2.7","page":"https://a.example.org/","inUrl":true`, "not_in_url", "may not be sent in a URL"},
		{`"address":"192.0.2.7","page":"https://a.example.org/","app":"tiles"`, "application_not_allowed", "limited to the applications maps"},
	} {
		answer, body := s.inJSON("ada.analyst", http.MethodPost, "/keys/try", `{"key":"`+made.Key+`",`+test.facts+`}`)
		got := read[struct {
			Good         bool
			Kind, Detail string
			Steps        []struct{ Step, Result string }
		}](t, body)
		refusing := slices.ContainsFunc(got.Steps, func(s struct{ Step, Result string }) bool { return s.Result == "refused" })
		if answer.status != http.StatusOK || got.Good != (test.kind == "") || got.Kind != test.kind || !strings.Contains(got.Detail, test.detail) || refusing == got.Good {
			t.Errorf("%s: got %d: %s", test.facts, answer.status, body)
		}
	}
	answer, body := s.inJSON("ada.analyst", http.MethodPost, "/keys/try", `{"key":"`+made.Key[:len(made.Key)-1]+`x"}`)
	if got := refused(t, answer, body, http.StatusBadRequest, "invalid_request"); !strings.Contains(got.Detail, "checksum") || strings.Contains(body, made.Key[:20]) {
		t.Errorf("got %s for a key that was mistyped", body)
	}
	answer, body = s.inForm("ada.analyst", "/keys/try", url.Values{"key": {made.ID}, "address": {"nonsense"}})
	if answer.status != http.StatusBadRequest || !strings.Contains(body, `value="nonsense"`) {
		t.Errorf("got %d: %s", answer.status, body)
	}
}

func TestKeysNeedProof(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	answer, body := get(t, s.Client(), s.Direct+"/keys")
	refused(t, answer, body, http.StatusUnauthorized, "token_not_found")
	answer, body = get(t, s.Client(), s.Direct+"/keys", with("t0ken", "X-Forwarded-User", "ada")...)
	refused(t, answer, body, http.StatusForbidden, "identity_not_proven")
	down := open(t, t2gtest.WithKeys(t, t2gtest.Database(t)), func(o *gateway.Options) { o.People = unavailable{} })
	answer, body = get(t, down.Client(), down.Direct+"/keys", with("t0ken")...)
	refused(t, answer, body, http.StatusServiceUnavailable, "provider_unavailable")
	for _, path := range []string{"/keys", "/keys/4fT9qLw2Xa"} {
		off := open(t)
		answer, body = get(t, off.Client(), off.Direct+path, with("t0ken")...)
		refused(t, answer, body, http.StatusNotFound, "not_found")
	}
}

func TestDisabledPersonIsRefused(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	_ = s.made(`{"name":"job"}`)
	ada := persons(t, s.db)[0]
	if _, err := s.db.ChangePerson(t.Context(), ada.ID, func(p *store.Person) error { p.Active = false; return nil }, store.Event{}); err != nil {
		t.Fatal(err)
	}
	answer, body := s.inJSON("ada.analyst", http.MethodPost, "/keys", `{"name":"another"}`)
	refused(t, answer, body, http.StatusForbidden, "person_disabled")
}

func TestPersonWhoMayNotMakeKeysSeesWhy(t *testing.T) {
	t.Parallel()
	s := openKeys(t, func(p *keys.Policy) { p.Makers = []string{"operators"} })
	_, body := get(t, s.SignedIn(t, "ada.analyst"), s.Gateway+"/keys", "Accept", "text/html")
	if !strings.Contains(body, "may not make API keys") || strings.Contains(body, `id="make"`) {
		t.Errorf("got %s", body)
	}
	answer, body := s.inJSON("ada.analyst", http.MethodPost, "/keys", `{"name":"x"}`)
	refused(t, answer, body, http.StatusForbidden, "policy_refused")
}

func TestUsageIsShown(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	made := s.made(`{"name":"job"}`)
	id, err := apikey.ParseID(made.ID)
	if err != nil {
		t.Fatal(err)
	}
	used := store.Usage{Key: id, Count: 12, Last: time.Now(), Address: "192.0.2.7", Agent: "curl/8 <b>"}
	if err := s.db.AddUsage(t.Context(), []store.Usage{used}); err != nil {
		t.Fatal(err)
	}
	_, body := get(t, s.SignedIn(t, "ada.analyst"), s.Gateway+"/keys/"+made.ID+"/usage")
	got := read[struct {
		Total int
		Last  struct{ Address, Agent string }
		Days  []struct{ Count int }
	}](t, body)
	if got.Total != 12 || got.Last.Address != "192.0.2.7" || len(got.Days) != 1 || got.Days[0].Count != 12 {
		t.Errorf("got %s", body)
	}
	for _, path := range []string{"/keys", "/keys/" + made.ID} {
		_, page := get(t, s.SignedIn(t, "ada.analyst"), s.Gateway+path, "Accept", "text/html")
		if !strings.Contains(page, "192.0.2.7") || !strings.Contains(page, "curl/8 &lt;b&gt;") || !strings.Contains(page, "12 uses in 30 days") {
			t.Errorf("%s does not show the uses", path)
		}
	}
}

func TestTokenPageLinksToKeysWhereTheyAreOn(t *testing.T) {
	t.Parallel()
	s := openKeys(t)
	if _, page := get(t, s.SignedIn(t, ""), s.Gateway+"/", "Accept", "text/html"); !strings.Contains(page, `href="/keys"`) {
		t.Error("the token page has no link to the keys")
	}
	off := open(t)
	if _, page := get(t, off.SignedIn(t, ""), off.Gateway+"/", "Accept", "text/html"); strings.Contains(page, `href="/keys"`) {
		t.Error("the token page links to keys that are off")
	}
}

package gateway

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/store"
)

var errNotAdmin = errors.New("not an administrator")

// asAdmin proves a person as prove does, and wants an administrator.
func asAdmin(prove func(*http.Request) (keys.Actor, error)) func(*http.Request) (keys.Actor, error) {
	return func(r *http.Request) (keys.Actor, error) {
		actor, err := prove(r)
		if err == nil && !actor.Admin {
			err = errNotAdmin
		}
		return actor, err
	}
}

// adminView searches people and keys.
type adminView struct {
	chrome
	Query, App           string
	People               []personView
	Keys                 []keyView
	MorePeople, MoreKeys string    // where the next page begins; empty: this is the last
	Form                 *keyForm  // makes a machine key
	AppForm              *keyForm  // ends all keys of an application
	Ended                *endedAll // what was just ended
}

// Table is the list of keys.
func (v adminView) Table() keyTable { return keyTable{v.Base, v.Keys, true, "No key fits."} }

// endedAll says how many keys were ended, of what.
type endedAll struct {
	Count int
	Of    string
}

// personView is one person.
type personView struct {
	ID, Name, Login, Email, Subject, Issuer string
	Active                                  bool
	Seen                                    time.Time
	Roles, Groups                           []string
}

func newPersonView(p store.Person) personView {
	return personView{
		ID: strconv.FormatInt(p.ID, 10), Name: nameOf(p), Login: p.Login, Email: p.Email, Subject: p.Subject, Issuer: p.Issuer,
		Active: p.Active, Seen: p.Seen, Roles: p.Roles, Groups: p.Groups,
	}
}

func nameOf(p store.Person) string {
	return shownName(p.Login, p.Email, p.Subject, strconv.FormatInt(p.ID, 10))
}

// admin is the page on which administrators search.
func (s *Server) admin(w http.ResponseWriter, r *http.Request) error {
	actor, err := asAdmin(s.actor)(r)
	if err != nil {
		return err
	}
	return s.showAdmin(w, r, http.StatusOK, actor, adminView{})
}

// showAdmin shows what the query asks for; the view has the forms that were refused.
func (s *Server) showAdmin(w http.ResponseWriter, r *http.Request, status int, actor keys.Actor, view adminView) error {
	query := r.URL.Query()
	view.chrome, view.Query, view.App = s.chrome(r), query.Get("q"), query.Get("app")
	people, next, err := s.searchPeople(r)
	if err != nil {
		return err
	}
	view.MorePeople = next
	for _, p := range people {
		view.People = append(view.People, newPersonView(p))
	}
	list, next, err := s.searchKeys(r, actor)
	if err != nil {
		return err
	}
	view.MoreKeys = next
	if view.Keys, err = s.adminKeyViews(r, actor, list); err != nil {
		return err
	}
	base := s.prefix(r)
	if view.Form == nil {
		view.Form = s.machineForm(base, nil, nil)
	}
	if view.AppForm == nil {
		view.AppForm = &keyForm{Action: base + "/admin/keys/revoke"}
	}
	return s.showForms(w, status, "admin", view)
}

// adminKeyViews are keys with their uses and with the names of those they belong to.
func (s *Server) adminKeyViews(r *http.Request, actor keys.Actor, list []store.Key) ([]keyView, error) {
	names := map[int64]string{}
	views := make([]keyView, len(list))
	for i, key := range list {
		used, err := s.usageOf(r.Context(), actor, key.ID)
		if err != nil {
			return nil, err
		}
		views[i] = newKeyView(key, used, s.options.Now())
		if key.Person == 0 {
			continue
		}
		if names[key.Person] == "" {
			person, err := s.options.Store.Person(r.Context(), key.Person)
			if err != nil {
				return nil, err
			}
			names[key.Person] = nameOf(person)
		}
		views[i].PersonID, views[i].PersonName = strconv.FormatInt(key.Person, 10), names[key.Person]
	}
	return views, nil
}

// searchPeople finds a page of people, and where the next one begins.
func (s *Server) searchPeople(r *http.Request) (list []store.Person, next string, err error) {
	query := r.URL.Query()
	filter := store.PersonFilter{Text: query.Get("q"), Limit: pageLength}
	if filter.After, err = number(query.Get("afterPerson"), "afterPerson"); err != nil {
		return nil, "", err
	}
	list, err = s.options.Store.People(r.Context(), filter)
	if len(list) == pageLength {
		next = strconv.FormatInt(list[pageLength-1].ID, 10)
	}
	return list, next, err
}

// searchKeys finds a page of keys, and where the next one begins.
func (s *Server) searchKeys(r *http.Request, actor keys.Actor) (list []store.Key, next string, err error) {
	query := r.URL.Query()
	filter := store.KeyFilter{Text: query.Get("q"), App: query.Get("app"), Limit: pageLength}
	if filter.Person, err = number(query.Get("person"), "person"); err != nil {
		return nil, "", err
	}
	if after := query.Get("after"); after != "" {
		if filter.After, err = apikey.ParseID(after); err != nil {
			return nil, "", &fieldError{"after", "want the ID of a key"}
		}
	}
	if id, err := apikey.ParseID(filter.Text); err == nil { // a name can look so, too
		if key, err := s.options.Keys.Key(r.Context(), actor, id); err == nil {
			return []store.Key{key}, "", nil
		}
	}
	list, err = s.options.Keys.Keys(r.Context(), actor, filter)
	if len(list) == pageLength {
		next = list[pageLength-1].ID.String()
	}
	return list, next, err
}

// number reads the number of a person or a revision; an empty text is 0.
func number(text, field string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil || value < 0 {
		return 0, &fieldError{field, "want a number"}
	}
	return value, nil
}

// adminKeys answers programs with keys, and sends browsers to the page.
func (s *Server) adminKeys(w http.ResponseWriter, r *http.Request) error {
	actor, err := asAdmin(s.actor)(r)
	if err != nil {
		return err
	}
	if wantsPage(r) {
		return s.showAdmin(w, r, http.StatusOK, actor, adminView{})
	}
	list, next, err := s.searchKeys(r, actor)
	if err != nil {
		return err
	}
	return answerJSON(w, http.StatusOK, s.keyList(list, next))
}

// keyListJSON is a page of keys as programs read it.
type keyListJSON struct {
	Keys []keyJSON `json:"keys"`
	Next string    `json:"next,omitempty"`
}

func (s *Server) keyList(list []store.Key, next string) keyListJSON {
	out := keyListJSON{[]keyJSON{}, next}
	for _, key := range list {
		one := s.keyJSON(key)
		if key.Person != 0 {
			one.Person = strconv.FormatInt(key.Person, 10)
		}
		out.Keys = append(out.Keys, one)
	}
	return out
}

// machineForm is the form that makes a machine key.
func (s *Server) machineForm(base string, typed values, errors map[string]string) *keyForm {
	policy := s.options.Keys.Policy(keys.Actor{})
	return &keyForm{
		Action: base + "/admin/keys", Hidden: []field{{"once", newOnce()}}, Values: typed, Errors: errors, Problem: errors[""],
		InURL: policy.InURL, Lifetimes: lifetimes(policy, typed.get("ttl")), Periods: periods(typed.get("per")),
		Apps: choices(appsOf(policy), typed["apps"]),
	}
}

// adminMakeKey makes a machine key.
func (s *Server) adminMakeKey(w http.ResponseWriter, r *http.Request) error {
	actor, err := asAdmin(s.writer)(r)
	if err != nil {
		return err
	}
	var in keyInput
	form, err := readInput(r, &in, func(v values) { in = formInput(v) })
	if err != nil {
		return err
	}
	made, err := s.makeMachine(r, actor, in)
	if errors.Is(err, errRepeated) && wantsPage(r) {
		return s.showRepeated(w, r, actor, onceID(actor, in.Once), err)
	}
	if err != nil {
		return s.refuseForm(w, r, err, form, func(status int, errors map[string]string) error {
			return s.showAdmin(w, r, status, actor, adminView{Form: s.machineForm(s.prefix(r), form, errors)})
		})
	}
	if err := s.recordKey(r, actor, actionMake, made.Key.ID); err != nil {
		return err
	}
	return s.answerMade(w, r, made, nil)
}

func (s *Server) makeMachine(r *http.Request, actor keys.Actor, in keyInput) (keys.Made, error) {
	if in.Owner == "" {
		return keys.Made{}, &fieldError{"owner", "want the role or team that the key belongs to"}
	}
	return s.make(r.Context(), actor, in)
}

// revokedJSON lists keys that were ended together.
type revokedJSON struct {
	Revoked []string `json:"revoked"`
}

func newRevokedJSON(ids []apikey.ID) revokedJSON {
	return revokedJSON{append([]string{}, texts(ids)...)}
}

// adminRevokeApp ends all keys of an application.
func (s *Server) adminRevokeApp(w http.ResponseWriter, r *http.Request) error {
	actor, err := asAdmin(s.writer)(r)
	if err != nil {
		return err
	}
	var in struct {
		App    string `json:"app"`
		Reason string `json:"reason"`
	}
	form, err := readInput(r, &in, func(v values) { in.App, in.Reason = v.get("app"), v.get("reason") })
	if err != nil {
		return err
	}
	var ended []apikey.ID
	if err = confirmed(r, form); err == nil {
		ended, err = s.options.Keys.RevokeApp(r.Context(), actor, in.App, in.Reason)
	}
	if err != nil {
		return s.refuseForm(w, r, err, form, func(status int, errors map[string]string) error {
			return s.showAdmin(w, r, status, actor, adminView{AppForm: &keyForm{Action: s.prefix(r) + "/admin/keys/revoke", Values: form, Errors: errors, Problem: errors[""]}})
		})
	}
	if err := s.recordAll(r, actor, len(ended), slog.String("app", in.App)); err != nil {
		return err
	}
	if wantsPage(r) {
		return s.showAdmin(w, r, http.StatusOK, actor, adminView{Ended: &endedAll{len(ended), in.App}})
	}
	return answerJSON(w, http.StatusOK, newRevokedJSON(ended))
}

// confirmed wants the box of a page's form ticked.
func confirmed(r *http.Request, form values) error {
	if form != nil && wantsPage(r) && form.get("sure") == "" {
		return errNotSure
	}
	return nil
}

// What is recorded of administrators besides changes of one key.
const (
	actionRevokeAll audit.Action = "revoke_keys"
	actionDisable   audit.Action = "disable_person"
	actionEnable    audit.Action = "enable_person"
)

func (s *Server) recordAll(r *http.Request, actor keys.Actor, count int, of slog.Attr) error {
	return s.options.Audit.Write(r.Context(), s.options.Now(), audit.Event{
		Listener: listener, Action: actionRevokeAll, Outcome: outcomeDone, Actor: nameOf(actor.Person), Attributes: []slog.Attr{of, slog.Int("count", count)},
	})
}

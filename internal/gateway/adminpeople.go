package gateway

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/store"
)

// personPage shows one person to administrators.
type personPage struct {
	chrome
	Shown  personView
	Keys   []keyView
	More   string
	Events []eventView
	Active *keyForm // disables or enables the person
	Revoke *keyForm // ends all keys
}

// Table is the list of the person's keys.
func (v personPage) Table() keyTable {
	return keyTable{v.Base, v.Keys, false, "This person has no keys."}
}

// personJSON is a person as programs read it.
type personJSON struct {
	ID      string    `json:"id"`
	Issuer  string    `json:"issuer"`
	Subject string    `json:"subject"`
	Login   string    `json:"login,omitempty"`
	Email   string    `json:"email,omitempty"`
	Active  bool      `json:"active"`
	Seen    time.Time `json:"seen"`
	Roles   []string  `json:"roles"`
	Groups  []string  `json:"groups"`
	Keys    []keyJSON `json:"keys,omitempty"`
}

func newPersonJSON(p store.Person) personJSON {
	return personJSON{
		strconv.FormatInt(p.ID, 10), p.Issuer, p.Subject, p.Login, p.Email, p.Active, p.Seen.UTC(),
		append([]string{}, p.Roles...), append([]string{}, p.Groups...), nil,
	}
}

// adminPeople answers programs with people, and shows browsers the page.
func (s *Server) adminPeople(w http.ResponseWriter, r *http.Request) error {
	actor, err := asAdmin(s.actor)(r)
	if err != nil {
		return err
	}
	if wantsPage(r) {
		return s.showAdmin(w, r, http.StatusOK, actor, adminView{})
	}
	list, next, err := s.searchPeople(r)
	if err != nil {
		return err
	}
	answer := struct {
		People []personJSON `json:"people"`
		Next   string       `json:"next,omitempty"`
	}{[]personJSON{}, next}
	for _, p := range list {
		answer.People = append(answer.People, newPersonJSON(p))
	}
	return answerJSON(w, http.StatusOK, answer)
}

// personOf is the person in a request's path, for administrators.
func (s *Server) personOf(r *http.Request, prove func(*http.Request) (keys.Actor, error)) (keys.Actor, store.Person, error) {
	actor, err := asAdmin(prove)(r)
	if err != nil {
		return keys.Actor{}, store.Person{}, err
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return keys.Actor{}, store.Person{}, store.ErrNotFound
	}
	person, err := s.options.Store.Person(r.Context(), id)
	return actor, person, err
}

// adminPerson answers with one person and that person's keys.
func (s *Server) adminPerson(w http.ResponseWriter, r *http.Request) error {
	actor, person, err := s.personOf(r, s.actor)
	if err != nil {
		return err
	}
	if wantsPage(r) {
		return s.showPerson(w, r, http.StatusOK, actor, person, personPage{})
	}
	list, err := s.options.Keys.Keys(r.Context(), actor, store.KeyFilter{Person: person.ID, Limit: maxListed})
	if err != nil {
		return err
	}
	answer := newPersonJSON(person)
	answer.Keys = s.keyList(list, "").Keys
	return answerJSON(w, http.StatusOK, answer)
}

// maxListed is how many keys of one person are listed at once.
const maxListed = 1000

func (s *Server) showPerson(w http.ResponseWriter, r *http.Request, status int, actor keys.Actor, person store.Person, page personPage) error {
	page.chrome, page.Shown = s.chrome(r), newPersonView(person)
	list, err := s.options.Keys.Keys(r.Context(), actor, store.KeyFilter{Person: person.ID, Limit: pageLength})
	if err != nil {
		return err
	}
	if len(list) == pageLength {
		page.More = page.Shown.ID
	}
	if page.Keys, err = s.adminKeyViews(r, actor, list); err != nil {
		return err
	}
	events, err := s.options.Store.Events(r.Context(), store.EventFilter{Person: person.ID, Limit: 50})
	if err != nil {
		return err
	}
	if page.Events, err = s.namedEvents(r.Context(), events, actor.Person.Subject); err != nil {
		return err
	}
	at := s.prefix(r) + "/admin/people/" + page.Shown.ID
	page.Active = orForm(page.Active, func() *keyForm { return &keyForm{Action: at} })
	page.Revoke = orForm(page.Revoke, func() *keyForm { return &keyForm{Action: at + "/revoke"} })
	return s.showForms(w, status, "person", page)
}

// adminChangePerson disables or enables a person.
func (s *Server) adminChangePerson(w http.ResponseWriter, r *http.Request) error {
	actor, person, err := s.personOf(r, s.writer)
	if err != nil {
		return err
	}
	var in struct {
		Active *bool `json:"active"`
	}
	form, err := readBody(r, &in)
	if err != nil {
		return err
	}
	if form != nil {
		active, wrong := strconv.ParseBool(values(form).get("active"))
		if wrong == nil {
			in.Active = &active
		}
		err = confirmed(r, form)
	}
	if err == nil && in.Active == nil {
		err = &fieldError{"active", "want true or false"}
	}
	if err != nil {
		return s.refuseForm(w, r, err, form, func(status int, errors map[string]string) error {
			at := s.prefix(r) + "/admin/people/" + strconv.FormatInt(person.ID, 10)
			return s.showPerson(w, r, status, actor, person, personPage{Active: &keyForm{Action: at, Values: form, Errors: errors, Problem: errors[""]}})
		})
	}
	return s.setActive(w, r, actor, person, *in.Active)
}

func (s *Server) setActive(w http.ResponseWriter, r *http.Request, actor keys.Actor, person store.Person, active bool) error {
	person, err := s.options.Keys.SetActive(r.Context(), actor, person.ID, active)
	if err == nil && !active {
		err = s.endPassesOf(r.Context(), actor, person)
	}
	if err != nil {
		return err
	}
	action := actionDisable
	if active {
		action = actionEnable
	}
	err = s.options.Audit.Write(r.Context(), s.options.Now(), audit.Event{
		Listener: listener, Action: action, Outcome: outcomeDone, Actor: nameOf(actor.Person), Attributes: []slog.Attr{slog.String("of", nameOf(person))},
	})
	if err != nil {
		return err
	}
	if wantsPage(r) {
		w.Header().Add("Vary", "Accept")
		return seeOther(s.prefix(r) + "/admin/people/" + strconv.FormatInt(person.ID, 10))(w)
	}
	return answerJSON(w, http.StatusOK, newPersonJSON(person))
}

// adminRevokeAll ends all keys of a person.
func (s *Server) adminRevokeAll(w http.ResponseWriter, r *http.Request) error {
	actor, person, err := s.personOf(r, s.writer)
	if err != nil {
		return err
	}
	var in struct {
		Reason string `json:"reason"`
	}
	form, err := readInput(r, &in, func(v values) { in.Reason = v.get("reason") })
	if err != nil {
		return err
	}
	var ended []apikey.ID
	if err = confirmed(r, form); err == nil {
		ended, err = s.options.Keys.RevokeAll(r.Context(), actor, person.ID, in.Reason)
	}
	if err == nil {
		err = s.endPassesOf(r.Context(), actor, person)
	}
	at := s.prefix(r) + "/admin/people/" + strconv.FormatInt(person.ID, 10)
	if err != nil {
		return s.refuseForm(w, r, err, form, func(status int, errors map[string]string) error {
			return s.showPerson(w, r, status, actor, person, personPage{Revoke: &keyForm{Action: at + "/revoke", Values: form, Errors: errors, Problem: errors[""]}})
		})
	}
	if err := s.recordAll(r, actor, len(ended), slog.String("of", nameOf(person))); err != nil {
		return err
	}
	if wantsPage(r) {
		w.Header().Add("Vary", "Accept")
		return seeOther(at)(w)
	}
	return answerJSON(w, http.StatusOK, newRevokedJSON(ended))
}

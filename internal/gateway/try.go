package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/doctor"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/page"
	"github.com/token2go/token2go/internal/store"
)

// tryInput is what is known of a request that was refused.
type tryInput struct {
	Key     string `json:"key"` // its ID, or the whole key
	Address string `json:"address"`
	Page    string `json:"page"` // what the request had in Referer or Origin
	App     string `json:"app"`
	InURL   bool   `json:"inUrl"`
}

// tryResult says whether a key is good for a request, and the first step that refuses it.
type tryResult struct {
	Good  bool      `json:"good"`
	Kind  string    `json:"kind,omitempty"` // of the problem that the caller gets
	Title string    `json:"-"`
	Text  string    `json:"detail"`
	Steps []tryStep `json:"steps"`
}

// tryStep is one step of a check, in the order of the check.
type tryStep struct {
	Name   string `json:"step"`
	Result string `json:"result"` // passed, refused or skipped
}

// Words is the result for people.
func (s tryStep) Words() string {
	return map[string]string{"passed": "passed", "refused": "refused", "skipped": "not reached"}[s.Result]
}

// tryKey says why a key would be refused. It counts nothing, and nothing is changed.
func (s *Server) tryKey(w http.ResponseWriter, r *http.Request) error {
	actor, err := s.writer(r)
	if err != nil {
		return err
	}
	var in tryInput
	form, err := readInput(r, &in, func(v values) {
		in = tryInput{v.get("key"), v.get("address"), v.get("page"), v.get("app"), v.get("inUrl") != ""}
	})
	if err != nil {
		return err
	}
	if s.options.Checker == nil {
		return page.ErrNotFound
	}
	key, err := s.keyNamed(r, actor, in.Key)
	if err != nil {
		return err
	}
	result, err := s.try(r, actor, key, in)
	if err != nil {
		return s.refuseForm(w, r, err, form, func(status int, errors map[string]string) error {
			return s.showKey(w, r, status, actor, key, keyForms{try: &tryView{keyForm: keyForm{Values: form, Errors: errors, Problem: errors[""]}}})
		})
	}
	if form == nil || !wantsPage(r) {
		return answerJSON(w, http.StatusOK, result)
	}
	return s.showKey(w, r, http.StatusOK, actor, key, keyForms{try: &tryView{keyForm: keyForm{Values: form}, Result: &result}})
}

// ownerOf is the person whose key it is: the one who asks, or for an administrator another.
func (s *Server) ownerOf(r *http.Request, actor keys.Actor, key store.Key) (store.Person, error) {
	if key.Person == 0 || key.Person == actor.Person.ID {
		return actor.Person, nil
	}
	return s.options.Store.Person(r.Context(), key.Person)
}

// keyNamed finds a key of the person by its ID or by the whole key.
func (s *Server) keyNamed(r *http.Request, actor keys.Actor, text string) (store.Key, error) {
	id, err := apikey.ParseID(text)
	if err != nil {
		whole, err := s.options.Keys.Parse(text)
		switch {
		case errors.Is(err, apikey.ErrChecksum):
			return store.Key{}, &fieldError{"key", err.Error()}
		case err != nil:
			return store.Key{}, &fieldError{"key", "want the ID of a key, which has 10 letters and digits, or the whole key"}
		}
		id = whole.ID
	}
	return s.options.Keys.Key(r.Context(), actor, id)
}

// tryForm is the form, with what was asked before.
func (s *Server) tryForm(r *http.Request, key store.Key, asked *tryView) *tryView {
	if s.options.Checker == nil {
		return nil
	}
	if asked == nil {
		asked = &tryView{}
	}
	asked.Action, asked.Key = s.prefix(r)+"/keys/try", key.ID.String()
	return asked
}

// try asks the checker about the key as the database has it.
func (s *Server) try(r *http.Request, actor keys.Actor, key store.Key, in tryInput) (tryResult, error) {
	owner, err := s.ownerOf(r, actor, key)
	if err != nil {
		return tryResult{}, err
	}
	facts, err := in.facts()
	if err != nil {
		return tryResult{}, err
	}
	err = s.options.Checker.Try(checkKey(key), checkPerson(key, owner), facts)
	refusal, refused := errors.AsType[*check.Refusal](err)
	if err != nil && !refused {
		return tryResult{}, err
	}
	result := tryResult{Good: true, Title: "It would be accepted.", Text: "Every step passes. If it was refused all the same, the application has refused it, or the key was not sent whole: `no_credential` and `invalid_key` are the words for that."}
	if refused {
		result = tryResult{Kind: string(refusal.Kind), Title: "It would be refused.", Text: refusalText(key, in, refusal)}
	}
	result.Steps = trySteps(refusal)
	return result, nil
}

func (in tryInput) facts() (check.Facts, error) {
	facts := check.Facts{App: in.App, InURL: in.InURL}
	if in.Address != "" {
		address, err := netip.ParseAddr(in.Address)
		if err != nil {
			return check.Facts{}, &fieldError{"address", fmt.Sprintf("%q, want an IP address such as 192.0.2.7", shortened(in.Address))}
		}
		facts.Address = address
	}
	if in.Page != "" {
		page, err := url.Parse(in.Page)
		if err != nil || page.Host == "" {
			return check.Facts{}, &fieldError{"page", "want an address such as https://maps.example.org/"}
		}
		facts.Host = strings.ToLower(page.Hostname())
	}
	return facts, nil
}

// checkKey is a key as the checker has it in memory.
func checkKey(k store.Key) check.Key {
	out := check.Key{
		ID: k.ID, Kind: k.Kind, Pepper: k.Pepper, Person: k.Person, Expires: k.Expires, Revoked: !k.Revoked.IsZero(),
		Name: k.Name, Config: k.Config, Restrictions: k.Restrictions,
	}
	if k.Hash != nil {
		out.Hash = *k.Hash
	}
	return out
}

// checkPerson is the owner of a key; nil for a key that has no person.
func checkPerson(k store.Key, p store.Person) *check.Person {
	if k.Person == 0 {
		return nil
	}
	return &check.Person{
		ID: p.ID, Issuer: p.Issuer, Subject: p.Subject, Login: p.Login, Email: p.Email,
		Active: p.Active, Seen: p.Seen, Roles: p.Roles, Groups: p.Groups,
	}
}

// trySteps are the steps of a check up to the one that refuses.
func trySteps(refusal *check.Refusal) []tryStep {
	names := []struct{ step, name string }{
		{"revoked", "Not revoked"}, {"expired", "Not ended"}, {"person", "Its owner is active and was here lately enough"},
		{"address", "The client's address"}, {"host", "The page that called"}, {"url", "How the key was sent"}, {"app", "The application"},
	}
	failed := stepOf(refusal)
	steps := make([]tryStep, len(names))
	result := "passed"
	for i, one := range names {
		if one.step == failed {
			result = "refused"
		}
		steps[i] = tryStep{one.name, result}
		if result == "refused" {
			result = "skipped"
		}
	}
	return steps
}

// stepOf names the step that refuses; empty for none.
func stepOf(refusal *check.Refusal) string {
	if refusal == nil {
		return ""
	}
	switch refusal.Reason {
	case check.Revoked:
		return "revoked"
	case check.Expired:
		return "expired"
	case check.PersonInactive, check.PersonNotSeen:
		return "person"
	}
	return map[check.Kind]string{
		check.AddressNotAllowed: "address", check.PageNotAllowed: "host", check.NotInURL: "url", check.ApplicationNotAllowed: "app",
	}[refusal.Kind]
}

// refusalText says why, and what to do.
func refusalText(key store.Key, in tryInput, refusal *check.Refusal) string {
	switch stepOf(refusal) {
	case "revoked":
		return "The key was revoked. Make a new one."
	case "expired":
		return "The key ended on " + key.Expires.UTC().Format("2 Jan 2006, 15:04") + " UTC. Make a new one."
	case "person":
		if refusal.Reason == check.PersonNotSeen {
			return "You were not here for too long; this visit ends that. Try again in a moment."
		}
		return "Its owner is disabled. Ask an administrator."
	case "address":
		return "The key is limited to " + doctor.List(texts(key.Networks)) + ", and " + cmp.Or(in.Address, "an unknown address") + " is not in them."
	case "host":
		if in.Page == "" {
			return "The key is limited to calls from the websites " + doctor.List(texts(key.Hosts)) + ", and a call that names no website (Referer or Origin) is refused."
		}
		return "The key is limited to calls from the websites " + doctor.List(texts(key.Hosts)) + "."
	case "url":
		return "The key may not be sent in a URL. Send it in the header `Authorization: Bearer`."
	}
	return "The key is limited to the applications " + doctor.List(key.Apps) + ", and the application that asked is " + cmp.Or("`"+in.App+"`", "not named") + "."
}

package gateway

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/page"
	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/web"
)

// policyForms is web.PagePolicy without form-action: with one, the browser blocks the
// redirect to the identity provider when the gateway's session has ended meanwhile.
// The pages contain escaped text only.
const policyForms = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"

// showForms answers with a page that has forms. With no-referrer, browsers would send
// Origin: null with them.
//
// A website cannot send these forms, since a POST must come from a page of ours, nor frame
// the pages. It can lead a person here who holds a key or double-clicks. What that could
// press does nothing alone: a name must be typed to make a key, and a box ticked to end
// one. Rotation and the rest are held back by hold.js until the page could be read. There
// is no question as in the redirect flow, because nothing here goes to whoever led here.
func (s *Server) showForms(w http.ResponseWriter, status int, name string, view any) error {
	w.Header().Set("Referrer-Policy", "same-origin")
	w.Header().Add("Vary", "Accept")
	return s.showUnder(policyForms, w, status, name, view)
}

// answerJSON answers a program.
func answerJSON(w http.ResponseWriter, status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.Header().Add("Vary", "Accept")
	return web.Write(w, status, web.JSON, string(body))
}

// actor proves who sent the request. The error is page.ErrNotFound where this server keeps
// no keys.
func (s *Server) actor(r *http.Request) (keys.Actor, error) {
	if s.options.Keys == nil {
		return keys.Actor{}, page.ErrNotFound
	}
	if err := checkFetchMetadata(r.Header); err != nil {
		return keys.Actor{}, err
	}
	person, err := s.identify(r.Context(), r.Header)
	if err != nil {
		return keys.Actor{}, err
	}
	stored, err := s.options.Store.Visit(r.Context(), storedPerson(person, s.options.Now()))
	if err != nil {
		return keys.Actor{}, err
	}
	if !stored.Active {
		return keys.Actor{}, errInactive
	}
	return keys.Actor{Person: stored, Admin: person.Admin, AuthTime: person.AuthTime, Name: stored.Subject}, nil
}

// writer is actor for a request that changes something, which only our own pages and
// programs may send.
func (s *Server) writer(r *http.Request) (keys.Actor, error) {
	if s.options.Keys == nil {
		return keys.Actor{}, page.ErrNotFound
	}
	if s.origins.Check(r) != nil {
		return keys.Actor{}, errForeignForm
	}
	return s.actor(r)
}

var (
	errInactive    = errors.New("person inactive")
	errForeignForm = errors.New("form of another origin")
	errRepeated    = errors.New("form sent before")
	errNotSure     = &fieldError{"sure", "tick the box to confirm"}
)

// keyID is the ID in a request's path.
func keyID(r *http.Request) (apikey.ID, error) {
	id, err := apikey.ParseID(r.PathValue("id"))
	if err != nil {
		return 0, store.ErrNotFound
	}
	return id, nil
}

// listKeys answers with the person's keys.
func (s *Server) listKeys(w http.ResponseWriter, r *http.Request) error {
	actor, err := s.actor(r)
	if err != nil {
		return err
	}
	if wantsPage(r) {
		return s.showKeys(w, r, http.StatusOK, actor, s.makeForm(r, actor, nil, nil))
	}
	list, next, err := s.keysOf(r, actor)
	if err != nil {
		return err
	}
	answer := struct {
		Keys []keyJSON `json:"keys"`
		Next string    `json:"next,omitempty"`
	}{[]keyJSON{}, next}
	for _, key := range list {
		answer.Keys = append(answer.Keys, s.keyJSON(key))
	}
	return answerJSON(w, http.StatusOK, answer)
}

func (s *Server) showKeys(w http.ResponseWriter, r *http.Request, status int, actor keys.Actor, form *keyForm) error {
	list, next, err := s.keysOf(r, actor)
	if err != nil {
		return err
	}
	view := keysView{chrome: s.chrome(r), Form: form, More: next}
	if denied, found := errors.AsType[*keys.Denied](s.options.Keys.MayMake(actor)); found {
		view.Form, view.Notice = nil, denied.Reason
	}
	for _, key := range list {
		used, err := s.usageOf(r.Context(), actor, key.ID)
		if err != nil {
			return err
		}
		view.Keys = append(view.Keys, newKeyView(key, used, s.options.Now()))
	}
	return s.showForms(w, status, "keys", view)
}

// pageLength is how many keys are on one page.
const pageLength = 50

// keysOf lists a page of the person's own keys, and the ID after which the next one begins.
func (s *Server) keysOf(r *http.Request, actor keys.Actor) (list []store.Key, next string, err error) {
	filter := store.KeyFilter{Person: actor.Person.ID, Limit: pageLength}
	if after := r.URL.Query().Get("after"); after != "" {
		if filter.After, err = apikey.ParseID(after); err != nil {
			return nil, "", &fieldError{"after", "want the ID of a key"}
		}
	}
	list, err = s.options.Keys.Keys(r.Context(), actor, filter)
	if len(list) == pageLength {
		next = list[pageLength-1].ID.String()
	}
	return list, next, err
}

func (s *Server) usageOf(ctx context.Context, actor keys.Actor, id apikey.ID) (u usage, err error) {
	u.all, u.days, err = s.options.Keys.Usage(ctx, actor, id, s.options.Now().AddDate(0, 0, -chartDays))
	return u, err
}

// makeKey makes a key and shows it, once.
func (s *Server) makeKey(w http.ResponseWriter, r *http.Request) error {
	actor, err := s.writer(r)
	if err != nil {
		return err
	}
	var in keyInput
	form, err := readInput(r, &in, func(v values) { in = formInput(v) })
	if err != nil {
		return err
	}
	made, err := s.make(r.Context(), actor, in)
	if errors.Is(err, errRepeated) && wantsPage(r) {
		return s.showRepeated(w, r, actor, onceID(actor, in.Once), err)
	}
	if err != nil {
		return s.refuseForm(w, r, err, form, func(status int, errors map[string]string) error {
			return s.showKeys(w, r, status, actor, s.makeForm(r, actor, form, errors))
		})
	}
	if err := s.recordKey(r, actor, actionMake, made.Key.ID); err != nil {
		return err
	}
	return s.answerMade(w, r, made, nil)
}

func (s *Server) make(ctx context.Context, actor keys.Actor, in keyInput) (keys.Made, error) {
	request, err := in.request()
	if err != nil {
		return keys.Made{}, err
	}
	request.ID = onceID(actor, in.Once)
	made, err := s.options.Keys.Make(ctx, actor, request)
	if in.Once != "" && errors.Is(err, store.ErrExists) {
		err = errRepeated
	}
	return made, err
}

// newOnce is a text that a form carries, so that the form makes one key however often it
// is sent: a page that answers a POST is sent again when it is reloaded.
func newOnce() string { return rand.Text() }

// onceID is the ID of the key that a form makes; 0, for a random one, without such a text.
// The database refuses a second key with the same ID.
func onceID(actor keys.Actor, once string) apikey.ID {
	if once == "" {
		return 0
	}
	seed := binary.BigEndian.AppendUint64([]byte("token2go key of a form\x00"), uint64(actor.Person.ID)) //nolint:gosec // above 0
	sum := sha256.Sum256(append(seed, once...))
	return apikey.ID(binary.BigEndian.Uint64(sum[:])%(apikey.IDs-1) + 1)
}

// answerMade shows a new key's secret, here and nowhere else.
func (s *Server) answerMade(w http.ResponseWriter, r *http.Request, made keys.Made, old *store.Key) error {
	w.Header().Set("Location", s.prefix(r)+"/keys/"+made.Key.ID.String())
	if !wantsPage(r) {
		answer := s.keyJSON(made.Key)
		answer.Key = made.Secret.Reveal()
		return answerJSON(w, http.StatusCreated, answer)
	}
	now := s.options.Now()
	view := madeView{
		chrome: s.chrome(r), Key: newKeyView(made.Key, usage{}, now), Secret: made.Secret.Reveal(), Calls: s.callsFor(made.Key),
	}
	view.Calls[0].Open = true
	if old != nil {
		before := newKeyView(*old, usage{}, now)
		view.Old = &before
	}
	return s.showForms(w, http.StatusCreated, "made", view)
}

func (s *Server) callsFor(key store.Key) []callGroup {
	address := s.options.Texts.Example
	switch {
	case s.options.APIURL != nil:
		address = s.options.APIURL.JoinPath("/check").String()
	case address == "":
		address = "https://api.example.org/v1/items"
	}
	return newCalls(key.ID.String(), address, key.AllowInURL).groups()
}

// showRepeated answers a form that was sent before with the key that it made then.
func (s *Server) showRepeated(w http.ResponseWriter, r *http.Request, actor keys.Actor, id apikey.ID, cause error) error {
	refusal := s.adapter.Refuse(w, r, cause)
	key, err := s.options.Keys.Key(r.Context(), actor, id)
	if err != nil {
		return err
	}
	return s.showKey(w, r, refusal.Problem.Kind.Status(), actor, key, keyForms{
		notice: "This form was sent before, and made the key below then. A key is shown once only. If you did not copy it, replace it by a new one: see below.",
	})
}

// getKey answers with one key.
func (s *Server) getKey(w http.ResponseWriter, r *http.Request) error {
	actor, key, err := s.keyOf(r, s.actor)
	if err != nil {
		return err
	}
	if !wantsPage(r) {
		return answerJSON(w, http.StatusOK, s.keyJSON(key))
	}
	return s.showKey(w, r, http.StatusOK, actor, key, keyForms{})
}

// keyOf is the key in a request's path, with the person who asks.
func (s *Server) keyOf(r *http.Request, prove func(*http.Request) (keys.Actor, error)) (keys.Actor, store.Key, error) {
	actor, err := prove(r)
	if err != nil {
		return keys.Actor{}, store.Key{}, err
	}
	id, err := keyID(r)
	if err != nil {
		return keys.Actor{}, store.Key{}, err
	}
	key, err := s.options.Keys.Key(r.Context(), actor, id)
	return actor, key, err
}

// keyForms are those forms of a key's page that show something else than at first.
type keyForms struct {
	notice                 string
	change, rotate, revoke *keyForm
	try                    *tryView
}

func (s *Server) showKey(w http.ResponseWriter, r *http.Request, status int, actor keys.Actor, key store.Key, forms keyForms) error {
	used, err := s.usageOf(r.Context(), actor, key.ID)
	if err != nil {
		return err
	}
	events, err := s.options.Store.Events(r.Context(), store.EventFilter{Key: int64(key.ID), Limit: 50}) //nolint:gosec // below 2^60
	if err != nil {
		return err
	}
	view := keyPage{
		chrome: s.chrome(r), Notice: forms.notice, Key: newKeyView(key, used, s.options.Now()), Calls: s.callsFor(key),
		Events: newEventViews(events, actor.Person.Subject), Try: s.tryForm(r, key, forms.try),
	}
	if key.Person != 0 && key.Person != actor.Person.ID {
		if err := s.addOwner(r, &view.Key, key.Person); err != nil {
			return err
		}
	}
	if view.Key.Usable() {
		at := s.prefix(r) + "/keys/" + key.ID.String()
		view.Change = orForm(forms.change, func() *keyForm { return s.changeForm(r, actor, key, nil, nil) })
		if view.Key.PersonID == "" { // a new key is shown to the one it belongs to alone
			view.Rotate = orForm(forms.rotate, func() *keyForm { return s.rotateForm(at, nil) })
		}
		view.Revoke = orForm(forms.revoke, func() *keyForm { return &keyForm{Action: at + "/revoke"} })
	}
	return s.showForms(w, status, "key", view)
}

// addOwner says whose key it is, where that is not the one who looks at it.
func (s *Server) addOwner(r *http.Request, view *keyView, id int64) error {
	person, err := s.options.Store.Person(r.Context(), id)
	view.PersonID, view.PersonName = strconv.FormatInt(id, 10), nameOf(person)
	return err
}

func orForm(form *keyForm, otherwise func() *keyForm) *keyForm {
	if form != nil {
		return form
	}
	return otherwise()
}

// changeKey changes what a person may change of a key.
func (s *Server) changeKey(w http.ResponseWriter, r *http.Request) error {
	actor, key, err := s.keyOf(r, s.writer)
	if err != nil {
		return err
	}
	var in keyInput
	form, err := readInput(r, &in, func(v values) { in = formInput(v) })
	if err != nil {
		return err
	}
	change, err := in.change(key)
	if err == nil {
		key, err = s.options.Keys.Change(r.Context(), actor, key.ID, change)
	}
	if err != nil {
		return s.refuseForm(w, r, err, form, func(status int, errors map[string]string) error {
			return s.showKey(w, r, status, actor, key, keyForms{change: s.changeForm(r, actor, key, form, errors)})
		})
	}
	if err := s.recordKey(r, actor, actionChange, key.ID); err != nil {
		return err
	}
	return s.answerChanged(w, r, key)
}

// answerChanged answers after a change that has no secret: a browser is sent to the key's
// page, so that reloading repeats nothing.
func (s *Server) answerChanged(w http.ResponseWriter, r *http.Request, key store.Key) error {
	if !wantsPage(r) {
		return answerJSON(w, http.StatusOK, s.keyJSON(key))
	}
	w.Header().Add("Vary", "Accept")
	return seeOther(s.prefix(r) + "/keys/" + key.ID.String())(w)
}

// rotateKey makes a key in the place of another.
func (s *Server) rotateKey(w http.ResponseWriter, r *http.Request) error {
	actor, key, err := s.keyOf(r, s.writer)
	if err != nil {
		return err
	}
	var in struct {
		Overlap string `json:"overlap"`
		Once    string `json:"once"`
	}
	form, err := readInput(r, &in, func(v values) { in.Overlap, in.Once = v.get("overlap"), v.get("once") })
	if err != nil {
		return err
	}
	made, err := s.rotate(r.Context(), actor, key.ID, in.Overlap, in.Once)
	if errors.Is(err, errRepeated) && wantsPage(r) {
		return s.showRepeated(w, r, actor, onceID(actor, in.Once), err)
	}
	if err != nil {
		return s.refuseForm(w, r, err, form, func(status int, errors map[string]string) error {
			at := s.prefix(r) + "/keys/" + key.ID.String()
			return s.showKey(w, r, status, actor, key, keyForms{rotate: s.rotateForm(at, errors)})
		})
	}
	if err := s.recordKey(r, actor, actionRotate, made.Key.ID); err != nil {
		return err
	}
	if key, err = s.options.Keys.Key(r.Context(), actor, key.ID); err != nil {
		return err
	}
	return s.answerMade(w, r, made, &key)
}

func (s *Server) rotate(ctx context.Context, actor keys.Actor, id apikey.ID, overlap, once string) (keys.Made, error) {
	span, err := parseSpan(overlap)
	if err != nil {
		return keys.Made{}, &fieldError{"overlap", err.Error()}
	}
	made, err := s.options.Keys.RotateTo(ctx, actor, id, span, onceID(actor, once))
	if once != "" && errors.Is(err, store.ErrExists) {
		err = errRepeated
	}
	return made, err
}

// revokeKey ends a key.
func (s *Server) revokeKey(w http.ResponseWriter, r *http.Request) error {
	actor, key, err := s.keyOf(r, s.writer)
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
	if err = confirmed(r, form); err == nil {
		key, err = s.options.Keys.Revoke(r.Context(), actor, key.ID, in.Reason)
	}
	if err != nil {
		return s.refuseForm(w, r, err, form, func(status int, errors map[string]string) error {
			at := s.prefix(r) + "/keys/" + key.ID.String()
			return s.showKey(w, r, status, actor, key, keyForms{revoke: &keyForm{Action: at + "/revoke", Values: form, Errors: errors, Problem: errors[""]}})
		})
	}
	if err := s.recordKey(r, actor, actionRevoke, key.ID); err != nil {
		return err
	}
	return s.answerChanged(w, r, key)
}

// keyUsage answers with how a key was used.
func (s *Server) keyUsage(w http.ResponseWriter, r *http.Request) error {
	actor, key, err := s.keyOf(r, s.actor)
	if err != nil {
		return err
	}
	used, err := s.usageOf(r.Context(), actor, key.ID)
	if err != nil {
		return err
	}
	return answerJSON(w, http.StatusOK, newUsageJSON(used))
}

// refuseForm answers a form that was refused with the page that it was on, so that nothing
// that was typed is lost; show is given what is wrong, by field. Programs, and browsers
// where the fault is not the form's, get the problem.
func (s *Server) refuseForm(w http.ResponseWriter, r *http.Request, err error, form map[string][]string, show func(status int, errors map[string]string) error) error {
	refusal := s.adapter.Refuse(w, r, err)
	if form == nil || !wantsPage(r) || refusal.Problem.Kind.Status() >= http.StatusInternalServerError || refusal.Problem.Kind == problem.NotFound {
		return refusal
	}
	return show(refusal.Problem.Kind.Status(), fieldErrors(refusal))
}

// fieldErrors is what is wrong, by field; the empty name stands for the whole.
func fieldErrors(refusal *web.Refusal) map[string]string {
	if one, found := errors.AsType[*fieldError](refusal.Cause); found {
		return map[string]string{one.Field: one.Text, "": "Not done yet: see the field that is marked."}
	}
	if one, found := errors.AsType[*keys.Invalid](refusal.Cause); found {
		return map[string]string{one.Field: invalidText(one), "": "Not done yet: see the field that is marked."}
	}
	return map[string]string{"": refusal.Problem.Detail}
}

// What is recorded of changes.
const (
	actionMake   audit.Action  = "make_key"
	actionChange audit.Action  = "change_key"
	actionRotate audit.Action  = "rotate_key"
	actionRevoke audit.Action  = "revoke_key"
	outcomeDone  audit.Outcome = "done"
)

// recordKey writes the line of one change.
func (s *Server) recordKey(r *http.Request, actor keys.Actor, action audit.Action, id apikey.ID) error {
	return s.options.Audit.Write(r.Context(), s.options.Now(), audit.Event{
		Listener: listener, Action: action, Outcome: outcomeDone, Actor: shownName(actor.Person.Login, actor.Person.Email, actor.Person.Subject), Attributes: keyAttributes(id),
	})
}

// invalidText says what is wrong with a value.
func invalidText(e *keys.Invalid) string {
	if e.Given == "" {
		return "want " + e.Want
	}
	return fmt.Sprintf("%s, want %s", shortened(e.Given), e.Want)
}

package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/identity"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/page"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/passes"
	"github.com/token2go/token2go/internal/store"
)

// passActor proves who sent the request. The error is page.ErrNotFound where this server
// makes no passes.
func (s *Server) passActor(r *http.Request) (passes.Actor, error) {
	if s.options.Passes == nil {
		return passes.Actor{}, page.ErrNotFound
	}
	if err := checkFetchMetadata(r.Header); err != nil {
		return passes.Actor{}, err
	}
	person, err := s.identify(r.Context(), r.Header)
	if err != nil {
		return passes.Actor{}, err
	}
	if s.options.Store != nil {
		stored, err := s.options.Store.Visit(r.Context(), storedPerson(person, s.options.Now()))
		if err != nil {
			return passes.Actor{}, err
		}
		if !stored.Active {
			return passes.Actor{}, errInactive
		}
	}
	return passActorOf(person), nil
}

func passActorOf(p identity.Person) passes.Actor {
	return passes.Actor{
		Name: p.Subject, Subject: pass.PersonSubject(p.Subject), Person: slices.Concat([]string{p.Subject}, p.Roles, p.Groups), Admin: p.Admin,
	}
}

// passWriter is passActor for a request that changes something.
func (s *Server) passWriter(r *http.Request) (passes.Actor, error) {
	if s.options.Passes == nil {
		return passes.Actor{}, page.ErrNotFound
	}
	if s.origins.Check(r) != nil {
		return passes.Actor{}, errForeignForm
	}
	return s.passActor(r)
}

var errNoPass = errors.New("no such pass")

// listPasses answers with the services that the person may make passes for, and with the
// passes.
func (s *Server) listPasses(w http.ResponseWriter, r *http.Request) error {
	actor, err := s.passActor(r)
	if err != nil {
		return err
	}
	if wantsPage(r) {
		return s.showPasses(w, r, http.StatusOK, actor, passForms{})
	}
	list, err := s.passesOf(r, actor)
	if err != nil {
		return err
	}
	answer := struct {
		Services []serviceJSON `json:"services"`
		Stored   bool          `json:"stored"` // whether passes are listed and can be revoked
		Passes   []passJSON    `json:"passes"`
	}{[]serviceJSON{}, s.options.Passes.Stores(), []passJSON{}}
	for _, service := range s.options.Passes.Services(actor) {
		answer.Services = append(answer.Services, s.serviceJSON(service))
	}
	for _, p := range list {
		answer.Passes = append(answer.Passes, newPassJSON(p, s.options.Now()))
	}
	return answerJSON(w, http.StatusOK, answer)
}

// passesOf lists the person's own passes; none without a database.
func (s *Server) passesOf(r *http.Request, actor passes.Actor) ([]passes.Listed, error) {
	if !s.options.Passes.Stores() {
		return nil, nil
	}
	actor.Admin = false
	return s.options.Passes.List(r.Context(), actor, store.PassFilter{Limit: pageLength})
}

// makePass makes a pass and shows it, once.
func (s *Server) makePass(w http.ResponseWriter, r *http.Request) error {
	actor, err := s.passWriter(r)
	if err != nil {
		return err
	}
	in, form, err := readPassInput(r)
	if err != nil {
		return err
	}
	made, err := s.mintPass(r, actor, in)
	if err != nil {
		return s.refuseForm(w, r, explainedPass(err), form, func(status int, errors map[string]string) error {
			return s.showPasses(w, r, status, actor, passForms{service: in.Service, typed: form, errors: errors})
		})
	}
	attributes := []slog.Attr{slog.String("pass", made.Pass.ID), slog.String("service", made.Pass.Service)}
	if err := s.recordPass(r, actor, "make_pass", attributes...); err != nil {
		return err
	}
	if !wantsPage(r) {
		return answerJSON(w, http.StatusCreated, s.madePassJSON(made))
	}
	return s.showForms(w, http.StatusCreated, "madepass", s.madePassView(r, made))
}

func (s *Server) mintPass(r *http.Request, actor passes.Actor, in passes.Input) (passes.Made, error) {
	request, err := in.Request()
	if err != nil {
		return passes.Made{}, err
	}
	if s.isPersonal(actor, in.Service) {
		found, err := s.options.Tokens.Extract(r.Header)
		if err != nil {
			return passes.Made{}, err
		}
		request.Token, request.Expires = found.Secret, found.Claims().Expires
	}
	return s.options.Passes.Make(r.Context(), actor, request)
}

// isPersonal reports whether the service is called with the person's own token.
func (s *Server) isPersonal(actor passes.Actor, name string) bool {
	return slices.ContainsFunc(s.options.Passes.Services(actor), func(service passes.Service) bool {
		return service.Name == name && service.Personal
	})
}

// tryPass says whether a request would be allowed. Nothing is called.
func (s *Server) tryPass(w http.ResponseWriter, r *http.Request) error {
	actor, err := s.passWriter(r)
	if err != nil {
		return err
	}
	in, form, err := readPassInput(r)
	if err != nil {
		return err
	}
	explanation, err := s.explainPass(actor, in)
	if err != nil {
		return s.refuseForm(w, r, explainedPass(err), form, func(status int, errors map[string]string) error {
			return s.showPasses(w, r, status, actor, passForms{service: in.Service, typed: form, errors: errors})
		})
	}
	if form == nil || !wantsPage(r) {
		return answerJSON(w, http.StatusOK, explanation)
	}
	return s.showPasses(w, r, http.StatusOK, actor, passForms{service: in.Service, typed: form, tried: &explanation})
}

func (s *Server) explainPass(actor passes.Actor, in passes.Input) (passes.Explanation, error) {
	question, err := in.Question()
	if err != nil {
		return passes.Explanation{}, err
	}
	return s.options.Passes.Explain(actor, question)
}

// revokePass ends a pass of the person's.
func (s *Server) revokePass(w http.ResponseWriter, r *http.Request) error {
	actor, err := s.passWriter(r)
	if err != nil {
		return err
	}
	var in struct {
		Reason string `json:"reason"`
	}
	form, err := readBody(r, &in)
	if err != nil {
		return err
	}
	if form != nil {
		in.Reason = values(form).get("reason")
	}
	id := r.PathValue("id")
	err = s.options.Passes.Revoke(r.Context(), actor, id, in.Reason)
	if err != nil {
		return explainedPass(err)
	}
	if err := s.recordPass(r, actor, "revoke_pass", slog.String("pass", id)); err != nil {
		return err
	}
	return s.answerEnded(w, r)
}

// endPasses ends all passes of the person's.
func (s *Server) endPasses(w http.ResponseWriter, r *http.Request) error {
	actor, err := s.passWriter(r)
	if err != nil {
		return err
	}
	actor.Admin = false
	if err := s.options.Passes.EndAll(r.Context(), actor, "", ""); err != nil {
		return explainedPass(err)
	}
	if err := s.recordPass(r, actor, "end_passes"); err != nil {
		return err
	}
	return s.answerEnded(w, r)
}

// endPassesOf ends all passes of a person whom an administrator has disabled, or whose keys
// an administrator has ended.
func (s *Server) endPassesOf(ctx context.Context, actor keys.Actor, person store.Person) error {
	if s.options.Passes == nil {
		return nil
	}
	return s.options.Passes.EndAll(ctx, passes.Actor{Name: actor.Name, Admin: true}, "", pass.PersonSubject(person.Subject))
}

func (s *Server) answerEnded(w http.ResponseWriter, r *http.Request) error {
	if wantsPage(r) {
		w.Header().Set("Location", s.prefix(r)+"/passes")
		w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) recordPass(r *http.Request, actor passes.Actor, action audit.Action, attributes ...slog.Attr) error {
	person, _ := s.person(r.Header)
	if person == "" {
		person = actor.Name
	}
	return s.options.Audit.Write(r.Context(), s.options.Now(), audit.Event{
		Listener: listener, Action: action, Outcome: outcomeDone, Actor: person, Attributes: attributes,
	})
}

// explainedPass turns errors about passes into what is wrong with a field.
func explainedPass(err error) error {
	if wrong, found := errors.AsType[*passes.Invalid](err); found {
		return &fieldError{wrong.Field, "want " + wrong.Want}
	}
	for _, known := range []struct {
		err   error
		field string
	}{
		{passes.ErrService, "service"}, {pass.ErrTTL, "ttl"}, {pass.ErrNoRules, "scopes"}, {pass.ErrTooLong, "rules"},
		{pass.ErrNetworks, "networks"}, {pass.ErrInvalid, "pass"}, {pass.ErrExpired, "pass"}, {pass.ErrNotYet, "pass"},
		{pass.ErrRevoked, "pass"}, {pass.ErrService, "pass"},
	} {
		if errors.Is(err, known.err) {
			return &fieldError{known.field, err.Error()}
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return errNoPass
	}
	return err
}

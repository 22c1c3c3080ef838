package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/passes"
	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/web"
)

// mintGrant, followed by a service, is the grant to make passes for it.
const mintGrant = "mint:"

// passAnswer is a new pass.
type passAnswer struct {
	ID       string    `json:"id"`
	Pass     string    `json:"pass"`
	Address  string    `json:"address"`
	Service  string    `json:"service"`
	Expires  time.Time `json:"expires"`
	Warnings []string  `json:"warnings,omitempty"` // what is probably not meant
}

// makePass makes a pass for a program whose key has the grant.
func (s *Server) makePass(w http.ResponseWriter, r *http.Request) error {
	in, err := readPass(w, r)
	if err != nil {
		return err
	}
	by, err := s.minter(r)
	if err != nil {
		return err
	}
	request, err := in.Request()
	if err != nil {
		return err
	}
	made, err := s.options.Passes.Make(r.Context(), by, request)
	if errors.Is(err, passes.ErrService) {
		return noMintGrant()
	}
	if err != nil {
		return err
	}
	return s.answerPass(w, r, "make_pass", made)
}

// attenuatePass makes a narrower pass for the holder of one.
func (s *Server) attenuatePass(w http.ResponseWriter, r *http.Request) error {
	in, err := readPass(w, r)
	if err != nil {
		return err
	}
	text, found := heldPass(r.Header)
	if !found || in.Pass != "" || in.Service != "" {
		return &problem.Problem{
			Kind: problem.InvalidRequest, Detail: "the pass comes in the header Authorization, and the new one is for the same service",
			Fix: "Send `Authorization: Bearer PASS`, and in the body `rules`, `scopes`, `ttl` or `networks`.",
		}
	}
	request, err := in.Request()
	if err != nil {
		return err
	}
	made, err := s.options.Passes.Attenuate(text, request)
	if err != nil {
		return err
	}
	return s.answerPass(w, r, "attenuate_pass", made)
}

func (s *Server) answerPass(w http.ResponseWriter, r *http.Request, action audit.Action, made passes.Made) error {
	p := made.Pass
	event := audit.Event{Action: action, Outcome: audit.Allowed, Actor: p.Subject}
	event.Attributes = append(event.Attributes, attribute("pass", p.ID), attribute("service", p.Service), attribute("address", addressText(s.client(r, "X-Forwarded-For"))))
	if err := s.record(r.Context(), event); err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, passAnswer{
		ID: p.ID, Pass: made.Text.Reveal(), Address: s.options.Passes.Address(p.Service) + "/", Service: p.Service, Expires: p.Expires, Warnings: made.Findings,
	})
}

// explainPass says what would become of a request, to whoever holds the pass or may make
// passes for the service.
func (s *Server) explainPass(w http.ResponseWriter, r *http.Request) error {
	in, err := readPass(w, r)
	if err != nil {
		return err
	}
	question, err := in.Question()
	if err != nil {
		return err
	}
	var by passes.Actor
	if question.Pass == "" {
		if by, err = s.minter(r); err != nil {
			return err
		}
	}
	explanation, err := s.options.Passes.Explain(by, question)
	if errors.Is(err, passes.ErrService) {
		return noMintGrant()
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, explanation)
}

func writeJSON(w http.ResponseWriter, status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return web.Write(w, status, web.JSON, string(body))
}

// readPass reads a body about passes.
func readPass(w http.ResponseWriter, r *http.Request) (in passes.Input, err error) {
	if err := wantType(r, web.JSON); err != nil {
		return in, err
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return in, err
		}
		return in, &problem.Problem{Kind: problem.InvalidRequest, Detail: "the body is not the JSON object that is wanted"}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return in, &problem.Problem{Kind: problem.InvalidRequest, Detail: "something follows the JSON object"}
	}
	return in, nil
}

// heldPass is the pass in the Authorization header.
func heldPass(h http.Header) (string, bool) {
	values := h["Authorization"]
	if len(values) != 1 {
		return "", false
	}
	text, found := authorization(values[0])
	return text, found && strings.Count(text, ".") == 2
}

// minter is a program whose key may make passes for services.
func (s *Server) minter(r *http.Request) (passes.Actor, error) {
	if s.options.Checker == nil {
		return passes.Actor{}, noMintGrant()
	}
	found, err := s.find(r, new(url.URL))
	if err != nil {
		return passes.Actor{}, err
	}
	address := s.client(r, "X-Forwarded-For")
	credential, id, err := s.credential(found.text, address)
	if err != nil {
		return passes.Actor{}, err
	}
	verdict, err := s.options.Checker.Check(r.Context(), credential, check.Facts{Address: address, Host: pageHost(r.Header), Service: true})
	if err != nil {
		return passes.Actor{}, err
	}
	if s.options.Uses != nil {
		s.options.Uses.Count(verdict.Key.ID, s.options.Now(), address, r.UserAgent())
	}
	by := passes.Actor{Name: "key " + id, Subject: pass.KeySubject(verdict.Key.ID)}
	for _, grant := range verdict.Key.Grants {
		if service, found := strings.CutPrefix(grant, mintGrant); found {
			by.Mints = append(by.Mints, service)
		}
	}
	return by, nil
}

func noMintGrant() *problem.Problem {
	return &problem.Problem{
		Kind: problem.GrantMissing, Detail: "the caller's key has no grant to make passes for this service",
		Fix: "An administrator makes keys with the grant `mint:SERVICE`.",
	}
}

// explainPassError finds the problem in errors about passes; nil for others.
func explainPassError(err error) *problem.Problem {
	if wrong, found := errors.AsType[*passes.Invalid](err); found {
		return &problem.Problem{Kind: problem.InvalidRequest, Detail: "`" + wrong.Field + "`: want " + wrong.Want}
	}
	for _, wrong := range []error{pass.ErrTTL, pass.ErrNoRules, pass.ErrNetworks, pass.ErrTooDeep, pass.ErrTooLong, pass.ErrService} {
		if errors.Is(err, wrong) {
			return &problem.Problem{Kind: problem.InvalidRequest, Detail: err.Error()}
		}
	}
	for _, ended := range []error{pass.ErrInvalid, pass.ErrExpired, pass.ErrNotYet, pass.ErrRevoked} {
		if errors.Is(err, ended) {
			return &problem.Problem{
				Kind: problem.InvalidPass, Detail: "there is no such pass, or it has ended",
				Fix: "Make a new one. Its owner sees on the page of passes whether it was revoked.",
			}
		}
	}
	return nil
}

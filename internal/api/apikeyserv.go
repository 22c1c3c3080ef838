package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/mail"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/web"
)

// Registrar makes a key for an organisation that no person at the gateway stands for.
type Registrar interface {
	Make(ctx context.Context, by keys.Actor, r keys.Request) (keys.Made, error)
}

// registrant is who asks for a key, as apikeyserv names it.
type registrant struct {
	Contact1     string `json:"contactperson_1_name"`
	Email1       string `json:"email_1"`
	Contact2     string `json:"contactperson_2_name"`
	Email2       string `json:"email_2"`
	Organisation string `json:"organisation"`
	Department   string `json:"department"`
}

type registered struct {
	ID int64 `json:"id"`
	registrant
	Expires string `json:"expires"`
	Sent    bool   `json:"sent"`
	Key     string `json:"apikey"`
}

const (
	registrationTTL  = 365 * 24 * time.Hour
	maxRegistrations = 10 // of one address, or IPv6 network of 64 bits, in an hour
	maxRegistrants   = 10000
)

// registrations counts the keys that each network has asked for in this hour.
type registrations struct {
	mu    sync.Mutex
	began time.Time
	count map[netip.Prefix]int
}

// wait is how long the address must wait, or 0 if it may register now.
func (r *registrations) wait(address netip.Addr, now time.Time) time.Duration {
	bits := 64
	if address = address.Unmap().WithZone(""); address.Is4() {
		bits = 32
	}
	network, _ := address.Prefix(bits) // an address that is not known is a network, too
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.began) >= time.Hour {
		r.began, r.count = now, map[netip.Prefix]int{}
	}
	if r.count[network] >= maxRegistrations || len(r.count) >= maxRegistrants {
		return time.Hour - now.Sub(r.began)
	}
	r.count[network]++
	return 0
}

// registering are the routes of apikeyserv where anyone may register.
func (s *Server) registering() []endpoint {
	if s.options.Registrar == nil {
		return nil
	}
	return []endpoint{
		{"POST", "/apikeys/", s.register},
		{"GET", "/apikeys/", func(w http.ResponseWriter, _ *http.Request) error {
			return detail(w, http.StatusForbidden, "Keys are not listed.")
		}},
		{"OPTIONS", "/apikeys/", func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}},
	}
}

// register makes a key for an organisation. Callers choose neither its number nor its end.
func (s *Server) register(w http.ResponseWriter, r *http.Request) error {
	asked, refusal, err := readRegistrant(w, r)
	if err != nil {
		return err
	}
	if refusal != nil {
		return writeJSON(w, http.StatusBadRequest, refusal)
	}
	if wait := s.registered.wait(s.client(r, "X-Forwarded-For"), s.options.Now()); wait > 0 {
		w.Header().Set("Retry-After", seconds(wait))
		return writeJSON(w, http.StatusTooManyRequests, map[string]string{"message": "Too many registrations. Try again later."})
	}
	note, err := json.Marshal(asked)
	if err != nil {
		return err
	}
	made, err := s.options.Registrar.Make(r.Context(), keys.Actor{Name: "registration", Admin: true}, keys.Request{
		Name: asked.Organisation, Owner: asked.Organisation, Note: string(note), Kind: apikey.JWT, TTL: registrationTTL,
		Restrictions: apikey.Restrictions{Apps: []string{apikey.EveryApp}, Roles: []string{}},
	})
	if _, invalid := errors.AsType[*keys.Invalid](err); invalid {
		return writeJSON(w, http.StatusBadRequest, map[string]string{"message": "Invalid parameters."})
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, registered{
		ID: made.Key.Number, registrant: asked, Expires: made.Key.Expires.UTC().Format(time.RFC3339), Key: made.Secret.Reveal(),
	})
}

// readRegistrant returns who asks, or a refusal in apikeyserv's words.
func readRegistrant(w http.ResponseWriter, r *http.Request) (asked registrant, refusal any, err error) {
	message := func(text string) map[string]string { return map[string]string{"message": text} }
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return asked, nil, err
	}
	var given struct {
		registrant
		Agreed bool `json:"agree_on_personal_data"`
	}
	text := strings.TrimSpace(string(body))
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if slices.Contains([]string{"", "{}", "null"}, text) {
		return asked, message("No data provided."), nil
	}
	if err := wantType(r, web.JSON); err != nil { // a form of another site's page cannot send it
		return asked, nil, err
	}
	if decoder.Decode(&given) != nil || decoder.More() {
		return asked, message("Invalid parameters."), nil //nolint:nilerr // the refusal is the answer
	}
	faults := map[string][]string{}
	for field, missing := range map[string]bool{
		"organisation": strings.TrimSpace(given.Organisation) == "", "email_1": given.Email1 == "", "agree_on_personal_data": !given.Agreed,
	} {
		if missing {
			faults[field] = []string{"This field is required."}
		}
	}
	for field, address := range map[string]string{"email_1": given.Email1, "email_2": given.Email2} {
		if address != "" && !isMailAddress(address) {
			faults[field] = []string{"Enter a valid email address."}
		}
	}
	if len(faults) > 0 {
		return asked, faults, nil
	}
	return given.registrant, nil, nil
}

func isMailAddress(text string) bool {
	parsed, err := mail.ParseAddress(text)
	return err == nil && parsed.Address == text
}

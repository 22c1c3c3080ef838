package api

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/identity"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/token"
	"github.com/token2go/token2go/internal/web"
)

// APIKeyManager is what the routes of apikey-manager need. They answer in its words, and are
// not in the API document: its programs know them.
type APIKeyManager struct {
	People  identity.Verifier                                         // required: proves by a Bearer token who manages keys
	Visit   func(context.Context, store.Person) (store.Person, error) // required: store.Store.Visit
	Keys    *keys.Manager                                             // required; its policy makes keys of the kind UUID
	Usage   func(context.Context, store.Key) (store.Usage, error)     // required: with uses that are not written yet
	Apps    bool                                                      // keys must name applications
	Changes []string                                                  // methods that may change something: POST, and GET where the operator allows it
}

func (s *Server) apikeyManager() []endpoint {
	m := s.options.APIKeyManager
	if m == nil {
		return nil
	}
	all := []endpoint{
		{"GET", "/auth/me", s.managed(m.me)},
		{"GET", "/auth/api_key/list", s.managed(m.list)},
		{"GET", "/auth/check_key", s.checkManagerKey},
		{"GET", "/health/status", func(w http.ResponseWriter, _ *http.Request) error {
			return writeJSON(w, http.StatusOK, map[string]bool{"healthy": true})
		}},
	}
	for _, method := range m.Changes {
		all = append(all,
			endpoint{method, "/auth/api_key/new", s.managed(changing(m.make))},
			endpoint{method, "/auth/api_key/revoke", s.managed(changing(m.revoke))},
			endpoint{method, "/auth/api_key/renew", s.managed(changing(m.renew))},
		)
	}
	return all
}

// detail answers as FastAPI does.
func detail(w http.ResponseWriter, status int, text string) error {
	return writeJSON(w, status, map[string]string{"detail": text})
}

type managedHandler func(w http.ResponseWriter, r *http.Request, by keys.Actor) error

// managed has a route answer a person whose Bearer token is verified.
func (s *Server) managed(handle managedHandler) web.Handler {
	bearer := token.NewExtractor([]string{"Authorization"}, secret.Value{})
	return func(w http.ResponseWriter, r *http.Request) error {
		found, err := bearer.Extract(r.Header)
		if err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			return detail(w, http.StatusUnauthorized, "Not authenticated")
		}
		person, err := s.options.APIKeyManager.People.Identify(r.Context(), r.Header, found)
		switch {
		case errors.Is(err, identity.ErrUnavailable):
			return detail(w, http.StatusServiceUnavailable, identity.ErrUnavailable.Error())
		case err != nil:
			w.Header().Set("WWW-Authenticate", "Bearer")
			return detail(w, http.StatusUnauthorized, err.Error()) // quotes nothing of a token
		}
		stored, err := s.options.APIKeyManager.Visit(r.Context(), store.Person{
			Issuer: person.Issuer, Subject: person.Subject, Login: person.Login, Email: person.Email,
			Roles: person.Roles, Groups: person.Groups, Seen: s.options.Now(),
		})
		if err != nil {
			return err
		}
		return explained(w, handle(w, r, keys.Actor{Name: person.Subject, Person: stored, AuthTime: person.AuthTime}))
	}
}

// explained answers what a request lacks in FastAPI's form.
func explained(w http.ResponseWriter, err error) error {
	if invalid, found := errors.AsType[*keys.Invalid](err); found {
		return detail(w, http.StatusUnprocessableEntity, invalid.Error())
	}
	if denied, found := errors.AsType[*keys.Denied](err); found {
		return detail(w, http.StatusForbidden, denied.Error())
	}
	return err
}

// changing refuses what another site's page asks for, and HEAD, which goes with GET.
func changing(handle managedHandler) managedHandler {
	return func(w http.ResponseWriter, r *http.Request, by keys.Actor) error {
		if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			return detail(w, http.StatusForbidden, "the request comes from a page of another site")
		}
		if r.Method == http.MethodHead {
			return detail(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		}
		return handle(w, r, by)
	}
}

func (m *APIKeyManager) me(w http.ResponseWriter, _ *http.Request, by keys.Actor) error {
	return writeJSON(w, http.StatusOK, map[string]any{
		"user_id": by.Person.Subject, "user_login": by.Person.Login, "roles": list(by.Person.Roles), "attributes": map[string]any{},
	})
}

func (m *APIKeyManager) make(w http.ResponseWriter, r *http.Request, by keys.Actor) error {
	fields, err := readFields(w, r)
	if err != nil {
		return err
	}
	if !fields.Has("name") {
		return web.Write(w, http.StatusUnprocessableEntity, web.JSON, `{"detail":[{"type":"missing","loc":["query","name"],"msg":"Field required","input":null}]}`)
	}
	request := keys.Request{Name: fields.Get("name"), Kind: apikey.UUID, Never: isTrue(fields.Get("never_expires"))}
	request.AllowInURL, request.AllowBlank = true, true
	if m.Apps {
		request.Apps = []string{apikey.EveryApp}
	}
	if config := fields.Get("config"); config != "" {
		request.Config = json.RawMessage(config)
	}
	for _, referer := range fields["allowed_referers"] {
		if strings.Contains(referer, "://") {
			referer = hostOf(referer)
		}
		pattern, err := apikey.ParseHostPattern(referer)
		if err != nil {
			return &keys.Invalid{Field: "allowed_referers", Want: err.Error()}
		}
		request.Hosts = append(request.Hosts, pattern)
	}
	made, err := m.Keys.Make(r.Context(), by, request)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, made.Secret.Reveal())
}

func isTrue(text string) bool {
	return slices.Contains([]string{"true", "1", "on", "yes"}, strings.ToLower(text))
}

// managedKey is a key in a list. Times are UTC and written without a zone.
type managedKey struct {
	Hash     string               `json:"api_key"`
	Name     string               `json:"name"`
	Login    string               `json:"user_login"`
	Enabled  bool                 `json:"user_active"`
	Active   bool                 `json:"is_active"`
	Never    bool                 `json:"never_expire"`
	Expires  string               `json:"expiration_date,omitempty"`
	Last     string               `json:"latest_query_date,omitempty"`
	Queries  int64                `json:"total_queries"`
	Synced   string               `json:"latest_sync_date,omitempty"`
	Roles    []string             `json:"iam_roles"`
	Config   json.RawMessage      `json:"config,omitempty"`
	Referers []apikey.HostPattern `json:"allowed_referers,omitempty"`
}

const withoutZone = "2006-01-02T15:04:05"

func written(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(withoutZone)
}

func (m *APIKeyManager) list(w http.ResponseWriter, r *http.Request, by keys.Actor) error {
	answer := []managedKey{}
	err := m.each(r.Context(), by, func(key store.Key) error {
		used, err := m.Usage(r.Context(), key)
		roles := by.Person.Roles
		if key.Roles != nil {
			roles = key.Roles
		}
		answer = append(answer, managedKey{
			Hash: key.Hash.String(), Name: key.Name, Login: by.Person.Login, Enabled: by.Person.Active, Active: key.Revoked.IsZero(),
			Never: key.Expires.IsZero(), Expires: written(key.Expires), Last: written(used.Last), Queries: used.Count, Synced: written(by.Person.Seen),
			Roles: list(roles), Config: key.Config, Referers: key.Hosts,
		})
		return err
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(answer, func(a, b managedKey) int { return strings.Compare(b.Last, a.Last) })
	return writeJSON(w, http.StatusOK, answer)
}

// each calls do for each of the person's keys that apikey-manager could have made.
func (m *APIKeyManager) each(ctx context.Context, by keys.Actor, do func(store.Key) error) error {
	filter := store.KeyFilter{Person: by.Person.ID, Limit: 100}
	for {
		page, err := m.Keys.Keys(ctx, by, filter)
		if err != nil {
			return err
		}
		for _, key := range page {
			if key.Kind != apikey.UUID || key.Hash == nil {
				continue
			}
			if err := do(key); err != nil {
				return err
			}
		}
		if len(page) < filter.Limit {
			return nil
		}
		filter.After = page[len(page)-1].ID
	}
}

// find returns the person's key that the field api-key holds; nil: the person has no such key.
func (m *APIKeyManager) find(ctx context.Context, by keys.Actor, fields url.Values) (found *store.Key, err error) {
	hash, err := apikey.HashUUID(fields.Get("api-key"))
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // the text is no one's key
	}
	err = m.each(ctx, by, func(key store.Key) error {
		if key.Hash.Equal(hash) {
			found = &key
		}
		return nil
	})
	return found, err
}

func (m *APIKeyManager) revoke(w http.ResponseWriter, r *http.Request, by keys.Actor) error {
	fields, err := readFields(w, r)
	if err != nil {
		return err
	}
	key, err := m.find(r.Context(), by, fields)
	if err == nil && key != nil {
		_, err = m.Keys.Revoke(r.Context(), by, key.ID, "")
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, nil)
}

func (m *APIKeyManager) renew(w http.ResponseWriter, r *http.Request, by keys.Actor) error {
	fields, err := readFields(w, r)
	if err != nil {
		return err
	}
	expires, err := instant(fields.Get("expiration-date"))
	if err != nil {
		return err
	}
	key, err := m.find(r.Context(), by, fields)
	if err != nil {
		return err
	}
	if key == nil {
		return detail(w, http.StatusNotFound, "API key not found")
	}
	renewed, revived, err := m.Keys.Renew(r.Context(), by, key.ID, expires)
	if err != nil {
		return err
	}
	answer := "The new expiration date for the API key is " + written(renewed.Expires)
	if revived {
		answer = "This API key was revoked and has been reactivated. " + answer
	}
	return writeJSON(w, http.StatusOK, answer)
}

// instant reads a time in ISO 8601, which is UTC without a zone.
func instant(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, withoutZone, "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &keys.Invalid{Field: "expiration-date", Want: "a date such as 2027-01-31T12:00:00"}
}

// readFields reads what a request gives in its query and, with POST, as form or JSON.
func readFields(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	unreadable := func(what string) error {
		return &problem.Problem{Kind: problem.InvalidRequest, Detail: "the " + what + " cannot be read"}
	}
	fields, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, unreadable("query")
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // a wrong one is none of these
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	switch {
	case r.Method != http.MethodPost:
	case mediaType == "application/x-www-form-urlencoded":
		if err := r.ParseForm(); err != nil {
			return nil, unreadable("body")
		}
		for name, values := range r.PostForm {
			fields[name] = append(fields[name], values...)
		}
	case mediaType == web.JSON:
		var members map[string]json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&members); err != nil {
			return nil, unreadable("body")
		}
		for name, member := range members {
			fields[name] = append(fields[name], textsOf(member)...)
		}
	}
	return fields, nil
}

// textsOf is a member of a JSON object as a form would have it.
func textsOf(member json.RawMessage) []string {
	var text string
	var list []string
	switch {
	case string(member) == "null":
		return nil
	case json.Unmarshal(member, &text) == nil:
		return []string{text}
	case json.Unmarshal(member, &list) == nil:
		return list
	}
	return []string{string(member)} // a number, a boolean or an object
}

// checkManagerKey answers gateways that ask as they ask apikey-manager: the query wins over
// the header.
func (s *Server) checkManagerKey(w http.ResponseWriter, r *http.Request) error {
	found := presented{text: r.Header.Get("X-Api-Key")}
	if query := r.URL.Query()["api-key"]; len(query) > 0 {
		found = presented{query[len(query)-1], true}
	}
	if key, arrived := r.Context().Value(pathKey{}).(string); arrived {
		if strings.Trim(key, "-abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return detail(w, http.StatusNotFound, "Not Found")
		}
		found = presented{key, true}
	}
	if found.text == "" {
		return detail(w, http.StatusForbidden, "An API key must be passed as query or header")
	}
	verdict, err := s.decide(r, question{
		found: found, address: s.client(r, "X-Forwarded-For"), host: pageHost(r.Header), agent: r.UserAgent(),
	})
	if refusal, refused := errors.AsType[*check.Refusal](err); refused {
		if refusal.RetryAfter > 0 {
			w.Header().Set("Retry-After", seconds(refusal.RetryAfter))
			return writeJSON(w, http.StatusTooManyRequests, map[string]string{"error": "Rate limit exceeded: 20 per 1 minute"})
		}
		return detail(w, http.StatusForbidden, "Wrong, revoked, or expired API key.")
	}
	if err != nil {
		return err
	}
	answer := managerVerdict{Roles: list(verdict.Roles), Config: verdict.Key.Config}
	if answer.Config == nil {
		answer.Config = json.RawMessage("{}")
	}
	if verdict.Person != nil {
		answer.Subject, answer.Login = verdict.Person.Subject, verdict.Person.Login
	}
	return writeJSON(w, http.StatusOK, answer)
}

type managerVerdict struct {
	Subject string          `json:"user_id"`
	Login   string          `json:"user_login"`
	Roles   []string        `json:"iam_roles"`
	Config  json.RawMessage `json:"config"`
}

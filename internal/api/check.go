package api

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/web"
)

// question is a request that a verdict is asked for.
type question struct {
	found   presented
	address netip.Addr
	host    string // of the page that calls
	app     string
	ofProxy bool // app is a trusted proxy's configuration, not the caller's text
	agent   string
}

// check answers the holder of a key.
func (s *Server) check(w http.ResponseWriter, r *http.Request) error {
	found, err := s.find(r, r.URL)
	if err != nil {
		return err
	}
	app, err := appOf(r.URL)
	if err != nil {
		return err
	}
	verdict, err := s.decide(r, question{
		found: found, address: s.client(r, "X-Forwarded-For"), host: pageHost(r.Header), app: app, agent: r.UserAgent(),
	})
	if err != nil {
		return err
	}
	setRate(w.Header(), verdict.Rate)
	return writeVerdict(w, verdict)
}

// decide checks the key of a question, and counts and records what was decided.
func (s *Server) decide(r *http.Request, q question) (check.Verdict, error) {
	credential, id, err := s.credential(q.found.text, q.address)
	var verdict check.Verdict
	if err == nil {
		verdict, err = s.options.Checker.Check(r.Context(), credential, check.Facts{
			Address: q.address, Host: q.host, App: q.app, InURL: q.found.inURL,
		})
	}
	if err == nil && s.options.Uses != nil {
		s.options.Uses.Count(verdict.Key.ID, s.options.Now(), q.address, q.agent)
	}
	if err == nil && !s.options.AuditGood {
		return verdict, nil
	}
	if recordErr := s.record(r.Context(), event(q, id, verdict, err)); recordErr != nil && err == nil {
		return check.Verdict{}, recordErr
	}
	return verdict, err
}

// event is the event of a decision. The key's text is never in it.
func event(q question, id string, verdict check.Verdict, err error) audit.Event {
	e := audit.Event{Action: audit.Check, Outcome: audit.Allowed}
	e.Attributes = append(e.Attributes, attribute("key", id), attribute("address", addressText(q.address)))
	if q.ofProxy || slices.Contains(verdict.Key.Apps, q.app) {
		e.Attributes = append(e.Attributes, attribute("app", q.app)) // else it may be anything, a secret too
	}
	if q.found.inURL {
		e.Attributes = append(e.Attributes, attribute("arrived", "in the URL"))
	}
	if verdict.Person != nil {
		e.Actor = verdict.Person.Subject
	}
	if err != nil {
		e.Outcome = audit.Refused
		kind, cause := reason(err)
		e.Reason = string(kind)
		e.Attributes = append(e.Attributes, attribute("cause", cause))
	}
	return e
}

func addressText(address netip.Addr) string {
	if !address.IsValid() {
		return ""
	}
	return address.String()
}

// appOf is the application that a query names; twice is once too often.
func appOf(target *url.URL) (string, error) {
	if target.RawQuery == "" {
		return "", nil
	}
	values, err := url.ParseQuery(target.RawQuery)
	if err != nil {
		return "", &problem.Problem{Kind: problem.InvalidRequest, Detail: "the query cannot be read"}
	}
	return oneOf(values, "app")
}

func oneOf(values url.Values, name string) (string, error) {
	switch given := values[name]; len(given) {
	case 0:
		return "", nil
	case 1:
		return given[0], nil
	}
	return "", &problem.Problem{Kind: problem.InvalidRequest, Detail: name + " is given twice, want it once"}
}

// pageHost is the host of the page that calls, from Origin or else Referer, in lower case
// and without port.
func pageHost(h http.Header) string {
	for _, name := range []string{"Origin", "Referer"} {
		if value := h.Get(name); value != "" && value != "null" {
			return hostOf(value)
		}
	}
	return ""
}

func hostOf(address string) string {
	page, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(page.Hostname())
}

// verdictAnswer is a verdict as JSON.
type verdictAnswer struct {
	Subject string          `json:"subject,omitempty"`
	Login   string          `json:"login,omitempty"`
	Email   string          `json:"email,omitempty"`
	Roles   []string        `json:"roles"`
	Groups  []string        `json:"groups"`
	Apps    []string        `json:"apps"`
	Config  json.RawMessage `json:"config,omitempty"`
	Key     keyAnswer       `json:"key"`
}

type keyAnswer struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Expires string `json:"expires,omitempty"`
}

func answerOf(v check.Verdict) verdictAnswer {
	a := verdictAnswer{
		Roles: list(v.Roles), Groups: []string{}, Apps: v.Key.Apps, Config: v.Key.Config,
		Key: keyAnswer{ID: v.Key.ID.String(), Name: v.Key.Name, Kind: v.Key.Kind.String()},
	}
	if len(a.Apps) == 0 {
		a.Apps = []string{apikey.EveryApp}
	}
	if !v.Key.Expires.IsZero() {
		a.Key.Expires = v.Key.Expires.UTC().Format(time.RFC3339)
	}
	if p := v.Person; p != nil {
		a.Subject, a.Login, a.Email, a.Groups = p.Subject, p.Login, p.Email, list(p.Groups)
	}
	return a
}

func list(entries []string) []string {
	if entries == nil {
		return []string{}
	}
	return entries
}

func writeVerdict(w http.ResponseWriter, v check.Verdict) error {
	body, err := json.Marshal(answerOf(v))
	if err != nil {
		return err
	}
	return web.Write(w, http.StatusOK, web.JSON, string(body))
}

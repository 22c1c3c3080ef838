package gateway

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/doctor"
	"github.com/token2go/token2go/internal/passes"
)

// serviceJSON is a service as programs read it.
type serviceJSON struct {
	Name    string      `json:"name"`
	Title   string      `json:"title"`
	Address string      `json:"address"`
	Own     bool        `json:"ownToken"` // called with the person's own token
	Scopes  []scopeJSON `json:"scopes"`
}

type scopeJSON struct {
	Name  string   `json:"name"`
	Title string   `json:"title"`
	Rules []string `json:"rules"`
}

func (s *Server) serviceJSON(service passes.Service) serviceJSON {
	out := serviceJSON{
		Name: service.Name, Title: cmp.Or(service.Title, service.Name), Address: s.options.Passes.Address(service.Name) + "/",
		Own: service.Personal, Scopes: []scopeJSON{},
	}
	for _, scope := range service.Scopes {
		out.Scopes = append(out.Scopes, scopeJSON{scope.Name, cmp.Or(scope.Title, scope.Name), texts(scope.Rules)})
	}
	return out
}

// passJSON is a pass as programs read it.
type passJSON struct {
	ID       string     `json:"id"`
	Pass     string     `json:"pass,omitempty"` // in the answer that makes it
	Address  string     `json:"address,omitempty"`
	Service  string     `json:"service"`
	Name     string     `json:"name,omitempty"`
	Status   string     `json:"status"`
	Created  time.Time  `json:"created"`
	Expires  time.Time  `json:"expires"`
	Revoked  *time.Time `json:"revoked,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Scopes   []string   `json:"scopes"`
	Rules    []string   `json:"rules"`
	Networks []string   `json:"networks"`
	Rate     *rateInput `json:"rate,omitempty"`
	Uses     int64      `json:"uses"`
	LastUse  *useJSON   `json:"lastUse,omitempty"`
	Warnings []string   `json:"warnings,omitempty"` // what is probably not meant
}

func newPassJSON(p passes.Listed, now time.Time) passJSON {
	out := passJSON{
		ID: p.ID, Service: p.Service, Name: p.Name, Status: passStatus(p, now), Created: p.Created, Expires: p.Expires,
		Revoked: moment(p.Revoked), Reason: p.Reason, Scopes: texts(p.Limit.Scopes), Rules: texts(p.Limit.Rules), Networks: texts(p.Networks),
		Uses: p.Usage.Count,
	}
	if p.Limit.Rate.Requests > 0 {
		out.Rate = &rateInput{p.Limit.Rate.Requests, spanText(p.Limit.Rate.Per)}
	}
	if !p.Usage.Last.IsZero() {
		out.LastUse = &useJSON{p.Usage.Last, p.Usage.Address, p.Usage.Agent}
	}
	return out
}

func passStatus(p passes.Listed, now time.Time) string {
	switch {
	case !p.Revoked.IsZero():
		return statusRevoked
	case !now.Before(p.Expires):
		return statusExpired
	}
	return statusActive
}

func (s *Server) madePassJSON(made passes.Made) passJSON {
	p := made.Pass
	out := passJSON{
		ID: p.ID, Pass: made.Text.Reveal(), Address: s.options.Passes.Address(p.Service) + "/", Service: p.Service, Status: statusActive,
		Created: p.Issued, Expires: p.Expires, Scopes: texts(p.Scopes), Rules: texts(p.Rules), Networks: texts(p.Networks), Warnings: made.Findings,
	}
	if p.Rate.Requests > 0 {
		out.Rate = &rateInput{p.Rate.Requests, spanText(p.Rate.Per)}
	}
	return out
}

// passesView lists services and passes, with the form that makes one.
type passesView struct {
	chrome
	Services []choice  // to choose from
	Form     *passForm // nil: there is no service for the person
	Stored   bool
	Passes   []passView
}

type passView struct {
	ID, Name, Service, Status, RevokedFor, EndsIn string
	Created, Expires, Revoked                     time.Time
	Limits                                        []limitView
	Last                                          time.Time
	LastAddress, LastAgent                        string
	Uses                                          int64
}

// Usable reports whether the pass may still be good.
func (p passView) Usable() bool { return p.Status == statusActive }

// readable are rules as people read them: those that were written as objects in one line.
func readable(rules []string) []string {
	out := slices.Clone(rules)
	for i, text := range rules {
		var object struct {
			Methods []string
			Path    string
			Query   map[string][]string
		}
		if strings.HasPrefix(text, "{") && json.Unmarshal([]byte(text), &object) == nil && object.Query == nil {
			out[i] = strings.Join(object.Methods, ", ") + " " + object.Path
		}
	}
	return out
}

func newPassView(p passes.Listed, now time.Time) passView {
	v := passView{
		ID: p.ID, Name: cmp.Or(p.Name, p.Service), Service: p.Service, Status: passStatus(p, now), RevokedFor: p.Reason,
		Created: p.Created, Expires: p.Expires, Revoked: p.Revoked,
		Last: p.Usage.Last, LastAddress: p.Usage.Address, LastAgent: p.Usage.Agent, Uses: p.Usage.Count,
	}
	if v.Usable() {
		v.EndsIn = doctor.Spell(p.Expires.Sub(now))
	}
	for _, limit := range []limitView{{"Scopes", p.Limit.Scopes}, {"Rules", readable(texts(p.Limit.Rules))}, {"Networks", texts(p.Networks)}} {
		if len(limit.Values) > 0 {
			v.Limits = append(v.Limits, limit)
		}
	}
	return v
}

// passForms is what the form shows besides what it shows at first.
type passForms struct {
	service string // that is chosen; empty: the first
	typed   values
	errors  map[string]string
	tried   *passes.Explanation
}

// passForm is the form that makes a pass for one service.
type passForm struct {
	keyForm
	Service serviceJSON
	Scopes  []choice
	Methods []choice // of the paths
	Try     []choice // the method of the request that is tried
	Tried   *passes.Explanation
}

func (s *Server) showPasses(w http.ResponseWriter, r *http.Request, status int, actor passes.Actor, forms passForms) error {
	list, err := s.passesOf(r, actor)
	if err != nil {
		return err
	}
	view := passesView{chrome: s.chrome(r), Stored: s.options.Passes.Stores()}
	for _, p := range list {
		view.Passes = append(view.Passes, newPassView(p, s.options.Now()))
	}
	chosen := cmp.Or(forms.service, r.URL.Query().Get("service"))
	services := s.options.Passes.Services(actor)
	at := max(0, slices.IndexFunc(services, func(service passes.Service) bool { return service.Name == chosen }))
	for i, service := range services {
		view.Services = append(view.Services, choice{service.Name, cmp.Or(service.Title, service.Name), i == at})
	}
	if len(services) > 0 {
		view.Form = s.passForm(r, services[at], forms)
	}
	return s.showForms(w, status, "passes", view)
}

func (s *Server) passForm(r *http.Request, service passes.Service, forms passForms) *passForm {
	f := &passForm{
		keyForm: keyForm{
			Action: s.prefix(r) + "/passes", Hidden: []field{{"service", service.Name}}, Values: forms.typed, Errors: forms.errors,
			Problem: forms.errors[""], Lifetimes: passLifetimes(s.options.Passes.MaxTTL(), cmp.Or(forms.typed.get("ttl"), "1h")),
		},
		Service: s.serviceJSON(service), Tried: forms.tried,
		Methods: choices([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, forms.typed["methods"]),
		Try:     choices([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, forms.typed["method"]),
	}
	for i, scope := range f.Service.Scopes {
		// One scope is chosen at first: the operator lists the harmless one first.
		chosen := slices.Contains(forms.typed["scopes"], scope.Name) || forms.typed == nil && i == 0
		f.Scopes = append(f.Scopes, choice{scope.Name, scope.Title, chosen})
	}
	if forms.typed == nil {
		f.Methods[0].Chosen = true
	}
	return f
}

func passLifetimes(longest time.Duration, chosen string) (list []choice) {
	const day = 24 * time.Hour
	spans := []time.Duration{15 * time.Minute, time.Hour, 8 * time.Hour, day, 7 * day, 30 * day, longest}
	slices.Sort(spans)
	for _, span := range slices.Compact(spans) {
		if span <= longest {
			list = append(list, choice{spanText(span), spanWords(span), spanText(span) == chosen})
		}
	}
	return list
}

// Open reports whether the person's own paths and rules are to be shown unfolded.
func (f *passForm) Open() bool {
	for _, name := range []string{"paths", "rules", "networks"} {
		if f.Value(name) != "" || f.Errors[name] != "" {
			return true
		}
	}
	return len(f.Scopes) == 0
}

// madePassView shows a new pass, once.
type madePassView struct {
	chrome
	Pass     passJSON
	Rules    []string
	Secret   string
	EndsIn   string
	Stored   bool
	Warnings []string
	Calls    []callGroup
}

func (s *Server) madePassView(r *http.Request, made passes.Made) madePassView {
	out := s.madePassJSON(made)
	view := madePassView{
		chrome: s.chrome(r), Pass: out, Rules: readable(out.Rules), Secret: out.Pass, EndsIn: doctor.Spell(out.Expires.Sub(s.options.Now())),
		Stored: s.options.Passes.Stores(), Warnings: made.Findings, Calls: passCalls{out.ID, out.Service, out.Address}.groups(),
	}
	view.Calls[0].Open = true
	return view
}

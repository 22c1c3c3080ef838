package gateway

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/store"
)

// eventsView lists events, with the filters that chose them.
type eventsView struct {
	chrome
	Form   *keyForm
	Events []eventView
	Query  url.Values   // the filters
	Next   template.URL // the query of the next page; empty: this is the last
}

// QueryFor is the query for the events in a format that is exported.
func (v eventsView) QueryFor(format string) template.URL {
	query := maps.Clone(v.Query)
	query.Set("format", format)
	return template.URL(query.Encode()) //nolint:gosec // encoded, and behind a path of ours
}

// eventJSON is an event as programs read it.
type eventJSON struct {
	At         time.Time         `json:"at"`
	Revision   int64             `json:"revision"`
	Actor      string            `json:"actor"`
	Action     string            `json:"action"`
	Key        string            `json:"key,omitempty"`
	Person     string            `json:"person,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

func newEventJSON(e store.Event) eventJSON {
	out := eventJSON{At: e.At.UTC(), Revision: e.Revision, Actor: e.Actor, Action: e.Action, Attributes: e.Attributes}
	if e.Key != 0 {
		out.Key = apikey.ID(e.Key).String() //nolint:gosec // as it was stored
	}
	if e.Person != 0 {
		out.Person = strconv.FormatInt(e.Person, 10)
	}
	return out
}

// adminEvents lists events, as a page, as JSON, or whole as a file.
func (s *Server) adminEvents(w http.ResponseWriter, r *http.Request) error {
	actor, err := asAdmin(s.actor)(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	filter, err := eventFilter(query)
	if err != nil && wantsPage(r) {
		refusal := s.adapter.Refuse(w, r, err)
		return s.showEvents(w, r, refusal.Problem.Kind.Status(), eventsView{Form: &keyForm{Errors: fieldErrors(refusal)}})
	}
	if err != nil {
		return err
	}
	if format := query.Get("format"); format != "" {
		return s.exportEvents(w, r, format, filter)
	}
	return s.listEvents(w, r, actor, filter)
}

func (s *Server) exportEvents(w http.ResponseWriter, r *http.Request, format string, filter store.EventFilter) error {
	switch format {
	case "csv":
		return s.exportCSV(w, r, filter)
	case "jsonl":
		return s.exportLines(w, r, filter)
	}
	return &fieldError{"format", "want csv or jsonl"}
}

func (s *Server) listEvents(w http.ResponseWriter, r *http.Request, actor keys.Actor, filter store.EventFilter) error {
	events, next, err := s.eventPage(r.Context(), filter)
	if err != nil {
		return err
	}
	if wantsPage(r) {
		views, err := s.namedEvents(r.Context(), events, actor.Person.Subject)
		if err != nil {
			return err
		}
		return s.showEvents(w, r, http.StatusOK, eventsView{Events: views, Next: template.URL(next)}) //nolint:gosec // a number
	}
	answer := struct {
		Events []eventJSON `json:"events"`
		Next   string      `json:"next,omitempty"`
	}{[]eventJSON{}, next}
	for _, e := range events {
		answer.Events = append(answer.Events, newEventJSON(e))
	}
	return answerJSON(w, http.StatusOK, answer)
}

// eventFilter reads the filters of a query. A day counts from its beginning in UTC, or to
// its end.
func eventFilter(query url.Values) (f store.EventFilter, err error) {
	f.Action, f.Actor = query.Get("action"), query.Get("actor")
	if f.Person, err = number(query.Get("person"), "person"); err != nil {
		return f, err
	}
	if f.Before, err = number(query.Get("before"), "before"); err != nil {
		return f, err
	}
	if text := query.Get("key"); text != "" {
		id, err := apikey.ParseID(text)
		if err != nil {
			return f, &fieldError{"key", "want the ID of a key, which has 10 letters and digits"}
		}
		f.Key = int64(id) //nolint:gosec // below 2^60
	}
	if f.From, err = day(query.Get("from"), "from"); err != nil {
		return f, err
	}
	if f.To, err = day(query.Get("to"), "to"); err == nil && !f.To.IsZero() {
		f.To = f.To.AddDate(0, 0, 1)
	}
	return f, err
}

func day(text, field string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, &fieldError{field, "want a day such as 2027-01-31"}
	}
	return at, nil
}

const (
	eventsShown    = 100
	eventsExported = 1000 // read at once
)

// eventPage reads a page of events, and where the next one begins; empty after the last. A
// page ends between two revisions: the events of one change have the same.
func (s *Server) eventPage(ctx context.Context, filter store.EventFilter) (events []store.Event, next string, err error) {
	if filter.Limit == 0 {
		filter.Limit = eventsShown
	}
	for {
		events, err := s.options.Store.Events(ctx, filter)
		if err != nil || len(events) < filter.Limit {
			return events, "", err
		}
		for i := len(events) - 1; i > 0; i-- {
			if revision := events[i-1].Revision; revision != events[i].Revision {
				return events[:i], strconv.FormatInt(revision, 10), nil
			}
		}
		filter.Limit *= 2
	}
}

// showEvents answers with the page of events, its form filled in from the query.
func (s *Server) showEvents(w http.ResponseWriter, r *http.Request, status int, view eventsView) error {
	query := r.URL.Query()
	query.Del("before")
	view.chrome, view.Query = s.chrome(r), query
	if view.Form == nil {
		view.Form = &keyForm{}
	}
	view.Form.Action, view.Form.Values, view.Form.Problem = s.prefix(r)+"/admin/events", values(query), view.Form.Errors[""]
	if view.Next != "" {
		next := maps.Clone(query)
		next.Set("before", string(view.Next))
		view.Next = template.URL(next.Encode()) //nolint:gosec // as above
	}
	return s.showForms(w, status, "events", view)
}

// namedEvents are events with the names of the people they are about.
func (s *Server) namedEvents(ctx context.Context, events []store.Event, self string) ([]eventView, error) {
	views, people := newEventViews(events, self), map[int64]store.Person{}
	for i, e := range events {
		if e.Person == 0 {
			continue
		}
		person, known := people[e.Person]
		if !known {
			var err error
			if person, err = s.options.Store.Person(ctx, e.Person); err != nil {
				return nil, err
			}
			people[e.Person] = person
		}
		views[i].PersonName = nameOf(person)
		if e.Actor == person.Subject && e.Actor != self {
			views[i].Actor = views[i].PersonName
		}
	}
	return views, nil
}

// eachEvent calls do for every event, the newest first.
func (s *Server) eachEvent(ctx context.Context, filter store.EventFilter, do func(store.Event) error) error {
	filter.Limit = eventsExported
	for {
		events, next, err := s.eventPage(ctx, filter)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := do(e); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		filter.Before = events[len(events)-1].Revision
	}
}

func exportHeaders(h http.Header, kind, name string) {
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
}

// exportLines answers with one JSON object a line.
func (s *Server) exportLines(w http.ResponseWriter, r *http.Request, filter store.EventFilter) error {
	exportHeaders(w.Header(), "application/jsonl", "events.jsonl")
	if r.Method == http.MethodHead {
		return nil
	}
	encoder := json.NewEncoder(w)
	return s.eachEvent(r.Context(), filter, func(e store.Event) error { return encoder.Encode(newEventJSON(e)) })
}

// exportCSV answers with a table for spreadsheets (RFC 4180).
func (s *Server) exportCSV(w http.ResponseWriter, r *http.Request, filter store.EventFilter) error {
	exportHeaders(w.Header(), "text/csv; charset=utf-8", "events.csv")
	if r.Method == http.MethodHead {
		return nil
	}
	out := csv.NewWriter(w)
	if err := out.Write([]string{"at", "revision", "actor", "action", "key", "person", "attributes"}); err != nil {
		return err
	}
	err := s.eachEvent(r.Context(), filter, func(e store.Event) error {
		line := newEventJSON(e)
		attributes := ""
		if len(line.Attributes) > 0 {
			encoded, _ := json.Marshal(line.Attributes) // texts always encode
			attributes = string(encoded)
		}
		return out.Write([]string{
			line.At.Format(time.RFC3339), strconv.FormatInt(line.Revision, 10), cell(line.Actor), cell(line.Action), cell(line.Key), line.Person, cell(attributes),
		})
	})
	out.Flush()
	return err
}

// cell keeps spreadsheets from taking a text for a formula.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

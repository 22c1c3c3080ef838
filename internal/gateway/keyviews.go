package gateway

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/doctor"
	"github.com/token2go/token2go/internal/store"
)

// keysView lists a person's keys, with the form that makes one.
type keysView struct {
	chrome
	Notice string
	Keys   []keyView
	More   string   // the ID after which the next page begins; empty: this is the last
	Form   *keyForm // nil: the person may make no keys
}

// keyTable is a list of keys.
type keyTable struct {
	Base  string
	Keys  []keyView
	Admin bool   // says whose each is
	None  string // what is said where there are none
}

// Table is the list of the person's keys.
func (v keysView) Table() keyTable { return keyTable{v.Base, v.Keys, false, "You have no keys yet."} }

// keyPage shows one key, with what can be done with it.
type keyPage struct {
	chrome
	Notice string
	Key    keyView
	Calls  []callGroup
	Events []eventView
	Try    *tryView
	Change *keyForm // nil: the key has ended
	Rotate *keyForm
	Revoke *keyForm
}

// madeView shows a new key, once.
type madeView struct {
	chrome
	Key    keyView
	Secret string
	Old    *keyView // the key that it replaces; nil: none
	Calls  []callGroup
}

// keyView is one key without its secret.
type keyView struct {
	ID, Name, Note, Kind, Status string
	Created, Expires, Revoked    time.Time
	RevokedFor, Replaces, EndsIn string
	Owner                        string
	PersonID, PersonName         string // for administrators: whose key it is
	Limits                       []limitView
	Config                       string // indented JSON; may be empty
	Total                        int64
	Last                         time.Time
	LastAddress, LastAgent       string
	Chart                        chart
}

// Usable reports whether the key may still be good.
func (k keyView) Usable() bool { return k.Status == statusActive || k.Status == statusEndsSoon }

// limitView is one limit of a key.
type limitView struct {
	Name   string
	Values []string
}

const (
	statusActive   = "active"
	statusEndsSoon = "ends soon"
	statusExpired  = "expired"
	statusRevoked  = "revoked"
)

func keyStatus(k store.Key, now time.Time) string {
	switch {
	case !k.Revoked.IsZero() && !now.Before(k.Revoked):
		return statusRevoked
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return statusExpired
	case !k.Expires.IsZero() && k.Expires.Sub(now) < endsSoon(k):
		return statusEndsSoon
	}
	return statusActive
}

// endsSoon is how long before its end a key is marked: 14 days, or the last fifth of a
// shorter life.
func endsSoon(k store.Key) time.Duration { return min(14*24*time.Hour, k.Expires.Sub(k.Created)/5) }

func newKeyView(k store.Key, u usage, now time.Time) keyView {
	v := keyView{
		ID: k.ID.String(), Name: k.Name, Note: k.Note, Kind: k.Kind.String(), Status: keyStatus(k, now), Owner: k.Owner,
		Created: k.Created, Expires: k.Expires, RevokedFor: k.Reason,
		Total: u.all.Count, Last: u.all.Last, LastAddress: u.all.Address, LastAgent: u.all.Agent, Chart: newChart(u.days, now),
		Limits: limitsOf(k),
	}
	if v.Name == "" {
		v.Name = "Key " + v.ID
	}
	if v.Status == statusRevoked {
		v.Revoked = k.Revoked
		v.RevokedFor = cmp.Or(k.Reason, "no reason given")
	}
	if k.Replaces != 0 {
		v.Replaces = k.Replaces.String()
	}
	if v.Usable() && !k.Expires.IsZero() {
		v.EndsIn = doctor.Spell(k.Expires.Sub(now))
	}
	if len(k.Config) > 0 {
		v.Config = indented(k.Config)
	}
	return v
}

func indented(text json.RawMessage) string {
	var value any
	if json.Unmarshal(text, &value) != nil {
		return string(text)
	}
	out, _ := json.MarshalIndent(value, "", "  ")
	return string(out)
}

func limitsOf(k store.Key) []limitView {
	var limits []limitView
	add := func(name string, entries []string) {
		if len(entries) > 0 {
			limits = append(limits, limitView{name, entries})
		}
	}
	add("Applications", k.Apps)
	switch {
	case k.Roles != nil && len(k.Roles) == 0:
		add("Roles", []string{"none"})
	default:
		add("Roles", k.Roles)
	}
	add("Networks", texts(k.Networks))
	add("Websites", texts(k.Hosts))
	if k.Rate.Requests > 0 {
		add("Rate", []string{fmt.Sprintf("%d in %s", k.Rate.Requests, spanText(k.Rate.Per))})
	}
	if k.AllowInURL {
		add("In a URL", []string{"allowed"})
	}
	add("Grants", k.Grants)
	for _, service := range sortedNames(k.Services) {
		add("Service "+service, k.Services[service])
	}
	return limits
}

// texts is a list of values as they are written.
func texts[T any](list []T) []string {
	out := make([]string, len(list))
	for i, entry := range list {
		out[i] = fmt.Sprint(entry)
	}
	return out
}

// spanText is a span as parseSpan reads it.
func spanText(span time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case span == 0:
		return "0s"
	case span%day == 0:
		return strconv.Itoa(int(span/day)) + "d"
	case span%time.Hour == 0:
		return strconv.Itoa(int(span/time.Hour)) + "h"
	case span%time.Minute == 0:
		return strconv.Itoa(int(span/time.Minute)) + "m"
	}
	return span.String()
}

// usage is how a key was used: in all, and per day.
type usage struct {
	all  store.Usage
	days []store.UsageDay
}

// chartDays is how many days a chart shows.
const chartDays = 30

// chart is the uses of the last days, as bars in a picture that is 24 high.
type chart struct {
	Days       []bar
	Total, Max int64
	Width      int
}

type bar struct {
	Day          string
	Count        int64
	X, Y, Height int
}

func newChart(days []store.UsageDay, now time.Time) chart {
	c := chart{Width: 4 * chartDays}
	first := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-chartDays)
	for i := range chartDays {
		day := first.AddDate(0, 0, i)
		one := bar{Day: day.Format(time.DateOnly), X: 4 * i}
		if at := slices.IndexFunc(days, func(d store.UsageDay) bool { return d.Day.Equal(day) }); at >= 0 {
			one.Count = days[at].Count
		}
		c.Total += one.Count
		c.Max = max(c.Max, one.Count)
		c.Days = append(c.Days, one)
	}
	for i := range c.Days {
		const full = 22
		one := &c.Days[i]
		if one.Height = 1; one.Count > 0 {
			one.Height = 2 + int(one.Count*full/c.Max)
		}
		one.Y = 24 - one.Height
	}
	return c
}

// eventView is one line of a key's or person's history.
type eventView struct {
	At         time.Time
	Action     string
	Actor      string
	Key        string
	Person     string
	PersonName string // for administrators: whose key it is, or who it is about
	Attributes []string
}

// newEventViews are events for people; self is the subject of the one who reads them.
func newEventViews(events []store.Event, self string) []eventView {
	views := make([]eventView, len(events))
	for i, e := range events {
		views[i] = eventView{At: e.At, Action: e.Action, Actor: e.Actor}
		if e.Actor == self {
			views[i].Actor = "you"
		}
		if e.Key != 0 {
			views[i].Key = apikey.ID(e.Key).String() //nolint:gosec // as it was stored
		}
		if e.Person != 0 {
			views[i].Person = strconv.FormatInt(e.Person, 10)
		}
		for _, name := range sortedNames(e.Attributes) {
			views[i].Attributes = append(views[i].Attributes, name+": "+e.Attributes[name])
		}
	}
	return views
}

// keyForm is a form, with what was typed and what is wrong with it.
type keyForm struct {
	Action string
	Hidden []field
	Values values
	Errors map[string]string
	// Problem is what is wrong with the whole; may be empty.
	Problem string

	Kinds, Lifetimes, Periods, Overlaps []choice
	Apps, Roles                         []choice
	AllRoles, SomeRoles                 bool
	InURL                               bool
	LastDay                             string // the last day that the policy allows; may be empty
}

// choice is one entry of a list to choose from.
type choice struct {
	Value, Label string
	Chosen       bool
}

// Value is what was typed into a field.
func (f *keyForm) Value(name string) string { return strings.Join(f.Values[name], "\n") }

// Checked reports whether a box was ticked.
func (f *keyForm) Checked(name string) bool { return f.Values.get(name) != "" }

// Open reports whether the part of the form that is folded away has something to show.
func (f *keyForm) Open() bool {
	for _, name := range []string{"apps", "roles", "networks", "hosts", "allowInUrl", "rate", "config"} {
		if f.Value(name) != "" || f.Errors[name] != "" {
			return true
		}
	}
	return false
}

// Field is what a template needs beside a field; hint is the ID of the text that explains
// it, if there is one.
func (f *keyForm) Field(name string, hint ...string) fieldView {
	v := fieldView{Name: name, Error: f.Errors[name]}
	if v.Error != "" {
		hint = append(hint, name+"-error")
	}
	v.DescribedBy = strings.Join(hint, " ")
	return v
}

// fieldView is one field: Error says what is wrong, and is empty where nothing is.
type fieldView struct{ Name, Error, DescribedBy string }

// tryView is the form that says why a key would be refused.
type tryView struct {
	keyForm
	Key    string
	Result *tryResult
}

package gateway

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/store"
)

// keyJSON is a key as programs read it.
type keyJSON struct {
	ID         string              `json:"id"`
	Key        string              `json:"key,omitempty"` // the secret, in the answer that makes it
	Name       string              `json:"name"`
	Note       string              `json:"note,omitempty"`
	Kind       string              `json:"kind"`
	Status     string              `json:"status"`
	EndsSoon   bool                `json:"endsSoon"`
	Person     string              `json:"person,omitempty"` // for administrators: whose key it is
	Owner      string              `json:"owner,omitempty"`
	Created    time.Time           `json:"created"`
	Expires    *time.Time          `json:"expires,omitempty"`
	Revoked    *time.Time          `json:"revoked,omitempty"`
	Reason     string              `json:"reason,omitempty"`
	Replaces   string              `json:"replaces,omitempty"`
	Apps       []string            `json:"apps,omitempty"`
	Roles      *[]string           `json:"roles,omitempty"`
	Networks   []string            `json:"networks,omitempty"`
	Hosts      []string            `json:"hosts,omitempty"`
	AllowInURL bool                `json:"allowInUrl"`
	Rate       *rateInput          `json:"rate,omitempty"`
	Config     json.RawMessage     `json:"config,omitempty"`
	Services   map[string][]string `json:"services,omitempty"`
	Grants     []string            `json:"grants,omitempty"`
}

func (s *Server) keyJSON(k store.Key) keyJSON {
	status := keyStatus(k, s.options.Now())
	out := keyJSON{
		ID: k.ID.String(), Name: k.Name, Note: k.Note, Kind: k.Kind.String(), Status: status, EndsSoon: status == statusEndsSoon,
		Owner: k.Owner, Created: k.Created, Expires: moment(k.Expires), Revoked: moment(k.Revoked), Reason: k.Reason,
		Apps: k.Apps, Networks: texts(k.Networks), Hosts: texts(k.Hosts), AllowInURL: k.AllowInURL,
		Config: k.Config, Services: k.Services, Grants: k.Grants,
	}
	if out.EndsSoon {
		out.Status = statusActive
	}
	if k.Replaces != 0 {
		out.Replaces = k.Replaces.String()
	}
	if k.Roles != nil {
		out.Roles = &k.Roles
	}
	if k.Rate.Requests > 0 {
		out.Rate = &rateInput{k.Rate.Requests, spanText(k.Rate.Per)}
	}
	return out
}

// moment is nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// usageJSON is how a key was used, as programs read it.
type usageJSON struct {
	Total int64      `json:"total"`
	Last  *useJSON   `json:"last,omitempty"`
	Days  []dayCount `json:"days"`
}

type useJSON struct {
	At      time.Time `json:"at"`
	Address string    `json:"address,omitempty"`
	Agent   string    `json:"agent,omitempty"`
}

type dayCount struct {
	Day   string `json:"day"`
	Count int64  `json:"count"`
}

func newUsageJSON(u usage) usageJSON {
	out := usageJSON{Total: u.all.Count, Days: []dayCount{}}
	if !u.all.Last.IsZero() {
		out.Last = &useJSON{u.all.Last, u.all.Address, u.all.Agent}
	}
	for _, day := range u.days {
		out.Days = append(out.Days, dayCount{day.Day.Format(time.DateOnly), day.Count})
	}
	return out
}

func keyAttributes(id apikey.ID) []slog.Attr { return []slog.Attr{slog.String("key", id.String())} }

package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/store"
)

// keyInput is what a person asks for: as JSON, or as the fields of a form. A member that
// is nil was not given.
type keyInput struct {
	Name       *string             `json:"name"`
	Note       *string             `json:"note"`
	Kind       string              `json:"kind"`
	TTL        string              `json:"ttl"`
	Expires    string              `json:"expires"`
	Never      bool                `json:"never"`
	Apps       *[]string           `json:"apps"`
	Roles      *[]string           `json:"roles"`
	Networks   *[]string           `json:"networks"`
	Hosts      *[]string           `json:"hosts"`
	AllowInURL bool                `json:"allowInUrl"`
	Rate       *rateInput          `json:"rate"`
	Config     json.RawMessage     `json:"config"`
	Services   map[string][]string `json:"services"`
	Owner      string              `json:"owner"`
	Grants     []string            `json:"grants"`
	Once       string              `json:"once"`
}

type rateInput struct {
	Requests int    `json:"requests"`
	Per      string `json:"per"`
}

// fieldError says what is wrong with one field.
type fieldError struct{ Field, Text string }

func (e *fieldError) Error() string { return "`" + e.Field + "`: " + e.Text }

// maxKeyBody bounds the body of a request about keys in bytes; a configuration has at most
// 8 KB.
const maxKeyBody = 64 << 10

// readBody reads a request's body: JSON into value, or a form, which it returns. A request
// without a body is an empty form.
func readBody(r *http.Request, value any) (form map[string][]string, err error) {
	r.Body = http.MaxBytesReader(nil, r.Body, maxKeyBody)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case kind == "application/json":
		return nil, readJSON(r.Body, value)
	case kind == "application/x-www-form-urlencoded", r.ContentLength == 0:
		if err := r.ParseForm(); err != nil {
			return nil, unreadable(err, "the body is not a form (application/x-www-form-urlencoded)")
		}
		return r.PostForm, nil
	}
	return nil, &problem.Problem{Kind: problem.InvalidRequest, Detail: "the body must be application/json or application/x-www-form-urlencoded"}
}

// readInput is readBody for a body whose form is read by another function than its JSON.
func readInput(r *http.Request, value any, fromForm func(values)) (form map[string][]string, err error) {
	form, err = readBody(r, value)
	if err == nil && form != nil {
		fromForm(form)
	}
	return form, err
}

// readJSON reads one object and nothing behind it. A member that is not known is refused:
// a limit with a typing mistake in its name would not limit anything.
func readJSON(body io.Reader, value any) error {
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return unreadable(err, "the body is not a JSON object of the expected members"+memberOf(err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return unreadable(err, "the body has something behind the JSON object")
	}
	return nil
}

// memberOf names the member that is to blame, without its value.
func memberOf(err error) string {
	if mismatch, found := errors.AsType[*json.UnmarshalTypeError](err); found && mismatch.Field != "" {
		return fmt.Sprintf(": `%s` must be of another type than %s", mismatch.Field, mismatch.Value)
	}
	if name, found := strings.CutPrefix(err.Error(), "json: unknown field "); found && len(name) < 64 {
		return ": " + name + " is not known"
	}
	return ""
}

// unreadable is an InvalidRequest, unless the body is too large.
func unreadable(err error, detail string) error {
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return err
	}
	return &problem.Problem{Kind: problem.InvalidRequest, Detail: detail}
}

// formInput reads the fields of a form as JSON members are read.
func formInput(form values) keyInput {
	in := keyInput{
		Kind: form.get("kind"), TTL: form.get("ttl"), Expires: form.get("expires"), AllowInURL: form.get("allowInUrl") != "",
		Owner: form.get("owner"), Once: form.get("once"),
	}
	if grants := form.list("grants"); len(grants) > 0 {
		in.Grants = grants
	}
	if form.has("name") {
		name, note := form.get("name"), form.get("note")
		in.Name, in.Note = &name, &note
	}
	if in.TTL == "never" {
		in.TTL, in.Never = "", true
	}
	if in.Expires != "" {
		in.TTL, in.Never = "", false
	}
	if form.has("networks") { // the fields of the limits come together
		apps, networks, hosts := form.list("apps"), form.list("networks"), form.list("hosts")
		in.Apps, in.Networks, in.Hosts = &apps, &networks, &hosts
	}
	if form.get("roleChoice") == "some" {
		roles := form["roles"]
		in.Roles = &roles
	}
	if rate := form.get("rate"); rate != "" {
		requests, err := strconv.Atoi(rate)
		if err != nil {
			requests = -1
		}
		in.Rate = &rateInput{requests, form.get("per")}
	}
	if config := form.get("config"); config != "" {
		in.Config = json.RawMessage(config)
	}
	return in
}

// values are the fields of a form.
type values map[string][]string

func (v values) has(name string) bool { return len(v[name]) > 0 }

func (v values) get(name string) string {
	if len(v[name]) == 0 {
		return ""
	}
	return strings.TrimSpace(v[name][0])
}

// list reads entries on lines or after commas, of one field or several.
func (v values) list(name string) []string {
	entries := []string{}
	for _, value := range v[name] {
		for entry := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == '\n' || r == '\r' || r == ',' }) {
			if entry = strings.TrimSpace(entry); entry != "" {
				entries = append(entries, entry)
			}
		}
	}
	return entries
}

func parseNetworks(entries []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, entry := range entries {
		network, err := apikey.ParseNetwork(entry)
		if err != nil {
			return nil, &fieldError{"networks", err.Error()}
		}
		networks = append(networks, network)
	}
	return networks, nil
}

func parseHosts(entries []string) ([]apikey.HostPattern, error) {
	var hosts []apikey.HostPattern
	for _, entry := range entries {
		host, err := apikey.ParseHostPattern(entry)
		if err != nil {
			return nil, &fieldError{"hosts", err.Error()}
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

func parseRate(in *rateInput) (apikey.Rate, error) {
	if in == nil {
		return apikey.Rate{}, nil
	}
	per, err := parseSpan(in.Per)
	if err != nil {
		return apikey.Rate{}, &fieldError{"rate", "`per`: " + err.Error()}
	}
	if in.Requests < 1 || in.Requests > 1_000_000_000 || per < time.Second {
		return apikey.Rate{}, &fieldError{"rate", "want a number of requests from 1 in a period of a second or more"}
	}
	return apikey.Rate{Requests: in.Requests, Per: per}, nil
}

// parseConfig wants an object, compacts it and leaves its size to the policy.
func parseConfig(text json.RawMessage) (json.RawMessage, error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, &fieldError{"config", "want a JSON object such as {\"layers\": [\"roads\"]}" + at(err)}
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return nil, &fieldError{"config", "want a JSON object"}
	}
	return compact.Bytes(), nil
}

// at says where JSON is wrong, where that is known.
func at(err error) string {
	if syntax, found := errors.AsType[*json.SyntaxError](err); found {
		return fmt.Sprintf("; it is wrong at character %d", syntax.Offset)
	}
	return ""
}

// parseSpan reads a span such as 90d, 24h or 90m.
func parseSpan(text string) (time.Duration, error) {
	if days, found := strings.CutSuffix(text, "d"); found {
		count, err := strconv.Atoi(days)
		if err != nil || count < 0 || count > 36500 {
			return 0, fmt.Errorf("%q, want a span such as 90d, 24h or 90m", shortened(text))
		}
		return time.Duration(count) * 24 * time.Hour, nil
	}
	span, err := time.ParseDuration(text)
	if err != nil || span < 0 {
		return 0, fmt.Errorf("%q, want a span such as 90d, 24h or 90m", shortened(text))
	}
	return span, nil
}

// parseEnd reads a moment (RFC 3339), or a day, which counts to its end in UTC.
func parseEnd(text string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.Add(24*time.Hour - time.Second), nil
	}
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, &fieldError{"expires", fmt.Sprintf("%q, want a day such as 2027-01-31 or a time such as 2027-01-31T12:00:00Z", shortened(text))}
	}
	return moment.UTC().Truncate(time.Second), nil
}

// shortened keeps an error readable.
func shortened(text string) string {
	const length = 40
	if runes := []rune(text); len(runes) > length {
		return string(runes[:length]) + "…"
	}
	return text
}

// request is what is asked for, with what can be read. Whether the policy allows it, keys
// decides.
func (in keyInput) request() (keys.Request, error) {
	r := keys.Request{
		Name: deref(in.Name), Note: deref(in.Note), Never: in.Never, Services: in.Services, Owner: in.Owner, Grants: in.Grants,
	}
	var err error
	if r.Restrictions, err = in.restrictions(apikey.Restrictions{}); err != nil {
		return keys.Request{}, err
	}
	r.AllowInURL = in.AllowInURL
	if r.Rate, err = parseRate(in.Rate); err != nil {
		return keys.Request{}, err
	}
	if r.Kind, err = parseKind(in.Kind); err != nil {
		return keys.Request{}, err
	}
	if in.TTL != "" {
		if r.TTL, err = parseSpan(in.TTL); err != nil {
			return keys.Request{}, &fieldError{"ttl", err.Error()}
		}
	}
	if in.Expires != "" {
		if r.Expires, err = parseEnd(in.Expires); err != nil {
			return keys.Request{}, err
		}
	}
	r.Config, err = parseConfig(in.Config)
	return r, err
}

func deref[T any](value *T) (whole T) {
	if value != nil {
		return *value
	}
	return whole
}

// change is what is asked to be changed of a key.
func (in keyInput) change(key store.Key) (keys.Change, error) {
	if field := in.fixed(); field != "" {
		return keys.Change{}, &fieldError{field, "this cannot be changed; make a new key instead"}
	}
	next, err := in.restrictions(key.Restrictions)
	if err != nil {
		return keys.Change{}, err
	}
	if err := key.Narrow(next); err != nil {
		field, text, _ := strings.Cut(err.Error(), ": ")
		return keys.Change{}, &fieldError{field, text}
	}
	return keys.Change{Name: in.Name, Note: in.Note, Restrictions: &next}, nil
}

// fixed names a member that was given and that stays as it is for a key's whole life.
func (in keyInput) fixed() string {
	for _, member := range []struct {
		name  string
		given bool
	}{
		{"kind", in.Kind != ""}, {"ttl", in.TTL != ""}, {"expires", in.Expires != ""}, {"never", in.Never},
		{"allowInUrl", in.AllowInURL}, {"rate", in.Rate != nil}, {"config", len(in.Config) > 0}, {"services", in.Services != nil},
		{"owner", in.Owner != ""}, {"grants", in.Grants != nil}, {"once", in.Once != ""},
	} {
		if member.given {
			return member.name
		}
	}
	return ""
}

// restrictions are the present ones with those that were given in their place.
func (in keyInput) restrictions(present apikey.Restrictions) (r apikey.Restrictions, err error) {
	r = present
	if in.Apps != nil {
		r.Apps = *in.Apps
	}
	if in.Roles != nil {
		r.Roles = append([]string{}, *in.Roles...) // not nil, which would be all
	}
	if in.Networks != nil {
		if r.Networks, err = parseNetworks(*in.Networks); err != nil {
			return r, err
		}
	}
	if in.Hosts != nil {
		r.Hosts, err = parseHosts(*in.Hosts)
	}
	return r, err
}

func parseKind(text string) (apikey.Kind, error) {
	switch text {
	case "", "opaque":
		return apikey.Opaque, nil
	case "jwt":
		return apikey.JWT, nil
	}
	return 0, &fieldError{"kind", fmt.Sprintf("%q, want opaque or jwt", shortened(text))}
}

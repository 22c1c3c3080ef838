package keys

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/store"
)

// Policy is what the operator allows. The zero value allows nothing that ends, so
// MaxTTL is required.
type Policy struct {
	Makers         []string      // roles or groups whose members may make keys; nil: everyone who is signed in
	MinTTL         time.Duration // shortest life of a key
	DefaultTTL     time.Duration // life of a key for which none is asked
	MaxTTL         time.Duration // longest life of a key
	Never          bool          // keys may be made that never end
	MaxKeys        int           // live keys of one person; 0: no limit
	Kinds          []apikey.Kind // kinds that may be made; nil: opaque
	InURL          bool          // keys may be allowed in URLs
	SignedInWithin time.Duration // a person must have signed in so lately to make a key; 0: any time
	Apps           []string      // the operator's applications; nil: keys may name any

	// By role or group, for its members: of those that a person has, the largest counts in
	// the place of MaxTTL and MaxKeys. A member may have what is true of one of them.
	MaxTTLFor  map[string]time.Duration
	MaxKeysFor map[string]int
	NeverFor   []string
	InURLFor   []string
}

// For is the policy as it is for one actor, whose roles and groups have been looked up.
func (p Policy) For(a Actor) Policy {
	p.MaxTTL, p.MaxKeys = largest(a, p.MaxTTLFor, p.MaxTTL), largest(a, p.MaxKeysFor, p.MaxKeys)
	p.MinTTL = min(p.MinTTL, p.MaxTTL)
	p.DefaultTTL = min(p.DefaultTTL, p.MaxTTL)
	p.Never = p.Never || slices.ContainsFunc(p.NeverFor, a.isMember)
	p.InURL = p.InURL || slices.ContainsFunc(p.InURLFor, a.isMember)
	return p
}

// largest is the largest value of the actor's roles and groups, or the general one where
// none of them has any.
func largest[T int | time.Duration](a Actor, byRole map[string]T, general T) T {
	var found T
	for role, value := range byRole {
		if value > found && a.isMember(role) {
			found = value
		}
	}
	if found == 0 {
		return general
	}
	return found
}

// Request is a key that is asked for. Its zero value is a key without a name, which is
// not allowed.
type Request struct {
	ID         apikey.ID // drawn by the caller, who repeats it to ask for the same key again: the error is store.ErrExists then; 0: a random one
	Name, Note string
	Kind       apikey.Kind
	TTL        time.Duration // 0: Expires, or the policy's default
	Expires    time.Time     // zero: TTL decides
	Never      bool          // the key never ends
	apikey.Restrictions
	Config   json.RawMessage // an object; nil: none
	Services map[string][]string

	// Of machine keys, which only administrators make.
	Owner  string // a role or team; empty: the key is the actor's
	Grants []string
}

// Sizes of what a key holds.
const (
	maxName    = 100     // characters
	maxNote    = 1000    // characters
	maxConfig  = 8 << 10 // bytes
	maxEntries = 50      // of each list
	maxEntry   = 253     // characters: a host name's
)

// Invalid is a member of a request that cannot be.
type Invalid struct {
	Field string // as it is named in JSON
	Given string // for display; may be empty
	Want  string // what is allowed
}

func (e *Invalid) Error() string {
	if e.Given == "" {
		return fmt.Sprintf("%s: want %s", e.Field, e.Want)
	}
	return fmt.Sprintf("%s: %q, want %s", e.Field, e.Given, e.Want)
}

// Denied is a request that the policy does not allow to this person.
type Denied struct {
	Reason string // such as "your account may not make API keys"
	// SignIn says that signing in again helps.
	SignIn bool
}

func (e *Denied) Error() string { return e.Reason }

// checked is the key that r asks for, without what mint sets.
func (m *Manager) checked(by Actor, r Request) (store.Key, error) {
	if err := m.allowed(by, r.Kind); err != nil {
		return store.Key{}, err
	}
	p := m.o.Policy.For(by)
	if err := r.check(p, by); err != nil {
		return store.Key{}, err
	}
	if err := m.checkServices(by, r.Owner, r.Services); err != nil {
		return store.Key{}, err
	}
	expires, err := m.expires(p, r)
	if err != nil {
		return store.Key{}, err
	}
	key := store.Key{
		ID: r.ID, Kind: r.Kind, Person: by.Person.ID, Name: r.Name, Note: r.Note, Created: m.now(), Expires: expires,
		Restrictions: r.Restrictions, Config: r.Config, Services: r.Services, Grants: r.Grants,
	}
	if r.Owner != "" {
		key.Person, key.Owner = 0, r.Owner
	}
	return key, nil
}

// checkServices refuses services that the actor may not use: a key opens them with their
// own credential. Only a machine key, which an administrator makes, opens one whole.
func (m *Manager) checkServices(by Actor, owner string, services map[string][]string) error {
	if len(services) == 0 {
		return nil
	}
	var open map[string][]string
	if m.o.Services != nil {
		open = m.o.Services(by)
	}
	for name, scopes := range services {
		known, may := open[name]
		switch {
		case !may:
			return &Invalid{Field: "services", Given: name, Want: "services that you may use"}
		case len(scopes) == 0 && owner == "":
			return &Invalid{Field: "services", Given: name, Want: "at least one scope of the service"}
		}
		for _, scope := range scopes {
			if !slices.Contains(known, scope) {
				return &Invalid{Field: "services", Given: scope, Want: "scopes of " + name}
			}
		}
	}
	return nil
}

// allowed returns an *Invalid or a *Denied unless the actor may make a key of the kind.
func (m *Manager) allowed(by Actor, kind apikey.Kind) error {
	p := m.o.Policy
	switch {
	case !slices.Contains(p.kinds(), kind) || kind == apikey.JWT && m.o.Signer == nil:
		return &Invalid{Field: "kind", Want: "a kind that this server makes"}
	case by.Admin:
		return nil
	case by.Person.ID == 0 || !by.Person.Active:
		return &Denied{Reason: "your account may not make API keys"}
	case p.Makers != nil && !slices.ContainsFunc(p.Makers, by.isMember):
		return &Denied{Reason: "your account may not make API keys: none of its roles and groups is among those that may"}
	case p.SignedInWithin > 0 && by.AuthTime.Before(m.now().Add(-p.SignedInWithin)):
		return &Denied{Reason: fmt.Sprintf("to make an API key you must have signed in within the last %s", p.SignedInWithin), SignIn: true}
	}
	return nil
}

func (p Policy) kinds() []apikey.Kind {
	if p.Kinds == nil {
		return []apikey.Kind{apikey.Opaque}
	}
	return p.Kinds
}

func (a Actor) isMember(name string) bool {
	return slices.Contains(a.Person.Roles, name) || slices.Contains(a.Person.Groups, name)
}

// tooMany is the refusal of one more live key.
func tooMany(limit int) error {
	return &Denied{Reason: fmt.Sprintf("you have %d API keys or more, which is the most allowed; revoke one that you do not need", limit)}
}

func (m *Manager) expires(p Policy, r Request) (time.Time, error) {
	now := m.now()
	if r.Never {
		if !p.Never {
			return time.Time{}, &Invalid{Field: "never", Given: "true", Want: fmt.Sprintf("an end, at most %s ahead", days(p.MaxTTL))}
		}
		if r.TTL != 0 || !r.Expires.IsZero() {
			return time.Time{}, &Invalid{Field: "never", Want: "one of never, ttl and expires"}
		}
		return time.Time{}, nil
	}
	ttl, field := r.TTL, "ttl"
	switch {
	case ttl != 0 && !r.Expires.IsZero():
		return time.Time{}, &Invalid{Field: "ttl", Want: "one of never, ttl and expires"}
	case !r.Expires.IsZero():
		ttl, field = r.Expires.Sub(now), "expires"
	case ttl == 0:
		ttl = p.DefaultTTL
	}
	if ttl < p.MinTTL || ttl <= 0 || ttl > p.MaxTTL {
		return time.Time{}, &Invalid{Field: field, Given: days(ttl), Want: fmt.Sprintf("%s to %s", days(max(p.MinTTL, time.Second)), days(p.MaxTTL))}
	}
	return now.Add(ttl).Truncate(time.Second), nil
}

// days spells a duration, whole days as such.
func days(d time.Duration) string {
	if day := 24 * time.Hour; d != 0 && d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

// check looks at all that does not depend on the database.
func (r Request) check(p Policy, by Actor) error {
	if err := name(r.Name); err != nil {
		return err
	}
	if err := plainText("note", r.Note, maxNote); err != nil {
		return err
	}
	if err := checkApps(p, r.Apps); err != nil {
		return err
	}
	switch {
	case r.AllowInURL && !p.InURL:
		return &Invalid{Field: "allowInUrl", Given: "true", Want: "false: this server takes no key from a URL"}
	case r.Rate.Requests < 0 || r.Rate.Per < 0 || (r.Rate.Requests == 0) != (r.Rate.Per == 0):
		return &Invalid{Field: "rate", Want: "a number of requests and a time, both above 0"}
	case r.Rate.Per > 0 && (r.Rate.Per < time.Second || r.Rate.Per > 31*24*time.Hour):
		return &Invalid{Field: "rate", Given: r.Rate.Per.String(), Want: "1s to 31 days"}
	case (r.Owner != "" || r.Grants != nil) && !by.Admin:
		return &Denied{Reason: "only an administrator may make machine keys and give grants"}
	case r.Owner == "" && by.Person.ID == 0:
		return &Invalid{Field: "owner", Want: "a role or team, since the key belongs to no person"}
	}
	if err := r.checkRoles(by); err != nil {
		return err
	}
	if err := checkConfig(r.Config); err != nil {
		return err
	}
	return r.checkLists()
}

func checkApps(p Policy, apps []string) error {
	if p.Apps == nil {
		return nil
	}
	want := "at least one of " + strings.Join(p.Apps, ", ") + ", or * for all"
	if len(apps) == 0 {
		return &Invalid{Field: "apps", Want: want}
	}
	for _, app := range apps {
		if app != apikey.EveryApp && !slices.Contains(p.Apps, app) {
			return &Invalid{Field: "apps", Given: app, Want: want}
		}
	}
	return nil
}

// checkRoles refuses roles that the person does not have. Machine keys have those that an
// administrator gives.
func (r Request) checkRoles(by Actor) error {
	if r.Owner != "" {
		return nil
	}
	for _, role := range r.Roles {
		if !slices.Contains(by.Person.Roles, role) {
			return &Invalid{Field: "roles", Given: role, Want: "roles of your own account"}
		}
	}
	return nil
}

func (r Request) checkLists() error {
	for _, list := range []struct {
		field   string
		entries []string
	}{{"apps", r.Apps}, {"roles", r.Roles}, {"grants", r.Grants}, {"owner", []string{r.Owner}}} {
		if len(list.entries) > maxEntries {
			return &Invalid{Field: list.field, Given: fmt.Sprint(len(list.entries)), Want: fmt.Sprintf("at most %d", maxEntries)}
		}
		for _, entry := range list.entries {
			if err := plainText(list.field, entry, maxEntry); err != nil {
				return err
			}
		}
	}
	if len(r.Networks) > maxEntries || len(r.Hosts) > maxEntries || len(r.Services) > maxEntries {
		return &Invalid{Field: "networks, hosts, services", Want: fmt.Sprintf("at most %d of each", maxEntries)}
	}
	return checkGrants(r.Grants)
}

// grantForms are the grants that exist; those that end with a colon are for one
// application or service.
var grantForms = []string{"introspect:", "mint:", "admin:read"}

func checkGrants(grants []string) error {
	for _, grant := range grants {
		known := slices.ContainsFunc(grantForms, func(form string) bool {
			return grant == form && !strings.HasSuffix(form, ":") || strings.HasSuffix(form, ":") && strings.HasPrefix(grant, form) && grant != form
		})
		if !known {
			return &Invalid{Field: "grants", Given: grant, Want: "introspect:APPLICATION, mint:SERVICE or admin:read"}
		}
	}
	return nil
}

func checkConfig(config json.RawMessage) error {
	if config == nil {
		return nil
	}
	if len(config) > maxConfig {
		return &Invalid{Field: "config", Given: fmt.Sprintf("%d bytes", len(config)), Want: fmt.Sprintf("at most %d bytes", maxConfig)}
	}
	var object map[string]any
	if err := json.Unmarshal(config, &object); err != nil || object == nil {
		return &Invalid{Field: "config", Want: "a JSON object"}
	}
	return nil
}

func name(text string) error {
	if strings.TrimSpace(text) == "" {
		return &Invalid{Field: "name", Want: "a name by which you recognize the key, such as where it will be used"}
	}
	return plainText("name", text, maxName)
}

// plainText refuses text that could not be shown as it is: control characters, and those
// that change the order or are invisible.
func plainText(field, text string, limit int) error {
	if !utf8.ValidString(text) {
		return &Invalid{Field: field, Want: "UTF-8"}
	}
	if count := utf8.RuneCountInString(text); count > limit {
		return &Invalid{Field: field, Given: fmt.Sprintf("%d characters", count), Want: fmt.Sprintf("at most %d", limit)}
	}
	hidden := func(r rune) bool {
		multiline := field == "note" && (r == '\n' || r == '\r' || r == '\t')
		return !multiline && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200d')
	}
	if at := strings.IndexFunc(text, hidden); at >= 0 {
		r, _ := utf8.DecodeRuneInString(text[at:])
		return &Invalid{Field: field, Given: fmt.Sprintf("%U", r), Want: "no control or invisible characters"}
	}
	return nil
}

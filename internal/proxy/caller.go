package proxy

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/pass/lockbox"
	"github.com/token2go/token2go/internal/pass/magic"
	"github.com/token2go/token2go/internal/rule"
	"github.com/token2go/token2go/internal/secret"
)

// Caller is who calls a service, and what the credential allows.
type Caller struct {
	Kind    string     // pass, key, lockbox, magic; empty: nobody, at a service that is open
	ID      string     // of the credential, for events; may be empty
	Subject string     // whom it was made for; may be empty
	Sets    []rule.Set // each must allow the call, besides the service's own
	Rates   map[string]apikey.Rate
	Secret  secret.Value // that the credential carries; absent: none
	text    string       // the credential as it was presented
}

var (
	// ErrNoCredential is returned for a call without a credential that could open a service.
	ErrNoCredential = errors.New("no credential of this server")
	// ErrAmbiguous is returned for a call with two different credentials.
	ErrAmbiguous = errors.New("two different credentials of this server")
	// ErrNotAccepted is returned for a credential that does not open the service.
	ErrNotAccepted = errors.New("the credential does not open this service")
	// ErrNetwork is returned for a caller from another network.
	ErrNetwork = errors.New("the caller's address is in none of the networks")
)

// Callers know callers by their credentials. A kind whose member is nil opens nothing.
type Callers struct {
	Passes  *pass.Issuer
	Checker *check.Checker
	Prefix  apikey.Prefix // of opaque keys; required with Checker
	Lockbox *lockbox.Key
	Magic   *magic.Keys
	// Positions are names of headers that may hold a pass or a key, besides the usual ones.
	Positions []string
	// Token returns the token of the person who made a pass; nil: only what the pass itself
	// carries.
	Token func(ctx context.Context, p pass.Pass, origin string) (secret.Value, error)
	// Uses counts the uses of keys; nil: they are not counted.
	Uses func(id apikey.ID, at time.Time, address netip.Addr, agent string)
	// PassUses counts the uses of passes, those of passes made from one as its own; nil:
	// they are not counted.
	PassUses func(id string, at time.Time, address netip.Addr, agent string)
	Now      func() time.Time // nil: time.Now
}

// identify returns the caller of a service.
func (c Callers) identify(r *http.Request, s *Service, address netip.Addr) (Caller, error) {
	text, err := c.find(r)
	if err != nil {
		return Caller{}, err
	}
	switch {
	case text != "":
		return c.ours(r, s, text, address)
	case s.Open:
		return Caller{}, nil
	case s.Nobody && !s.Accepts("lockbox"):
		return Caller{}, ErrNotAccepted
	case s.Accepts("magic") && c.Magic != nil && (isMagic(r) || !s.Accepts("lockbox")):
		return c.magic(r, s)
	case s.Accepts("lockbox") && c.Lockbox != nil:
		return c.lockbox(r, s)
	}
	return Caller{}, ErrNoCredential
}

// Valid reports whether the request holds a credential that is good for any service.
func (c Callers) Valid(r *http.Request, address netip.Addr) bool {
	text, err := c.find(r)
	if err != nil || text == "" {
		return false
	}
	if c.isKey(text) {
		key, _ := c.Prefix.Parse(text)
		_, err := c.Checker.Check(r.Context(), check.Opaque(key), check.Facts{Address: address, Service: true})
		return err == nil
	}
	_, err = c.Passes.Inspect(text)
	return err == nil
}

func (c Callers) isKey(text string) bool {
	if c.Checker == nil {
		return false
	}
	_, err := c.Prefix.Parse(text)
	return !errors.Is(err, apikey.ErrShape)
}

// isPass reports whether the text has the shape of a pass: a JWT of its type.
func (c Callers) isPass(text string) bool {
	if c.Passes == nil || strings.Count(text, ".") != 2 {
		return false
	}
	header, err := base64.RawURLEncoding.DecodeString(text[:strings.IndexByte(text, '.')])
	return err == nil && strings.Contains(string(header), `"t2g-pass+jwt"`)
}

// position reports whether a header is one of Positions.
func (c Callers) position(name string) bool {
	return slices.ContainsFunc(c.Positions, func(p string) bool { return strings.EqualFold(p, name) })
}

// holdOurs reports whether a text has a credential of ours in it, or what looks like one.
func (c Callers) holdOurs(text string) bool {
	return c.Checker != nil && strings.Contains(text, string(c.Prefix)+"_") || strings.Contains(text, "eyJ")
}

// withheld stands in an event for a text that holds a credential.
const withheld = "(withheld: it holds a credential)"

// withhold takes credentials out of an event that a caller put where none belongs.
func (c Callers) withhold(e *Event) {
	if c.holdOurs(e.Path) {
		e.Path = withheld
	}
	for i, name := range e.Query {
		if c.holdOurs(name) {
			e.Query[i] = withheld
		}
	}
	if c.holdOurs(e.Detail) {
		e.Detail = withheld
	}
}

// find returns the one pass or key of a request; empty where there is none.
func (c Callers) find(r *http.Request) (string, error) {
	var found string
	for _, text := range c.presented(r) {
		switch {
		case !c.isKey(text) && !c.isPass(text):
		case found != "" && found != text:
			return "", ErrAmbiguous
		default:
			found = text
		}
	}
	return found, nil
}

// presented lists all texts in the headers that may be a credential of ours. A pass never
// comes in a URL.
func (c Callers) presented(r *http.Request) []string {
	var texts []string
	for _, name := range []string{"Authorization", "Proxy-Authorization"} {
		for _, value := range r.Header[name] {
			texts = append(texts, authorization(value))
		}
	}
	for _, name := range append([]string{"X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Private-Token"}, c.Positions...) {
		texts = append(texts, r.Header.Values(name)...)
	}
	return texts
}

// authorization returns what follows Bearer or token, or the password of Basic.
func authorization(value string) string {
	scheme, rest, found := strings.Cut(value, " ")
	rest = strings.Trim(rest, " ")
	switch {
	case !found:
		return value
	case strings.EqualFold(scheme, "Basic"):
		decoded, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return ""
		}
		_, password, _ := strings.Cut(string(decoded), ":")
		return password
	case strings.EqualFold(scheme, "Bearer"), strings.EqualFold(scheme, "token"):
		return rest
	}
	return ""
}

// cutOurs takes the pieces of a raw query away that hold a credential of ours.
func (c Callers) cutOurs(query string) string {
	return cutQuery(query, func(name, value string) bool {
		held := slices.Contains([]string{"api-key", "api_key", "x-api-key"}, name) && (c.isKey(value) || c.isPass(value))
		return held || c.isKey(name) || c.isPass(name)
	})
}

func (c Callers) ours(r *http.Request, s *Service, text string, address netip.Addr) (Caller, error) {
	if c.isKey(text) {
		return c.key(r.Context(), s, text, address, r.UserAgent())
	}
	if s.Nobody || !s.Accepts("pass") {
		return Caller{}, ErrNotAccepted
	}
	p, err := c.Passes.Verify(text, s.Name)
	if err != nil {
		return Caller{}, err
	}
	if !p.AllowsAddress(address) {
		return Caller{}, ErrNetwork
	}
	if err := c.checkMaker(p, address); err != nil {
		return Caller{}, err
	}
	if c.PassUses != nil {
		c.PassUses(p.First().ID, c.now(), address, r.UserAgent())
	}
	caller := Caller{Kind: "pass", ID: p.ID, Subject: p.Subject, Sets: p.Sets(s.Scopes), Rates: p.Rates(), text: text}
	if s.Personal() {
		caller.Secret, err = c.token(r.Context(), p, s.Origin())
	}
	return caller, err
}

// keySubject is what pass.KeySubject begins with.
const keySubject = "key:"

// checkMaker refuses the pass of a person who is not active any more, and one that was made
// with a key that has ended or may not be used from here.
func (c Callers) checkMaker(p pass.Pass, address netip.Addr) error {
	if c.Checker == nil {
		return nil
	}
	if subject, found := strings.CutPrefix(p.Subject, pass.PersonSubject("")); found {
		if err := c.Checker.Present(subject); err != nil {
			return fmt.Errorf("%w: %w", pass.ErrRevoked, err)
		}
	}
	text, found := strings.CutPrefix(p.Subject, keySubject)
	if !found {
		return nil
	}
	id, err := apikey.ParseID(text)
	if err == nil {
		err = c.Checker.Live(id, address)
	}
	if refusal, refused := errors.AsType[*check.Refusal](err); refused && refusal.Kind == check.AddressNotAllowed {
		return ErrNetwork
	}
	if err != nil {
		return fmt.Errorf("%w: %w", pass.ErrRevoked, err)
	}
	return nil
}

func (c Callers) token(ctx context.Context, p pass.Pass, origin string) (secret.Value, error) {
	switch {
	case c.Token != nil:
		return c.Token(ctx, p, origin)
	case p.HasSecret():
		return c.Passes.Secret(p, origin)
	}
	return secret.Value{}, nil
}

func (c Callers) key(ctx context.Context, s *Service, text string, address netip.Addr, agent string) (Caller, error) {
	if s.Nobody || !s.Accepts("key") {
		return Caller{}, ErrNotAccepted
	}
	parsed, err := c.Prefix.Parse(text)
	if err != nil {
		return Caller{}, &check.Refusal{Kind: check.InvalidKey, Reason: check.WrongSecret}
	}
	verdict, err := c.Checker.Check(ctx, check.Opaque(parsed), check.Facts{Address: address, Service: true})
	if err != nil {
		return Caller{}, err
	}
	scopes, opens := verdict.Key.Services[s.Name]
	if !opens || verdict.Person != nil && !s.mayUse(verdict.Person) {
		return Caller{}, ErrNotAccepted
	}
	if c.Uses != nil {
		c.Uses(parsed.ID, c.now(), address, agent)
	}
	caller := Caller{Kind: "key", ID: parsed.ID.String(), text: text}
	if verdict.Person != nil {
		caller.Subject = verdict.Person.Subject
	}
	if len(scopes) > 0 {
		var set rule.Set
		for _, scope := range scopes {
			set.Allow = append(set.Allow, s.Scopes[scope]...)
		}
		caller.Sets = []rule.Set{set}
	}
	return caller, nil
}

func (c Callers) lockbox(r *http.Request, s *Service) (Caller, error) {
	audiences, err := c.Lockbox.VerifyService(r.Header["Authorization"], s.Name, s.Audiences, c.now())
	if err != nil {
		return Caller{}, err
	}
	return Caller{Kind: "lockbox", Subject: strings.Join(audiences, ","), text: authorization(r.Header.Get("Authorization"))}, nil
}

func (c Callers) magic(r *http.Request, s *Service) (Caller, error) {
	token, err := c.Magic.Verify(r.Header["Authorization"], s.Name, s.Origin())
	if err != nil {
		return Caller{}, err
	}
	caller := Caller{Kind: "magic", Sets: []rule.Set{token.Set(s.Scopes, s.Legacy != nil && *s.Legacy)}, text: authorization(r.Header.Get("Authorization"))}
	caller.Secret = token.Secret
	return caller, nil
}

// isMagic reports whether the Authorization header holds a JWT signed with RS256, as
// magic-api-proxy's are; lockbox's have HS256.
func isMagic(r *http.Request) bool {
	head, _, found := strings.Cut(authorization(r.Header.Get("Authorization")), ".")
	header, err := base64.RawURLEncoding.DecodeString(head)
	return found && err == nil && strings.Contains(string(header), `"RS256"`)
}

func (c Callers) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// queryNames are the names in a raw query, for the event.
func queryNames(raw string) []string {
	var names []string
	for piece := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(piece, "=")
		if name, err := url.QueryUnescape(name); err == nil && name != "" && !slices.Contains(names, name) && len(names) < maxQueryNames {
			names = append(names, name[:min(len(name), maxQueryName)])
		}
	}
	return names
}

const (
	maxQueryNames = 20
	maxQueryName  = 60
)

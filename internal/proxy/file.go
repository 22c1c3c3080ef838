package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tailscale/hujson"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/rule"
)

// Services are those of a services file.
type Services struct {
	ByName   map[string]*Service
	AuditDir string   // lockbox's folder of events; empty: none
	Warnings []string // what was given and has no effect, or is risky
}

// Mistake is a member of a services file that is wrong.
type Mistake struct {
	Where string // such as services.github.base_url
	Err   error  // what was wrong and what is allowed
}

func (m Mistake) Error() string { return m.Where + ": " + m.Err.Error() }

// Mistakes are all that is wrong with a services file, one line each.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, mistake := range m {
		lines[i] = mistake.Error()
	}
	return strings.Join(lines, "\n")
}

// FileOptions say how a services file is read.
type FileOptions struct {
	Strict  bool // members that are not known are mistakes
	Lockbox bool // lockbox's tokens open services that do not say what opens them; private addresses are allowed
	Magic   bool // private addresses are allowed
}

// ReadServices reads a services file. An error of its content is of the type Mistakes.
func ReadServices(path string, o FileOptions) (*Services, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("services file: %w", err)
	}
	return ParseServices(content, o)
}

// ParseServices reads the content of a services file: JSON, in which comments and commas
// before a closing bracket are allowed. The error is of the type Mistakes.
func ParseServices(content []byte, o FileOptions) (*Services, error) {
	standard, err := hujson.Standardize(bytes.TrimPrefix(content, []byte("\ufeff")))
	if err != nil {
		return nil, Mistakes{{"services file", errors.New("not JSON: " + strings.TrimPrefix(err.Error(), "hujson: "))}}
	}
	p := &parser{o: o, services: &Services{ByName: map[string]*Service{}}}
	var file map[string]json.RawMessage
	if json.Unmarshal(standard, &file) != nil || file["services"] == nil {
		return nil, Mistakes{{"services file", errors.New(`want an object with the member "services"`)}}
	}
	p.members("", file, map[string]read{"services": p.readServices, "audit_log": p.readAudit})
	p.checkShared()
	if len(p.mistakes) > 0 {
		slices.SortStableFunc(p.mistakes, func(a, b Mistake) int { return strings.Compare(a.Where, b.Where) })
		return nil, p.mistakes
	}
	return p.services, nil
}

// parser collects what is wrong.
type parser struct {
	o        FileOptions
	services *Services
	mistakes Mistakes
}

// read takes the value of a member. Its error says what was wrong and what is allowed.
type read func(raw json.RawMessage) error

// members reads the members of an object in the order of their names.
func (p *parser) members(where string, object map[string]json.RawMessage, known map[string]read) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		at := strings.TrimPrefix(where+"."+name, ".")
		reader, found := known[name]
		if found {
			if err := reader(object[name]); err != nil {
				p.mistakes = append(p.mistakes, Mistake{at, err})
			}
			continue
		}
		p.unknown(at, name)
	}
}

func (p *parser) unknown(at, name string) {
	switch {
	case name == "_comment":
	case p.o.Strict:
		p.mistakes = append(p.mistakes, Mistake{at, errors.New("no such member")})
	default:
		p.services.Warnings = append(p.services.Warnings, at+": no such member; it has no effect")
	}
}

func (p *parser) readAudit(raw json.RawMessage) error {
	if isNull(raw) {
		return nil
	}
	var log struct {
		Type string `json:"type"`
		Root string `json:"root_dir"`
	}
	if json.Unmarshal(raw, &log) != nil || log.Type != "local_dir" || log.Root == "" {
		return errors.New(`want null or {"type":"local_dir","root_dir":"/path"}`)
	}
	p.services.AuditDir = log.Root
	return nil
}

func (p *parser) readServices(raw json.RawMessage) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil || all == nil {
		return errors.New("want an object with an object for each service")
	}
	delete(all, "_comment")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		at := "services." + name
		if !serviceName(name) {
			p.mistakes = append(p.mistakes, Mistake{at, errors.New("a name is made of letters, digits, dots, underscores and hyphens, and is more than dots")})
			continue
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(all[name], &members) != nil || members == nil {
			p.mistakes = append(p.mistakes, Mistake{at, errors.New("want an object")})
			continue
		}
		p.services.ByName[name] = p.readService(at, name, members)
	}
	return nil
}

func serviceName(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > 100 {
		return false
	}
	return strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

// Defaults of a service.
const (
	defaultConnect  = 5 * time.Second
	defaultRead     = 30 * time.Second
	defaultMaxBytes = 10 << 20
)

func (p *parser) readService(at, name string, object map[string]json.RawMessage) *Service {
	s := &Service{
		Name: name, Accept: []string{"pass", "key"}, ConnectTimeout: defaultConnect, ReadTimeout: defaultRead, MaxRequestBytes: defaultMaxBytes,
		AllowPrivate: p.o.Lockbox || p.o.Magic,
	}
	if p.o.Lockbox {
		s.Accept = append(s.Accept, "lockbox")
	}
	if p.o.Lockbox || p.o.Magic {
		s.Proxy = "env"
	}
	if object["base_url"] == nil {
		p.mistakes = append(p.mistakes, Mistake{at + ".base_url", errors.New("missing; want a URL such as https://api.example.org")})
	}
	p.members(at, object, p.serviceMembers(at, s))
	p.warn(at, s)
	if s.Accepts("magic") && s.Legacy == nil {
		p.mistakes = append(p.mistakes, Mistake{at + ".legacy_match", errors.New("missing, and the service accepts magic: true matches existing tokens as magic-api-proxy did, " +
			"at the beginning of a path and without case, so that GET /user opens /users too; false matches whole paths, so that existing tokens may open less")})
	}
	return s
}

// warn notes what is allowed and risky.
func (p *parser) warn(at string, s *Service) {
	add := func(found bool, text string) {
		if found {
			p.services.Warnings = append(p.services.Warnings, at+text)
		}
	}
	add(s.Base != nil && s.Base.Scheme == "http" && s.Credential != nil && !isLoopback(s.Base.Hostname()),
		".base_url: http shows the credential to everyone on the way")
	add(s.Open && s.Credential != nil, ".requires_service_token: false lets anyone who can reach this server call with the service's credential")
	for _, r := range s.Rules.Allow {
		for _, finding := range rule.Lint(r) {
			add(true, ".rules: "+r.String()+": "+finding)
		}
	}
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
}

// serviceMembers are the members of a service.
func (p *parser) serviceMembers(at string, s *Service) map[string]read {
	return map[string]read{
		"base_url":               func(raw json.RawMessage) error { return readBase(raw, s) },
		"credential":             func(raw json.RawMessage) error { return p.readCredential(at, raw, s) },
		"valid_audiences":        func(raw json.RawMessage) error { return readAudiences(raw, s) },
		"people":                 func(raw json.RawMessage) error { return readStrings(raw, &s.People) },
		"requires_service_token": func(raw json.RawMessage) error { return p.readRequires(at, raw, s) },
		"connect_timeout":        func(raw json.RawMessage) error { return readSeconds(raw, &s.ConnectTimeout) },
		"read_timeout":           func(raw json.RawMessage) error { return readSeconds(raw, &s.ReadTimeout) },
		"allow_redirects":        func(raw json.RawMessage) error { return readBool(raw, &s.Redirects) },
		"accept":                 func(raw json.RawMessage) error { return readWords(raw, &s.Accept, "pass", "key", "lockbox", "magic") },
		"rules":                  func(raw json.RawMessage) error { return readRules(raw, &s.Rules.Allow) },
		"deny":                   func(raw json.RawMessage) error { return readRules(raw, &s.Rules.Deny) },
		"scopes":                 func(raw json.RawMessage) error { return readScopes(raw, s) },
		"hosts":                  func(raw json.RawMessage) error { return readHosts(raw, &s.Hosts) },
		"default":                func(raw json.RawMessage) error { return readBool(raw, &s.Default) },
		"legacy_match":           func(raw json.RawMessage) error { return readLegacy(raw, s) },
		"encoded_slash":          func(raw json.RawMessage) error { return readChoice(raw, &s.Paths.EncodedSlash, "refuse", "preserve") },
		"semicolon":              func(raw json.RawMessage) error { return readChoice(raw, &s.Paths.Semicolon, "refuse", "allow") },
		"empty_segments":         func(raw json.RawMessage) error { return readChoice(raw, &s.Paths.EmptySegments, "refuse", "allow") },
		"request_headers":        func(raw json.RawMessage) error { return readHeaderNames(raw, &s.RequestHeaders) },
		"response_headers":       func(raw json.RawMessage) error { return readHeaderNames(raw, &s.ResponseHeaders) },
		"max_request_bytes":      func(raw json.RawMessage) error { return readBytes(raw, &s.MaxRequestBytes) },
		"rate":                   func(raw json.RawMessage) error { return readRate(raw, &s.Rate) },
		"concurrency":            func(raw json.RawMessage) error { return readCount(raw, &s.Concurrency) },
		"networks":               func(raw json.RawMessage) error { return readNetworks(raw, &s.Networks) },
		"allow_private":          func(raw json.RawMessage) error { return readBool(raw, &s.AllowPrivate) },
		"proxy":                  func(raw json.RawMessage) error { return readProxy(raw, s) },
		"strip_prefix":           func(raw json.RawMessage) error { return readPrefix(raw, &s.StripPrefix) },
		"ca_file":                func(raw json.RawMessage) error { return readFileName(raw, &s.CAFile) },
		"client_cert_file":       func(raw json.RawMessage) error { return readFileName(raw, &s.ClientCertFile) },
		"client_key_file":        func(raw json.RawMessage) error { return readFileName(raw, &s.ClientKeyFile) },
		"websocket":              func(raw json.RawMessage) error { return readBool(raw, &s.WebSocket) },
		"stream":                 func(raw json.RawMessage) error { return readBool(raw, &s.Stream) },
		"revoked":                func(raw json.RawMessage) error { return readStrings(raw, &s.Revoked) },
		"not_before":             func(raw json.RawMessage) error { return readTime(raw, &s.NotBefore) },
	}
}

// checkShared looks at what only one service may have.
func (p *parser) checkShared() {
	hosts, defaults := map[string]string{}, ""
	for _, name := range slices.Sorted(maps.Keys(p.services.ByName)) {
		s := p.services.ByName[name]
		for _, host := range s.Hosts {
			if other, taken := hosts[host]; taken {
				p.mistakes = append(p.mistakes, Mistake{"services." + name + ".hosts", fmt.Errorf("%s is a host of %s already", host, other)})
			}
			hosts[host] = name
		}
		if s.Default && defaults != "" {
			p.mistakes = append(p.mistakes, Mistake{"services." + name + ".default", fmt.Errorf("%s is the default already", defaults)})
		}
		if s.Default {
			defaults = name
		}
	}
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

func readBase(raw json.RawMessage, s *Service) error {
	want := errors.New("want an http or https URL with a host, perhaps a port and a path, and no user name, query or fragment")
	var text string
	if json.Unmarshal(raw, &text) != nil || text == "" || strings.ContainsAny(text, "?#\\ ") {
		return want
	}
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	base, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Hostname() == "" || base.User != nil || base.Opaque != "" {
		return want
	}
	if err := checkHost(base); err != nil {
		return err
	}
	if base.Path != "" {
		if _, err := rule.Examine(base.EscapedPath(), rule.Options{Unscoped: true, EncodedSlash: true}); err != nil {
			return fmt.Errorf("the path: %w", err)
		}
	}
	s.Base = base
	return nil
}

func readAudiences(raw json.RawMessage, s *Service) error {
	if isNull(raw) {
		return nil
	}
	list := []string{}
	if json.Unmarshal(raw, &list) != nil {
		return errors.New("want null or a list of texts")
	}
	s.Audiences, s.Nobody = list, len(list) == 0
	return nil
}

// readRequires takes null for true: in lockbox it opened the service.
func (p *parser) readRequires(at string, raw json.RawMessage, s *Service) error {
	if isNull(raw) {
		p.services.Warnings = append(p.services.Warnings, at+".requires_service_token: null means true here; in lockbox it opened the service to everyone")
		return nil
	}
	required := true
	err := readBool(raw, &required)
	s.Open = !required
	return err
}

func readStrings(raw json.RawMessage, into *[]string) error {
	var list []string
	if isNull(raw) {
		return nil
	}
	if json.Unmarshal(raw, &list) != nil || slices.Contains(list, "") {
		return errors.New("want a list of texts, none of them empty")
	}
	*into = list
	return nil
}

func readWords(raw json.RawMessage, into *[]string, words ...string) error {
	var list []string
	if err := readStrings(raw, &list); err != nil {
		return err
	}
	for _, word := range list {
		if !slices.Contains(words, word) {
			return fmt.Errorf("%q, want some of %s", word, strings.Join(words, ", "))
		}
	}
	if list != nil {
		*into = list
	}
	return nil
}

func readBool(raw json.RawMessage, into *bool) error {
	if isNull(raw) {
		return nil
	}
	if json.Unmarshal(raw, into) != nil {
		return errors.New("want true or false")
	}
	return nil
}

func readChoice(raw json.RawMessage, into *bool, no, yes string) error {
	var word string
	if json.Unmarshal(raw, &word) != nil || word != no && word != yes {
		return fmt.Errorf("want %q or %q", no, yes)
	}
	*into = word == yes
	return nil
}

const maxSeconds = 24 * 60 * 60

func readSeconds(raw json.RawMessage, into *time.Duration) error {
	if isNull(raw) {
		*into = 0
		return nil
	}
	var seconds float64
	if json.Unmarshal(raw, &seconds) != nil || seconds <= 0 || seconds > maxSeconds {
		return fmt.Errorf("want seconds above 0 and up to %d, or null for no limit", maxSeconds)
	}
	*into = time.Duration(seconds * float64(time.Second))
	return nil
}

func readRules(raw json.RawMessage, into *[]rule.Rule) error {
	if isNull(raw) {
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return errors.New("want a list of rules")
	}
	rules := make([]rule.Rule, len(list))
	for i, item := range list {
		if err := json.Unmarshal(item, &rules[i]); err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	*into = rules
	return nil
}

func readScopes(raw json.RawMessage, s *Service) error {
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return errors.New("want an object with a list of rules for each name")
	}
	s.Scopes = map[string][]rule.Rule{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var rules []rule.Rule
		if err := readRules(all[name], &rules); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if len(rules) == 0 {
			return fmt.Errorf("%s: want at least one rule", name)
		}
		s.Scopes[name] = rules
	}
	return nil
}

func readHosts(raw json.RawMessage, into *[]string) error {
	var list []string
	if err := readStrings(raw, &list); err != nil {
		return err
	}
	for i, host := range list {
		parsed, err := url.Parse("//" + host)
		if err != nil || parsed.Host != host || host == "" {
			return fmt.Errorf("%q, want host names, each perhaps with a port", host)
		}
		list[i] = strings.ToLower(host)
	}
	*into = list
	return nil
}

func readLegacy(raw json.RawMessage, s *Service) error {
	var legacy bool
	if json.Unmarshal(raw, &legacy) != nil || isNull(raw) {
		return errors.New("want true or false")
	}
	s.Legacy = &legacy
	return nil
}

func readHeaderNames(raw json.RawMessage, into *[]string) error {
	var list []string
	if err := readStrings(raw, &list); err != nil {
		return err
	}
	for i, name := range list {
		if !headerName(name) {
			return fmt.Errorf("%q is no header name", name)
		}
		list[i] = http.CanonicalHeaderKey(name)
	}
	*into = list
	return nil
}

// headerName reports whether the text is a token of RFC 9110, section 5.6.2.
func headerName(text string) bool {
	const marks = "!#$%&'*+-.^_`|~"
	return text != "" && strings.Trim(text, marks+"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") == ""
}

func readBytes(raw json.RawMessage, into *int64) error {
	var bytes int64
	if json.Unmarshal(raw, &bytes) != nil || bytes < 0 || isNull(raw) {
		return errors.New("want a number of bytes, 0 for no limit")
	}
	*into = bytes
	return nil
}

func readCount(raw json.RawMessage, into *int) error {
	var count int
	if json.Unmarshal(raw, &count) != nil || count < 0 {
		return errors.New("want a whole number, 0 for no limit")
	}
	*into = count
	return nil
}

func readRate(raw json.RawMessage, into *apikey.Rate) error {
	if isNull(raw) {
		return nil
	}
	var rate struct {
		Requests int    `json:"requests"`
		Per      string `json:"per"`
	}
	want := errors.New(`want {"requests":100,"per":"1m"}`)
	if json.Unmarshal(raw, &rate) != nil {
		return want
	}
	per, err := time.ParseDuration(rate.Per)
	if err != nil || rate.Requests < 1 || per < time.Second {
		return want
	}
	*into = apikey.Rate{Requests: rate.Requests, Per: per}
	return nil
}

func readNetworks(raw json.RawMessage, into *[]netip.Prefix) error {
	var list []string
	if err := readStrings(raw, &list); err != nil {
		return err
	}
	for _, text := range list {
		network, err := apikey.ParseNetwork(text)
		if err != nil {
			return err
		}
		*into = append(*into, network)
	}
	return nil
}

func readProxy(raw json.RawMessage, s *Service) error {
	if isNull(raw) {
		s.Proxy = ""
		return nil
	}
	var text string
	want := errors.New(`want null, "env" or the URL of a proxy`)
	if json.Unmarshal(raw, &text) != nil {
		return want
	}
	if parsed, err := url.Parse(text); text != "env" && (err != nil || parsed.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, parsed.Scheme)) {
		return want
	}
	s.Proxy = text
	return nil
}

func readPrefix(raw json.RawMessage, into *string) error {
	var text string
	if json.Unmarshal(raw, &text) != nil || !strings.HasPrefix(text, "/") {
		return errors.New("want a path such as /api/v3")
	}
	text = strings.TrimRight(text, "/")
	if text != "" {
		if _, err := rule.Examine(text, rule.Options{}); err != nil {
			return err
		}
	}
	*into = text
	return nil
}

func readFileName(raw json.RawMessage, into *string) error {
	var path string
	if json.Unmarshal(raw, &path) != nil || path == "" {
		return errors.New("want the path of a file")
	}
	if _, err := os.ReadFile(path); err != nil {
		return err
	}
	*into = path
	return nil
}

func readTime(raw json.RawMessage, into *time.Time) error {
	var at time.Time
	if json.Unmarshal(raw, &at) != nil || at.IsZero() {
		return errors.New("want a time such as 2026-12-01T00:00:00Z")
	}
	*into = at
	return nil
}

// readCredential recognizes a credential without a type by its members, as lockbox does.
func (p *parser) readCredential(at string, raw json.RawMessage, s *Service) (err error) {
	if isNull(raw) {
		return nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return errors.New("want null or an object")
	}
	kind := credentialKind(object)
	reader, known := credentialReaders[kind]
	if !known {
		return fmt.Errorf("type %q, want one of %s", kind, strings.Join(slices.Sorted(maps.Keys(credentialReaders)), ", "))
	}
	members := map[string]read{"type": func(json.RawMessage) error { return nil }}
	for _, name := range reader.members {
		if object[name] == nil {
			return fmt.Errorf("%s is missing, which %s wants", name, kind)
		}
		members[name] = func(json.RawMessage) error { return nil }
	}
	if kind == "oauth2_client_credentials" {
		members["scopes"] = func(json.RawMessage) error { return nil }
	}
	p.members(at+".credential", object, members)
	s.Credential, err = reader.read(object)
	return err
}

func credentialKind(object map[string]json.RawMessage) string {
	var kind string
	if json.Unmarshal(object["type"], &kind) == nil {
		return kind
	}
	for _, guess := range []struct{ member, kind string }{{"password", "basic"}, {"token", "bearer"}, {"headers", "headers"}} {
		if object[guess.member] != nil {
			return guess.kind
		}
	}
	return ""
}

var credentialReaders = map[string]struct {
	members []string
	read    func(map[string]json.RawMessage) (Credential, error)
}{
	"basic":                     {[]string{"username", "password"}, readBasic},
	"bearer":                    {[]string{"token"}, readBearer},
	"headers":                   {[]string{"headers"}, readHeaders},
	"query":                     {[]string{"name", "value"}, readQuery},
	"path":                      {[]string{"template", "token"}, readPath},
	"oauth2_client_credentials": {[]string{"client_id", "client_secret", "token_url"}, readClientCredentials},
	"person":                    {nil, func(map[string]json.RawMessage) (Credential, error) { return person{}, nil }},
}

func readBasic(object map[string]json.RawMessage) (Credential, error) {
	var c basic
	if json.Unmarshal(object["username"], &c.username) != nil || strings.ContainsAny(c.username, ":\r\n") {
		return nil, errors.New("username: want a text without a colon")
	}
	password, err := newSecret(object["password"])
	if err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	c.password = password
	return c, nil
}

func readBearer(object map[string]json.RawMessage) (Credential, error) {
	token, err := newSecret(object["token"])
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return bearer{token}, nil
}

func readHeaders(object map[string]json.RawMessage) (Credential, error) {
	var all map[string]json.RawMessage
	if json.Unmarshal(object["headers"], &all) != nil || len(all) == 0 {
		return nil, errors.New("headers: want an object with at least one header")
	}
	c := headers{}
	for name, raw := range all {
		if !headerName(name) || hopByHop(name) || strings.EqualFold(name, "Host") {
			return nil, fmt.Errorf("headers: %q cannot be set", name)
		}
		value, err := newSecret(raw)
		if err != nil {
			return nil, fmt.Errorf("headers: %s: %w", name, err)
		}
		c[http.CanonicalHeaderKey(name)] = value
	}
	return c, nil
}

func readQuery(object map[string]json.RawMessage) (Credential, error) {
	var c query
	if json.Unmarshal(object["name"], &c.name) != nil || c.name == "" {
		return nil, errors.New("name: want the name of a parameter")
	}
	value, err := newSecret(object["value"])
	if err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	c.value = value
	return c, nil
}

func readPath(object map[string]json.RawMessage) (Credential, error) {
	var c inPath
	if json.Unmarshal(object["template"], &c.template) != nil || !strings.HasPrefix(c.template, "/") || strings.Count(c.template, "{token}") != 1 {
		return nil, errors.New("template: want a path that begins with a slash and holds {token} once, such as /bot{token}")
	}
	c.template = strings.TrimRight(c.template, "/")
	if _, err := rule.Examine(strings.Replace(c.template, "{token}", "x", 1), rule.Options{}); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	token, err := newSecret(object["token"])
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	c.token = token
	return c, nil
}

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/token2go/token2go/internal/atomicfile"
)

// Config is the file of profiles. The absent file is an empty Config.
type Config struct {
	Default  string             `yaml:"default,omitempty"`
	Profiles map[string]Profile `yaml:"profiles,omitempty"`
}

// Profile is a named server, with the flags that every call would otherwise repeat.
// Server is required.
type Profile struct {
	Key         string   `yaml:"-"` // in the cache; empty where the address alone says which token is meant
	Server      string   `yaml:"server"`
	CAFile      string   `yaml:"ca-file,omitempty"`
	Browser     string   `yaml:"browser,omitempty"`
	MinTTL      Duration `yaml:"min-ttl,omitempty"`
	UnknownTTL  Duration `yaml:"unknown-ttl,omitempty"`
	Timeout     Duration `yaml:"timeout,omitempty"`
	Format      string   `yaml:"format,omitempty"`
	Client      string   `yaml:"client,omitempty"`
	Ports       Ports    `yaml:"port,omitempty,flow"`
	AllowHTTP   bool     `yaml:"allow-http,omitempty"`
	NoCheck     bool     `yaml:"no-check,omitempty"`
	SignOut     string   `yaml:"sign-out,omitempty"`
	Renew       string   `yaml:"renew,omitempty"`
	GitHosts    []string `yaml:"git-hosts,omitempty,flow"`
	GitUsername string   `yaml:"git-username,omitempty"`
}

// Duration is a time.Duration that is written as Go writes it: 90s, 5m.
type Duration time.Duration

// UnmarshalText reads a duration of 0 or more.
func (d *Duration) UnmarshalText(text []byte) error {
	read, err := time.ParseDuration(string(text))
	if err != nil || read < 0 {
		return fmt.Errorf("%q is no duration, want one such as 90s or 5m", text)
	}
	*d = Duration(read)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Ports are written as one number or as a list.
type Ports []int

// UnmarshalYAML reads a number or a list of them.
func (p *Ports) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		node = &yaml.Node{Kind: yaml.SequenceNode, Line: node.Line, Content: []*yaml.Node{node}}
	}
	return node.Decode((*[]int)(p))
}

var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// ConfigPath is where the file of profiles is: $TOKEN2GO_CONFIG, or the
// platform's folder for configuration, such as ~/.config/token2go/config.yaml.
func ConfigPath(getenv func(string) string) (string, error) {
	if path := getenv("TOKEN2GO_CONFIG"); path != "" {
		return path, nil
	}
	folder, err := os.UserConfigDir()
	if err != nil {
		return "", usage("no folder for the configuration: %v; set TOKEN2GO_CONFIG to a path", err)
	}
	return filepath.Join(folder, "token2go", "config.yaml"), nil
}

// LoadConfig reads the file of profiles. One that others can write to is refused: it
// says which program is started, and which hosts get the token.
func LoadConfig(path string) (Config, error) {
	text, err := readConfig(path)
	if err != nil {
		return Config{}, err
	}
	return parseConfig(path, text)
}

func readConfig(path string) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, usage("configuration: %v", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, usage("configuration: %v", err)
	}
	if !info.Mode().IsRegular() {
		return nil, usage("configuration: %s is no regular file", path)
	}
	if writableByOthers(info) {
		return nil, usage("configuration: others can write to %s; fix it with: chmod go-w %s", path, quoted(path))
	}
	text, err := io.ReadAll(io.LimitReader(file, 1<<20))
	if err != nil {
		return nil, usage("configuration: %v", err)
	}
	return text, nil
}

func parseConfig(path string, text []byte) (Config, error) {
	var c Config
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, usage("configuration: %s: %s", path, strings.TrimPrefix(oneLine(err.Error()), "yaml: "))
	}
	if fault := c.fault(); fault != "" {
		return Config{}, usage("configuration: %s: %s", path, fault)
	}
	return c, nil
}

func (c Config) fault() string {
	for _, name := range c.Names() {
		if !names.MatchString(name) {
			return fmt.Sprintf("%q is no name for a profile, want letters, digits, dots, dashes and underscores", name)
		}
		if fault := c.Profiles[name].fault(); fault != "" {
			return fmt.Sprintf("profile %s: %s", name, fault)
		}
	}
	if _, known := c.Profiles[c.Default]; c.Default != "" && !known {
		return fmt.Sprintf("default is %q, want the name of a profile", c.Default)
	}
	return ""
}

func (p Profile) fault() string {
	switch {
	case p.Server == "":
		return "server is missing, want an address such as https://t2g.example.org"
	case !strings.Contains(p.Server, "://"):
		return fmt.Sprintf("server is %q, want an address such as https://t2g.example.org", p.Server)
	case p.CAFile != "" && !filepath.IsAbs(p.CAFile):
		return fmt.Sprintf("ca-file is %q, want the absolute path of a PEM file", p.CAFile)
	case p.Format != "" && p.Format != "jwe" && p.Format != "triple":
		return fmt.Sprintf("format is %q, want jwe or triple", p.Format)
	case p.SignOut != "" && !strings.HasPrefix(p.SignOut, "/") && !strings.HasPrefix(p.SignOut, "https://"):
		return fmt.Sprintf("sign-out is %q, want a path such as /logout, or an https address", p.SignOut)
	case p.Renew != "" && !slices.Contains(Renewals(), p.Renew):
		return fmt.Sprintf("renew is %q, want %s", p.Renew, strings.Join(Renewals(), ", "))
	}
	for _, host := range p.GitHosts {
		if parsed, err := url.Parse("https://" + host); err != nil || host == "" || parsed.Host != host || parsed.User != nil {
			return fmt.Sprintf("git-hosts holds %q, want host names, each perhaps with a port", host)
		}
	}
	return ""
}

// Names lists the profiles.
func (c Config) Names() []string { return slices.Sorted(maps.Keys(c.Profiles)) }

// Find returns the profile for what the command line says: SERVER is an address, the
// name of a profile or empty for the default; profile is what --profile says.
//
// Profiles with the same server each keep a token of their own. One that is the only one
// for its server shares the token with calls that name the address, in Python too.
func (c Config) Find(server, profile string, getenv func(string) string) (Profile, error) {
	server = strings.TrimSpace(server) // a pasted address may end with a line
	if profile != "" {
		return c.byName(server, profile)
	}
	if server == "" {
		server = getenv("TOKEN2GO_SERVER")
	}
	if server == "" {
		server = c.Default
	}
	if server == "" && len(c.Profiles) == 1 {
		server = c.Names()[0]
	}
	switch _, known := c.Profiles[server]; {
	case known:
		return c.profile(server), nil
	case server == "":
		return Profile{}, usage("no server: name one, such as https://t2g.example.org, or make it a profile: token2go config set work server https://t2g.example.org")
	case strings.Contains(server, "://"):
		return c.byAddress(server), nil
	case strings.ContainsAny(server, ".:/"):
		return Profile{}, usage("%q is no profile and no address; did you mean https://%s?", server, server)
	default:
		return Profile{}, usage("%q is no profile; %s", server, c.known())
	}
}

// profile returns a profile that exists, with its key in the cache.
func (c Config) profile(name string) Profile {
	p := c.Profiles[name]
	for other := range c.Profiles {
		if other != name && sameServer(c.Profiles[other].Server, p.Server) {
			p.Key = name
		}
	}
	return p
}

// byName returns the profile that --profile names. A name that is no profile is one for
// the cache alone, and needs an address.
func (c Config) byName(server, name string) (Profile, error) {
	_, known := c.Profiles[name]
	isAddress := strings.Contains(server, "://")
	switch {
	case !names.MatchString(name):
		return Profile{}, usage("--profile is %q, want letters, digits, dots, dashes and underscores", name)
	case !known && !isAddress:
		return Profile{}, usage("%q is no profile; %s", name, c.known())
	case !known:
		p := c.byAddress(server)
		p.Key = name
		return p, nil
	case server != "" && !isAddress && server != name || isAddress && !sameServer(server, c.Profiles[name].Server):
		return Profile{}, usage("the profile %s is for %s, not for %s", name, c.Profiles[name].Server, server)
	}
	return c.profile(name), nil
}

// byAddress returns the settings of the first profile with that server, so that its
// authority counts however the server is named, but not its key.
func (c Config) byAddress(server string) Profile {
	for _, name := range c.Names() {
		if p := c.Profiles[name]; sameServer(p.Server, server) {
			return p
		}
	}
	return Profile{Server: server}
}

// argument names the profile on a command line.
func (p Profile) argument() string {
	if p.Key != "" {
		return quoted(p.Key)
	}
	return quoted(p.Server)
}

func sameServer(a, b string) bool {
	one, err := url.Parse(a)
	other, also := url.Parse(b)
	return err == nil && also == nil && one.Scheme == other.Scheme &&
		canonicalHost(one.Scheme, one.Host) == canonicalHost(other.Scheme, other.Host) &&
		strings.TrimRight(one.Path, "/") == strings.TrimRight(other.Path, "/")
}

func (c Config) known() string {
	if len(c.Profiles) == 0 {
		return "there are none: make one with token2go config set NAME server ADDRESS"
	}
	return "the profiles are: " + strings.Join(c.Names(), ", ")
}

// Renewals lists what can be done when a token is about to expire. A new one needs the
// person's browser, so the person is asked, or the browser opened, or neither.
func Renewals() []string { return []string{"ask", "open", "never"} }

// ProfileKeys lists what can be set in a profile, each with what it is for.
func ProfileKeys() [][2]string {
	return [][2]string{
		{"server", "the address of Token2go behind its gateway"},
		{"ca-file", "a PEM file with the authority of its certificate, absolute path"},
		{"browser", "the command that opens an address, or none"},
		{"min-ttl", "how long the token must still be valid, such as 5m"},
		{"unknown-ttl", "how long a token without a known expiry is used"},
		{"timeout", "how long to wait for the sign-in"},
		{"format", "jwe, or triple for a token2go-server 1.0.3"},
		{"client", "the name that the page shows"},
		{"port", "the port to listen on, or several, separated by commas"},
		{"allow-http", "true: plain http to other computers"},
		{"no-check", "true: do not check first whether the server can be reached"},
		{"renew", "ask, open or never"},
		{"sign-out", "where the gateway signs a browser out (default /oauth2/sign_out)"},
		{"git-hosts", "hosts for which git gets the token, separated by commas"},
		{"git-username", "the user name for a git older than 2.46"},
	}
}

// SetProfile writes one key of a profile into the file, which keeps its comments.
// The empty value takes the key out.
func SetProfile(path, profile, key, value string) error {
	if !slices.ContainsFunc(ProfileKeys(), func(k [2]string) bool { return k[0] == key }) {
		return usage("%q cannot be set; want %s", key, keyList())
	}
	return editConfig(path, func(root *yaml.Node) {
		where := child(child(root, "profiles"), profile)
		if value == "" {
			drop(where, key)
			return
		}
		put(where, key, valueNode(key, value))
	})
}

// RemoveProfile takes a profile out of the file.
func RemoveProfile(path, profile string) error {
	c, err := LoadConfig(path)
	if err != nil {
		return err
	}
	if _, known := c.Profiles[profile]; !known {
		return usage("%q is no profile; %s", profile, c.known())
	}
	return editConfig(path, func(root *yaml.Node) {
		drop(child(root, "profiles"), profile)
		if c.Default == profile {
			drop(root, "default")
		}
	})
}

// SetDefault names the profile that is meant where none is named.
func SetDefault(path, profile string) error {
	return editConfig(path, func(root *yaml.Node) { put(root, "default", valueNode("default", profile)) })
}

func keyList() string {
	var keys []string
	for _, key := range ProfileKeys() {
		keys = append(keys, key[0])
	}
	return strings.Join(keys, ", ")
}

func valueNode(key, value string) *yaml.Node {
	if key != "git-hosts" && (key != "port" || !strings.Contains(value, ",")) {
		node := &yaml.Node{Kind: yaml.ScalarNode, Value: value}
		if _, err := strconv.ParseFloat(value, 64); key != "port" && key != "allow-http" && key != "no-check" && (err == nil || value == "true" || value == "false" || value == "null") {
			node.Style = yaml.DoubleQuotedStyle // a string, whatever it looks like
		}
		return node
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for host := range strings.SplitSeq(value, ",") {
		list.Content = append(list.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: strings.TrimSpace(host)})
	}
	return list
}

// editConfig changes the file as a document, and only into one that can be read again.
func editConfig(path string, edit func(root *yaml.Node)) error {
	text, err := readConfig(path)
	if err != nil {
		return err
	}
	if _, err := parseConfig(path, text); err != nil {
		return err
	}
	var document yaml.Node
	_ = yaml.Unmarshal(text, &document) // it was parsed above
	if len(document.Content) == 0 || document.Content[0].Kind != yaml.MappingNode {
		document = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode}}}
	}
	edit(document.Content[0])
	var changed bytes.Buffer
	encoder := yaml.NewEncoder(&changed)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return usage("configuration: %v", err)
	}
	if _, err := parseConfig(path, changed.Bytes()); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	return atomicfile.Write(path, changed.Bytes(), mode)
}

// child is the mapping under a key, made where there is none.
func child(mapping *yaml.Node, key string) *yaml.Node {
	if at := find(mapping, key); at >= 0 && mapping.Content[at+1].Kind == yaml.MappingNode {
		return mapping.Content[at+1]
	}
	made := &yaml.Node{Kind: yaml.MappingNode}
	put(mapping, key, made)
	return made
}

func put(mapping *yaml.Node, key string, value *yaml.Node) {
	mapping.Style &^= yaml.FlowStyle // {} becomes lines
	if at := find(mapping, key); at >= 0 {
		value.LineComment = mapping.Content[at+1].LineComment
		mapping.Content[at+1] = value
		return
	}
	mapping.Content = append(mapping.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, value)
}

func drop(mapping *yaml.Node, key string) {
	if at := find(mapping, key); at >= 0 {
		mapping.Content = slices.Delete(mapping.Content, at, at+2)
	}
}

func find(mapping *yaml.Node, key string) int {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return i
		}
	}
	return -1
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// ShowConfig prints the file of profiles as it is understood.
func (e Env) ShowConfig() error {
	path, err := ConfigPath(e.Getenv)
	if err != nil {
		return err
	}
	c, err := LoadConfig(path)
	if err != nil {
		return err
	}
	if len(c.Profiles) == 0 {
		e.say("%s holds no profile; make one with: token2go config set NAME server ADDRESS", path)
		return nil
	}
	e.say("%s", path)
	encoder := yaml.NewEncoder(e.Stdout)
	encoder.SetIndent(2)
	return encoder.Encode(c)
}

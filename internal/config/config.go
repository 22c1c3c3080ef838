// Package config turns T2G_* variables into a Config, or into one line for every variable that is wrong.
//
// The environment is read once, as text: what each text means, and how the variables
// fit together, is checked here so that an operator sees every mistake at once.
package config

import (
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"

	"github.com/token2go/token2go/internal/secret"
)

// Config is what the operator decided. Load makes one; its fields stand in the
// order of the table of variables.
type Config struct {
	ServerHost   string // a name or an address without brackets, never empty after Load
	ServerPort   int    // 0 is any free port
	ServerSocket string // path of a Unix socket, which takes the place of host and port
	TLSCertFile  string // PEM; set exactly when TLSKeyFile is
	TLSKeyFile   string // PEM
	GatewayCIDRs []netip.Prefix
	BasePath     string   // empty, or /a/b without a slash at the end
	PublicURL    *url.URL // nil when unset; lower-case host, no default port, no slash at the end
	AllowedHosts []string // as given, in lower case; Hosts says what is to be answered

	TokenHeaderNames    []string // in order of preference
	AddTokenHeaderNames []string // after those of TokenHeaderNames; TokenHeaders joins them
	FallbackToken       secret.Value
	FallbackTokenFile   string // where FallbackToken was read from, empty when given directly
	IdentityHeaderNames []string

	UITarget     string
	UITitle      string
	UIDesc1      string // HTML
	UIDesc2      string // HTML
	UIMisc       string // HTML
	UISignInURL  string // an absolute path or an http or https URL
	UISignOutURL string // likewise

	FlowTargets []string // patterns as text; the flow room parses them
	FlowConsent string   // auto, always or never
	FlowModes   []string // of query, form_post and page, at least one
	FlowMaxURL  int      // bytes

	OpsHost         string
	OpsPort         int      // 0 is off
	OpsAllowedHosts []string // as given, in lower case; OpsHosts says what is answered
	OpsPprof        bool

	LogFormat       string // text, json, or empty: text on a terminal, json otherwise
	LogLevel        slog.Level
	MaxHeaderBytes  int
	DrainDelay      time.Duration
	ShutdownTimeout time.Duration

	given map[string]bool // names of the variables that were set to something
}

// Load reads the environment of the process. A blank variable counts as unset.
//
// The error is of type Faults. The Config beside it holds every field that was
// right, and defaults for the rest, so that a caller can check more and report all;
// to serve with it would be wrong, for a default may be wider than what was meant.
func Load() (Config, error) {
	var environment variables
	if envconfig.Process("", &environment) != nil {
		// The library's own error quotes the value, which may be a secret.
		return Config{}, errors.New("environment: not readable as text")
	}
	r := newReader(environment)
	c := r.config()
	r.faults = append(r.faults, unknown()...)
	r.checkTogether(c)
	if len(r.faults) > 0 {
		return c, Faults(nil).Add(r.faults...)
	}
	return c, nil
}

func (r *reader) config() Config {
	c := Config{
		ServerHost:   parse(r, "T2G_SERVER_HOST", listenHost),
		ServerPort:   parse(r, "T2G_SERVER_PORT", number(0, 65535)),
		ServerSocket: parse(r, "T2G_SERVER_SOCKET", socketPath),
		TLSCertFile:  parse(r, "T2G_TLS_CERT_FILE", anyText),
		TLSKeyFile:   parse(r, "T2G_TLS_KEY_FILE", anyText),
		GatewayCIDRs: parse(r, "T2G_GATEWAY_CIDRS", list(network, netip.Prefix.String)),
		BasePath:     parse(r, "T2G_BASE_PATH", basePath),
		PublicURL:    parse(r, "T2G_PUBLIC_URL", publicURL),
		AllowedHosts: parse(r, "T2G_ALLOWED_HOSTS", list(hostPattern, strings.ToLower)),

		TokenHeaderNames:    parse(r, "T2G_TOKEN_HEADER_NAMES", list(fieldName, strings.ToLower)),
		AddTokenHeaderNames: parse(r, "T2G_ADD_TOKEN_HEADER_NAMES", list(fieldName, strings.ToLower)),
		FallbackToken:       r.secret("T2G_FALLBACK_TOKEN"),
		FallbackTokenFile:   parse(r, "T2G_FALLBACK_TOKEN_FILE", anyText),
		IdentityHeaderNames: parse(r, "T2G_IDENTITY_HEADER_NAMES", list(fieldName, strings.ToLower)),

		UITarget:     parse(r, "T2G_UI_TARGET", anyText),
		UITitle:      parse(r, "T2G_UI_TITLE", anyText),
		UIDesc1:      parse(r, "T2G_UI_DESC1", anyText),
		UIDesc2:      parse(r, "T2G_UI_DESC2", anyText),
		UIMisc:       parse(r, "T2G_UI_MISC", anyText),
		UISignInURL:  parse(r, "T2G_UI_SIGN_IN_URL", link),
		UISignOutURL: parse(r, "T2G_UI_SIGN_OUT_URL", link),

		FlowTargets: parse(r, "T2G_FLOW_TARGETS", list(anyText, exact)),
		FlowConsent: parse(r, "T2G_FLOW_CONSENT", oneOf("auto", "always", "never")),
		FlowModes:   parse(r, "T2G_FLOW_MODES", list(oneOf("query", "form_post", "page"), exact)),
		FlowMaxURL:  parse(r, "T2G_FLOW_MAX_URL", number(512, 65536)),

		OpsHost:         parse(r, "T2G_OPS_HOST", listenHost),
		OpsPort:         parse(r, "T2G_OPS_PORT", number(0, 65535)),
		OpsAllowedHosts: parse(r, "T2G_OPS_ALLOWED_HOSTS", list(hostPattern, strings.ToLower)),
		OpsPprof:        parse(r, "T2G_OPS_PPROF", boolean),

		LogFormat:       parse(r, "T2G_LOG_FORMAT", oneOf("text", "json")),
		LogLevel:        parse(r, "T2G_LOG_LEVEL", level),
		MaxHeaderBytes:  parse(r, "T2G_MAX_HEADER_BYTES", number(4096, 1<<20)),
		DrainDelay:      parse(r, "T2G_DRAIN_DELAY", duration(0, 10*time.Minute)),
		ShutdownTimeout: parse(r, "T2G_SHUTDOWN_TIMEOUT", duration(0, 10*time.Minute)),
	}
	c.given = r.given()
	return c
}

// TokenHeaders lists the headers to look for a token in, the preferred one first:
// TokenHeaderNames, then those of AddTokenHeaderNames that are not among them.
func (c Config) TokenHeaders() []string {
	names := slices.Clone(c.TokenHeaderNames)
	for _, name := range c.AddTokenHeaderNames {
		same := func(other string) bool { return strings.EqualFold(name, other) }
		if !slices.ContainsFunc(names, same) {
			names = append(names, name)
		}
	}
	return names
}

// Hosts lists the Host names to answer, in lower case; nil means every name. An
// entry without a port stands for that host on any port; IPv6 addresses are in
// brackets.
//
// With a fallback token and no list of the operator's own, only loopback names and
// the public URL's are answered: a website that rebinds its name to this address
// would read the token otherwise.
func (c Config) Hosts() []string {
	if slices.Contains(c.AllowedHosts, "*") {
		return nil
	}
	if len(c.AllowedHosts) > 0 || c.FallbackToken.Absent() {
		return slices.Clone(c.AllowedHosts)
	}
	hosts := []string{"localhost", "127.0.0.1", "[::1]"}
	if c.PublicURL != nil {
		hosts = append(hosts, bracketed(c.PublicURL.Hostname()))
	}
	return hosts
}

// OpsHosts lists names with a dot by which the ops door may be read, in lower case; "*"
// among them is every name. Addresses and names without a dot may be used anyway.
func (c Config) OpsHosts() []string {
	return append(slices.Clone(c.OpsAllowedHosts), strings.ToLower(c.OpsHost))
}

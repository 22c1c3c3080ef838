package config

import (
	"reflect"
	"strings"
)

// variables is the environment as text, and the table of variables in its tags.
//
// Every field is a string and every name is written in full: the library stops at
// the first value of another type that does not parse, quotes that value, keeps the
// blanks around items of a list, and for a name that it has put a prefix before also
// reads the name without. For the same reason "default" is no tag here: the library
// would take an empty value for a decision.
//
// unset is the value when nothing is given, otherwise a description of it where it
// is no value; file marks a path, lines a text that may hold line breaks and tabs:
// HTML, and a list around its items.
type variables struct {
	ServerHost   string `envconfig:"T2G_SERVER_HOST" unset:"127.0.0.1" allowed:"an IP address or a host name, without a port" meaning:"Where the gateway door listens. Whoever reaches it is believed; the container image sets 0.0.0.0." example:"0.0.0.0"`
	ServerPort   string `envconfig:"T2G_SERVER_PORT" unset:"8080" allowed:"a whole number from 0 to 65535; 0 takes any free port" meaning:"Port of the gateway door." example:"9090"`
	ServerSocket string `envconfig:"T2G_SERVER_SOCKET" file:"true" allowed:"an absolute path of at most 107 bytes in a directory that exists; not together with T2G_SERVER_PORT, T2G_GATEWAY_CIDRS or TLS" meaning:"A Unix socket for the gateway door, in place of host and port." example:"/run/token2go/gateway.sock"`
	TLSCertFile  string `envconfig:"T2G_TLS_CERT_FILE" file:"true" allowed:"path of a readable PEM file; together with T2G_TLS_KEY_FILE, which it must fit" meaning:"Certificate chain for the gateway door; read again when it changes." example:"/etc/token2go/tls.crt"`
	TLSKeyFile   string `envconfig:"T2G_TLS_KEY_FILE" file:"true" allowed:"path of a readable PEM file; together with T2G_TLS_CERT_FILE" meaning:"Private key of the certificate; read again when it changes." example:"/etc/token2go/tls.key"`
	GatewayCIDRs string `envconfig:"T2G_GATEWAY_CIDRS" lines:"true" otherwise:"every peer" allowed:"networks and single addresses, separated by commas" meaning:"Peers that may speak to the gateway door; anyone else gets 403." example:"10.42.0.0/16,192.0.2.7"`
	BasePath     string `envconfig:"T2G_BASE_PATH" allowed:"an absolute path of segments made of letters, digits and . _ ~ -" meaning:"The path prefix, when the gateway does not strip it." example:"/token2go"`
	PublicURL    string `envconfig:"T2G_PUBLIC_URL" allowed:"an http or https URL: host, perhaps port and path; no user name, query or fragment" meaning:"The address that people open; links and the envelope's issuer are made from it." example:"https://token.example.org"`
	AllowedHosts string `envconfig:"T2G_ALLOWED_HOSTS" lines:"true" otherwise:"every name; with a fallback token only loopback names and that of T2G_PUBLIC_URL" allowed:"host names or addresses, each perhaps with a port, separated by commas; * for every name" meaning:"Host names that are answered." example:"token.example.org,localhost:8080"`

	TokenHeaderNames    string `envconfig:"T2G_TOKEN_HEADER_NAMES" lines:"true" unset:"X-Forwarded-Access-Token,X-Auth-Request-Access-Token,X-Access-Token,OIDC_access_token,Access-Token,Token,Authorization" allowed:"header names, separated by commas" meaning:"Headers that may carry the token; the first with a usable value wins." example:"X-Forwarded-Access-Token,Authorization"`
	AddTokenHeaderNames string `envconfig:"T2G_ADD_TOKEN_HEADER_NAMES" lines:"true" allowed:"header names, separated by commas" meaning:"More of them, looked at after the others." example:"X-My-Token"`
	FallbackToken       string `envconfig:"T2G_FALLBACK_TOKEN" secret:"true" allowed:"one token: no blank, no control character; not together with T2G_FALLBACK_TOKEN_FILE" meaning:"The token for requests without one. Everybody gets it: for trying things out only." example:"only-for-trying-out"`
	FallbackTokenFile   string `envconfig:"T2G_FALLBACK_TOKEN_FILE" file:"true" allowed:"path of a readable regular file of at most 1 MiB that holds the token, perhaps with a line break after it; not together with T2G_FALLBACK_TOKEN" meaning:"The file to read the fallback token from." example:"/run/secrets/fallback-token"`
	IdentityHeaderNames string `envconfig:"T2G_IDENTITY_HEADER_NAMES" lines:"true" unset:"X-Forwarded-Preferred-Username,X-Forwarded-Email,X-Forwarded-User,X-Auth-Request-Preferred-Username,X-Auth-Request-Email,X-Auth-Request-User,OIDC_CLAIM_preferred_username,OIDC_CLAIM_email,OIDC_CLAIM_sub,X-User,Remote-User" allowed:"header names, separated by commas; none that may carry a token, nor Authorization or Cookie" meaning:"Headers that say who is signed in, for showing only; the first that is there wins." example:"X-Forwarded-Email"`

	UITarget     string `envconfig:"T2G_UI_TARGET" allowed:"one line of text" meaning:"Name of the product that the tokens are for." example:"Data Hub"`
	UITitle      string `envconfig:"T2G_UI_TITLE" otherwise:"made from T2G_UI_TARGET" allowed:"one line of text" meaning:"Title of the page." example:"Tokens for Data Hub"`
	UIDesc1      string `envconfig:"T2G_UI_DESC1" otherwise:"an explanation" lines:"true" allowed:"HTML without inline styles or scripts" meaning:"What the page says under its title." example:"Your token for the <b>Data Hub</b>"`
	UIDesc2      string `envconfig:"T2G_UI_DESC2" lines:"true" allowed:"HTML without inline styles or scripts" meaning:"A second paragraph." example:"Keep it to yourself."`
	UIMisc       string `envconfig:"T2G_UI_MISC" lines:"true" allowed:"HTML without inline styles or scripts" meaning:"A section at the bottom of the page." example:"<a href='https://help.example.org/'>Help</a>"`
	UISignInURL  string `envconfig:"T2G_UI_SIGN_IN_URL" allowed:"a path that begins with one slash, or an http or https URL" meaning:"Where the page sends people to sign in again." example:"/oauth2/sign_in"`
	UISignOutURL string `envconfig:"T2G_UI_SIGN_OUT_URL" allowed:"a path that begins with one slash, or an http or https URL" meaning:"Where the page sends people to sign out." example:"/oauth2/sign_out"`

	FlowTargets string `envconfig:"T2G_FLOW_TARGETS" lines:"true" otherwise:"loopback only" allowed:"absolute https URLs without a query, separated by commas; a path segment * is any one segment, a last ** any rest" meaning:"Targets besides loopback that a sealed token may go to, after the person was asked." example:"https://hub.example.org/user/*/token2go/**"`
	FlowConsent string `envconfig:"T2G_FLOW_CONSENT" unset:"auto" allowed:"auto, always or never" meaning:"Whether a person is asked before a token goes to a program. Shared machines want always." example:"always"`
	FlowModes   string `envconfig:"T2G_FLOW_MODES" lines:"true" unset:"query,form_post,page" allowed:"at least one of query, form_post and page, separated by commas" meaning:"Ways in which an answer may reach a program; page is pasting by hand." example:"query,form_post"`
	FlowMaxURL  string `envconfig:"T2G_FLOW_MAX_URL" unset:"3072" allowed:"a whole number from 512 to 65536" meaning:"Bytes of a redirect's address from which on an answer is posted, where the client left the choice." example:"2048"`

	OpsHost         string `envconfig:"T2G_OPS_HOST" unset:"127.0.0.1" allowed:"an IP address or a host name, without a port" meaning:"Where the ops door listens: metrics, health, readiness." example:"0.0.0.0"`
	OpsPort         string `envconfig:"T2G_OPS_PORT" unset:"8082" allowed:"a whole number from 0 to 65535, not the gateway door's; 0 switches the door off" meaning:"Port of the ops door." example:"9102"`
	OpsAllowedHosts string `envconfig:"T2G_OPS_ALLOWED_HOSTS" lines:"true" otherwise:"addresses, names without a dot, and that of T2G_OPS_HOST" allowed:"host names, each perhaps with a port, separated by commas; * for every name" meaning:"More host names by which metrics and profiles are read; others get 421." example:"token2go.auth.svc,web1.example.org:8082"`
	OpsPprof        string `envconfig:"T2G_OPS_PPROF" unset:"false" allowed:"true or false" meaning:"Whether the ops door has Go's profiler, which shows what the program is doing and slows it." example:"true"`

	LogFormat       string `envconfig:"T2G_LOG_FORMAT" otherwise:"text on a terminal, json otherwise" allowed:"text or json" meaning:"How log lines are written." example:"json"`
	LogLevel        string `envconfig:"T2G_LOG_LEVEL" unset:"info" allowed:"debug, info, warn or error" meaning:"The least important lines that are still written." example:"debug"`
	MaxHeaderBytes  string `envconfig:"T2G_MAX_HEADER_BYTES" unset:"65536" allowed:"a whole number from 4096 to 1048576" meaning:"Size of a request's headers, in bytes, above which the answer is 431." example:"131072"`
	DrainDelay      string `envconfig:"T2G_DRAIN_DELAY" unset:"0s" allowed:"a duration from 0s to 10m" meaning:"How long requests are still taken after SIGTERM while /ready says 503." example:"5s"`
	ShutdownTimeout string `envconfig:"T2G_SHUTDOWN_TIMEOUT" unset:"15s" allowed:"a duration from 0s to 10m" meaning:"How long requests may then take to end." example:"30s"`
}

// Variable is one row of the table, for people.
type Variable struct {
	Name    string
	Default string // the value, or what holds, when nothing is given; may be empty
	Allowed string
	Meaning string
	Example string
	Secret  bool // its value is never shown
}

// Variables is the table in its own order, the one in which faults are reported.
func Variables() []Variable {
	rows := table()
	variables := make([]Variable, len(rows))
	for i, row := range rows {
		variables[i] = row.Variable
	}
	return variables
}

// row is a Variable with what only this room needs.
type row struct {
	Variable
	field string // of variables and of Config
	unset string // the text that is parsed when nothing is given
	file  bool   // the value is a path
	lines bool   // line breaks and tabs make sense, in a list only around its items
}

func (r row) assignment() string { return r.Name + "=" + r.Example }

func table() []row {
	fields := reflect.VisibleFields(reflect.TypeFor[variables]())
	rows := make([]row, len(fields))
	for i, field := range fields {
		tag := field.Tag.Get
		rows[i] = row{
			Variable: Variable{
				Name:    tag("envconfig"),
				Default: tag("unset") + tag("otherwise"),
				Allowed: tag("allowed"),
				Meaning: tag("meaning"),
				Example: tag("example"),
				Secret:  tag("secret") == "true",
			},
			field: field.Name,
			unset: tag("unset"),
			file:  tag("file") == "true",
			lines: tag("lines") == "true",
		}
	}
	return rows
}

func lookup(name string) (row, bool) {
	for _, row := range table() {
		if row.Name == name {
			return row, true
		}
	}
	return row{}, false
}

// texts is what was given, by name. Blank values are left out: they count as unset.
// A secret keeps the blanks around it, so that they can be refused.
func (v variables) texts() map[string]string {
	texts := map[string]string{}
	for _, row := range table() {
		text := reflect.ValueOf(v).FieldByName(row.field).String()
		if strings.TrimSpace(text) == "" {
			continue
		}
		if !row.Secret {
			text = strings.TrimSpace(text)
		}
		texts[row.Name] = text
	}
	return texts
}

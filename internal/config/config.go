// Package config turns T2G_* variables into a Config, or into one line for every variable that is wrong.
//
// The environment is read once, as text: what each text means, and how the variables
// fit together, is checked here so that an operator sees every mistake at once.
//
// A new variable is one field in the struct of its listener or feature; table.go says
// what the field's tags mean. A new feature is a struct and a field of Config.
package config

import (
	"reflect"
	"slices"
)

// Config is what the operator decided. Load makes one; its fields are in the order of
// the table of variables.
type Config struct {
	Gateway  Gateway  `title:"Gateway listener"`
	Tokens   Tokens   `title:"Access token"`
	Identity Identity `title:"Signed-in person"`
	UI       UI       `title:"Token page"`
	Flow     Flow     `title:"Redirect flow"`
	Ops      Ops      `title:"Ops listener"`
	Log      Log      `title:"Log"`
	Limits   Limits   `title:"Limits"`
	Database Database `title:"Database"`
	People   People   `title:"Verified person"`
	Keys     Keys     `title:"API keys"`
	API      API      `title:"API listener"`
	Passes   Passes   `title:"Services and passes"`

	settings []Setting // what Load found
}

// Load reads the environment of the process. A blank variable counts as unset.
//
// The error is of type Faults. The Config beside it holds every field that was
// right, and defaults for the rest, so that a caller can check more and report all;
// to serve with it would be wrong, for a default may be wider than what was meant.
func Load() (Config, error) {
	r, err := newReader()
	if err != nil {
		return Config{}, err
	}
	var c Config
	r.fill(reflect.ValueOf(&c).Elem())
	c.settings = r.settings(reflect.ValueOf(c))
	r.faults = append(r.faults, unknown()...)
	c.Gateway.check(r, c.Stored())
	c.Tokens.check(r)
	c.Identity.check(r, c.Tokens)
	c.Ops.check(r, c.Gateway)
	if c.Stored() {
		c.checkStored(r)
	}
	if len(r.faults) > 0 {
		return c, Faults(nil).Add(r.faults...)
	}
	return c, nil
}

// Warnings are the decisions that are allowed and risky, one line each.
func (c Config) Warnings() []string {
	return slices.Concat(c.Gateway.warnings(), c.Tokens.warnings(), c.Identity.warnings(), c.hostWarnings(),
		c.Flow.warnings(), c.Ops.warnings(), c.storedWarnings(), c.fileWarnings())
}

// Stored reports whether anything is stored or signed in a person's name, and so whether
// there is an API listener. Variables of the API listener, the database, people, keys and
// passes have an effect only then.
func (c Config) Stored() bool { return !c.Database.URL.Absent() || c.Passes.ServicesFile != "" }

func (c Config) checkStored(r *reader) {
	if !c.Tokens.Fallback.Absent() && r.sound("T2G_FALLBACK_TOKEN") {
		r.add("T2G_FALLBACK_TOKEN", size(c.Tokens.Fallback.Reveal()), "nothing, since with T2G_DATABASE_URL or T2G_SERVICES_FILE everyone would be one person")
	}
	c.Database.check(r)
	if c.Gateway.Port != Off {
		c.People.check(r, c.Gateway)
	}
	c.Keys.check(r)
	c.API.check(r, c.Gateway, c.Ops)
}

func (c Config) storedWarnings() []string {
	if !c.Stored() {
		return nil
	}
	return slices.Concat(c.API.warnings(), c.People.warnings(), c.Keys.warnings())
}

// risk is a warning and whether it applies.
type risk struct {
	taken   bool
	warning string
}

func taken(risks ...risk) []string {
	var warnings []string
	for _, r := range risks {
		if r.taken {
			warnings = append(warnings, r.warning)
		}
	}
	return warnings
}

// Hosts lists the Host names to answer, in lower case; nil means every name. An
// entry without a port stands for that host on any port; IPv6 addresses are in
// brackets.
//
// With a fallback token and no list of the operator's own, only loopback names and
// the public URL's are answered: a website that rebinds its name to this address
// would read the token otherwise.
func (c Config) Hosts() []string {
	allowed := c.Gateway.AllowedHosts
	if slices.Contains(allowed, "*") {
		return nil
	}
	if len(allowed) > 0 || c.Tokens.Fallback.Absent() {
		return slices.Clone(allowed)
	}
	hosts := []string{"localhost", "127.0.0.1", "[::1]"}
	if c.Gateway.PublicURL != nil {
		hosts = append(hosts, bracketed(c.Gateway.PublicURL.Hostname()))
	}
	return hosts
}

func (c Config) hostWarnings() []string {
	return taken(risk{
		!c.Tokens.Fallback.Absent() && slices.Contains(c.Gateway.AllowedHosts, "*"),
		"T2G_ALLOWED_HOSTS=*: with a fallback token, a website that rebinds its name to this address reads the token",
	})
}

// Setting is one variable as it takes effect.
type Setting struct {
	Name  string
	Value string // normalised, in the form in which it can be given; a mask for a secret
	Set   bool   // false: the default
}

// Settings lists every variable in the order of the table. A secret that was read
// from a file counts as set.
func (c Config) Settings() []Setting { return slices.Clone(c.settings) }

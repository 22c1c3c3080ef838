package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/cli"
)

// requestFlags are the flags of every command that may ask for a token. A flag that is
// given replaces what the profile says.
type requestFlags struct {
	browser, ca, format, client                   string
	minTTL, unknownTTL, timeout                   time.Duration
	port                                          int
	noBrowser, paste, noCache, noCheck, allowHTTP bool
}

func (a *requestFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.browser, "browser", "", "command that opens the address; %s in it stands for the address")
	f.BoolVar(&a.noBrowser, "no-browser", false, "open nothing, only say what to open")
	f.BoolVar(&a.paste, "paste", false, "no listener: the page shows a sealed text, which is read from stdin")
	f.IntVar(&a.port, "port", 0, "port to listen on, for a tunnel or a firewall; 0: any that is free")
	f.DurationVar(&a.timeout, "timeout", 0, "how long to wait for you (default 5m0s)")
	f.DurationVar(&a.minTTL, "min-ttl", cli.DefaultMinTTL, "how long the token must still live")
	f.DurationVar(&a.unknownTTL, "unknown-ttl", cli.DefaultUnknownTTL, "how long a token of unknown lifetime is kept")
	f.BoolVar(&a.noCache, "no-cache", false, "ask anew, and keep nothing")
	f.BoolVar(&a.noCheck, "no-check", false, "do not look whether the server can be reached before you are asked")
	f.StringVar(&a.ca, "ca", "", "PEM file with an authority to trust beside the system's")
	f.StringVar(&a.format, "format", "", "jwe, or triple for a token2go-server 1.0.3 (default jwe)")
	f.StringVar(&a.client, "client", "", "name that the page shows for this program (default token2go)")
	f.BoolVar(&a.allowHTTP, "allow-http", false, "take plain http beyond this computer, readable on the way")
}

// request is what the command line and the profile say together.
func (a *requestFlags) request(c *cobra.Command, server string) (cli.Request, error) {
	config, err := load()
	if err != nil {
		return cli.Request{}, err
	}
	profile, err := config.Find(server, os.Getenv)
	if err != nil {
		return cli.Request{}, err
	}
	return a.apply(c, profile)
}

// apply returns the request for a profile, in which a flag that was given replaces the
// profile's value.
func (a *requestFlags) apply(c *cobra.Command, p cli.Profile) (cli.Request, error) {
	given := c.Flags().Changed
	for _, text := range []struct {
		name, value string
		to          *string
	}{{"browser", a.browser, &p.Browser}, {"ca", a.ca, &p.CA}, {"format", a.format, &p.Format}, {"client", a.client, &p.Client}} {
		if given(text.name) {
			*text.to = text.value
		}
	}
	for _, duration := range []struct {
		name  string
		value time.Duration
		to    *cli.Duration
	}{{"min-ttl", a.minTTL, &p.MinTTL}, {"unknown-ttl", a.unknownTTL, &p.UnknownTTL}, {"timeout", a.timeout, &p.Timeout}} {
		if duration.value < 0 {
			return cli.Request{}, fmt.Errorf("%w: --%s is %s, want 0 or more", cli.ErrUsage, duration.name, duration.value)
		}
		if given(duration.name) || *duration.to == 0 {
			*duration.to = cli.Duration(duration.value)
		}
	}
	if given("port") {
		p.Port = a.port
	}
	if given("allow-http") {
		p.AllowHTTP = a.allowHTTP
	}
	if a.noBrowser {
		p.Browser = "none"
	}
	return cli.Request{Profile: p, Paste: a.paste, NoCache: a.noCache, NoCheck: a.noCheck}, nil
}

func load() (cli.Config, error) {
	path, err := cli.ConfigPath(os.Getenv)
	if err != nil {
		return cli.Config{}, err
	}
	return cli.LoadConfig(path)
}

// servers completes the names of profiles.
func servers(_ *cobra.Command, arguments []string, _ string) ([]string, cobra.ShellCompDirective) {
	config, err := load()
	if err != nil || len(arguments) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []string
	for _, name := range config.Names() {
		found = append(found, cobra.CompletionWithDesc(name, config.Profiles[name].Server))
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

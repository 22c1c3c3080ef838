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
	profile, browser, caFile, format, client             string
	minTTL, unknownTTL, timeout                          time.Duration
	ports                                                []int
	noBrowser, paste, fresh, noCache, noCheck, allowHTTP bool
}

// add adds the flags of a command that may ask for a token.
func (a *requestFlags) add(c *cobra.Command) {
	a.addServer(c)
	f := c.Flags()
	f.BoolVar(&a.paste, "paste", false, "no listener: the page shows a sealed text, which is read from stdin")
	f.IntSliceVar(&a.ports, "port", nil, "port to listen on; of several (`N[,N]`), the first that is free (default any)")
	f.DurationVar(&a.timeout, "timeout", 0, "how long to wait for the sign-in, a `DURATION` such as 90s (default 5m)")
	f.DurationVar(&a.minTTL, "min-ttl", 0, "how long the token must still be valid, a `DURATION` such as 10m (default 1m)")
	f.DurationVar(&a.unknownTTL, "unknown-ttl", 0, "how long a token without a known expiry is used, a `DURATION` (default 5m)")
	f.BoolVar(&a.fresh, "fresh", false, "ask for a new token, and replace the one in the cache")
	f.BoolVar(&a.noCache, "no-cache", false, "ask for a new token, and keep nothing in the cache")
	f.StringVar(&a.format, "format", "", "the answer's `FORMAT`: jwe, or triple for a token2go-server 1.0.3 (default jwe)")
	f.StringVar(&a.client, "client", "", "show `NAME` on the page as this program's name (default token2go)")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"jwe", "triple"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

// addServer adds the flags that say how the server and the browser are reached.
func (a *requestFlags) addServer(c *cobra.Command) {
	addProfile(c, &a.profile)
	f := c.Flags()
	f.StringVar(&a.browser, "browser", "", "open the address with `COMMAND`, in which %s is replaced by the address")
	f.BoolVar(&a.noBrowser, "no-browser", false, "open nothing, only print the address")
	f.BoolVar(&a.noCheck, "no-check", false, "do not check first whether the server can be reached")
	f.StringVar(&a.caFile, "ca-file", "", "trust the authorities in the PEM `FILE` besides the system's")
	f.BoolVar(&a.allowHTTP, "allow-http", false, "allow plain http to other computers, which others can read")
}

func addProfile(c *cobra.Command, profile *string) {
	c.Flags().StringVar(profile, "profile", "", "use the profile `NAME`; with SERVER, keep its token under that name")
	_ = c.RegisterFlagCompletionFunc("profile", func(c *cobra.Command, _ []string, text string) ([]string, cobra.ShellCompDirective) {
		return servers(c, nil, text)
	}) // the flag is there
}

// request is what the command line and the profile say together.
func (a *requestFlags) request(c *cobra.Command, server string) (cli.Request, error) {
	profile, err := find(server, a.profile)
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
	}{{"browser", a.browser, &p.Browser}, {"ca-file", a.caFile, &p.CAFile}, {"format", a.format, &p.Format}, {"client", a.client, &p.Client}} {
		if given(text.name) {
			*text.to = text.value
		}
	}
	for _, duration := range []struct {
		name                string
		value, defaultValue time.Duration
		to                  *cli.Duration
	}{
		{"min-ttl", a.minTTL, cli.DefaultMinTTL, &p.MinTTL},
		{"unknown-ttl", a.unknownTTL, cli.DefaultUnknownTTL, &p.UnknownTTL},
		{"timeout", a.timeout, 0, &p.Timeout},
	} {
		switch {
		case duration.value < 0:
			return cli.Request{}, fmt.Errorf("%w: --%s is %s, want 0 or more", cli.ErrUsage, duration.name, duration.value)
		case given(duration.name):
			*duration.to = cli.Duration(duration.value)
		case *duration.to == 0:
			*duration.to = cli.Duration(duration.defaultValue)
		}
	}
	for _, flag := range []struct {
		name  string
		value bool
		to    *bool
	}{{"allow-http", a.allowHTTP, &p.AllowHTTP}, {"no-check", a.noCheck, &p.NoCheck}} {
		if given(flag.name) {
			*flag.to = flag.value
		}
	}
	if given("port") {
		p.Ports = a.ports
	}
	if a.noBrowser {
		p.Browser = "none"
	}
	if a.fresh && a.noCache {
		return cli.Request{}, fmt.Errorf("%w: --fresh keeps the new token, --no-cache keeps none: want one of them", cli.ErrUsage)
	}
	return cli.Request{Profile: p, Paste: a.paste, Fresh: a.fresh, NoCache: a.noCache}, nil
}

func load() (cli.Config, error) {
	path, err := cli.ConfigPath(os.Getenv)
	if err != nil {
		return cli.Config{}, nil //nolint:nilerr // no home, as in a container: no file of profiles
	}
	return cli.LoadConfig(path)
}

// find returns the profile that SERVER and --profile name.
func find(server, profile string) (cli.Profile, error) {
	config, err := load()
	if err != nil {
		return cli.Profile{}, err
	}
	return config.Find(server, profile, os.Getenv)
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

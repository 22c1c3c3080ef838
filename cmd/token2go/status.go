package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/cli"
)

func statusCommand(env *cli.Env) *cobra.Command {
	var output, profile string
	c := &cobra.Command{
		Use:   "status [SERVER]",
		Short: "List the tokens in the cache, and when they expire",
		Long: "status lists what is known of the tokens in the cache, but never a token itself. With SERVER, the exit\n" +
			"code is 0 if there is a valid token, and 11 if not.",
		Example: `  token2go status
  token2go status work && ./upload.sh
  token2go status --output json`,
		Args:              oneServer,
		ValidArgsFunction: servers,
		RunE: func(_ *cobra.Command, arguments []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("%w: --output is %q, want text or json", cli.ErrUsage, output)
			}
			if len(arguments) == 0 && profile == "" {
				config, err := load()
				if err != nil {
					return err
				}
				return env.StatusAll(config, output == "json")
			}
			p, err := find(first(arguments), profile)
			if err != nil {
				return err
			}
			return env.Status(p, output == "json")
		},
	}
	addProfile(c, &profile)
	c.Flags().StringVarP(&output, "output", "o", "text", "text, or json with a line for each token")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return c
}

func logoutCommand(env *cli.Env) *cobra.Command {
	var a requestFlags
	var all, everywhere bool
	c := &cobra.Command{
		Use:   "logout [SERVER]",
		Short: "Remove a token from this computer",
		Long: "logout removes a server's token from the cache. Copies of the token stay valid until it expires, and\n" +
			"your browser stays signed in at the gateway.\n\n" +
			"--everywhere also opens the gateway's sign-out page: /oauth2/sign_out, which is oauth2-proxy's, or the\n" +
			"profile's sign-out. What that ends is for the gateway to decide.",
		Example: `  token2go logout work
  token2go logout --everywhere work
  token2go logout --all
  token2go config set work sign-out /logout`,
		Args: func(c *cobra.Command, arguments []string) error {
			if all && (everywhere || a.profile != "" || len(arguments) > 0) {
				return fmt.Errorf("%w: --all takes no server and no --everywhere", cli.ErrUsage)
			}
			return oneServer(c, arguments)
		},
		ValidArgsFunction: servers,
		RunE: func(c *cobra.Command, arguments []string) error {
			if all {
				return env.LogoutAll()
			}
			request, err := a.request(c, first(arguments))
			if err != nil {
				return err
			}
			return env.Logout(c.Context(), request, everywhere)
		},
	}
	a.addServer(c)
	c.Flags().BoolVar(&all, "all", false, "remove the tokens of all servers from the cache")
	c.Flags().BoolVar(&everywhere, "everywhere", false, "open the gateway's sign-out page, too")
	return c
}

func doctorCommand(env *cli.Env) *cobra.Command {
	var a requestFlags
	c := &cobra.Command{
		Use:   "doctor [SERVER]",
		Short: "Find out why there is no token, and how to fix it",
		Long: "doctor checks the cache, git's credential helpers, the browser, the server's address, certificate and\n" +
			"clock, and what answers there. It does not ask for a token. If one is kept, doctor also checks whether\n" +
			"the gateway accepts it from a program. The exit code is 12 if something has to be fixed.",
		Example: `  token2go doctor https://t2g.example.org
  token2go doctor --ca-file /etc/ssl/corporate.pem https://t2g.example.org`,
		Args:              oneServer,
		ValidArgsFunction: servers,
		RunE: func(c *cobra.Command, arguments []string) error {
			request, err := a.request(c, first(arguments))
			if err != nil {
				return err
			}
			return env.Doctor(c.Context(), request)
		},
	}
	a.addServer(c)
	return c
}

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
		Short: "Say which tokens are kept, and for how long they live",
		Long: "status lists the tokens in the cache, never a token itself. Of one server it says whether there is a\n" +
			"token that can be used: exit code 0, or else 11.",
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
	c.Flags().StringVarP(&output, "output", "o", "text", "text, or json: a line for each token")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return c
}

func logoutCommand(env *cli.Env) *cobra.Command {
	var a requestFlags
	var all, everywhere bool
	c := &cobra.Command{
		Use:   "logout [SERVER]",
		Short: "Remove a token from this computer",
		Long: "logout removes a server's token from the cache. Until it expires, the token is still valid elsewhere,\n" +
			"and your browser is still signed in at the gateway.\n\n" +
			"With --everywhere the gateway's sign-out page is opened, too: /oauth2/sign_out, which is oauth2-proxy's,\n" +
			"or what the profile's sign-out says. What that ends is for the gateway to decide.",
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
	c.Flags().BoolVar(&all, "all", false, "remove the tokens of all servers")
	c.Flags().BoolVar(&everywhere, "everywhere", false, "open the gateway's sign-out page, too")
	return c
}

func doctorCommand(env *cli.Env) *cobra.Command {
	var a requestFlags
	c := &cobra.Command{
		Use:   "doctor [SERVER]",
		Short: "Say what is in the way of a token, and what mends it",
		Long: "doctor looks at all that lies between this computer and a token: the configuration, the cache, the\n" +
			"browser, the server's address, certificate and clock, and who answers there. It asks for no token.\n" +
			"Where one is kept, it also tries whether the gateway takes it from a program. Exit code 12: there\n" +
			"is something to mend.",
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

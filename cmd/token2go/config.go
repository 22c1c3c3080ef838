package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/cli"
)

func configCommand(env *cli.Env) *cobra.Command {
	var keys strings.Builder
	for _, key := range cli.ProfileKeys() {
		fmt.Fprintf(&keys, "  %-13s %s\n", key[0], key[1])
	}
	c := &cobra.Command{
		Use:   "config",
		Short: "Print and change profiles: servers with names and settings",
		Long: "config prints the profiles. A profile gives a server a name, and sets what would otherwise be flags of\n" +
			"every call. A flag replaces the profile's value. The keys of a profile:\n\n" + keys.String(),
		Example: `  token2go config set work server https://t2g.example.org
  token2go config set work ca-file /etc/ssl/corporate.pem
  token2go config set work git-hosts git.example.org,code.example.org
  token2go config default work
  token2go config unset work ca-file
  token2go config remove work
  token2go config path`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return env.ShowConfig() },
	}
	c.AddCommand(
		setting("path", "Print the path of the file", cobra.NoArgs, func(path string, _ []string) error {
			_, err := fmt.Fprintln(env.Stdout, path)
			return err
		}),
		setting("set PROFILE KEY VALUE", "Set a key of a profile, and create the profile if needed", cobra.ExactArgs(3), func(path string, said []string) error {
			return cli.SetProfile(path, said[0], said[1], said[2])
		}),
		setting("unset PROFILE KEY", "Remove a key from a profile", cobra.ExactArgs(2), func(path string, said []string) error {
			return cli.SetProfile(path, said[0], said[1], "")
		}),
		setting("default PROFILE", "Choose the profile that is used when no server is named", cobra.ExactArgs(1), func(path string, said []string) error {
			return cli.SetDefault(path, said[0])
		}),
		setting("remove PROFILE", "Remove a profile", cobra.ExactArgs(1), func(path string, said []string) error {
			return cli.RemoveProfile(path, said[0])
		}),
	)
	return c
}

// setting is a command about the file of profiles.
func setting(use, short string, count cobra.PositionalArgs, do func(path string, said []string) error) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Long: short + "."}
	c.Args = func(c *cobra.Command, arguments []string) error {
		if err := count(c, arguments); err != nil {
			return fmt.Errorf("%w: %w; want token2go config %s", cli.ErrUsage, err, use)
		}
		return nil
	}
	c.RunE = func(_ *cobra.Command, said []string) error {
		path, err := cli.ConfigPath(os.Getenv)
		if err != nil {
			return err
		}
		return do(path, said)
	}
	c.ValidArgsFunction = func(c *cobra.Command, said []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(said) == 1 && c.Name() != "default" && c.Name() != "remove" {
			var keys []string
			for _, key := range cli.ProfileKeys() {
				keys = append(keys, cobra.CompletionWithDesc(key[0], key[1]))
			}
			return keys, cobra.ShellCompDirectiveNoFileComp
		}
		return servers(c, said, "")
	}
	return c
}

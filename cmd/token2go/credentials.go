package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/cli"
)

func execCredentialCommand(env *cli.Env) *cobra.Command {
	var a requestFlags
	c := &cobra.Command{
		Use:   "exec-credential [SERVER]",
		Short: "Answer kubectl as a credential plugin",
		Long: "exec-credential prints a token as client-go's credential plugins do (client.authentication.k8s.io/v1\n" +
			"and v1beta1), for kubectl, helm, k9s and everything else that reads a kubeconfig. What it says to\n" +
			"you comes through kubectl's stderr.",
		Example: `  # in a kubeconfig, under users: - name: … user:
  #   exec:
  #     apiVersion: client.authentication.k8s.io/v1
  #     interactiveMode: IfAvailable
  #     command: token2go
  #     args: [exec-credential, https://t2g.example.org]
  token2go exec-credential https://t2g.example.org`,
		Args:              oneServer,
		ValidArgsFunction: servers,
		RunE: func(c *cobra.Command, arguments []string) error {
			request, err := a.request(c, first(arguments))
			if err != nil {
				return err
			}
			return env.ExecCredential(c.Context(), request)
		},
	}
	a.add(c)
	return c
}

func gitCredentialCommand(env *cli.Env) *cobra.Command {
	var a requestFlags
	operations := []string{"get", "store", "erase"}
	c := &cobra.Command{
		Use:   "git-credential get|store|erase",
		Short: "Answer git as a credential helper",
		Long: "git-credential gives git the token for the hosts that a profile names, and nothing for any other: a\n" +
			"clone address from somewhere must not be given your token. git 2.46 and newer send it as a bearer\n" +
			"token; older ones as the password of a user (oauth2, or what the profile's git-username says).\n" +
			"A token that a host refuses is forgotten. Plain http is given nothing, but on this computer.",
		Example: `  token2go config set work server https://t2g.example.org
  token2go config set work git-hosts git.example.org
  git config --global credential.https://git.example.org.helper '!token2go git-credential'`,
		ValidArgs: operations,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) != 1 {
				return fmt.Errorf("%w: want one of %s; git calls this (see token2go git-credential --help)", cli.ErrUsage, strings.Join(operations, ", "))
			}
			return nil
		},
		RunE: func(c *cobra.Command, arguments []string) error {
			if !slices.Contains(operations, arguments[0]) {
				return nil // git may think of others, which helpers are to pass over
			}
			config, err := load()
			if err != nil {
				return err
			}
			return env.GitCredential(c.Context(), config, a.profile, arguments[0], func(p cli.Profile) (cli.Request, error) { return a.apply(c, p) })
		},
	}
	a.add(c)
	c.Flags().Lookup("profile").Usage = "`NAME` of the profile whose hosts count (default: the first that names the host)"
	return c
}

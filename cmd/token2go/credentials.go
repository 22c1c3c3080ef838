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
		Long: "exec-credential prints a token as a credential plugin of client-go (client.authentication.k8s.io/v1\n" +
			"and v1beta1), for kubectl, helm, k9s and other programs that read a kubeconfig. Its messages come\n" +
			"through kubectl's stderr. After a 401, kubectl calls it again, and it asks for a new token.",
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
			request.Program = true
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
		Long: "git-credential gives git the token for the hosts in a profile's git-hosts, and for no other host.\n" +
			"git 2.46 and newer send it as a bearer token; older ones as the password of the user oauth2, or of\n" +
			"the profile's git-username. A token that a host refuses is removed from the cache. Plain http gets\n" +
			"nothing, except on this computer.\n\n" +
			"The empty helper in the example comes first so that no other helper, such as store, gets the token.",
		Example: `  token2go config set work server https://t2g.example.org
  token2go config set work git-hosts git.example.org
  git config --global credential.https://git.example.org.helper ''
  git config --global --add credential.https://git.example.org.helper '!token2go git-credential'`,
		ValidArgs: operations,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) != 1 {
				return fmt.Errorf("%w: want one of %s; git calls this (see token2go git-credential --help)", cli.ErrUsage, strings.Join(operations, ", "))
			}
			return nil
		},
		RunE: func(c *cobra.Command, arguments []string) error {
			if !slices.Contains(operations, arguments[0]) {
				return nil // helpers ignore operations that they do not know (gitcredentials(7))
			}
			config, err := load()
			if err != nil {
				return err
			}
			return env.GitCredential(c.Context(), config, a.profile, arguments[0], func(p cli.Profile) (cli.Request, error) {
				request, err := a.apply(c, p)
				request.Program = true
				return request, err
			})
		},
	}
	a.add(c)
	c.Flags().Lookup("profile").Usage = "use the profile `NAME` (default: the first that names the host)"
	return c
}

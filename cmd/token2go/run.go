package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/cli"
)

const renewals = "\n\nA new token needs your browser. With --renew=ask one line with the address to open comes on stderr\n" +
	"before the old token ends, and a notice on the desktop where there is one; open opens the browser by\n" +
	"itself; never asks nothing. Whatever is said there, a token that another token2go gets is taken over."

func runCommand(env *cli.Env) *cobra.Command {
	var a requestFlags
	var options cli.RunOptions
	c := &cobra.Command{
		Use:   "run [SERVER] -- COMMAND [ARGUMENT...]",
		Short: "Run a command with a file that holds a token and is kept fresh",
		Long: "run runs a command with $BEARER_TOKEN_FILE, the path of a file that holds the token alone and is\n" +
			"replaced before the token ends. The file is gone when the command has ended. Signals and the exit\n" +
			"code are passed through." + renewals + "\n\n" +
			"$BEARER_TOKEN is taken out of the command's environment: tools prefer it to the file and would keep\n" +
			"an old token. For a tool that knows neither, --file-var names a variable that gets the path, and\n" +
			"--token-var one that gets the token as it is at the start, which is not renewed.",
		Example: `  token2go run https://t2g.example.org -- ./download.sh
  token2go run work --token-var GDAL_HTTP_BEARER -- gdalinfo /vsicurl/https://data.example.org/scene.tif
  token2go run --file-var TOKEN_PATH -- ./fetch --all
  token2go run --renew=open -- make tiles`,
		Args: func(c *cobra.Command, arguments []string) error {
			switch dash := c.ArgsLenAtDash(); {
			case dash < 0:
				return fmt.Errorf("%w: put -- before the command: token2go run [SERVER] -- COMMAND", cli.ErrUsage)
			case dash == len(arguments):
				return fmt.Errorf("%w: there is no command after --", cli.ErrUsage)
			default:
				return oneServer(c, arguments[:dash])
			}
		},
		ValidArgsFunction: func(c *cobra.Command, said []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			if c.ArgsLenAtDash() >= 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return servers(c, said, toComplete)
		},
		RunE: func(c *cobra.Command, arguments []string) (err error) {
			dash := c.ArgsLenAtDash()
			if options.Request, err = a.request(c, first(arguments[:dash])); err != nil {
				return err
			}
			if options.Renew, err = renewal(options.Renew, options.Request); err != nil {
				return err
			}
			options.Command = arguments[dash:]
			return env.Run(c.Context(), options)
		},
	}
	a.add(c)
	addRenew(c, &options.Renew)
	c.Flags().StringArrayVar(&options.FileNames, "file-var", nil, "variable that gets the file's path, too; can be given again")
	c.Flags().StringArrayVar(&options.TokenNames, "token-var", nil, "variable that gets the token as it is at the start; can be given again")
	return c
}

func keepCommand(env *cli.Env) *cobra.Command {
	var a requestFlags
	var options cli.KeepOptions
	c := &cobra.Command{
		Use:   "keep [SERVER]",
		Short: "Keep a file fresh that holds a token",
		Long: "keep writes the token alone into a file of mode 0600, replaces it in one step before the token\n" +
			"ends, and removes it when keep ends (Ctrl-C).\n\n" +
			"Without --file it is where WLCG bearer token discovery looks: $BEARER_TOKEN_FILE, else\n" +
			"$XDG_RUNTIME_DIR/bt_u$UID, else /tmp/bt_u$UID; so tools that follow it find the token by themselves." + renewals,
		Example: `  token2go keep https://t2g.example.org
  token2go keep work --file ~/.config/tool/token
  token2go keep --renew=open --leave`,
		Args:              oneServer,
		ValidArgsFunction: servers,
		RunE: func(c *cobra.Command, arguments []string) (err error) {
			if options.Request, err = a.request(c, first(arguments)); err != nil {
				return err
			}
			if options.Renew, err = renewal(options.Renew, options.Request); err != nil {
				return err
			}
			return env.Keep(c.Context(), options)
		},
	}
	a.add(c)
	addRenew(c, &options.Renew)
	c.Flags().StringVar(&options.File, "file", "", "path of the file (default: where WLCG bearer token discovery looks)")
	c.Flags().BoolVar(&options.Leave, "leave", false, "leave the file there when keep ends")
	return c
}

func addRenew(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "renew", "", "before the token ends: ask, open or never (default ask)")
	_ = c.RegisterFlagCompletionFunc("renew", cobra.FixedCompletions(cli.Renewals(), cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

// renewal is what the flag says, else the profile, else ask.
func renewal(flag string, r cli.Request) (string, error) {
	mode := cmp.Or(flag, r.Renew, "ask")
	if !slices.Contains(cli.Renewals(), mode) {
		return "", fmt.Errorf("%w: --renew is %q, want %s", cli.ErrUsage, mode, strings.Join(cli.Renewals(), ", "))
	}
	return mode, nil
}

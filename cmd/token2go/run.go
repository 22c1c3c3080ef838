package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/cli"
)

const renewals = "\n\nA new token needs your browser. Before the old one expires, --renew=ask prints one line with the\n" +
	"address to open, and shows a desktop notification if it can; open opens the browser; never does\n" +
	"neither. In each case, a token that another token2go gets is used as well."

func runCommand(env *cli.Env) *cobra.Command {
	var a requestFlags
	var options cli.RunOptions
	c := &cobra.Command{
		Use:   "run [SERVER] -- COMMAND [ARGUMENT...]",
		Short: "Run a command with a token file that is kept fresh",
		Long: "run runs a command with $BEARER_TOKEN_FILE, the path of a file that contains the token and nothing\n" +
			"else. It is replaced before the token expires, and removed when the command has ended. Signals and\n" +
			"the exit code are passed through." + renewals + "\n\n" +
			"$BEARER_TOKEN is removed from the command's environment, because tools prefer it to the file and\n" +
			"would go on with an old token. For other tools, --file-var names a variable for the path, and\n" +
			"--token-var one for the token itself, which is not renewed. GDAL reads GDAL_HTTP_BEARER, and needs\n" +
			"GDAL_HTTP_AUTH=BEARER with it.",
		Example: `  token2go run https://t2g.example.org -- ./download.sh
  export GDAL_HTTP_AUTH=BEARER
  token2go run work --token-var GDAL_HTTP_BEARER -- gdalinfo /vsicurl/https://data.example.org/a.tif
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
	c.Flags().StringArrayVar(&options.FileNames, "file-var", nil, "set the variable `NAME` to the file's path, too; can be repeated")
	c.Flags().StringArrayVar(&options.TokenNames, "token-var", nil, "set the variable `NAME` to the token at the start; can be repeated")
	return c
}

func keepCommand(env *cli.Env) *cobra.Command {
	var a requestFlags
	var options cli.KeepOptions
	c := &cobra.Command{
		Use:   "keep [SERVER]",
		Short: "Keep a fresh token in a file",
		Long: "keep writes the token, and nothing else, into a file of mode 0600, replaces the file in one step\n" +
			"before the token expires, and removes it when keep ends (Ctrl-C).\n\n" +
			"Without --file, the file is where WLCG bearer token discovery looks: $BEARER_TOKEN_FILE, else\n" +
			"$XDG_RUNTIME_DIR/bt_u$UID, else /tmp/bt_u$UID." + renewals,
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
	c.Flags().StringVar(&options.File, "file", "", "keep the token in `PATH` (default: where WLCG bearer token discovery looks)")
	c.Flags().BoolVar(&options.Leave, "leave", false, "do not remove the file when keep ends")
	return c
}

func addRenew(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "renew", "", "what to do before the token expires, a `MODE`: ask, open or never (default ask)")
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

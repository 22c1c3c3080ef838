package main

import (
	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/cli"
)

func getCommand(env *cli.Env) *cobra.Command {
	var a requestFlags
	var options cli.GetOptions
	c := &cobra.Command{
		Use:   "get [SERVER]",
		Short: "Print a token",
		Long: "get prints a token: one that is kept from before and still lives long enough, or a new one, for\n" +
			"which it opens your browser. Only the token goes to stdout; the address to open, four words to\n" +
			"compare and all else go to stderr.\n\n" +
			"Where no browser of this computer can be meant (SSH, a container, no display), open the address\n" +
			"anywhere, and paste what the page shows. The address http://127.0.0.1:… that a browser could\n" +
			"not reach can be pasted, too.",
		Example: `  token=$(token2go get https://t2g.example.org)
  curl -H "$(token2go get --output header)" https://api.example.org/items
  token2go get --output curl-config | curl --config - https://api.example.org/items
  eval "$(token2go get --output env:GDAL_HTTP_BEARER)"
  token2go get --output file:token.txt
  token2go get --copy
  token2go get --min-ttl 10m work`,
		Args:              oneServer,
		ValidArgsFunction: servers,
		RunE: func(c *cobra.Command, arguments []string) (err error) {
			if options.Request, err = a.request(c, first(arguments)); err != nil {
				return err
			}
			return env.Get(c.Context(), options)
		},
	}
	a.add(c)
	c.Flags().StringVarP(&options.Output, "output", "o", "", "token, json, env, env:NAME, header, curl-config or file:PATH (default token)")
	c.Flags().BoolVar(&options.Copy, "copy", false, "put the token into the clipboard, and print it only with --output")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(cli.Outputs(), cobra.ShellCompDirectiveNoSpace)) // the flag is there
	return c
}

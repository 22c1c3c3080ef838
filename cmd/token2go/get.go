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
		Long: "get prints the token from the cache if it is valid for long enough, or opens your browser for a new\n" +
			"one. Only the token goes to stdout; the address to open, four words to compare and messages go to\n" +
			"stderr.\n\n" +
			"Over SSH, in a container or without a display no browser is opened: open the address on any computer,\n" +
			"and paste what the page shows. An http://127.0.0.1 address that the browser could not reach can be\n" +
			"pasted, too.\n\n" +
			"Other users can read command lines (ps): pass the token on by stdin, a file or the environment.",
		Example: `  token2go get --output header https://t2g.example.org | curl --header @- https://api.example.org/items
  token2go get --output curl-config | curl --config - https://api.example.org/items
  eval "$(token2go get --output env:API_TOKEN)"
  token2go get --output file:token.txt
  token=$(token2go get)
  token2go get --copy
  token2go get --min-ttl 10m work
  token2go get --fresh work`,
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
	c.Flags().StringVarP(&options.Output, "output", "o", "", "print the token in a `FORM`: token, json, env, env:NAME, header, curl-config or file:PATH (default token)")
	c.Flags().BoolVar(&options.Copy, "copy", false, "put the token into the clipboard; print it only with --output")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(cli.Outputs(), cobra.ShellCompDirectiveNoSpace)) // the flag is there
	return c
}

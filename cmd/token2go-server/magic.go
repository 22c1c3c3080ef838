package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/pass/magic"
)

func magicCommand() *cobra.Command {
	return group("magic", "Make keys for the tokens of magic-api-proxy",
		"magic is for servers that take the tokens of magic-api-proxy.", magicKeysCommand())
}

func magicKeysCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "keys FOLDER",
		Short: "Make a key pair in a folder, for T2G_MAGIC_KEYS_DIR",
		Long: "keys makes private.pem and public.pem in a folder, which is made too. It replaces no key:\n" +
			"all tokens that were made with it would end. A key pair of magic-api-proxy works as it is.",
		Example: "  token2go-server magic keys /var/lib/token2go/magic",
		Args:    oneArgument("folder"),
		RunE: func(c *cobra.Command, arguments []string) error {
			err := magic.CreateKeys(arguments[0])
			if errors.Is(err, magic.ErrExists) {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "private.pem and public.pem are in %s\n", arguments[0])
			return nil
		},
	}
}

// oneArgument wants exactly one argument, which is named in the refusal.
func oneArgument(name string) cobra.PositionalArgs {
	return func(c *cobra.Command, arguments []string) error {
		if len(arguments) != 1 {
			return fmt.Errorf("%w: want one %s; try %s --help", errUsage, name, c.CommandPath())
		}
		return nil
	}
}

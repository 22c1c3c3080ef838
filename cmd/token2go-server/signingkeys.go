package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/keyring"
	"github.com/token2go/token2go/internal/signing"
	"github.com/token2go/token2go/internal/store"
)

func signingKeysCommand() *cobra.Command {
	return group("signing-keys", "List, make, activate, retire and revoke signing keys",
		"signing-keys is about the keys that sign API keys (apikey), lists of revoked ones (status) and\n"+
			"assertions for applications (assertion). A key is next (published, does not sign), active (the newest\n"+
			"signs), retired (verifies only) or revoked (all that it signed is void). Write -- before an ID that begins\n"+
			"with a hyphen.\n"+onTheMachine,
		signingKeysListCommand(), signingKeysNewCommand(), signingKeysActivateCommand(), signingKeysRetireCommand(),
		signingKeysRevokeCommand(), signingKeysImportCommand())
}

// withSigningKeys runs a command on the signing keys of the database.
func withSigningKeys(c *cobra.Command, run func(context.Context, *keyring.Keyring) error) error {
	return withDatabase(c.Context(), func(s settings, opened *store.Store) error {
		databaseKeys, err := databaseKeys(s.Database)
		if err != nil {
			return err
		}
		ring, err := openKeyring(c.Context(), s, opened, databaseKeys, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		err = run(c.Context(), ring)
		for _, misuse := range []error{keyring.ErrTooEarly, keyring.ErrLast, keyring.ErrState, keyring.ErrExists, keyring.ErrInvalid, store.ErrNotFound} {
			if errors.Is(err, misuse) {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
		}
		return err
	})
}

func signingKeysListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Print every signing key",
		Long:  "list prints a line for each signing key, the oldest first. No line has a private key.",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return withSigningKeys(c, func(ctx context.Context, ring *keyring.Keyring) error {
				all, err := ring.List(ctx)
				if err != nil {
					return err
				}
				var rows [][]string
				for _, key := range all {
					rows = append(rows, []string{key.ID, key.Purpose, key.State, moment(key.Created)})
				}
				return table(c.OutOrStdout(), "ID PURPOSE STATE CREATED", rows)
			})
		},
	}
}

func signingKeysNewCommand() *cobra.Command {
	var purpose string
	c := &cobra.Command{
		Use:     "new",
		Short:   "Make a signing key that is published and does not sign yet",
		Long:    "new makes a signing key and prints its ID. It is published at once; activate it an hour later, when\nevery verifier has read it.",
		Example: "  token2go-server signing-keys new",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return withSigningKeys(c, func(ctx context.Context, ring *keyring.Keyring) error {
				key, err := ring.Make(ctx, operator.Name, signing.Purpose(purpose))
				if err == nil {
					fmt.Fprintln(c.OutOrStdout(), key.ID)
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&purpose, "purpose", string(signing.APIKeys), "what it signs: apikey, status or assertion")
	return c
}

// signingKeyCommand is a command that changes one key.
func signingKeyCommand(use, short, long, done string, change func(context.Context, *keyring.Keyring, string) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " ID", Short: short, Long: long, Args: oneArgument("ID of a signing key"),
		RunE: func(c *cobra.Command, arguments []string) error {
			return withSigningKeys(c, func(ctx context.Context, ring *keyring.Keyring) error {
				err := change(ctx, ring, arguments[0])
				if err == nil {
					fmt.Fprintf(c.OutOrStdout(), "signing key %s is %s\n", arguments[0], done)
				}
				return err
			})
		},
	}
}

func signingKeysActivateCommand() *cobra.Command {
	var now bool
	c := signingKeyCommand("activate", "Have a signing key sign",
		"activate has a signing key sign, if it is the newest active one. It refuses a key that was not\n"+
			"published for an hour, unless --now is given: verifiers that have not read it refuse what it signs.",
		"active", func(ctx context.Context, ring *keyring.Keyring, id string) error {
			return ring.Activate(ctx, operator.Name, id, now)
		})
	c.Flags().BoolVar(&now, "now", false, "activate it although verifiers may not have read it")
	return c
}

func signingKeysRetireCommand() *cobra.Command {
	return signingKeyCommand("retire", "Have a signing key verify and no longer sign",
		"retire has a signing key sign no more. What it has signed stays good. The last active key of a\npurpose cannot be retired.",
		"retired", func(ctx context.Context, ring *keyring.Keyring, id string) error {
			return ring.Retire(ctx, operator.Name, id)
		})
}

func signingKeysRevokeCommand() *cobra.Command {
	return signingKeyCommand("revoke", "End a signing key, and all that it has signed",
		"revoke ends a signing key, and with it every API key that it has signed. The active key before it\n"+
			"signs again; where there is none, one that is next does, or a new one. It cannot be undone.",
		"revoked", func(ctx context.Context, ring *keyring.Keyring, id string) error {
			return ring.Revoke(ctx, operator.Name, id)
		})
}

func signingKeysImportCommand() *cobra.Command {
	var activate bool
	c := &cobra.Command{
		Use:   "import -|FILE",
		Short: "Take over a signing key of apikeyserv",
		Long: "import reads a private key in PEM (PKCS#8, Ed25519) from a file, or from standard input, and prints its\n" +
			"ID. API keys that it has signed are verified from then on. With --activate it signs, too. An RSA or\n" +
			"P-256 key is refused: the client of apikeyserv fails on a key set that has one.",
		Example: "  token2go-server signing-keys import apikeyserv.pem --activate",
		Args:    oneArgument("file, or -"),
		RunE: func(c *cobra.Command, arguments []string) error {
			pem, err := readInput(c.InOrStdin(), arguments[0])
			if err != nil {
				return err
			}
			return withSigningKeys(c, func(ctx context.Context, ring *keyring.Keyring) error {
				key, err := ring.Import(ctx, operator.Name, pem, activate)
				if err == nil {
					fmt.Fprintln(c.OutOrStdout(), key.ID)
				}
				return err
			})
		},
	}
	c.Flags().BoolVar(&activate, "activate", false, "have it sign, too")
	return c
}

// maxPEM bounds a private key in PEM, in bytes.
const maxPEM = 16 << 10

func readInput(stdin io.Reader, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(stdin, maxPEM))
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxPEM))
}

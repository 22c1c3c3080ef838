package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/pass/lockbox"
	"github.com/token2go/token2go/internal/secret"
)

// lockboxPlan holds the flags of the commands that make lockbox's tokens.
type lockboxPlan struct {
	service, audience, keyFile string
	duration                   int // seconds
}

func lockboxCommand() *cobra.Command {
	return group("lockbox", "Make tokens of lockbox",
		"lockbox makes the tokens of lockbox, which this server takes for its services: the same\ncommands with the same flags as there.",
		lockboxServiceCommand(), lockboxAdminCommand())
}

// group makes a command that has others below it and does nothing itself.
func group(name, short, long string, below ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: name, Short: short, Long: long, Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return fmt.Errorf("%w: %s wants one of its commands; try %s --help", errUsage, c.Name(), c.CommandPath())
		},
	}
	c.AddCommand(below...)
	return c
}

func lockboxServiceCommand() *cobra.Command {
	var plan lockboxPlan
	c := &cobra.Command{
		Use:     "service-token",
		Short:   "Print a token for one service",
		Long:    "service-token prints a token that opens one service, for the callers that its audience names.",
		Example: "  token2go-server lockbox service-token --service-name github --audience ci --signing-key-file /etc/token2go/lockbox.key",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if plan.service == "" || plan.audience == "" {
				return fmt.Errorf("%w: want --service-name and --audience", errUsage)
			}
			return plan.print(c, func(k lockbox.Key, expires time.Time) (secret.Value, error) {
				return k.ServiceToken(plan.service, plan.audience, expires)
			})
		},
	}
	c.Flags().StringVar(&plan.service, "service-name", "", "name of the service in the services file")
	c.Flags().StringVar(&plan.audience, "audience", "", "who is to use the token, as valid_audiences of the service names them")
	plan.flags(c)
	return c
}

func lockboxAdminCommand() *cobra.Command {
	var plan lockboxPlan
	c := &cobra.Command{
		Use:   "admin-token",
		Short: "Print a token that has the services file read again",
		Long:  "admin-token prints a token for POST /admin/reload. It opens no service.",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return plan.print(c, lockbox.Key.AdminToken) },
	}
	plan.flags(c)
	return c
}

func (p *lockboxPlan) flags(c *cobra.Command) {
	c.Flags().StringVar(&p.keyFile, "signing-key-file", "", "`FILE` whose whole content is the signing key, its line break too")
	c.Flags().IntVar(&p.duration, "duration", 3600, "how long the token is valid, in seconds")
}

// print prints the token and one line break, as lockbox does.
func (p *lockboxPlan) print(c *cobra.Command, mint func(lockbox.Key, time.Time) (secret.Value, error)) error {
	switch {
	case p.keyFile == "":
		return fmt.Errorf("%w: want --signing-key-file", errUsage)
	case p.duration < 1:
		return fmt.Errorf("%w: duration: got %d, want at least 1 second", errUsage, p.duration)
	}
	key, err := lockbox.ReadKey(p.keyFile)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if key.Weak() {
		fmt.Fprintln(c.ErrOrStderr(), "warning: the signing key is shorter than 32 bytes; who guesses it opens every service")
	}
	token, err := mint(key, time.Now().Add(time.Duration(p.duration)*time.Second))
	if err != nil {
		return err
	}
	fmt.Fprintln(c.OutOrStdout(), token.Reveal())
	return nil
}

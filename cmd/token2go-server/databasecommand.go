package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/store"
)

func databaseCommand() *cobra.Command {
	return group("database", "Migrate, inspect and back up the database",
		"database is about the database of people and API keys that T2G_DATABASE_URL names.",
		databaseMigrateCommand(), databaseStatusCommand(), databaseBackupCommand())
}

func databaseMigrateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the schema up to date",
		Long:  "migrate does what the server does at its start: it brings the schema up to date, and makes the\ndatabase where it is missing. Run it as the server's own user.",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := load()
			if err != nil {
				return err
			}
			if s.Database.URL.Absent() {
				return fmt.Errorf("%w: this command wants T2G_DATABASE_URL, as the server has it", errUsage)
			}
			opened, err := store.Open(c.Context(), store.Options{URL: s.Database.URL.Reveal(), Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				return err
			}
			defer opened.Close()
			status, err := opened.Status(c.Context())
			fmt.Fprintf(c.OutOrStdout(), "schema %d\n", status.Version)
			return err
		},
	}
}

func databaseStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Print the schema, and which database keys API keys need",
		Long: "status prints the version of the schema, and for each database key how many live API keys need it.\n" +
			"A database key that none needs may be taken out of T2G_DATABASE_KEY. It ends with exit code 1 if\n" +
			"the server would not start.",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := load()
			if err != nil {
				return err
			}
			opened, err := connectDatabase(c.Context(), s)
			if err != nil {
				return err
			}
			defer opened.Close()
			return printStatus(c.Context(), c.OutOrStdout(), s, opened)
		},
	}
}

func printStatus(ctx context.Context, w io.Writer, s settings, opened *store.Store) error {
	status, err := opened.Status(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "schema        %d of %d\n", status.Version, status.Latest)
	switch {
	case status.Version > status.Latest:
		return store.ErrNewer
	case status.Version < status.Latest:
		return nil // the server's start brings it up to date
	}
	needed, err := opened.Peppers(ctx, time.Now())
	if err != nil {
		return err
	}
	databaseKeys, err := databaseKeys(s.Database)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	peppers, err := peppersOf(databaseKeys)
	if err != nil {
		return err
	}
	return printPeppers(w, peppers, needed)
}

// printPeppers prints each database key by the ID of its pepper.
func printPeppers(w io.Writer, peppers []apikey.Pepper, needed map[apikey.PepperID]int) error {
	for i, pepper := range peppers {
		use := "old"
		if i == 0 {
			use = "current"
		}
		fmt.Fprintf(w, "database key  %s  %-8s live keys: %d\n", pepper.ID, use, needed[pepper.ID])
		delete(needed, pepper.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(needed)) {
		fmt.Fprintf(w, "database key  %s  missing  live keys: %d\n", id, needed[id])
	}
	if len(needed) > 0 {
		return errors.New("a database key is missing, so the server does not start; add it to T2G_DATABASE_KEY after the current one")
	}
	return nil
}

func databaseBackupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy an SQLite database to a new file while the server runs",
		Long: "backup writes a copy of an SQLite database, as it is at one moment, to a new file that only the\n" +
			"server's user can read. The server may run. The database key is not in it: keep that apart. Back\n" +
			"PostgreSQL up with pg_dump.",
		Example: "  token2go-server database backup /var/backups/token2go.db",
		Args:    oneArgument("file that does not exist yet"),
		RunE: func(c *cobra.Command, arguments []string) error {
			return withDatabase(c.Context(), func(_ settings, opened *store.Store) error {
				return opened.Backup(c.Context(), arguments[0])
			})
		},
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/store"
)

// onTheMachine is what help texts say of commands that need no sign-in.
const onTheMachine = "It needs no sign-in: whoever may read the database may use it, and the event says \"command line\".\n" +
	"It has the environment of the server, which sees the change within a second."

// operator is who changes something by these commands.
var operator = keys.Actor{Name: "command line", Admin: true}

// withDatabase runs a command on the database of the environment, whose schema must be
// that of this program.
func withDatabase(ctx context.Context, run func(settings, *store.Store) error) error {
	s, err := load()
	if err != nil {
		return err
	}
	opened, err := connectDatabase(ctx, s)
	if err != nil {
		return err
	}
	defer opened.Close()
	status, err := opened.Status(ctx)
	if err != nil {
		return err
	}
	if status.Version != status.Latest {
		return fmt.Errorf("the database has schema %d, and this program wants %d; start the server, or run token2go-server database migrate", status.Version, status.Latest)
	}
	return run(s, opened)
}

// connectDatabase opens a database that exists, and changes nothing in it.
func connectDatabase(ctx context.Context, s settings) (*store.Store, error) {
	if s.Database.URL.Absent() {
		return nil, fmt.Errorf("%w: this command wants T2G_DATABASE_URL, as the server has it", errUsage)
	}
	if s.Database.IsSQLite() {
		if _, err := os.Stat(s.Database.Path()); err != nil {
			return nil, fmt.Errorf("database: %w", err)
		}
	}
	return store.Connect(ctx, store.Options{URL: s.Database.URL.Reveal(), Log: slog.New(slog.DiscardHandler)})
}

// withKeys runs a command on the keys of the database.
func withKeys(c *cobra.Command, run func(ctx context.Context, m *keys.Manager, opened *store.Store) error) error {
	return withDatabase(c.Context(), func(s settings, opened *store.Store) error {
		databaseKeys, err := databaseKeys(s.Database)
		if err != nil {
			return err
		}
		peppers, err := peppersOf(databaseKeys)
		if err != nil {
			return err
		}
		ring, err := openKeyring(c.Context(), s, opened, databaseKeys, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		return run(c.Context(), newManager(s, opened, peppers, ring, nil), opened)
	})
}

// table writes aligned columns.
func table(w io.Writer, header string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.ReplaceAll(header, " ", "\t"))
	for _, row := range rows {
		for i, cell := range row {
			row[i] = printable(cell)
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// printable has nothing in it that a terminal acts on: names come from identity providers.
func printable(text string) string {
	if text == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// asUsage marks errors of the caller's own input.
func asUsage(err error) error {
	var invalid *keys.Invalid
	var denied *keys.Denied
	if errors.As(err, &invalid) || errors.As(err, &denied) {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return err
}

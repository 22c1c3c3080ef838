package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/store"
)

func peopleCommand() *cobra.Command {
	return group("people", "List people, end their keys, disable them",
		"people does on the server's machine what administrators do on the pages, when no one can sign in.\n"+onTheMachine,
		peopleListCommand(), peopleShowCommand(), peopleRevokeKeysCommand(),
		peopleActiveCommand("deactivate", "Refuse all keys of a person from now on",
			"deactivate disables a person: every key of theirs is refused within a second, and they can make none.\nTheir keys are good again after people activate.", false),
		peopleActiveCommand("activate", "Take the keys of a person again",
			"activate undoes deactivate. Keys that were revoked stay revoked.", true))
}

func peopleListCommand() *cobra.Command {
	var filter store.PersonFilter
	c := &cobra.Command{
		Use:     "list",
		Short:   "Print everyone who was at the gateway, or those who match",
		Long:    "list prints a line for each person who was at the gateway: ID, whether the person is active, when the\nperson was there last, login, e-mail address and subject.",
		Example: "  token2go-server people list --text ann@",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return withDatabase(c.Context(), func(_ settings, opened *store.Store) error {
				return listPeople(c.Context(), c.OutOrStdout(), opened, filter)
			})
		},
	}
	c.Flags().StringVar(&filter.Text, "text", "", "only people with this `TEXT` in their login, e-mail address or subject")
	return c
}

func listPeople(ctx context.Context, w io.Writer, opened *store.Store, filter store.PersonFilter) error {
	var rows [][]string
	filter.Limit = 1000
	for {
		page, err := opened.People(ctx, filter)
		if err != nil {
			return err
		}
		for _, p := range page {
			rows = append(rows, []string{strconv.FormatInt(p.ID, 10), active(p), moment(p.Seen), p.Login, p.Email, p.Subject})
		}
		if len(page) < filter.Limit {
			return table(w, "ID ACTIVE SEEN LOGIN EMAIL SUBJECT", rows)
		}
		filter.After = page[len(page)-1].ID
	}
}

func active(p store.Person) string {
	if p.Active {
		return "yes"
	}
	return "no"
}

// errAmbiguous is returned for a name that several people have.
var errAmbiguous = errors.New("several people have this name; give the ID of one, which people list prints")

// personOf finds a person by ID, or by a whole login, e-mail address or subject.
func personOf(ctx context.Context, opened *store.Store, text string) (store.Person, error) {
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		p, err := opened.Person(ctx, id)
		if !errors.Is(err, store.ErrNotFound) {
			return p, err
		}
	}
	filter := store.PersonFilter{Text: text, Limit: 1000}
	var found []store.Person
	for {
		page, err := opened.People(ctx, filter)
		if err != nil {
			return store.Person{}, err
		}
		for _, p := range page {
			if text == p.Login || text == p.Email || text == p.Subject {
				found = append(found, p)
			}
		}
		if len(page) < filter.Limit {
			break
		}
		filter.After = page[len(page)-1].ID
	}
	switch len(found) {
	case 0:
		return store.Person{}, fmt.Errorf("person %q: %w", text, store.ErrNotFound)
	case 1:
		return found[0], nil
	}
	return store.Person{}, fmt.Errorf("%w: %q: %w", errUsage, text, errAmbiguous)
}

// aboutPerson makes a command about the person that its argument names.
func aboutPerson(use, short, long string, run func(c *cobra.Command, m *keys.Manager, opened *store.Store, p store.Person) error) *cobra.Command {
	return &cobra.Command{
		Use:   use + " PERSON",
		Short: short,
		Long:  long + "\nPERSON is an ID, or a whole login, e-mail address or subject.",
		Args:  oneArgument("person"),
		RunE: func(c *cobra.Command, arguments []string) error {
			return withKeys(c, func(ctx context.Context, m *keys.Manager, opened *store.Store) error {
				person, err := personOf(ctx, opened, arguments[0])
				if err != nil {
					return err
				}
				return run(c, m, opened, person)
			})
		},
	}
}

func peopleShowCommand() *cobra.Command {
	return aboutPerson("show", "Print what is known of one person, with keys and history",
		"show prints what is stored of a person, the person's API keys and the history of both.",
		func(c *cobra.Command, _ *keys.Manager, opened *store.Store, p store.Person) error {
			return showPerson(c.Context(), c.OutOrStdout(), opened, p)
		})
}

func showPerson(ctx context.Context, w io.Writer, opened *store.Store, p store.Person) error {
	for _, line := range [][2]string{
		{"ID", strconv.FormatInt(p.ID, 10)}, {"issuer", p.Issuer}, {"subject", p.Subject}, {"login", p.Login}, {"email", p.Email},
		{"active", active(p)}, {"seen", moment(p.Seen)}, {"roles", strings.Join(p.Roles, ", ")}, {"groups", strings.Join(p.Groups, ", ")},
	} {
		fmt.Fprintf(w, "%-10s %s\n", line[0], printable(line[1]))
	}
	if err := printEvents(ctx, w, opened, store.EventFilter{Person: p.ID}); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return listKeys(ctx, w, opened, store.KeyFilter{Person: p.ID})
}

func peopleRevokeKeysCommand() *cobra.Command {
	var reason string
	c := aboutPerson("revoke-keys", "End all keys of a person at once",
		"revoke-keys ends every API key of a person; the server refuses them within a second. New keys can be\nmade: see people deactivate.",
		func(c *cobra.Command, m *keys.Manager, _ *store.Store, p store.Person) error {
			ended, err := m.RevokeAll(c.Context(), operator, p.ID, reason)
			if err != nil {
				return asUsage(err)
			}
			fmt.Fprintf(c.OutOrStdout(), "keys of %s that were revoked: %d\n", printable(personName(p)), len(ended))
			return nil
		})
	c.Flags().StringVar(&reason, "reason", "", "`TEXT` for the owner and the history")
	return c
}

func peopleActiveCommand(use, short, long string, active bool) *cobra.Command {
	return aboutPerson(use, short, long, func(c *cobra.Command, m *keys.Manager, _ *store.Store, p store.Person) error {
		changed, err := m.SetActive(c.Context(), operator, p.ID, active)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "%s: %sd at %s\n", printable(personName(changed)), use, moment(time.Now()))
		return nil
	})
}

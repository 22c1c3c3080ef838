package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/store"
)

func keysCommand() *cobra.Command {
	return group("keys", "List, make and revoke API keys without signing in",
		"keys does on the server's machine what administrators do on the pages, when no one can sign in.\n"+onTheMachine,
		keysListCommand(), keysShowCommand(), keysMakeCommand(), keysRevokeCommand())
}

func keysListCommand() *cobra.Command {
	var filter store.KeyFilter
	c := &cobra.Command{
		Use:     "list",
		Short:   "Print every key, or those that match",
		Long:    "list prints a line for each API key, those that have ended among them. No line has a secret.",
		Example: "  token2go-server keys list --text nightly",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return withDatabase(c.Context(), func(_ settings, opened *store.Store) error {
				return listKeys(c.Context(), c.OutOrStdout(), opened, filter)
			})
		},
	}
	c.Flags().Int64Var(&filter.Person, "person", 0, "only keys of the person with this `ID`, which people list prints")
	c.Flags().StringVar(&filter.Text, "text", "", "only keys with this `TEXT` in their name, note or owner")
	return c
}

func listKeys(ctx context.Context, w io.Writer, opened *store.Store, filter store.KeyFilter) error {
	var rows [][]string
	owners := map[int64]string{}
	filter.Limit = 1000
	for {
		page, err := opened.Keys(ctx, filter)
		if err != nil {
			return err
		}
		for _, key := range page {
			owner, err := ownerOf(ctx, opened, key, owners)
			if err != nil {
				return err
			}
			rows = append(rows, []string{key.ID.String(), key.Kind.String(), status(key, time.Now()), moment(key.Expires), owner, key.Name})
		}
		if len(page) < filter.Limit {
			return table(w, "ID KIND STATUS EXPIRES OWNER NAME", rows)
		}
		filter.After = page[len(page)-1].ID
	}
}

// ownerOf names a key's person, or its role or team. Names of people are kept in known.
func ownerOf(ctx context.Context, opened *store.Store, key store.Key, known map[int64]string) (string, error) {
	if key.Person == 0 {
		return key.Owner, nil
	}
	if name, found := known[key.Person]; found {
		return name, nil
	}
	person, err := opened.Person(ctx, key.Person)
	if err != nil {
		return "", err
	}
	known[key.Person] = personName(person)
	return known[key.Person], nil
}

func personName(p store.Person) string {
	for _, name := range []string{p.Login, p.Email} {
		if name != "" {
			return name
		}
	}
	return p.Subject
}

// status is what of a key's end can be seen from the key alone.
func status(key store.Key, now time.Time) string {
	switch {
	case !key.Revoked.IsZero():
		return "revoked"
	case !key.Expires.IsZero() && !key.Expires.After(now):
		return "expired"
	}
	return "valid"
}

func keysShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Print what is known of one key, and its history",
		Long:    "show prints what is stored of an API key, how it was used and who changed it. A secret is not stored.\nWith - in place of the ID, it reads a whole key from standard input.",
		Example: "  token2go-server keys show Hc7R2mWq0a",
		Args:    oneArgument("ID of a key, or -"),
		RunE: func(c *cobra.Command, arguments []string) error {
			return withKeys(c, func(ctx context.Context, m *keys.Manager, opened *store.Store) error {
				id, err := keyID(m, arguments[0], c.InOrStdin())
				if err != nil {
					return err
				}
				return showKey(ctx, c.OutOrStdout(), m, opened, id)
			})
		},
	}
}

// keyID reads an ID, or for - the ID of a whole key on standard input. A whole key as an
// argument is refused: other users see arguments in the list of processes.
func keyID(m *keys.Manager, argument string, stdin io.Reader) (apikey.ID, error) {
	if argument == "-" {
		const maxKey = 4096
		text, err := io.ReadAll(io.LimitReader(stdin, maxKey))
		if err != nil {
			return 0, err
		}
		key, err := m.Parse(strings.TrimSpace(string(text)))
		if err != nil {
			return 0, fmt.Errorf("%w: standard input: %w", errUsage, err)
		}
		return key.ID, nil
	}
	if _, err := m.Parse(argument); err == nil {
		return 0, fmt.Errorf("%w: got a whole key, which other users can read in the list of processes; want its ID alone, or - and the key on standard input", errUsage)
	}
	id, err := apikey.ParseID(argument)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errUsage, err)
	}
	return id, nil
}

func showKey(ctx context.Context, w io.Writer, m *keys.Manager, opened *store.Store, id apikey.ID) error {
	key, err := m.Key(ctx, operator, id)
	if err != nil {
		return fmt.Errorf("key %s: %w", id, err)
	}
	owner, err := ownerOf(ctx, opened, key, map[int64]string{})
	if err != nil {
		return err
	}
	usage, _, err := opened.Usage(ctx, id, time.Now())
	if err != nil {
		return err
	}
	line := func(name, value string) { fmt.Fprintf(w, "%-10s %s\n", name, printable(value)) }
	line("ID", key.ID.String())
	line("name", key.Name)
	line("note", key.Note)
	line("kind", key.Kind.String())
	line("owner", owner)
	line("status", status(key, time.Now()))
	line("created", moment(key.Created))
	line("expires", moment(key.Expires))
	line("revoked", strings.TrimSpace(moment(key.Revoked)+" "+key.Reason))
	printRestrictions(line, key)
	line("uses", strings.TrimSpace(fmt.Sprintf("%d, last %s %s %s", usage.Count, moment(usage.Last), usage.Address, usage.Agent)))
	return printEvents(ctx, w, opened, store.EventFilter{Key: int64(id)}) //nolint:gosec // below 2^60
}

func printRestrictions(line func(name, value string), key store.Key) {
	line("apps", strings.Join(key.Apps, ", "))
	if key.Roles != nil {
		line("roles", strings.Join(key.Roles, ", "))
	}
	for _, network := range key.Networks {
		line("network", network.String())
	}
	for _, host := range key.Hosts {
		line("host", string(host))
	}
	if key.AllowInURL {
		line("in URLs", "allowed")
	}
	for _, grant := range key.Grants {
		line("grant", grant)
	}
}

// printEvents prints the newest events, the oldest of them first.
func printEvents(ctx context.Context, w io.Writer, opened *store.Store, filter store.EventFilter) error {
	events, err := opened.Events(ctx, filter)
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(events) {
		fmt.Fprintf(w, "%-10s %s %s by %s\n", "event", moment(e.At), printable(e.Action), printable(e.Actor))
	}
	return nil
}

func keysRevokeCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "revoke ID",
		Short: "End a key at once",
		Long: "revoke ends an API key; the server refuses it within a second. A key that is revoked stays revoked.\n" +
			"With - in place of the ID, it reads a whole key from standard input, such as one that was found.",
		Example: "  token2go-server keys revoke Hc7R2mWq0a --reason 'found in a repository'",
		Args:    oneArgument("ID of a key, or -"),
		RunE: func(c *cobra.Command, arguments []string) error {
			return withKeys(c, func(ctx context.Context, m *keys.Manager, _ *store.Store) error {
				id, err := keyID(m, arguments[0], c.InOrStdin())
				if err != nil {
					return err
				}
				key, err := m.Revoke(ctx, operator, id, reason)
				if err != nil {
					return fmt.Errorf("key %s: %w", id, asUsage(err))
				}
				fmt.Fprintf(c.OutOrStdout(), "key %s is revoked since %s\n", id, moment(key.Revoked))
				return nil
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "`TEXT` for the owner and the history")
	return c
}

// keyPlan holds the flags of keys make.
type keyPlan struct {
	keys.Request
	networks, hosts []string
	person          int64
	jwt             bool
}

func keysMakeCommand() *cobra.Command {
	var plan keyPlan
	c := &cobra.Command{
		Use:   "make",
		Short: "Print a new key of a role or team, or of a person",
		Long: "make prints a new API key, which is stored before it is printed and cannot be printed again. It\n" +
			"belongs to a role or team, so that it outlives people, or to a person. What the operator allows of\n" +
			"keys holds here, too; grants are what administrators may give.",
		Example: "  token2go-server keys make --name 'nightly import' --owner data-team --ttl 90d --app tiles\n" +
			"  token2go-server keys make --name 'tile server' --owner maps --grant introspect:tiles",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return withKeys(c, func(ctx context.Context, m *keys.Manager, opened *store.Store) error {
				return plan.make(ctx, c, m, opened)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&plan.Name, "name", "", "what the key is for")
	f.StringVar(&plan.Note, "note", "", "`TEXT` for its owner")
	f.StringVar(&plan.Owner, "owner", "", "role or team that owns the key")
	f.Int64Var(&plan.person, "person", 0, "`ID` of the person who owns the key, which people list prints")
	f.Var((*ttl)(&plan.TTL), "ttl", "how long the key is valid, such as 12h or 90d (default T2G_KEYS_DEFAULT_TTL)")
	f.BoolVar(&plan.Never, "never-ends", false, "the key has no end")
	f.StringArrayVar(&plan.Apps, "app", nil, "`NAME` of an application that the key is for, * for all; may be given again")
	f.StringArrayVar(&plan.Roles, "role", nil, "`ROLE` that the key has; may be given again")
	f.StringArrayVar(&plan.networks, "network", nil, "`NETWORK` of callers, such as 192.0.2.0/24; may be given again")
	f.StringArrayVar(&plan.hosts, "host", nil, "`HOST` of pages that call, such as *.example.org; may be given again")
	f.StringArrayVar(&plan.Grants, "grant", nil, "`GRANT`: introspect:APPLICATION, mint:SERVICE or admin:read; may be given again")
	f.BoolVar(&plan.AllowInURL, "allow-in-url", false, "the key may be in a query or a path")
	f.BoolVar(&plan.jwt, "jwt", false, "a signed key, which can be verified offline")
	return c
}

func (p keyPlan) make(ctx context.Context, c *cobra.Command, m *keys.Manager, opened *store.Store) error {
	by := operator
	if (p.person == 0) == (p.Owner == "") {
		return fmt.Errorf("%w: want --owner or --person, one of them", errUsage)
	}
	if p.person != 0 {
		person, err := opened.Person(ctx, p.person)
		if err != nil {
			return fmt.Errorf("person %d: %w", p.person, err)
		}
		by.Person = person
	}
	request, err := p.request()
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	made, err := m.Make(ctx, by, request)
	if err != nil {
		return asUsage(err)
	}
	fmt.Fprintf(c.ErrOrStderr(), "key %s expires %s\n", made.Key.ID, moment(made.Key.Expires))
	fmt.Fprintln(c.OutOrStdout(), made.Secret.Reveal())
	return nil
}

func (p keyPlan) request() (keys.Request, error) {
	r := p.Request
	if p.jwt {
		r.Kind = apikey.JWT
	}
	for _, text := range p.networks {
		network, err := apikey.ParseNetwork(text)
		if err != nil {
			return r, err
		}
		r.Networks = append(r.Networks, network)
	}
	for _, text := range p.hosts {
		host, err := apikey.ParseHostPattern(text)
		if err != nil {
			return r, err
		}
		r.Hosts = append(r.Hosts, host)
	}
	return r, nil
}

// ttl is a duration as a flag that takes whole days, too.
type ttl time.Duration

func (t *ttl) String() string {
	if *t == 0 {
		return ""
	}
	return time.Duration(*t).String()
}

func (t *ttl) Type() string { return "DURATION" }

func (t *ttl) Set(text string) error {
	if days, found := strings.CutSuffix(text, "d"); found {
		const maxDays = 100_000
		count, err := strconv.ParseUint(days, 10, 32)
		if err != nil || count > maxDays {
			return fmt.Errorf("%q is no number of days", text)
		}
		*t = ttl(time.Duration(count) * 24 * time.Hour)
		return nil
	}
	duration, err := time.ParseDuration(text)
	*t = ttl(duration)
	return err
}

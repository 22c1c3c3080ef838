package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/passes"
	"github.com/token2go/token2go/internal/proxy"
	"github.com/token2go/token2go/internal/signing"
)

func passCommand() *cobra.Command {
	return group("pass", "Make passes, and read them", "pass is about passes: credentials that open one service, for some methods and paths, for a while.\n"+
		"Its commands have the environment of the server.", passMintCommand(), passInspectCommand())
}

// passPlan holds the flags of pass mint.
type passPlan struct {
	service, name           string
	rules, scopes, networks []string
	ttl                     time.Duration
}

func passMintCommand() *cobra.Command {
	var plan passPlan
	c := &cobra.Command{
		Use:   "mint",
		Short: "Print a pass for one service",
		Long: "mint prints a pass for a service: what its rules and the service's allow, it may call. What is\n" +
			"probably not meant by a rule is pointed out on standard error.",
		Example: "  token2go-server pass mint --service github --rule 'GET /repos/[^/]+/[^/]+/issues' --ttl 1h\n" +
			"  token2go-server pass mint --service github --scope read --network 192.0.2.0/24",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return plan.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&plan.service, "service", "", "name of the service in the services file")
	c.Flags().StringVar(&plan.name, "name", "", "name of the pass in lists")
	c.Flags().StringArrayVar(&plan.rules, "rule", nil, "`RULE` of what may be called, such as \"GET /user\"; may be given again")
	c.Flags().StringArrayVar(&plan.scopes, "scope", nil, "`NAME` of rules of the service; may be given again")
	c.Flags().StringArrayVar(&plan.networks, "network", nil, "`NETWORK` of callers, such as 192.0.2.0/24; may be given again")
	plan.ttl = time.Hour
	c.Flags().Var((*ttl)(&plan.ttl), "ttl", "how long the pass is valid, such as 12h or 7d")
	return c
}

func (p passPlan) run(ctx context.Context, stdout, stderr io.Writer) error {
	request, err := p.request()
	if err != nil {
		return err
	}
	s, err := load()
	if err != nil {
		return err
	}
	made, err := p.mint(ctx, s, request)
	if _, invalid := errors.AsType[*passes.Invalid](err); invalid || isPassMistake(err) {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if err != nil {
		return err
	}
	for _, finding := range made.Findings {
		fmt.Fprintln(stderr, "warning: "+finding)
	}
	fmt.Fprintln(stdout, made.Text.Reveal())
	return nil
}

func isPassMistake(err error) bool {
	for _, mistake := range []error{passes.ErrService, pass.ErrTTL, pass.ErrNoRules, pass.ErrTooLong} {
		if errors.Is(err, mistake) {
			return true
		}
	}
	return false
}

// mint makes the pass, and stores it where there is a database, so that it is listed there
// and can be revoked.
func (p passPlan) mint(ctx context.Context, s settings, r passes.Request) (passes.Made, error) {
	if s.Passes.ServicesFile == "" {
		return passes.Made{}, fmt.Errorf("%w: this command wants T2G_SERVICES_FILE, as the server has it", errUsage)
	}
	file, err := proxy.ReadServices(s.Passes.ServicesFile, fileOptions(s))
	if err != nil {
		return passes.Made{}, fmt.Errorf("%w: T2G_SERVICES_FILE=%s:\n%w", errUsage, s.Passes.ServicesFile, err)
	}
	issuer, err := passIssuer(s)
	if err != nil {
		return passes.Made{}, err
	}
	o := passes.Options{
		Issuer: issuer, Server: apiAddress(s), MaxTTL: s.Passes.MaxTTL, Revocations: new(pass.Revocations),
		Services: func() []passes.Service { return servicesForPasses(file) },
	}
	if !s.Database.URL.Absent() {
		if o.Store, err = connectDatabase(ctx, s); err != nil {
			return passes.Made{}, err
		}
		defer o.Store.Close()
	}
	manager, err := passes.New(o)
	if err != nil {
		return passes.Made{}, err
	}
	return manager.Make(ctx, passes.Actor{Name: operator.Name, Subject: pass.Operator, Admin: true}, r)
}

func (p passPlan) request() (passes.Request, error) {
	if p.service == "" {
		return passes.Request{}, fmt.Errorf("%w: want --service", errUsage)
	}
	rules, err := parseRules(p.rules)
	if err != nil {
		return passes.Request{}, err
	}
	var networks []netip.Prefix
	for _, text := range p.networks {
		network, err := apikey.ParseNetwork(text)
		if err != nil {
			return passes.Request{}, fmt.Errorf("%w: %w", errUsage, err)
		}
		networks = append(networks, network)
	}
	return passes.Request{Service: p.service, Name: p.name, TTL: p.ttl, Rules: rules, Scopes: p.scopes, Networks: networks}, nil
}

// passIssuer verifies and makes passes as the server does.
func passIssuer(s settings) (*pass.Issuer, error) {
	ring, sealer, _, err := readPassKeys(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	return pass.New(pass.Options{Ring: ring, Sealer: sealer, Issuer: apiAddress(s), MaxTTL: s.Passes.MaxTTL})
}

// readPassKeys derives the keys of passes from the database keys, so that all replicas have
// the same, or reads them from a file where there is no database; created reports that it
// made that.
func readPassKeys(s settings) (ring *signing.Ring, sealer *pass.Sealer, created string, err error) {
	if !s.Database.URL.Absent() {
		databaseKeys, err := databaseKeys(s.Database)
		if err != nil {
			return nil, nil, "", err
		}
		ring, sealer, err = pass.DeriveKeys(time.Now(), databaseKeys...)
		return ring, sealer, "", err
	}
	path := s.Passes.KeyFile
	if path == "" {
		path = filepath.Join(filepath.Dir(s.Passes.ServicesFile), "pass.key")
	}
	ring, sealer, made, err := pass.ReadKeyFile(path, time.Now())
	if err != nil {
		return nil, nil, "", fmt.Errorf("%w; T2G_PASS_KEY_FILE names another file", err)
	}
	if made {
		created = path
	}
	return ring, sealer, created, nil
}

// apiAddress is the issuer of passes and the address of services, without a slash at its
// end.
func apiAddress(s settings) string { return strings.TrimSuffix(s.API.Address().String(), "/") }

func passInspectCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect",
		Short: "Read a pass from standard input and print what it is",
		Long: "inspect verifies a pass and prints what it allows. It reads standard input, since arguments can\n" +
			"be seen in the list of processes. It ends with exit code 1 for a pass that is not good.",
		Example: "  token2go-server pass mint --service notes --scope read | token2go-server pass inspect",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := load()
			if err != nil {
				return err
			}
			issuer, err := passIssuer(s)
			if err != nil {
				return err
			}
			const maxPass = 64 << 10
			text, err := io.ReadAll(io.LimitReader(c.InOrStdin(), maxPass))
			if err != nil {
				return err
			}
			found, err := issuer.Inspect(strings.TrimSpace(string(text)))
			if errors.Is(err, pass.ErrInvalid) {
				return err
			}
			printPass(c.OutOrStdout(), found)
			return err
		},
	}
}

func printPass(w io.Writer, p pass.Pass) {
	line := func(name string, value any) { fmt.Fprintf(w, "%-9s %v\n", name, value) }
	line("service", p.Service)
	line("made for", p.Subject)
	line("ID", p.ID)
	line("issued", p.Issued.Format(time.RFC3339))
	line("expires", p.Expires.Format(time.RFC3339))
	printLimit(w, "", p.Limit)
	for _, network := range p.Networks {
		line("network", network)
	}
	if p.HasSecret() {
		line("secret", "sealed inside")
	}
	for _, ancestor := range p.Ancestors {
		line("made from", ancestor.ID+", within whose rules it is:")
		printLimit(w, "  ", ancestor.Limit)
	}
}

func printLimit(w io.Writer, indent string, l pass.Limit) {
	for _, r := range l.Rules {
		fmt.Fprintf(w, "%s%-9s %s\n", indent, "rule", r)
	}
	for _, scope := range l.Scopes {
		fmt.Fprintf(w, "%s%-9s %s\n", indent, "scope", scope)
	}
	if l.Rate.Requests > 0 {
		fmt.Fprintf(w, "%s%-9s %d in %s\n", indent, "rate", l.Rate.Requests, l.Rate.Per)
	}
}

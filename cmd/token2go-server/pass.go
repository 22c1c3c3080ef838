package main

import (
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
	"github.com/token2go/token2go/internal/rule"
)

func passCommand() *cobra.Command {
	return group("pass", "Make passes, and read them", "pass is about passes: credentials that open one service, for some methods and paths, for a while.\n"+
		"Its commands have the environment of the server.", passMintCommand(), passInspectCommand())
}

// passPlan holds the flags of pass mint.
type passPlan struct {
	service                 string
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
			return plan.run(c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&plan.service, "service", "", "name of the service in the services file")
	c.Flags().StringArrayVar(&plan.rules, "rule", nil, "`RULE` of what may be called, such as \"GET /user\"; may be given again")
	c.Flags().StringArrayVar(&plan.scopes, "scope", nil, "`NAME` of rules of the service; may be given again")
	c.Flags().StringArrayVar(&plan.networks, "network", nil, "`NETWORK` of callers, such as 192.0.2.0/24; may be given again")
	c.Flags().DurationVar(&plan.ttl, "ttl", time.Hour, "how long the pass is valid")
	return c
}

func (p passPlan) run(stdout, stderr io.Writer) error {
	request, err := p.request()
	if err != nil {
		return err
	}
	s, err := load()
	if err != nil {
		return err
	}
	issuer, err := passIssuer(s)
	if err != nil {
		return err
	}
	_, text, err := issuer.Mint(request)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	for _, r := range request.Rules {
		for _, finding := range rule.Lint(r) {
			fmt.Fprintf(stderr, "warning: %s: %s\n", r, finding)
		}
	}
	fmt.Fprintln(stdout, text.Reveal())
	return nil
}

func (p passPlan) request() (pass.Request, error) {
	if p.service == "" {
		return pass.Request{}, fmt.Errorf("%w: want --service", errUsage)
	}
	rules, err := parseRules(p.rules)
	if err != nil {
		return pass.Request{}, err
	}
	var networks []netip.Prefix
	for _, text := range p.networks {
		network, err := apikey.ParseNetwork(text)
		if err != nil {
			return pass.Request{}, fmt.Errorf("%w: %w", errUsage, err)
		}
		networks = append(networks, network)
	}
	return pass.Request{
		Service: p.service, Subject: pass.Operator, TTL: p.ttl,
		Limit: pass.Limit{Rules: rules, Scopes: p.scopes}, Networks: networks,
	}, nil
}

// passIssuer makes and verifies the server's passes.
func passIssuer(s settings) (*pass.Issuer, error) {
	path := s.Passes.KeyFile
	switch {
	case path != "":
	case s.Passes.ServicesFile != "":
		path = filepath.Join(filepath.Dir(s.Passes.ServicesFile), "pass.key")
	default:
		return nil, fmt.Errorf("%w: passes want T2G_SERVICES_FILE or T2G_PASS_KEY_FILE", errUsage)
	}
	ring, sealer, _, err := pass.ReadKeyFile(path, time.Now())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	return pass.New(pass.Options{Ring: ring, Sealer: sealer, Issuer: s.API.Address().String(), MaxTTL: s.Passes.MaxTTL})
}

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

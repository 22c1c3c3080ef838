package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/proxy"
	"github.com/token2go/token2go/internal/rule"
)

func servicesCommand() *cobra.Command {
	return group("services", "Check the services file", "services is about the services file: the APIs behind the proxy.", servicesValidateCommand())
}

func servicesValidateCommand() *cobra.Command {
	var strict bool
	c := &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Read a services file, and point out what is wrong or probably not meant",
		Long: "validate reads a services file, or the one that T2G_SERVICES_FILE names, as the server does. It looks\n" +
			"each name up and says which addresses would be refused; no service is called. A wrong file ends it\n" +
			"with exit code 2, an address that would be refused with 1.",
		Example: "  token2go-server services validate --strict /etc/token2go/services.json",
		RunE: func(c *cobra.Command, arguments []string) error {
			s, err := load()
			if err != nil {
				return err
			}
			path := s.Passes.ServicesFile
			switch {
			case len(arguments) == 1:
				path = arguments[0]
			case len(arguments) > 1 || path == "":
				return fmt.Errorf("%w: want one services file, or T2G_SERVICES_FILE", errUsage)
			}
			options := fileOptions(s)
			options.Strict = strict
			return validateServices(c.Context(), c.OutOrStdout(), path, options)
		},
	}
	c.Flags().BoolVar(&strict, "strict", false, "members that are not known are mistakes, comments too")
	return c
}

// fileOptions say how the services file is read under the compatibility of older systems.
func fileOptions(s settings) proxy.FileOptions {
	return proxy.FileOptions{
		Lockbox: slices.Contains(s.API.Compatibility, "lockbox"), Magic: slices.Contains(s.API.Compatibility, "magic-api-proxy"),
	}
}

var errAddresses = errors.New("calls of a service would be refused or fail")

func validateServices(ctx context.Context, w io.Writer, path string, o proxy.FileOptions) error {
	file, err := proxy.ReadServices(path, o)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	for _, warning := range file.Warnings {
		fmt.Fprintln(w, "warning ", warning)
	}
	for _, s := range servicesForPasses(file) {
		for _, r := range lintedRules(s.Name, file) {
			fmt.Fprintln(w, "warning ", r)
		}
		fmt.Fprintf(w, "ok       %s: %s\n", s.Name, s.BaseURL)
	}
	const lookups = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, lookups)
	defer cancel()
	findings := file.Unreachable(ctx, net.DefaultResolver)
	for _, finding := range findings {
		fmt.Fprintln(w, "refused ", finding)
	}
	if len(findings) > 0 {
		return errAddresses
	}
	return nil
}

// lintedRules are the findings about a service's scopes. Those about its own rules are
// among the file's warnings.
func lintedRules(name string, file *proxy.Services) (findings []string) {
	service := file.ByName[name]
	var rules []rule.Rule
	for _, scope := range service.Scopes {
		rules = append(rules, scope...)
	}
	for _, r := range rules {
		for _, finding := range rule.Lint(r) {
			findings = append(findings, fmt.Sprintf("services.%s: %s: %s", name, r, finding))
		}
	}
	slices.Sort(findings)
	return findings
}

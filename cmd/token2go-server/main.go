// Command token2go-server hands the access token behind an auth gateway to the person
// who is signed in, and to that person's programs.
//
// Nothing is decided here: the environment becomes a configuration, that becomes a
// server, and the server runs until it is stopped.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/config"
	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/manual"
)

// Exit codes: 0 for an orderly end, 1 for what failed while running, 2 for a
// configuration or a command line that is wrong.
const (
	exitFailed = 1
	exitUsage  = 2
)

// errUsage marks errors that the person at the command line can fix.
var errUsage = errors.New("usage")

func main() {
	os.Exit(run(untilSignal(), os.Args[1:], os.Stdout, os.Stderr))
}

// untilSignal returns a context that ends at the first signal. The second ends the process
// at once. The system's default for the second would not do: it ignores an interrupt for
// process 1, and for one that a shell has started in the background.
func untilSignal() context.Context {
	ctx, end := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		end()
		<-signals
		os.Exit(exitFailed)
	}()
	return ctx
}

func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) int {
	printed := &printer{out: stdout}
	root := command(stdout)
	root.SetArgs(arguments)
	root.SetOut(printed)
	root.SetErr(stderr)
	return exitCode(cmp.Or(root.ExecuteContext(ctx), printed.err), stderr)
}

// exitCode prints the error that a command ended with and returns its exit code.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, err)
	var faults config.Faults
	if errors.As(err, &faults) || errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailed
}

// printer keeps the first error of what commands print, so that a report which was not
// written whole, such as to a full disk, is a failure.
type printer struct {
	out io.Writer
	err error
}

func (p *printer) Write(text []byte) (int, error) {
	written, err := p.out.Write(text)
	p.err = cmp.Or(p.err, err)
	return written, err
}

func command(stdout io.Writer) *cobra.Command {
	number, compiler := version()
	root := &cobra.Command{
		Use:   "token2go-server",
		Short: "The way out of an auth gateway",
		Long: "token2go-server runs behind an auth gateway such as oauth2-proxy, reads the access token\n" +
			"from forwarded headers and hands it to the person who is signed in: on a page, and sealed\n" +
			"to programs on that person's computer. Without a command it serves.",
		Args:              noArguments,
		Version:           number + " " + compiler,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		RunE: func(c *cobra.Command, _ []string) error {
			settings, err := load()
			if err != nil {
				return err
			}
			return serveAll(c.Context(), settings, stdout)
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return fmt.Errorf("%w: %w; try token2go-server --help", errUsage, err)
	})
	root.SetHelpFunc(help)
	root.SetHelpCommand(helpCommand())
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.AddCommand(demoCommand(stdout), healthCommand(), configCommand(), versionCommand(),
		databaseCommand(), keysCommand(), peopleCommand(), signingKeysCommand(),
		servicesCommand(), rulesCommand(), passCommand(), lockboxCommand(), magicCommand(),
		manual.Command(manual.Section{Title: "ENVIRONMENT", Text: variables}, manual.Section{Title: "EXIT STATUS", Text: exitCodes}))
	return root
}

func noArguments(c *cobra.Command, arguments []string) error {
	if len(arguments) > 0 {
		return fmt.Errorf("%w: %s is no command of %s; try token2go-server --help", errUsage, arguments[0], c.CommandPath())
	}
	return nil
}

// help prints the usual help and, for the server itself, the table of variables.
func help(c *cobra.Command, _ []string) {
	w := c.OutOrStdout()
	fmt.Fprintf(w, "%s\n\n%s", c.Long, c.UsageString())
	if c.HasParent() {
		return
	}
	fmt.Fprint(w, "\nVariables (each secret also as NAME_FILE, the path of a file that holds it):\n\n")
	_ = config.WriteHelp(w) // the printer keeps the error
}

func variables() string {
	var b strings.Builder
	_ = config.WriteHelp(&b) // a text in memory takes everything
	return b.String()
}

func exitCodes() string {
	return fmt.Sprintf("0  an orderly end\n%d  something failed while running, or is not healthy\n%d  the configuration or the command line is wrong", exitFailed, exitUsage)
}

func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Print what --help prints",
		Long:  "help prints what --help prints, of the server or of one command.",
		RunE: func(c *cobra.Command, arguments []string) error {
			about, rest, err := c.Root().Find(arguments)
			if err != nil {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
			if err := noArguments(about, rest); err != nil {
				return err
			}
			return about.Help()
		},
	}
}

func configCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print the configuration as it takes effect, secrets masked",
		Long:  "config reads the environment as the server does and prints every variable with the value\nthat takes effect. Secrets are masked. A wrong variable ends it with exit code 2.",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			settings, err := load()
			if err != nil {
				return err
			}
			for _, setting := range settings.Settings() {
				origin := "default"
				if setting.Set {
					origin = "set"
				}
				fmt.Fprintf(c.OutOrStdout(), "%-7s %s=%s\n", origin, setting.Name, setting.Value)
			}
			for _, warning := range settings.Warnings() {
				fmt.Fprintln(c.ErrOrStderr(), "warning:", warning)
			}
			return nil
		},
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long:  "version prints the version of the program and of the Go that built it.",
		Args:  noArguments,
		Run: func(c *cobra.Command, _ []string) {
			fmt.Fprintf(c.OutOrStdout(), "%s %s\n", c.Root().Name(), c.Root().Version)
		},
	}
}

// version is what the build recorded of itself: the module's version, or the commit.
func version() (number, compiler string) {
	build, known := debug.ReadBuildInfo()
	if !known {
		return "unknown", "unknown"
	}
	return build.Main.Version, build.GoVersion
}

// settings is a configuration with its texts parsed.
type settings struct {
	config.Config
	targets []flow.Pattern
	version string
}

// load reads the environment. The error is config.Faults, a line for every variable
// that is wrong, those that the flow finds among them.
func load() (settings, error) {
	loaded, err := config.Load()
	var faults config.Faults
	if err != nil && !errors.As(err, &faults) {
		return settings{}, err
	}
	number, _ := version()
	s := settings{Config: loaded, version: number}
	for _, text := range loaded.Flow.Targets {
		pattern, err := flow.ParsePattern(text)
		if err != nil {
			faults = faults.Add(config.FaultFor("T2G_FLOW_TARGETS", text, "an absolute https URL whose path may hold * and a last **: "+err.Error()))
			continue
		}
		s.targets = append(s.targets, pattern)
	}
	if len(faults) > 0 {
		return settings{}, faults
	}
	return s, nil
}

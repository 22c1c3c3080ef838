// Command token2go gets the access token of a person who is signed in at an auth
// gateway, and hands it to that person's tools.
//
// It reads the command line, and leaves what then happens to internal/cli.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/cli"
	"github.com/token2go/token2go/internal/manual"
)

func main() {
	ctx, end := untilSignal()
	err := run(ctx, os.Args[1:])
	end()
	code, _ := cli.ExitCode(err)
	cli.ExitLike(err) // a command that a signal ended ends this program likewise
	os.Exit(code)
}

// untilSignal ends at the first signal; the second is the system's, or that of the
// command which run has started.
func untilSignal() (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(s) { // as nohup has it, and a script for what it runs in the background
			signal.Notify(signals, s)
		}
	}
	go func() {
		<-signals
		end()
		signal.Stop(signals)
	}()
	return ctx, end
}

func run(ctx context.Context, arguments []string) error {
	env := &cli.Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
	root := command(env)
	root.SetArgs(arguments)
	root.SetOut(os.Stdout)
	root.SetErr(os.Stderr)
	err := root.ExecuteContext(ctx)
	// A command line that cannot be read is reported as it asked to be.
	env.JSON = env.JSON || slices.Contains(beforeDashes(arguments), "--json")
	env.Report(err)
	return err
}

// beforeDashes leaves out what belongs to the command that run starts.
func beforeDashes(arguments []string) []string {
	if i := slices.Index(arguments, "--"); i >= 0 {
		return arguments[:i]
	}
	return arguments
}

func command(env *cli.Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "token2go",
		Short: "Access tokens from behind an auth gateway",
		Long: "token2go gets your access token from behind an auth gateway, through the browser in which you are\n" +
			"signed in, and hands it to your tools. Nothing is copied by hand.\n\n" +
			"SERVER is the address of Token2go behind the gateway, or the name of a profile (see token2go config\n" +
			"--help). Without it, $TOKEN2GO_SERVER is used, or else the default profile.",
		Example: `  token2go get --output header https://t2g.example.org | curl --header @- https://api.example.org/items
  token2go run -- ./download.sh
  token2go doctor https://t2g.example.org`,
		Args:          noArguments,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.AddCommand(manual.Command(manual.Section{Title: "EXIT STATUS", Text: cli.ExitCodes}))
	root.PersistentFlags().BoolVar(&env.JSON, "json", false, "print events as lines of JSON on stderr, in place of text")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		text, _, _ := strings.Cut(err.Error(), ": strconv.") // Go's words
		return fmt.Errorf("%w: %s; try %s --help", cli.ErrUsage, text, c.CommandPath())
	})
	root.SetHelpFunc(help)
	root.SetHelpCommand(helpCommand())
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.AddCommand(
		getCommand(env), runCommand(env), keepCommand(env), execCredentialCommand(env), gitCredentialCommand(env),
		statusCommand(env), logoutCommand(env), doctorCommand(env), configCommand(env), versionCommand(),
	)
	return root
}

func noArguments(c *cobra.Command, arguments []string) error {
	if len(arguments) > 0 {
		return fmt.Errorf("%w: %s is no command of %s; try %s --help", cli.ErrUsage, arguments[0], c.CommandPath(), c.CommandPath())
	}
	return nil
}

// oneServer takes a server or none.
func oneServer(c *cobra.Command, arguments []string) error {
	if len(arguments) > 1 {
		return fmt.Errorf("%w: got %d servers, want one or none; try %s --help", cli.ErrUsage, len(arguments), c.CommandPath())
	}
	return nil
}

func first(arguments []string) string {
	if len(arguments) == 0 {
		return ""
	}
	return arguments[0]
}

// help prints the usual help, and for the program itself the exit codes.
func help(c *cobra.Command, _ []string) {
	w := c.OutOrStdout()
	fmt.Fprintf(w, "%s\n\n%s", c.Long, c.UsageString())
	if !c.HasParent() {
		fmt.Fprintf(w, "\nExit codes:\n%s", cli.ExitCodes())
	}
}

func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Print what --help prints",
		Long:  "help prints what --help prints, of the program or of one command.",
		RunE: func(c *cobra.Command, arguments []string) error {
			about, rest, err := c.Root().Find(arguments)
			if err != nil {
				return fmt.Errorf("%w: %w", cli.ErrUsage, err)
			}
			if !about.HasParent() {
				if err := noArguments(about, rest); err != nil {
					return err
				}
			}
			return about.Help()
		},
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "version prints the version of the program and of the Go that built it.",
		Example: "  token2go version",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "%s %s\n", c.Root().Name(), c.Root().Version)
			return err
		},
	}
}

// version is what the build recorded of itself: the module's version, or the commit.
func version() string {
	build, known := debug.ReadBuildInfo()
	if !known {
		return "unknown"
	}
	return build.Main.Version + " " + build.GoVersion
}

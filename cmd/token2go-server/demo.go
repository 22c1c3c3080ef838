package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/demo"
	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/ops"
	"github.com/token2go/token2go/internal/serve"
)

// banner is on every page of a demo.
const banner = "Pretend people, pretend tokens. Nothing here is protected."

// demoPlan holds the demo command's flags.
type demoPlan struct {
	host                string
	port, server, notes int
	lifetime            time.Duration
}

func demoCommand(stdout io.Writer) *cobra.Command {
	var plan demoPlan
	c := &cobra.Command{
		Use:   "demo",
		Short: "Try it: the server behind a pretend gateway, on this computer only",
		Long: "demo starts the server and, in front of it, a pretend gateway with a sign-in page, pretend\n" +
			"people and tokens that expire and are renewed, and a small API that takes these tokens.\n" +
			"All of it listens on loopback only.",
		Example: "  token2go-server demo\n  token2go-server demo --port 9000 --lifetime 90s",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := load()
			if err != nil {
				return err
			}
			return runDemo(c.Context(), plan, s, stdout)
		},
	}
	c.Flags().StringVar(&plan.host, "host", "127.0.0.1", "loopback address of all three")
	c.Flags().IntVar(&plan.port, "port", 8080, "port of the pretend gateway; another one if it is taken")
	c.Flags().IntVar(&plan.server, "server-port", 8081, "port of the server behind it; another one if it is taken")
	c.Flags().IntVar(&plan.notes, "notes-port", 8083, "port of the API that takes the tokens; another one if it is taken")
	c.Flags().DurationVar(&plan.lifetime, "lifetime", 5*time.Minute, "how long a token is valid")
	c.Flags().Lookup("lifetime").DefValue = "5m"
	return c
}

func runDemo(ctx context.Context, plan demoPlan, s settings, stdout io.Writer) error {
	if plan.lifetime < time.Second {
		return fmt.Errorf("%w: lifetime: got %v, want at least 1s", errUsage, plan.lifetime)
	}
	front, back, side, err := plan.listen()
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	addresses := demoAddresses{gateway: origin(front), server: origin(back), notes: origin(side)}
	ctx, lines := record(ctx, stdout)
	server, err := demoServer(s, addresses, lines, stdout)
	if err != nil {
		return err
	}
	pretend, err := demo.New(demo.Options{Upstream: addresses.server, Lifetime: plan.lifetime})
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	printDemo(lines.Direct(), plan, addresses)
	return serve.Run(ctx, serve.Options{Log: slog.New(slog.DiscardHandler), ShutdownTimeout: time.Second},
		serve.Listener{Name: "pretend gateway", Bound: front, Handler: pretend},
		serve.Listener{Name: "server", Bound: back, Handler: server, MaxHeaderBytes: headerLimitFactor * s.Limits.MaxHeaderBytes},
		serve.Listener{Name: "notes", Bound: side, Handler: pretend.Notes()},
	)
}

// listen opens the listeners of the pretend gateway, the server and the API.
func (p demoPlan) listen() (front, back, side net.Listener, err error) {
	if front, err = demo.Listen(p.host, p.port); err != nil {
		return nil, nil, nil, err
	}
	if back, err = demo.Listen(p.host, p.server); err != nil {
		return nil, nil, nil, fmt.Errorf("server %w", err)
	}
	if side, err = demo.Listen(p.host, p.notes); err != nil {
		return nil, nil, nil, fmt.Errorf("notes %w", err)
	}
	return front, back, side, nil
}

// demoAddresses are the origins of the demo's listeners.
type demoAddresses struct{ gateway, server, notes *url.URL }

func origin(l net.Listener) *url.URL { return &url.URL{Scheme: "http", Host: l.Addr().String()} }

// demoServer makes the server as the environment configures it, except for what the demo
// needs.
func demoServer(s settings, addresses demoAddresses, lines *audit.Lines, stdout io.Writer) (*gateway.Server, error) {
	s.Gateway.PublicURL, s.Gateway.BasePath, s.Gateway.CIDRs, s.Gateway.Socket, s.Gateway.AllowedHosts = addresses.gateway, "", nil, "", nil
	s.UI.SignInURL, s.UI.SignOutURL = "/oauth2/sign_in", "/oauth2/sign_out"
	s.Tokens.HeaderNames, s.Tokens.AddHeaderNames = []string{"X-Forwarded-Access-Token"}, nil
	s.Identity.HeaderNames = []string{"X-Forwarded-Preferred-Username"}
	quiet := slog.New(logHandler(s.Log.Format, slog.LevelWarn, stdout, lines.Direct()))
	options := gatewayOptions(s, quiet, lines, ops.NewRegistry(s.version), stdout)
	options.Access = slog.DiscardHandler
	options.Demo = banner
	options.Texts.Example = addresses.notes.String() + "/api/notes"
	return gateway.New(options)
}

// printDemo prints what to open and what to try.
func printDemo(w io.Writer, plan demoPlan, addresses demoAddresses) {
	for _, listener := range []struct {
		wanted int
		got    *url.URL
	}{{plan.port, addresses.gateway}, {plan.server, addresses.server}, {plan.notes, addresses.notes}} {
		if port := listener.got.Port(); port != strconv.Itoa(listener.wanted) && listener.wanted != 0 {
			fmt.Fprintf(w, "Port %d is taken, so this uses %s.\n", listener.wanted, port)
		}
	}
	fmt.Fprintf(w, `
Token2go demo: pretend people, pretend tokens, on this computer only.

1. Open this page and sign in as anyone. Choose "Put the token in" and run the
   curl command that it shows: it returns data.

     %[1]s/

2. The same from a second terminal. Your browser opens; curl prints the data:

     %[3]s get -o curl-config %[1]s | curl -K - %[2]s/api/notes

3. Without a token, the API refuses:

     curl -i %[2]s/api/notes

4. What the gateway sends, and whether that is safe:

     %[1]s/echo

The server behind the gateway is at %[5]s; without the gateway it
has no token. Tokens last %[4]s and are renewed while you are signed in.
Ctrl-C ends the demo. The audit log follows, one line for each token handed over.

`, addresses.gateway, addresses.notes, clientCommand(), inWords(plan.lifetime), addresses.server)
}

// inWords writes a duration of at least a second in whole minutes or seconds.
func inWords(d time.Duration) string {
	count, unit := d.Round(time.Second)/time.Second, "second"
	if count%60 == 0 {
		count, unit = count/60, "minute"
	}
	if count != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", count, unit)
}

// clientCommand returns a command that runs the client: the program beside this one, or go
// run.
func clientCommand() string {
	if own, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(own), "token2go"); isFile(beside) {
			return beside
		}
	}
	return "go run ./cmd/token2go"
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

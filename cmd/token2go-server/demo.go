package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/demo"
	"github.com/token2go/token2go/internal/web"
)

// banner stands on every page of a demo.
const banner = "Pretend people, pretend tokens. Nothing here is protected."

// demoPlan is what the demo command was told.
type demoPlan struct {
	host     string
	port     int
	server   int
	lifetime time.Duration
}

func demoCommand(stdout io.Writer) *cobra.Command {
	var plan demoPlan
	c := &cobra.Command{
		Use:   "demo",
		Short: "Try it: the server behind a pretend gateway, on this computer only",
		Long: "demo starts the server and, in front of it, a pretend gateway with a sign-in page, pretend\n" +
			"people and tokens that expire and are renewed. It listens on loopback only.",
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
	c.Flags().StringVar(&plan.host, "host", "127.0.0.1", "loopback address of both")
	c.Flags().IntVar(&plan.port, "port", 8080, "port of the pretend gateway; another one if it is taken")
	c.Flags().IntVar(&plan.server, "server-port", 8081, "port of the server behind it; another one if it is taken")
	c.Flags().DurationVar(&plan.lifetime, "lifetime", 5*time.Minute, "how long a token is valid")
	return c
}

func runDemo(ctx context.Context, plan demoPlan, s settings, stdout io.Writer) error {
	if plan.lifetime < time.Second {
		return fmt.Errorf("%w: lifetime: got %v, want at least 1s", errUsage, plan.lifetime)
	}
	front, err := demo.Listen(plan.host, plan.port)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	back, err := demo.Listen(plan.host, plan.server)
	if err != nil {
		return fmt.Errorf("%w: server %w", errUsage, err)
	}
	public, behind := origin(front), origin(back)
	ctx, lines := record(ctx, stdout)
	server, err := demoServer(s, public, lines, stdout)
	if err != nil {
		return err
	}
	gateway, err := demo.New(demo.Options{Upstream: behind, Lifetime: plan.lifetime})
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	log := slog.New(slog.DiscardHandler)
	doors := []door{
		newDoor("pretend gateway", front, gateway, http.DefaultMaxHeaderBytes, log),
		newDoor("server", back, server.Gateway(), aboveOurs*s.MaxHeaderBytes, log),
	}
	tell(lines.Direct(), plan, public, behind)
	s.DrainDelay, s.ShutdownTimeout = 0, time.Second
	return attend(ctx, s, server, doors, log)
}

func origin(l net.Listener) *url.URL { return &url.URL{Scheme: "http", Host: l.Addr().String()} }

// demoServer is the server as the operator configured it, but for what the demo needs.
func demoServer(s settings, public *url.URL, lines *audit.Lines, stdout io.Writer) (*web.Server, error) {
	s.PublicURL, s.BasePath, s.GatewayCIDRs, s.ServerSocket, s.AllowedHosts = public, "", nil, "", nil
	s.UISignInURL, s.UISignOutURL = "/oauth2/sign_in", "/oauth2/sign_out"
	quiet := slog.New(logHandler(s.LogFormat, slog.LevelWarn, stdout, lines.Direct()))
	options := webOptions(s, quiet, lines, stdout)
	options.Access = slog.DiscardHandler
	options.Demo = banner
	return web.New(options)
}

// tell prints what to open and what to try.
func tell(w io.Writer, plan demoPlan, public, behind *url.URL) {
	for _, moved := range []struct {
		wanted int
		got    *url.URL
	}{{plan.port, public}, {plan.server, behind}} {
		if _, port, _ := net.SplitHostPort(moved.got.Host); port != fmt.Sprint(moved.wanted) && moved.wanted != 0 {
			fmt.Fprintf(w, "Port %d is taken, so this uses %s.\n", moved.wanted, port)
		}
	}
	fmt.Fprintf(w, `
Token2go demo: pretend people, pretend tokens, on this computer only.

  Through the gateway   %[1]s/
  Straight, without it  %[2]s/

Open the first, sign in as anybody, and copy the token. Then try:

  %[1]s/echo          which header carries the token, and what to mend
  %[1]s/swagger-ui/   the programs' side
  curl -s %[2]s/token       what somebody gets who comes past the gateway: nothing

Tokens last %[3]s here and are renewed while you are signed in. Ctrl-C ends the demo.
The lines below are the audit log: one for each hand-over, never a secret.

`, public, behind, plan.lifetime)
}

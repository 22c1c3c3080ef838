package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/api"
	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/config"
	"github.com/token2go/token2go/internal/demo"
	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/identity"
	"github.com/token2go/token2go/internal/ops"
	"github.com/token2go/token2go/internal/proxy"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/serve"
	"github.com/token2go/token2go/internal/web"
)

// banner is on every page of a demo.
const banner = "Pretend people, pretend tokens. Nothing here is protected."

// demoPlan holds the demo command's flags.
type demoPlan struct {
	host                     string
	port, server, notes, api int
	lifetime                 time.Duration
}

func demoCommand(stdout io.Writer) *cobra.Command {
	var plan demoPlan
	c := &cobra.Command{
		Use:   "demo",
		Short: "Try it: the server behind a pretend gateway, on this computer only",
		Long: "demo starts the server and, in front of it, a pretend gateway with a sign-in page, pretend\n" +
			"people and tokens that expire and are renewed, and a small API that takes these tokens.\n" +
			"API keys and passes are on, with a database that ends with the demo. All of it listens on loopback only.",
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
	c.Flags().StringVar(&plan.host, "host", "127.0.0.1", "loopback address of all listeners")
	c.Flags().IntVar(&plan.port, "port", 8080, "port of the pretend gateway; another one if it is taken")
	c.Flags().IntVar(&plan.server, "server-port", 8081, "port of the server behind it; another one if it is taken")
	c.Flags().IntVar(&plan.notes, "notes-port", 8083, "port of the API that takes the tokens; another one if it is taken")
	c.Flags().IntVar(&plan.api, "api-port", 8084, "port of the API listener, which checks API keys; another one if it is taken")
	c.Flags().DurationVar(&plan.lifetime, "lifetime", 5*time.Minute, "how long a token is valid")
	c.Flags().Lookup("lifetime").DefValue = "5m"
	return c
}

func runDemo(ctx context.Context, plan demoPlan, s settings, stdout io.Writer) error {
	if plan.lifetime < time.Second {
		return fmt.Errorf("%w: lifetime: got %v, want at least 1s", errUsage, plan.lifetime)
	}
	bound, err := plan.listen()
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	addresses := bound.addresses()
	ctx, lines := record(ctx, stdout)
	p := demoParts(s, addresses, lines, stdout)
	end, err := p.openDemoDatabase(ctx)
	if err != nil {
		return err
	}
	defer end()
	notesToken := rand.Text()
	if err := p.openDemoServices(addresses, notesToken); err != nil {
		return err
	}
	p.people = sync.OnceValues(func() (identity.Verifier, error) { return p.verifier(ctx) })
	people, programs, err := p.demoHandlers(addresses)
	if err != nil {
		return err
	}
	pretend, err := demo.New(demo.Options{
		Upstream: addresses.server, Provider: addresses.gateway, Lifetime: plan.lifetime, NotesToken: notesToken,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	printDemo(lines.Direct(), plan, addresses)
	headerBytes := headerLimitFactor * s.Limits.MaxHeaderBytes
	return serve.Run(ctx, serve.Options{Log: slog.New(slog.DiscardHandler), ShutdownTimeout: time.Second},
		serve.Listener{Name: "pretend gateway", Bound: bound.front, Handler: pretend},
		serve.Listener{Name: "server", Bound: bound.server, Handler: people, MaxHeaderBytes: headerBytes},
		serve.Listener{Name: "api", Bound: bound.api, Handler: programs, MaxHeaderBytes: headerBytes},
		serve.Listener{Name: "notes", Bound: bound.notes, Handler: pretend.Notes()},
	)
}

// demoListeners are those of the pretend gateway, of the server for the gateway and for
// programs, and of the Notes API.
type demoListeners struct{ front, server, api, notes net.Listener }

func (p demoPlan) listen() (l demoListeners, err error) {
	for _, listener := range []struct {
		name  string
		port  int
		bound *net.Listener
	}{{"", p.port, &l.front}, {"server ", p.server, &l.server}, {"api ", p.api, &l.api}, {"notes ", p.notes, &l.notes}} {
		if *listener.bound, err = demo.Listen(p.host, listener.port); err != nil {
			return demoListeners{}, fmt.Errorf("%s%w", listener.name, err)
		}
	}
	return l, nil
}

func (l demoListeners) addresses() demoAddresses {
	return demoAddresses{gateway: origin(l.front), server: origin(l.server), api: origin(l.api), notes: origin(l.notes)}
}

// demoAddresses are the origins of the demo's listeners.
type demoAddresses struct{ gateway, server, api, notes *url.URL }

func origin(l net.Listener) *url.URL { return &url.URL{Scheme: "http", Host: l.Addr().String()} }

// demoParts are the server's as the environment configures it, except for what the demo
// needs.
func demoParts(s settings, addresses demoAddresses, lines *audit.Lines, stdout io.Writer) parts {
	s.Gateway.PublicURL, s.Gateway.BasePath, s.Gateway.CIDRs, s.Gateway.Socket, s.Gateway.AllowedHosts = addresses.gateway, "", nil, "", nil
	s.UI.SignInURL, s.UI.SignOutURL = "/oauth2/sign_in", "/oauth2/sign_out"
	s.Tokens.HeaderNames, s.Tokens.AddHeaderNames, s.Tokens.Fallback = []string{"X-Forwarded-Access-Token"}, nil, secret.Value{}
	s.Identity.HeaderNames = []string{"X-Forwarded-Preferred-Username"}
	s.People = config.People{
		Identity: "token", Issuer: addresses.gateway.String(), Audiences: []string{demo.Audience},
		SubjectClaim: "sub", LoginClaim: "preferred_username", EmailClaim: "email", RolesClaim: "realm_access.roles", GroupsClaim: "groups",
		AdminClaim: "groups:operators",
	}
	s.API = config.API{URL: addresses.api, Host: addresses.api.Hostname()}
	registry := ops.NewRegistry(s.version)
	return parts{
		settings: s, lines: lines, stdout: stdout, registry: registry, metrics: web.NewMetrics(registry),
		log: slog.New(logHandler(s.Log.Format, slog.LevelWarn, stdout, lines.Direct())),
	}
}

// openDemoDatabase opens a database that end removes.
func (p *parts) openDemoDatabase(ctx context.Context) (end func(), err error) {
	directory, err := os.MkdirTemp("", "token2go-demo-")
	if err != nil {
		return nil, err
	}
	p.Database.URL, p.Database.Keys = secret.New("sqlite:"+filepath.Join(directory, "token2go.db")), secret.Value{}
	p.database, err = openDatabase(ctx, p.settings, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(directory))
	}
	stop := p.database.run(ctx)
	return func() { stop(); _ = os.RemoveAll(directory) }, nil
}

// openDemoServices has the proxy call the Notes API: with the API's own token as the
// service "notes", with the token of the person who made the pass as "me".
func (p *parts) openDemoServices(addresses demoAddresses, notesToken string) error {
	p.revocations = p.database.revocations
	file, err := proxy.ParseServices(fmt.Appendf(nil, `{"services": {
		"notes": {
			"base_url": "%[1]s/api", "credential": {"type": "bearer", "token": "%[2]s"}, "people": ["*"],
			"rules": ["* /notes(/.*)?"], "scopes": {"read": ["GET /notes(/.*)?"], "write": ["* /notes(/.*)?"]}
		},
		"me": {
			"base_url": "%[1]s/api", "credential": {"type": "person"}, "people": ["*"],
			"rules": ["GET /notes"], "scopes": {"read": ["GET /notes"]}
		}
	}}`, addresses.notes, notesToken), proxy.FileOptions{Strict: true})
	if err == nil {
		p.services, err = p.openServices(file)
	}
	return err
}

func (p parts) demoHandlers(addresses demoAddresses) (people, programs http.Handler, err error) {
	options := p.gatewayOptions()
	options.Access = slog.DiscardHandler
	options.Demo = banner
	options.Texts.Example = addresses.notes.String() + "/api/notes"
	if err := p.addPeople(&options); err != nil {
		return nil, nil, err
	}
	if people, err = gateway.New(options); err != nil {
		return nil, nil, err
	}
	apiOptions := p.apiOptions()
	apiOptions.Web.Access = slog.DiscardHandler
	programs, err = api.New(apiOptions)
	return people, programs, err
}

// printDemo prints what to open and what to try.
func printDemo(w io.Writer, plan demoPlan, addresses demoAddresses) {
	printTaken(w, plan, addresses)
	fmt.Fprintf(w, `
Token2go demo: pretend people, pretend tokens, on this computer only.

1. Open this page and sign in as anyone. Choose "Put the token in" and run the
   curl command that it shows: it returns data.

     %[1]s/

2. The same from a second terminal. Your browser opens; curl prints the data:

     %[3]s get -o curl-config %[1]s | curl -K - %[2]s/api/notes

3. Without a token, the API refuses:

     curl -i %[2]s/api/notes

`, addresses.gateway, addresses.notes, clientCommand())
	printKeys(w, addresses)
	printPasses(w, addresses)
	fmt.Fprintf(w, `6. What the gateway sends, and whether that is safe:

     %[1]s/echo

The server behind the gateway is at %[3]s; without the gateway it
has no token. Tokens last %[2]s and are renewed while you are signed in.
Ctrl-C ends the demo. The audit log follows, one line for each token handed over.

`, addresses.gateway, inWords(plan.lifetime), addresses.server)
}

// printKeys prints how to make, check and revoke an API key.
func printKeys(w io.Writer, addresses demoAddresses) {
	fmt.Fprintf(w, `4. A key of your own, for programs that run while you are not signed in. Make one
   here, put it in place of KEY, and the API listener says whose it is. Revoke it
   on the page, and the same call answers 401 within a second:

     %[1]s/keys
     curl -i -H "Authorization: Bearer KEY" %[2]s/check

`, addresses.gateway, addresses.api)
}

// printPasses prints how to make and use a pass.
func printPasses(w io.Writer, addresses demoAddresses) {
	fmt.Fprintf(w, `5. A pass, for a program that gets less than a token or a key: one API, for a while,
   read only. The program never sees the API's credential. Choose "notes", "read"
   and one hour, put the pass in place of PASS; DELETE and other paths are refused:

     %[1]s/passes
     curl -i -H "Authorization: Bearer PASS" %[2]s/s/notes/notes
     curl -i -H "Authorization: Bearer PASS" -X DELETE %[2]s/s/notes/notes

`, addresses.gateway, addresses.api)
}

// printTaken prints which ports were taken.
func printTaken(w io.Writer, plan demoPlan, addresses demoAddresses) {
	for _, listener := range []struct {
		wanted int
		got    *url.URL
	}{{plan.port, addresses.gateway}, {plan.server, addresses.server}, {plan.api, addresses.api}, {plan.notes, addresses.notes}} {
		if port := listener.got.Port(); port != strconv.Itoa(listener.wanted) && listener.wanted != 0 {
			fmt.Fprintf(w, "Port %d is taken, so this uses %s.\n", listener.wanted, port)
		}
	}
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

// Package t2gtest runs a server behind the pretend gateway, for tests.
//
// Requests go over real connections and through the whole router, and every answer of
// the gateway listener is checked against the API document.
package t2gtest

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/demo"
	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/ops"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/t2gtest/process"
	"github.com/token2go/token2go/internal/token"
	"github.com/token2go/token2go/internal/web"
)

// Names are the headers in which the server's default configuration looks for a token.
func Names() []string {
	return []string{
		"X-Forwarded-Access-Token", "X-Auth-Request-Access-Token", "X-Access-Token", "OIDC_access_token",
		"Access-Token", "Token", "Authorization",
	}
}

// Options change what Start would run. Each may be nil.
type Options struct {
	Server func(*gateway.Options)
	Ops    func(*ops.Options)
	Demo   func(*demo.Options)
}

// Server is a running server with its listeners.
type Server struct {
	Gateway string          // the pretend gateway, such as http://127.0.0.1:41234
	Direct  string          // the server's gateway listener, past the pretend gateway
	Ops     string          // the server's ops listener
	Handler *gateway.Server // the gateway listener's
	Drain   func()          // has /ready answer 503
	Output  *process.Output // everything the server logs

	pretend  *demo.Gateway
	contract *Contract
}

// Start runs a server and, in front of it, the pretend gateway, until the test ends.
func Start(t testing.TB, options Options) *Server {
	t.Helper()
	s := &Server{Output: new(process.Output), contract: NewContract(t)}
	settings, opsOptions := Defaults(s.Output)
	front := httptest.NewUnstartedServer(nil)
	s.Gateway = "http://" + front.Listener.Addr().String()
	settings.PublicURL = parse(t, s.Gateway)
	if options.Server != nil {
		options.Server(&settings)
	}
	if options.Ops != nil {
		options.Ops(&opsOptions)
	}
	s.contract.prefix = prefix(settings)
	var err error
	if s.Handler, err = gateway.New(settings); err != nil {
		t.Fatal(err)
	}
	s.Direct = run(t, httptest.NewUnstartedServer(s.Handler))
	operator := ops.New(opsOptions)
	s.Drain, s.Ops = operator.Drain, run(t, httptest.NewUnstartedServer(operator))
	plan := demo.Options{Upstream: parse(t, s.Direct)}
	if options.Demo != nil {
		options.Demo(&plan)
	}
	if s.pretend, err = demo.New(plan); err != nil {
		t.Fatal(err)
	}
	front.Config.Handler = s.pretend
	run(t, front)
	return s
}

// Defaults are the options of a server with the default configuration that logs
// everything to output.
func Defaults(output *process.Output) (gateway.Options, ops.Options) {
	handler := slog.NewJSONHandler(output, &slog.HandlerOptions{Level: slog.LevelDebug})
	log, registry := slog.New(handler), ops.NewRegistry("test")
	metrics := web.NewMetrics(registry)
	return gateway.Options{
		Tokens:         token.NewExtractor(Names(), secret.Value{}),
		Rules:          flow.Rules{Consent: flow.ConsentAuto, MaxURL: 3072},
		Log:            log,
		Audit:          audit.New(handler),
		Metrics:        metrics,
		Registry:       registry,
		Access:         handler,
		Identity:       []string{"X-Forwarded-Preferred-Username", "X-Forwarded-Email", "X-Forwarded-User"},
		Version:        "test",
		MaxHeaderBytes: 65536,
	}, ops.Options{Web: web.Options{Listener: "ops", Log: log, Metrics: metrics}, Metrics: registry}
}

// prefix is what goes before every path that arrives, as far as the settings say.
func prefix(settings gateway.Options) string {
	if settings.BasePath == "" && settings.PublicURL != nil {
		return strings.TrimSuffix(settings.PublicURL.Path, "/")
	}
	return settings.BasePath
}

// run starts a server with a limit on headers above Token2go's own, as cmd does.
func run(t testing.TB, server *httptest.Server) string {
	server.Config.MaxHeaderBytes = 1 << 20
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

func parse(t testing.TB, address string) *url.URL {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// Client returns a client that is not signed in. It follows no redirects, and the answers
// that it gets from the server, directly or through the gateway, are checked against the
// API document.
func (s *Server) Client() *http.Client {
	return s.contract.Client(host(s.Direct))
}

// SignedIn returns a client with the gateway session of one of the pretend people; the empty
// name means the first.
func (s *Server) SignedIn(t testing.TB, username string) *http.Client {
	t.Helper()
	client := s.Client()
	client.Transport = &checked{
		contract: s.contract,
		hosts:    map[string]bool{host(s.Direct): true, host(s.Gateway): true},
		cookie:   s.Session(t, username),
	}
	return client
}

// Session is the gateway's session cookie for one of the pretend people.
func (s *Server) Session(t testing.TB, username string) *http.Cookie {
	t.Helper()
	if username == "" {
		username = demo.People()[0].Username
	}
	cookie, err := s.pretend.SignIn(s.Gateway, username)
	if err != nil {
		t.Fatal(err)
	}
	return cookie
}

func host(address string) string { return strings.TrimPrefix(address, "http://") }

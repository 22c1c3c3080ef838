// Package t2gtest runs a server behind the pretend gateway, for tests.
//
// Requests go over real connections and through the whole router, and every answer of
// the gateway door is held against the API document.
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

// Options change what Start would run. Both may be nil.
type Options struct {
	Web  func(*web.Options)
	Demo func(*demo.Options)
}

// House is a running server with its doors.
type House struct {
	Gateway string // the pretend gateway, such as http://127.0.0.1:41234
	Direct  string // the server's gateway door, past the pretend gateway
	Ops     string // the server's ops door
	Server  *web.Server
	Output  *process.Output // everything the server logs

	pretend  *demo.Gateway
	contract *Contract
}

// Start runs a server and, in front of it, the pretend gateway, until the test ends.
func Start(t testing.TB, options Options) *House {
	t.Helper()
	h := &House{Output: new(process.Output), contract: NewContract(t)}
	settings := Defaults(h.Output)
	front := httptest.NewUnstartedServer(nil)
	h.Gateway = "http://" + front.Listener.Addr().String()
	settings.PublicURL = parse(t, h.Gateway)
	if options.Web != nil {
		options.Web(&settings)
	}
	h.contract.prefix = prefix(settings)
	var err error
	if h.Server, err = web.New(settings); err != nil {
		t.Fatal(err)
	}
	h.Direct = run(t, httptest.NewUnstartedServer(h.Server.Gateway()))
	h.Ops = run(t, httptest.NewUnstartedServer(h.Server.Ops()))
	plan := demo.Options{Upstream: parse(t, h.Direct)}
	if options.Demo != nil {
		options.Demo(&plan)
	}
	if h.pretend, err = demo.New(plan); err != nil {
		t.Fatal(err)
	}
	front.Config.Handler = h.pretend
	run(t, front)
	return h
}

// Defaults are the options of a server with the default configuration that logs all to
// one place.
func Defaults(output *process.Output) web.Options {
	handler := slog.NewJSONHandler(output, &slog.HandlerOptions{Level: slog.LevelDebug})
	return web.Options{
		Tokens:         token.NewExtractor(Names(), secret.Value{}),
		Rules:          flow.Rules{Consent: flow.ConsentAuto, MaxURL: 3072},
		Log:            slog.New(handler),
		Audit:          audit.New(handler),
		Access:         handler,
		Identity:       []string{"X-Forwarded-Preferred-Username", "X-Forwarded-Email", "X-Forwarded-User"},
		Version:        "test",
		MaxHeaderBytes: 65536,
	}
}

// prefix is what goes before every path that arrives, as far as the settings say.
func prefix(settings web.Options) string {
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

// Visitor is a client that is not signed in. It follows no redirects, and the answers
// that it gets from the server, directly or through the gateway, are held against the
// API document.
func (h *House) Visitor() *http.Client {
	return &http.Client{
		Transport:     &checked{contract: h.contract, hosts: map[string]bool{host(h.Direct): true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// SignedIn is a client with the gateway session of one of the pretend people; the empty
// name stands for the first.
func (h *House) SignedIn(t testing.TB, username string) *http.Client {
	t.Helper()
	client := h.Visitor()
	client.Transport = &checked{
		contract: h.contract,
		hosts:    map[string]bool{host(h.Direct): true, host(h.Gateway): true},
		cookie:   h.Session(t, username),
	}
	return client
}

// Session is the gateway's session cookie for one of the pretend people.
func (h *House) Session(t testing.TB, username string) *http.Cookie {
	t.Helper()
	if username == "" {
		username = demo.People()[0].Username
	}
	cookie, err := h.pretend.SignIn(h.Gateway, username)
	if err != nil {
		t.Fatal(err)
	}
	return cookie
}

func host(address string) string { return strings.TrimPrefix(address, "http://") }

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/token2go/token2go/internal/api"
	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/config"
	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/identity"
	"github.com/token2go/token2go/internal/ops"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/proxy"
	"github.com/token2go/token2go/internal/serve"
	"github.com/token2go/token2go/internal/signing"
	"github.com/token2go/token2go/internal/token"
	"github.com/token2go/token2go/internal/web"
)

// headerLimitFactor is net/http's limit on headers as a multiple of ours. Above its own,
// net/http answers in plain text; gateways send less, even tokens in three headers and a
// cookie.
const headerLimitFactor = 4

// flushInterval is how long an access line may wait, at most.
const flushInterval = 200 * time.Millisecond

// serveAll runs the server until ctx ends, then drains it.
func serveAll(ctx context.Context, s settings, stdout io.Writer) error {
	ctx, lines := record(ctx, stdout)
	defer flush(lines)()
	collectLess()
	log := slog.New(logHandler(s.Log.Format, s.Log.Level, stdout, lines.Direct()))
	for _, warning := range s.Warnings() {
		log.Warn(warning)
	}
	registry := ops.NewRegistry(s.version)
	p := parts{settings: s, log: log, lines: lines, stdout: stdout, registry: registry, metrics: web.NewMetrics(registry), revocations: new(pass.Revocations)}
	if !s.Database.URL.Absent() {
		opened, err := openDatabase(ctx, s, log)
		if err != nil {
			return err
		}
		defer opened.run(ctx)()
		opened.register(registry)
		p.database, p.revocations = opened, opened.revocations
	}
	if s.Passes.ServicesFile != "" {
		file, err := proxy.ReadServices(s.Passes.ServicesFile, fileOptions(s))
		if err != nil {
			return fmt.Errorf("%w: T2G_SERVICES_FILE=%s:\n%w", errUsage, s.Passes.ServicesFile, err)
		}
		if p.services, err = p.openServices(file); err != nil {
			return err
		}
		go p.services.watch(ctx, s.Passes.ServicesFile)
	}
	p.people = sync.OnceValues(func() (identity.Verifier, error) { return p.verifier(ctx) })
	open, err := p.listeners()
	if err != nil {
		return err
	}
	operator := p.operator()
	return serve.Run(ctx, serve.Options{
		Log: log, Drain: operator.Drain, DrainDelay: s.Limits.DrainDelay, ShutdownTimeout: s.Limits.ShutdownTimeout,
	}, append(open, p.opsListener(operator)...)...)
}

// parts are what the listeners share.
type parts struct {
	settings
	log      *slog.Logger
	lines    *audit.Lines
	stdout   io.Writer
	registry *prometheus.Registry
	metrics  *web.Metrics
	database *database // nil: nothing is stored
	services *services // nil: there is no proxy

	people func() (identity.Verifier, error) // proves who a person is; one for all listeners

	revocations *pass.Revocations
}

// listeners are those for people and programs that the configuration opens.
func (p parts) listeners() ([]serve.Listener, error) {
	var open []serve.Listener
	if p.Gateway.Port != config.Off || p.Gateway.Socket != "" {
		listener, err := p.gatewayListener()
		if err != nil {
			return nil, err
		}
		open = append(open, listener)
	}
	if p.Stored() {
		listener, err := p.apiListener()
		if err != nil {
			return nil, err
		}
		open = append(open, listener)
	}
	return open, nil
}

func (p parts) gatewayListener() (serve.Listener, error) {
	o := p.gatewayOptions()
	if err := p.addPeople(&o); err != nil {
		return serve.Listener{}, err
	}
	handler, err := gateway.New(o)
	return serve.Listener{
		Name:           "gateway",
		Address:        serve.Address{Socket: p.Gateway.Socket, Host: p.Gateway.Host, Port: p.Gateway.Port, CertFile: p.Gateway.TLSCertFile, KeyFile: p.Gateway.TLSKeyFile},
		Handler:        handler,
		MaxHeaderBytes: headerLimitFactor * p.Limits.MaxHeaderBytes,
	}, err
}

func (p parts) apiListener() (serve.Listener, error) {
	o := p.apiOptions()
	if p.database != nil && slices.Contains(p.API.Compatibility, "apikey-manager") {
		people, err := p.people()
		if err != nil {
			return serve.Listener{}, err
		}
		p.addAPIKeyManager(&o, people)
	}
	handler, err := api.New(o)
	return serve.Listener{
		Name:           "api",
		Address:        serve.Address{Socket: p.API.Socket, Host: p.API.Host, Port: p.API.Port, CertFile: p.API.TLSCertFile, KeyFile: p.API.TLSKeyFile},
		Handler:        handler,
		MaxHeaderBytes: headerLimitFactor * p.Limits.MaxHeaderBytes,
	}, err
}

func (p parts) operator() *ops.Server {
	return ops.New(ops.Options{
		Web:     web.Options{Listener: "ops", Log: p.log, Metrics: p.metrics},
		Metrics: p.registry, Hosts: p.Ops.Hosts(), Pprof: p.Ops.Pprof, Waiting: p.waiting,
	})
}

// waiting is what keeps this server from answering checks.
func (p parts) waiting() string {
	if p.database != nil && !p.database.replica.Usable() {
		return "database"
	}
	return ""
}

func (p parts) opsListener(operator http.Handler) []serve.Listener {
	if p.Ops.Port == 0 {
		return nil
	}
	return []serve.Listener{{
		Name: "ops", Address: serve.Address{Host: p.Ops.Host, Port: p.Ops.Port}, Handler: operator,
		MaxHeaderBytes: http.DefaultMaxHeaderBytes,
		WriteTimeout:   2 * time.Minute, // a profile takes 30 seconds and more
	}}
}

// flush writes access lines at intervals until stop is called, which writes the last ones,
// unless standard output blocks.
func flush(lines *audit.Lines) (stop func()) {
	done, flushed := make(chan struct{}), make(chan struct{})
	go func() { defer close(flushed); lines.FlushEvery(flushInterval, done) }()
	return func() {
		close(done)
		serve.Await(flushed, time.Second)
	}
}

// collectLess lets 16 MB of garbage gather before it is collected, instead of 4: the server
// keeps 2 MB, and would collect a hundred times a second under load. An operator's own
// GOGC or GOMEMLIMIT counts.
func collectLess() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(400)
	}
}

// record returns the writer of all log lines, and a context that ends when standard output
// has no reader.
func record(ctx context.Context, stdout io.Writer) (context.Context, *audit.Lines) {
	signal.Ignore(syscall.SIGPIPE) // by default it would end the process while it answers
	ctx, out := audit.WithReader(ctx, stdout)
	return ctx, audit.NewLines(out)
}

// auditLog writes decisions at once: they are on record before they are answered.
func (p parts) auditLog() *audit.Log {
	return audit.New(logHandler(p.Log.Format, slog.LevelInfo, p.stdout, p.lines.Direct()))
}

func (p parts) access() slog.Handler {
	return logHandler(p.Log.Format, p.Log.Level, p.stdout, p.lines.Held())
}

// gatewayOptions are the gateway listener's part of the configuration.
func (p parts) gatewayOptions() gateway.Options {
	peers := p.Gateway.CIDRs
	if p.Gateway.Socket != "" {
		peers = nil // the socket's permissions decide who may connect
	}
	return gateway.Options{
		Tokens:   token.NewExtractor(p.Tokens.Headers(), p.Tokens.Fallback),
		Rules:    flowRules(p.settings),
		Log:      p.log,
		Audit:    p.auditLog(),
		Access:   p.access(),
		Metrics:  p.metrics,
		Registry: p.registry,
		Identity: p.Identity.HeaderNames,
		Texts: gateway.Texts{
			Target: p.UI.Target, Title: p.UI.Title, Desc1: p.UI.Desc1, Desc2: p.UI.Desc2, Misc: p.UI.Misc,
			SignInURL: p.UI.SignInURL, SignOutURL: p.UI.SignOutURL,
		},
		Version:        p.version,
		PublicURL:      p.Gateway.PublicURL,
		BasePath:       p.Gateway.BasePath,
		Hosts:          p.Hosts(),
		Peers:          peers,
		MaxHeaderBytes: p.Limits.MaxHeaderBytes,
	}
}

// addPeople has the gateway listener prove who is signed in, where something is stored or
// signed in a person's name.
func (p parts) addPeople(o *gateway.Options) error {
	if p.database == nil && p.services == nil {
		return nil
	}
	verifier, err := p.people()
	o.People, o.APIURL = verifier, p.API.Address()
	if p.database != nil {
		o.Store, o.Keys, o.Checker = p.database.store, p.database.keys, p.database.checker
	}
	if p.services != nil {
		o.Passes = p.services.passes
	}
	return err
}

// verifier proves who a person is, as T2G_IDENTITY says.
func (p parts) verifier(ctx context.Context) (identity.Verifier, error) {
	people := p.People
	if people.Identity == "headers" {
		return identity.NewHeaders(identity.HeaderOptions{
			Issuer:  p.headersIssuer(),
			Subject: people.SubjectHeader, Login: people.LoginHeader, Email: people.EmailHeader, Groups: people.GroupsHeader,
			Socket: p.Gateway.Socket != "", Secret: people.GatewaySecret, SecretHeader: people.SecretHeader, Admin: people.AdminGroup,
		})
	}
	claim, value := people.Admin()
	claims := identity.Claims{
		Subject: people.SubjectClaim, Login: people.LoginClaim, Email: people.EmailClaim, Roles: people.RolesClaim, Groups: people.GroupsClaim,
		Admin: claim, AdminValue: value,
	}
	if people.Identity == "userinfo" {
		verifier, err := identity.NewUserinfo(identity.UserinfoOptions{Issuer: people.Issuer, Claims: claims, Keep: people.Keep, Log: p.log})
		if err == nil {
			go verifier.Run(ctx)
		}
		return verifier, err
	}
	verifier, err := identity.NewToken(identity.TokenOptions{
		Issuer: people.Issuer, Audiences: people.Audiences, Clients: people.Clients, IDTokens: people.IDTokens, Claims: claims, Log: p.log,
	})
	if err == nil {
		go verifier.Run(ctx)
	}
	return verifier, err
}

// headersIssuer is what people are stored under whose issuer is not known.
func (p parts) headersIssuer() string {
	switch {
	case p.People.Issuer != "":
		return p.People.Issuer
	case p.Gateway.PublicURL != nil:
		return p.Gateway.PublicURL.String()
	}
	return "gateway"
}

// addAPIKeyManager has the API listener answer as apikey-manager does.
func (p parts) addAPIKeyManager(o *api.Options, people identity.Verifier) {
	o.UUIDs = true
	o.APIKeyManager = &api.APIKeyManager{
		People: people, Visit: p.database.store.Visit, Keys: p.database.managerKeys(p.Keys), Usage: p.database.usage,
		Apps: p.Keys.Apps != nil, Changes: []string{http.MethodPost},
	}
	if p.API.ChangesByGET {
		o.APIKeyManager.Changes = append(o.APIKeyManager.Changes, http.MethodGet)
	}
}

// apiOptions are the API listener's part of the configuration.
func (p parts) apiOptions() api.Options {
	peers := p.API.CIDRs
	if p.API.Socket != "" {
		peers = nil
	}
	o := api.Options{
		Web:            web.Options{Log: p.log, Metrics: p.metrics, Access: p.access()},
		Audit:          p.auditLog(),
		Prefix:         apikey.Prefix(p.Keys.Prefix),
		Issuer:         issuer(p.settings),
		Host:           p.API.Address().Host,
		Hosts:          p.API.Hosts(),
		Addresses:      len(p.API.AllowedHosts) == 0,
		Peers:          peers,
		Proxies:        p.API.TrustedProxies,
		Origins:        p.API.CORSOrigins,
		MaxHeaderBytes: p.Limits.MaxHeaderBytes,
	}
	if p.database != nil {
		o.Checker, o.Uses, o.Revoke = p.database.checker, p.database.uses, p.database.revoke
		ring := p.database.keyring.Ring
		o.JWTs, o.StatusLists = ring(signing.APIKeys), p.database.statusList
		o.BareJWTs = slices.Contains(p.API.Compatibility, "apikeyserv")
		if p.API.Registration {
			o.Registrar = p.database.registrar(p.Keys)
		}
		o.Rings = api.Rings{APIKeys: ring(signing.APIKeys), Statuses: ring(signing.Statuses), Assertions: ring(signing.Assertions)}
	}
	if p.services != nil {
		o.Services, o.Passes, o.Rings.Passes = p.services.proxy, p.services.passes, p.services.ring
		o.Older = p.services.proxy.Older()
	}
	return o
}

func flowRules(s settings) flow.Rules {
	modes := make(flow.Modes, len(s.Flow.Modes))
	for i, mode := range s.Flow.Modes {
		modes[i] = flow.Mode(mode)
	}
	rules := flow.Rules{Targets: s.targets, Consent: flow.Consent(s.Flow.Consent), Modes: modes, MaxURL: s.Flow.MaxURL}
	if s.Gateway.PublicURL != nil {
		rules.Issuer = s.Gateway.PublicURL.String()
	}
	return rules
}

// logHandler writes text to a terminal and JSON elsewhere, unless the format is set.
func logHandler(format string, level slog.Level, stdout, lines io.Writer) slog.Handler {
	if format == "text" || format == "" && isTerminal(stdout) {
		return slog.NewTextHandler(lines, &slog.HandlerOptions{Level: level})
	}
	return slog.NewJSONHandler(lines, &slog.HandlerOptions{Level: level})
}

func isTerminal(w io.Writer) bool {
	file, isFile := w.(*os.File)
	if !isFile {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

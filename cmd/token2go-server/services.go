package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/token2go/token2go/internal/api"
	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/pass/lockbox"
	"github.com/token2go/token2go/internal/pass/magic"
	"github.com/token2go/token2go/internal/passes"
	"github.com/token2go/token2go/internal/proxy"
	"github.com/token2go/token2go/internal/rule"
	"github.com/token2go/token2go/internal/signing"
)

// services are the APIs behind the proxy, and the passes for them.
type services struct {
	proxy  *proxy.Proxy
	passes *passes.Manager
	ring   *signing.Ring // that signs passes
}

// openServices reads the services file and the keys of passes.
func (p parts) openServices(file *proxy.Services) (*services, error) {
	for _, warning := range file.Warnings {
		p.log.Warn("services file: " + warning)
	}
	ring, sealer, err := p.passKeys()
	if err != nil {
		return nil, err
	}
	revocations := p.revocations
	for _, s := range file.ByName {
		revocations.Add(s.Revocations()...)
	}
	address := apiAddress(p.settings)
	issuer, err := pass.New(pass.Options{Ring: ring, Issuer: address, Sealer: sealer, MaxTTL: p.Passes.MaxTTL, Revocations: revocations})
	if err != nil {
		return nil, err
	}
	s := &services{ring: ring}
	o := passes.Options{Issuer: issuer, Services: s.forPasses, Server: address, MaxTTL: p.Passes.MaxTTL, Revocations: revocations}
	callers := proxy.Callers{Passes: issuer}
	if p.database != nil {
		o.Store = p.database.store
		callers.Checker, callers.Prefix, callers.Uses = p.database.checker, apikey.Prefix(p.Keys.Prefix), p.database.uses.Count
		callers.PassUses = p.database.passUses.Count
	}
	if s.passes, err = passes.New(o); err != nil {
		return nil, err
	}
	callers.Token = s.passes.Token
	if err := p.addOlder(&callers, file); err != nil {
		return nil, err
	}
	s.proxy, err = proxy.New(proxy.Options{
		Callers: callers, Own: p.ownAddresses(), Event: recordCalls(p.auditLog(), p.log), Log: p.log, Revocations: revocations,
		Read: func() (*proxy.Services, error) {
			return proxy.ReadServices(p.Passes.ServicesFile, fileOptions(p.settings))
		},
		Mint:    proxy.Minting{Secret: p.Passes.MintSecret, Open: p.Passes.MagicOpenMint},
		Names:   p.ownNames(),
		Address: func(r *http.Request) netip.Addr { return api.ClientAddress(r, p.API.TrustedProxies, "X-Forwarded-For") },
	}, file)
	if p.database != nil {
		p.database.services = s
	}
	return s, err
}

// ownNames are the hosts of this server's own addresses.
func (p parts) ownNames() []string {
	names := []string{p.API.Address().Host}
	if p.Gateway.PublicURL != nil {
		names = append(names, p.Gateway.PublicURL.Host)
	}
	return names
}

// watchInterval is how often the services file is looked at for changes.
const watchInterval = 2 * time.Second

// watch reads the services file again when it changes and at SIGHUP, until the context
// ends. A wrong file is logged, and the services stay as they are.
func (s *services) watch(ctx context.Context, path string) {
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP)
	defer signal.Stop(hangUps)
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	seen := fileVersion(path)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangUps:
		case <-ticker.C:
			if fileVersion(path) == seen {
				continue
			}
		}
		seen = fileVersion(path)
		_ = s.proxy.Reload() // it logs
	}
}

// fileState tells one content of a file from another, as far as that goes without reading it.
type fileState struct {
	modified time.Time
	size     int64
}

func fileVersion(path string) fileState {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{}
	}
	return fileState{info.ModTime(), info.Size()}
}

// addOlder adds what verifies the tokens of lockbox and magic-api-proxy, where their
// compatibility is on. The error is errUsage where their settings are wrong.
func (p parts) addOlder(callers *proxy.Callers, file *proxy.Services) error {
	options := fileOptions(p.settings)
	if options.Lockbox {
		key, err := lockbox.ReadKey(p.Passes.LockboxKeyFile)
		if err != nil {
			return fmt.Errorf("%w: T2G_LOCKBOX_SIGNING_KEY_FILE: %w", errUsage, err)
		}
		if key.Weak() {
			p.log.Warn("T2G_LOCKBOX_SIGNING_KEY_FILE: shorter than 32 bytes; who guesses it opens every service")
		}
		callers.Lockbox = &key
	}
	if !options.Magic {
		return nil
	}
	if p.Passes.MagicOrigin == nil {
		return fmt.Errorf("%w: T2G_COMPATIBILITY=magic-api-proxy wants T2G_MAGIC_KEYS_DIR, T2G_MAGIC_SERVICE and T2G_MAGIC_ORIGIN", errUsage)
	}
	origin := p.Passes.MagicOrigin.Scheme + "://" + p.Passes.MagicOrigin.Host
	if service := file.ByName[p.Passes.MagicService]; service == nil || service.Origin() != origin {
		return fmt.Errorf("%w: T2G_MAGIC_SERVICE must be a service whose base URL has the origin T2G_MAGIC_ORIGIN", errUsage)
	}
	keys, err := magic.ReadKeys(magic.Options{Folder: p.Passes.MagicKeysDir, Service: p.Passes.MagicService, Origin: origin, MaxAge: p.Passes.MagicMaxAge})
	if err != nil {
		return fmt.Errorf("%w: T2G_MAGIC_KEYS_DIR: %w", errUsage, err)
	}
	callers.Magic = keys
	return nil
}

// passKeys reads the keys that sign passes and encrypt their secrets, and logs where a new
// key file was made.
func (p parts) passKeys() (*signing.Ring, *pass.Sealer, error) {
	ring, sealer, created, err := readPassKeys(p.settings)
	if created != "" {
		p.log.Info("made a key that signs passes; keep a copy of it: without it no pass can be verified", "file", created)
	}
	return ring, sealer, err
}

// ownAddresses returns the addresses of this server's listeners, which no service may lead to.
func (p parts) ownAddresses() func() []netip.AddrPort {
	var own []netip.AddrPort
	for _, listener := range []struct {
		host string
		port int
	}{{p.Gateway.Host, p.Gateway.Port}, {p.API.Host, p.API.Port}, {p.Ops.Host, p.Ops.Port}} {
		if address, err := netip.ParseAddr(listener.host); err == nil && listener.port > 0 {
			own = append(own, netip.AddrPortFrom(address, uint16(listener.port))) //nolint:gosec // at most 65535
		}
	}
	return func() []netip.AddrPort { return own }
}

// forPasses are the services as those who make passes see them.
func (s *services) forPasses() []passes.Service { return servicesForPasses(s.proxy.Services()) }

func servicesForPasses(file *proxy.Services) []passes.Service {
	all := file.ByName
	var list []passes.Service
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, forPasses(all[name]))
	}
	return list
}

func forPasses(s *proxy.Service) passes.Service {
	made := passes.Service{
		Name: s.Name, Path: s.Paths, BaseURL: s.Base.String(), Origin: s.Origin(), Injected: s.Injected(), Personal: s.Personal(), People: s.People,
	}
	if s.Scoped() {
		made.Sets = []rule.Set{s.Rules}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Scopes)) {
		made.Scopes = append(made.Scopes, passes.Scope{Name: name, Rules: s.Scopes[name]})
	}
	return made
}

// recordCalls writes one event for each call of a service.
func recordCalls(log *audit.Log, failures *slog.Logger) func(context.Context, proxy.Event) {
	return func(ctx context.Context, e proxy.Event) {
		event := audit.Event{Listener: "api", Action: audit.Call, Outcome: audit.Allowed, Reason: string(e.Kind), Actor: e.Caller.Subject}
		if e.Kind != "" {
			event.Outcome = audit.Refused
		}
		event.Attributes = []slog.Attr{
			slog.String("service", e.Service), slog.String("method", e.Method), slog.String("path", e.Path),
			slog.String("query", strings.Join(e.Query, ",")), slog.Int("status", e.Status),
			slog.Int64("bytes", e.Sent), slog.Int64("milliseconds", e.Spent.Milliseconds()),
			slog.String("credential", e.Caller.Kind), slog.String("id", e.Caller.ID), slog.String("rule", e.Rule), slog.String("cause", e.Detail),
		}
		if err := log.Write(context.WithoutCancel(ctx), time.Now(), event); err != nil {
			failures.Error("a call is not on record", "cause", err)
		}
	}
}

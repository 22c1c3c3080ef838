package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/token2go/token2go/internal/api"
	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/config"
	"github.com/token2go/token2go/internal/keyring"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/passes"
	"github.com/token2go/token2go/internal/replica"
	"github.com/token2go/token2go/internal/signing"
	"github.com/token2go/token2go/internal/store"
)

// database is the open database with what reads it, checks keys against it and changes it.
type database struct {
	store   *store.Store
	replica *replica.Replica
	checker *check.Checker
	keys    *keys.Manager
	keyring *keyring.Keyring
	uses    *keys.Uses

	passUses *passes.Uses

	services *services // nil: there is no proxy

	databaseKeys [][]byte          // the current one first
	revocations  *pass.Revocations // of passes
}

// openDatabase brings the schema up to date and reads every key.
func openDatabase(ctx context.Context, s settings, log *slog.Logger) (*database, error) {
	opened, err := store.Open(ctx, store.Options{URL: s.Database.URL.Reveal(), Log: log})
	if err != nil {
		return nil, err
	}
	d, err := useDatabase(ctx, s, opened, log)
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return d, nil
}

func useDatabase(ctx context.Context, s settings, opened *store.Store, log *slog.Logger) (*database, error) {
	databaseKeys, err := readOrMakeKeys(ctx, s.Database, opened, log)
	if err != nil {
		return nil, err
	}
	peppers, err := peppersOf(databaseKeys)
	if err != nil {
		return nil, err
	}
	var ring *keyring.Keyring // opened once it is known that no database key is missing
	revocations := new(pass.Revocations)
	copied, err := replica.New(ctx, replica.Options{
		Store: opened, Peppers: peppers, Passes: revocations, MaxAge: s.Database.MaxAge, Continue: s.Database.Stale == "continue",
		Signing: func(keys []store.SigningKey) {
			if ring != nil {
				ring.Take(keys)
			}
		},
	})
	if err != nil {
		return nil, err
	}
	if ring, err = openKeyring(ctx, s, opened, databaseKeys, log); err != nil {
		return nil, err
	}
	d := &database{
		store:   opened,
		replica: copied,
		checker: check.New(check.Options{
			Keys: copied.Keys, Refresh: copied.Refresh, Current: copied.Current,
			SeenWithin: s.Keys.SeenWithin, Failures: failures(s.Keys.Failures),
		}),
		keyring: ring,
		uses:    keys.NewUses(opened, log), passUses: passes.NewUses(opened, log),

		databaseKeys: databaseKeys, revocations: revocations,
	}
	d.keys = newManager(s, opened, peppers, ring, d.servicesOf)
	return d, nil
}

// servicesOf are the services that someone may make keys for, with the names of their
// scopes.
func (d *database) servicesOf(by keys.Actor) map[string][]string {
	if d.services == nil {
		return nil
	}
	actor := passes.Actor{Admin: by.Admin, Person: slices.Concat([]string{by.Person.Subject}, by.Person.Roles, by.Person.Groups)}
	open := map[string][]string{}
	for _, s := range d.services.passes.Services(actor) {
		open[s.Name] = nil
		for _, scope := range s.Scopes {
			open[s.Name] = append(open[s.Name], scope.Name)
		}
	}
	return open
}

// openKeyring reads the keys that sign API keys and status lists.
func openKeyring(ctx context.Context, s settings, opened *store.Store, databaseKeys [][]byte, log *slog.Logger) (*keyring.Keyring, error) {
	sealer, err := signing.NewSealer(databaseKeys...)
	if err != nil {
		return nil, err
	}
	return keyring.Open(ctx, keyring.Options{Store: opened, Sealer: sealer, Issuer: issuer(s), Log: log})
}

// issuer is what JWTs of this server name as theirs.
func issuer(s settings) string { return strings.TrimSuffix(s.API.Address().String(), "/") }

func newManager(s settings, opened *store.Store, peppers []apikey.Pepper, signer keys.Signer, services func(keys.Actor) map[string][]string) *keys.Manager {
	return keys.New(keys.Options{
		Store: opened, Prefix: apikey.Prefix(s.Keys.Prefix), Peppers: peppers, Policy: keyPolicy(s.Keys), Signer: signer, Services: services,
	})
}

// statusList publishes which JWT keys are revoked.
func (d *database) statusList(ctx context.Context, n int) (string, time.Duration, error) {
	jwt, err := d.keyring.StatusList(ctx, n)
	switch {
	case errors.Is(err, keyring.ErrNoList):
		return "", 0, api.ErrNoList
	case err != nil:
		return "", 0, fmt.Errorf("%w: %w", check.ErrUnavailable, err)
	}
	return jwt, keyring.ListLifetime, nil
}

func failures(perMinute int) apikey.Rate {
	if perMinute == 0 {
		return apikey.Rate{}
	}
	return apikey.Rate{Requests: perMinute, Per: time.Minute}
}

func keyPolicy(k config.Keys) keys.Policy {
	kinds := map[string]apikey.Kind{"opaque": apikey.Opaque, "jwt": apikey.JWT}
	policy := keys.Policy{
		Makers: k.Makers, MinTTL: k.MinTTL, DefaultTTL: k.DefaultTTL, MaxTTL: k.MaxTTL, Never: k.Never,
		MaxKeys: k.MaxPerPerson, InURL: k.InURL, SignedInWithin: k.SignedInWithin, Apps: k.Apps,
		MaxTTLFor: k.MaxTTLs(), MaxKeysFor: k.MaxCounts(), NeverFor: k.NeverFor, InURLFor: k.InURLFor,
	}
	for _, kind := range k.Kinds {
		policy.Kinds = append(policy.Kinds, kinds[kind])
	}
	return policy
}

// managerKeys makes keys as apikey-manager does: UUIDs, which may come in URLs.
func (d *database) managerKeys(k config.Keys) *keys.Manager {
	policy := keyPolicy(k)
	policy.Kinds, policy.InURL = []apikey.Kind{apikey.UUID}, true
	return keys.New(keys.Options{Store: d.store, Prefix: apikey.Prefix(k.Prefix), Policy: policy})
}

// registrar makes keys as apikeyserv does: JWTs, for a year.
func (d *database) registrar(k config.Keys) *keys.Manager {
	policy := keys.Policy{Kinds: []apikey.Kind{apikey.JWT}, MaxTTL: 365 * 24 * time.Hour}
	return keys.New(keys.Options{Store: d.store, Prefix: apikey.Prefix(k.Prefix), Policy: policy, Signer: d.keyring})
}

// usage returns how a key was used until now, uses that are not yet written among them.
func (d *database) usage(ctx context.Context, key store.Key) (store.Usage, error) {
	used, _, err := d.store.Usage(ctx, key.ID, time.Now())
	pending := d.uses.Pending(key.ID)
	used.Count += pending.Count
	if pending.Last.After(used.Last) {
		used.Last = pending.Last
	}
	return used, err
}

// run follows the database and writes uses until the context ends. The function that it
// returns waits for the last uses to be written and closes the database.
func (d *database) run(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { d.replica.Run(ctx) })
	running.Go(func() { d.uses.Run(ctx) })
	running.Go(func() { d.passUses.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
		_ = d.store.Close()
	}
}

// revoke ends a key whose holder asks for it, here at once.
func (d *database) revoke(ctx context.Context, id apikey.ID) error {
	_, err := d.keys.Revoke(ctx, keys.Actor{Name: "holder of the key", Admin: true}, id, "revoked by its holder")
	return err
}

// register adds metrics of the copy in memory.
func (d *database) register(registry prometheus.Registerer) {
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "token2go_database_age_seconds", Help: "Time since the database last answered: what is known of keys is no older.",
		}, func() float64 { return d.replica.Age().Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "token2go_keys", Help: "API keys in memory, with those that ended lately.",
		}, func() float64 { return float64(d.replica.Keys.Len()) }),
	)
}

// readOrMakeKeys returns the database keys, the current one first. Where there is none yet,
// it makes one in a file beside the SQLite database.
func readOrMakeKeys(ctx context.Context, d config.Database, opened *store.Store, log *slog.Logger) ([][]byte, error) {
	databaseKeys, err := databaseKeys(d)
	if !errors.Is(err, fs.ErrNotExist) {
		return databaseKeys, err
	}
	if err := checkNotNeeded(ctx, opened, keyFile(d)); err != nil {
		return nil, err
	}
	if err := makeDatabaseKey(keyFile(d)); err != nil {
		return nil, fmt.Errorf("database key: %w", err)
	}
	log.Info("made a database key; keep a copy of it apart from the database: without it no API key can be checked", "file", keyFile(d))
	return readDatabaseKeys(keyFile(d))
}

// peppersOf derives the peppers from the database keys.
func peppersOf(databaseKeys [][]byte) ([]apikey.Pepper, error) {
	var peppers []apikey.Pepper
	for _, key := range databaseKeys {
		pepper, err := apikey.NewPepper(key)
		if err != nil {
			return nil, err
		}
		peppers = append(peppers, pepper)
	}
	return peppers, nil
}

// checkNotNeeded returns an error where live keys need a database key whose file is gone: a new
// one would be of no use to them.
func checkNotNeeded(ctx context.Context, opened *store.Store, path string) error {
	needed, err := opened.Peppers(ctx, time.Now())
	if err != nil {
		return err
	}
	count := 0
	for _, keys := range needed {
		count += keys
	}
	if count > 0 {
		return fmt.Errorf("%w: %s does not exist, and live keys need it: %d; restore the file, or set T2G_DATABASE_KEY", replica.ErrPepper, path, count)
	}
	return nil
}

// databaseKeys are the configured ones, or that of the file beside an SQLite database. The
// error wraps fs.ErrNotExist where there is no such file.
func databaseKeys(d config.Database) ([][]byte, error) {
	if !d.Keys.Absent() {
		return config.DatabaseKeys(d.Keys.Reveal())
	}
	return readDatabaseKeys(keyFile(d))
}

func keyFile(d config.Database) string { return d.Path() + ".key" }

func readDatabaseKeys(path string) ([][]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("database key: %w", err)
	}
	keys, err := config.DatabaseKeys(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("database key in %s: %w; want 32 bytes as base64", path, err)
	}
	return keys, nil
}

// makeDatabaseKey writes a new key that no other user can read. Of several processes that
// do so at once, the first wins: the file appears complete.
func makeDatabaseKey(path string) error {
	key := make([]byte, apikey.DatabaseKeyLength)
	_, _ = rand.Read(key) // never fails
	temporary := fmt.Sprintf("%s.%d", path, os.Getpid())
	defer os.Remove(temporary)
	if err := writeDurably(temporary, []byte(base64.StdEncoding.EncodeToString(key)+"\n")); err != nil {
		return err
	}
	if err := os.Link(temporary, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

// syncDirectory has a new name in a directory survive a power failure.
func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

func writeDurably(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Sync(), file.Close())
}

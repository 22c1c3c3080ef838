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
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/config"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/replica"
	"github.com/token2go/token2go/internal/store"
)

// database is what serves from the database, and what changes it.
type database struct {
	store   *store.Store
	replica *replica.Replica
	checker *check.Checker
	keys    *keys.Manager
	uses    *keys.Uses

	databaseKeys [][]byte          // the current one first
	revocations  *pass.Revocations // of passes
}

// openDatabase brings the schema up to date and reads every key.
func openDatabase(ctx context.Context, s settings, log *slog.Logger) (*database, error) {
	databaseKeys, err := databaseKeys(s.Database, log)
	if err != nil {
		return nil, err
	}
	peppers, err := newPeppers(databaseKeys)
	if err != nil {
		return nil, err
	}
	opened, err := store.Open(ctx, store.Options{URL: s.Database.URL.Reveal(), Log: log})
	if err != nil {
		return nil, err
	}
	revocations := new(pass.Revocations)
	copied, err := replica.New(ctx, replica.Options{
		Store: opened, Peppers: peppers, Passes: revocations, MaxAge: s.Database.MaxAge, Continue: s.Database.Stale == "continue",
	})
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return &database{
		store:   opened,
		replica: copied,
		checker: check.New(check.Options{
			Keys: copied.Keys, Refresh: copied.Refresh, Current: copied.Current,
			SeenWithin: s.Keys.SeenWithin, Failures: failures(s.Keys.Failures),
		}),
		keys: newManager(s, opened, peppers),
		uses: keys.NewUses(opened, log),

		databaseKeys: databaseKeys, revocations: revocations,
	}, nil
}

func newManager(s settings, opened *store.Store, peppers []apikey.Pepper) *keys.Manager {
	return keys.New(keys.Options{Store: opened, Prefix: apikey.Prefix(s.Keys.Prefix), Peppers: peppers, Policy: keyPolicy(s.Keys)})
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
	}
	for _, kind := range k.Kinds {
		policy.Kinds = append(policy.Kinds, kinds[kind])
	}
	return policy
}

// run follows the database and writes uses until the context ends. The function that it
// returns waits for the last uses to be written and closes the database.
func (d *database) run(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { d.replica.Run(ctx) })
	running.Go(func() { d.uses.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
		_ = d.store.Close()
	}
}

// revoke ends a key whose holder asks for it, here at once.
func (d *database) revoke(ctx context.Context, id apikey.ID) error {
	by := keys.Actor{Name: "holder of the key", Admin: true}
	if _, err := d.keys.Revoke(ctx, by, id, "revoked by its holder"); err != nil {
		return err
	}
	return d.replica.Refresh(ctx)
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

// newPeppers derives the peppers from the database keys.
func newPeppers(databaseKeys [][]byte) ([]apikey.Pepper, error) {
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

// databaseKeys are the configured ones, or that of the file beside an SQLite database.
func databaseKeys(d config.Database, log *slog.Logger) ([][]byte, error) {
	if !d.Keys.Absent() {
		return config.DatabaseKeys(d.Keys.Reveal())
	}
	path := d.Path() + ".key"
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = makeDatabaseKey(path); err == nil {
			log.Info("made a database key; keep a copy of it apart from the database: without it no API key can be checked", "file", path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("database key: %w", err)
	}
	keys, err := config.DatabaseKeys(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("database key in %s: %w; want 32 bytes as base64", path, err)
	}
	return keys, nil
}

// makeDatabaseKey writes a new key that no other user can read. A process that does so at
// the same time wins or loses as a whole: the file appears complete.
func makeDatabaseKey(path string) ([]byte, error) {
	key := make([]byte, apikey.DatabaseKeyLength)
	_, _ = rand.Read(key) // never fails
	text := []byte(base64.StdEncoding.EncodeToString(key) + "\n")
	temporary := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := writeDurably(temporary, text); err != nil {
		return nil, err
	}
	defer os.Remove(temporary)
	if err := os.Link(temporary, path); errors.Is(err, fs.ErrExist) {
		return os.ReadFile(path)
	} else if err != nil {
		return nil, err
	}
	return text, nil
}

func writeDurably(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Sync(), file.Close())
}

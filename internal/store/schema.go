package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrNewer is returned for a database that a newer version of the program has changed.
var ErrNewer = errors.New("the database was changed by a newer version; start that one, or restore a backup")

// Status is the state of a schema.
type Status struct {
	Version int64 // of the database; 0 before the first migration
	Latest  int64 // of this program
}

// Status compares the database's schema with the program's.
func (s *Store) Status(ctx context.Context) (Status, error) {
	provider, err := s.provider()
	if err != nil {
		return Status{}, err
	}
	version, latest, err := provider.GetVersions(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("database: %w", err)
	}
	return Status{Version: version, Latest: latest}, nil
}

// Migrate brings the schema up to date. Processes that do so at once wait for each other.
// The error is ErrNewer for a schema that this program does not know.
func (s *Store) Migrate(ctx context.Context) error {
	unlock, err := s.lockFile(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	status, err := s.Status(ctx)
	if err != nil {
		return err
	}
	switch {
	case status.Version > status.Latest:
		return fmt.Errorf("%w (schema %d, this program's is %d)", ErrNewer, status.Version, status.Latest)
	case status.Version == status.Latest:
		return nil
	}
	provider, err := s.provider()
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("database: migrate: %w", err)
	}
	return nil
}

func (s *Store) provider() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithSlog(s.log)}
	dialect := goose.DialectSQLite3
	if s.postgres != nil {
		dialect = goose.DialectPostgres
		// A lock in a table, since a session's lock does not hold behind a pooler.
		locker, err := lock.NewPostgresTableLocker(lock.WithTableLogger(s.log))
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithLocker(locker))
	}
	return goose.NewProvider(dialect, s.db, files, options...)
}

// lockFile keeps other processes from migrating the same SQLite file.
func (s *Store) lockFile(ctx context.Context) (unlock func(), err error) {
	if s.postgres != nil {
		return func() {}, nil
	}
	file := flock.New(s.path + ".migrate")
	if _, err := file.TryLockContext(ctx, lockInterval); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return func() { _ = file.Unlock() }, nil
}

// lockInterval is how often a file lock is tried for.
const lockInterval = 50 * time.Millisecond

// Backup writes a copy of an SQLite database, as it is at one moment, to a new file.
// PostgreSQL has pg_dump.
func (s *Store) Backup(ctx context.Context, path string) error {
	if s.postgres != nil {
		return errors.New("database: back up PostgreSQL with pg_dump")
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	defer file.Close()
	if _, err := s.db.ExecContext(ctx, `VACUUM INTO ?`, path); err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("database: %w", err)
	}
	return file.Sync()
}

// Package store keeps people, keys, usage and events in SQLite or PostgreSQL.
//
// It is the only package that imports database/sql. One dialect of SQL and one migration
// serve both engines, and package storetest is the one suite that both pass. A change is
// durable when its method returns.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrNotFound is returned for a person or a key that does not exist.
	ErrNotFound = errors.New("not found")
	// ErrExists is returned for a key whose ID, hash or number is taken.
	ErrExists = errors.New("exists already")
)

// Options are what Open needs.
type Options struct {
	// URL is required: sqlite: and an absolute path, or postgres:// as libpq has it.
	URL string
	Log *slog.Logger // required
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	db       *sql.DB
	log      *slog.Logger
	path     string          // of SQLite's file
	postgres *pgx.ConnConfig // nil: SQLite
	onChange func(context.Context)
}

// Open connects to the database and brings its schema up to date. Several processes may
// open the same database at once.
func Open(ctx context.Context, o Options) (*Store, error) {
	s, err := Connect(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := s.Migrate(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// Connect is Open without changing the schema.
func Connect(ctx context.Context, o Options) (*Store, error) {
	s := &Store{log: o.Log}
	if err := s.connect(o.URL); err != nil {
		return nil, err
	}
	if err := s.db.PingContext(ctx); err != nil {
		_ = s.db.Close()
		return nil, fmt.Errorf("database: %w", err)
	}
	return s, nil
}

func (s *Store) connect(address string) (err error) {
	if path, found := strings.CutPrefix(address, "sqlite:"); found {
		if !filepath.IsAbs(path) {
			return errors.New("database: the path after sqlite: must be absolute")
		}
		s.path = path
		createPrivate(path)
		s.db, err = sql.Open("sqlite", sqliteSource(path))
		return err
	}
	if !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") {
		return errors.New("database: want sqlite:/PATH or postgres://HOST/NAME")
	}
	if s.postgres, err = pgx.ParseConfig(address); err != nil {
		return errors.New("database: not a PostgreSQL address") // the cause may quote the password
	}
	// A pooler that gives each transaction another connection loses prepared statements.
	s.postgres.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	s.db = stdlib.OpenDB(*s.postgres)
	s.db.SetMaxOpenConns(maxConnections)
	return nil
}

// createPrivate makes a new database file that no other user can read: names, addresses
// and hashes of keys are in it, and SQLite would go by the umask. Where that fails, so
// does SQLite, and says why.
func createPrivate(path string) {
	if file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err == nil {
		_ = file.Close()
	}
}

// maxConnections bounds what one replica takes of PostgreSQL's 100 connections.
const maxConnections = 10

// sqliteSource has a change on the disk before it is answered, lets readers go on
// meanwhile, and lets writers wait for each other.
func sqliteSource(path string) string {
	query := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"},
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}).String()
}

// Close ends all connections.
func (s *Store) Close() error { return s.db.Close() }

// rebind writes $1, $2 … for the question marks of a query, as PostgreSQL wants it.
func (s *Store) rebind(query string) string {
	if s.postgres == nil {
		return query
	}
	var out strings.Builder
	for i, piece := range strings.Split(query, "?") {
		if i > 0 {
			out.WriteString("$" + strconv.Itoa(i))
		}
		out.WriteString(piece)
	}
	return out.String()
}

// change is a transaction that changes something: under one revision, with its events.
type change struct {
	*Store
	ctx      context.Context //nolint:containedctx // of one call
	tx       *sql.Tx
	revision int64
	events   int
}

// channel is what PostgreSQL's listeners are told of a change on.
const channel = "token2go"

// write runs one change. Changes run one after another in the whole database, each with
// the next revision, so a reader of one revision has missed none before it.
func (s *Store) write(ctx context.Context, run func(*change) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	c := &change{Store: s, ctx: ctx, tx: tx}
	if err := c.exec(`UPDATE revision SET value = value + 1 WHERE id = 1`); err != nil {
		return err
	}
	if err := c.row(`SELECT value FROM revision WHERE id = 1`).Scan(&c.revision); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := run(c); err != nil {
		return err
	}
	if s.postgres != nil {
		if err := c.exec(`SELECT pg_notify('` + channel + `', '')`); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if s.onChange != nil {
		s.onChange(ctx)
	}
	return nil
}

// OnChange has f called after each change that this process commits, before the method
// that made it returns. It must be called before the first change.
func (s *Store) OnChange(f func(context.Context)) { s.onChange = f }

func (c *change) exec(query string, args ...any) error {
	_, err := c.tx.ExecContext(c.ctx, c.rebind(query), args...)
	return explained(err)
}

func (c *change) row(query string, args ...any) *sql.Row {
	return c.tx.QueryRowContext(c.ctx, c.rebind(query), args...)
}

// explained turns a violated uniqueness into ErrExists.
func explained(err error) error {
	if err == nil {
		return nil
	}
	if e, found := errors.AsType[*pgconn.PgError](err); found && e.Code == "23505" {
		return ErrExists
	}
	if e, found := errors.AsType[*sqlite.Error](err); found &&
		(e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY) {
		return ErrExists
	}
	return fmt.Errorf("database: %w", err)
}

// rows runs a query and calls scan for each row.
func (s *Store) rows(ctx context.Context, scan func(scanner) error, query string, args ...any) error {
	rows, err := s.db.QueryContext(ctx, s.rebind(query), args...)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("database: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// scanner is a row that was read.
type scanner interface{ Scan(...any) error }

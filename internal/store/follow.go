package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// Changes calls person and key for each person and key that was changed after a
// revision, people first, and returns the revision up to which it has read. From 0, it
// reads all. Something may come twice, later with a higher revision.
func (s *Store) Changes(ctx context.Context, since int64, person func(Person) error, key func(Key) error) (int64, error) {
	revision, err := s.Revision(ctx)
	if err != nil || revision == since {
		return revision, err
	}
	// Without a condition, all are read in the order in which they lie, not by an index.
	after, arguments := ` WHERE revision > ?`, []any{since}
	if since == 0 {
		after, arguments = "", nil
	}
	err = s.rows(ctx, func(row scanner) error {
		p, err := scanPerson(row)
		if err != nil {
			return err
		}
		return person(p)
	}, `SELECT `+personColumns+` FROM people`+after, arguments...)
	if err != nil {
		return since, err
	}
	err = s.rows(ctx, func(row scanner) error {
		k, err := scanKey(row)
		if err != nil {
			return err
		}
		return key(k)
	}, `SELECT `+keyColumns+` FROM keys`+after, arguments...)
	if err != nil {
		return since, err
	}
	return revision, nil
}

// Revision is that of the last change.
func (s *Store) Revision(ctx context.Context) (int64, error) {
	var revision int64
	if err := s.db.QueryRowContext(ctx, `SELECT value FROM revision WHERE id = 1`).Scan(&revision); err != nil {
		return 0, fmt.Errorf("database: %w", err)
	}
	return revision, nil
}

// Follower keeps a copy of people and keys up to date.
type Follower struct {
	Store  *Store             // required
	Person func(Person) error // required: takes a person who is new or was changed
	Key    func(Key) error    // required: takes a key that is new or was changed
	// Passes takes the IDs of passes that were revoked, and ends of many; nil: not read.
	Passes func(ids []string, ends []PassEnd)
	// Signing takes all signing keys when one of them is new or was changed; nil: not read.
	Signing func([]SigningKey)
	Every   time.Duration // how often the database is asked without a notice; 0: half a second

	mu    sync.Mutex
	since int64
	heard atomic.Pointer[time.Time] // read by every check, while a refresh may take long
}

// Refresh takes over what was changed since the last time; the first time, everything.
func (f *Follower) Refresh(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := time.Now()
	since, err := f.Store.Changes(ctx, f.since, f.Person, f.Key)
	if err != nil {
		return err
	}
	if since != f.since || f.heard.Load() == nil {
		if err := f.refreshSigned(ctx); err != nil {
			return err
		}
	}
	f.since = since
	f.heard.Store(&asked)
	return nil
}

// refreshSigned takes over what was changed of passes and signing keys.
func (f *Follower) refreshSigned(ctx context.Context) error {
	if f.Passes != nil {
		ids, ends, err := f.Store.RevokedPasses(ctx, f.since)
		if err != nil {
			return err
		}
		f.Passes(ids, ends)
	}
	if f.Signing == nil {
		return nil
	}
	changed, err := f.Store.signingKeysChanged(ctx, f.since)
	if err != nil || !changed {
		return err
	}
	keys, err := f.Store.SigningKeys(ctx)
	if err == nil {
		f.Signing(keys)
	}
	return err
}

// Heard is when the database was last asked and answered: the copy is no older. It is the
// zero time before.
func (f *Follower) Heard() time.Time {
	if heard := f.heard.Load(); heard != nil {
		return *heard
	}
	return time.Time{}
}

// Run refreshes until the context ends: when PostgreSQL gives notice of a change, and at
// intervals, since a connection pooler may drop notices and SQLite has none.
func (f *Follower) Run(ctx context.Context) {
	every := f.Every
	if every == 0 {
		every = 500 * time.Millisecond
	}
	notices := make(chan struct{}, 1)
	if f.Store.postgres != nil {
		go f.Store.listen(ctx, notices)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-notices:
		}
		err := f.refreshInTime(ctx)
		if failed := err != nil && ctx.Err() == nil; failed != failing {
			failing = failed
			f.Store.logFollowing(err)
		}
	}
}

// refreshInTime does not wait for ever for a database that does not answer.
func (f *Follower) refreshInTime(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return f.Refresh(ctx)
}

func (s *Store) logFollowing(err error) {
	if err != nil {
		s.log.Error("changes of the database are not read", "cause", err)
		return
	}
	s.log.Info("changes of the database are read again")
}

// listen sends on notices when another connection has changed something, until the
// context ends. It has a connection of its own, which it opens again after a failure.
func (s *Store) listen(ctx context.Context, notices chan<- struct{}) {
	for ctx.Err() == nil {
		if err := s.listenOnce(ctx, notices); ctx.Err() == nil {
			s.log.Debug("no notices from the database", "cause", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
}

func (s *Store) listenOnce(ctx context.Context, notices chan<- struct{}) error {
	connection, err := pgx.ConnectConfig(ctx, s.postgres.Copy())
	if err != nil {
		return err
	}
	defer connection.Close(context.WithoutCancel(ctx))
	if _, err := connection.Exec(ctx, `LISTEN `+channel); err != nil {
		return err
	}
	for {
		if _, err := connection.WaitForNotification(ctx); err != nil {
			return err
		}
		select {
		case notices <- struct{}{}:
		default: // one is waiting already
		}
	}
}

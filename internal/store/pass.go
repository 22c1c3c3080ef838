package store

import (
	"context"
	"encoding/json"
	"maps"
	"time"
)

// Pass is what is kept of a pass. The pass itself is not. Times are in whole seconds.
type Pass struct {
	ID       string
	Parent   string // the pass that it was made from; empty: none
	Service  string
	Subject  string // for whom it was made
	Name     string // as its owner named it
	Created  time.Time
	Expires  time.Time
	Revoked  time.Time // zero: not revoked
	Reason   string
	Allowed  json.RawMessage // what it may call, as its owner is shown it
	Secret   []byte          // sealed; nil: none
	Revision int64
}

const passColumns = `id, parent, service, subject, name, created, expires, revoked, reason, allowed, secret, revision`

func scanPass(row scanner) (Pass, error) {
	var p Pass
	var created, expires, revoked int64
	var allowed string
	err := row.Scan(&p.ID, &p.Parent, &p.Service, &p.Subject, &p.Name, &created, &expires, &revoked, &p.Reason, &allowed, &p.Secret, &p.Revision)
	p.Created, p.Expires, p.Revoked = fromSeconds(created), fromSeconds(expires), fromSeconds(revoked)
	if allowed != "" {
		p.Allowed = json.RawMessage(allowed)
	}
	return p, found(err)
}

// keptPasses is how long a pass that has expired stays in lists.
const keptPasses = 90 * 24 * time.Hour

// AddPass stores a new pass, and forgets those that expired long ago. The error may be
// ErrExists.
func (s *Store) AddPass(ctx context.Context, p Pass, event Event) (Pass, error) {
	err := s.write(ctx, func(c *change) error {
		p.Revision = c.revision
		longAgo := seconds(p.Created.Add(-keptPasses))
		if err := c.exec(`DELETE FROM pass_usage WHERE id IN (SELECT id FROM passes WHERE expires < ?)`, longAgo); err != nil {
			return err
		}
		if err := c.exec(`DELETE FROM passes WHERE expires < ?`, longAgo); err != nil {
			return err
		}
		err := c.exec(`INSERT INTO passes (`+passColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			p.ID, p.Parent, p.Service, p.Subject, p.Name, seconds(p.Created), seconds(p.Expires), seconds(p.Revoked), p.Reason,
			string(p.Allowed), p.Secret, p.Revision)
		if err != nil {
			return err
		}
		return c.event(event.of(p))
	})
	return p, err
}

// of is the event of a pass.
func (e Event) of(p Pass) Event {
	attributes := map[string]string{"pass": p.ID, "service": p.Service, "for": p.Subject}
	maps.Copy(attributes, e.Attributes)
	e.Attributes = attributes
	return e
}

// Pass returns one pass. The error may be ErrNotFound.
func (s *Store) Pass(ctx context.Context, id string) (Pass, error) {
	return scanPass(s.db.QueryRowContext(ctx, s.rebind(`SELECT `+passColumns+` FROM passes WHERE id = ?`), id))
}

// PassFilter chooses passes; the zero value of each field chooses all.
type PassFilter struct {
	Subject, Service string
	Live             time.Time // neither expired nor revoked at this time
	Limit            int       // 0: 100
}

// Passes returns passes, the newest first.
func (s *Store) Passes(ctx context.Context, f PassFilter) ([]Pass, error) {
	if f.Limit == 0 {
		f.Limit = 100
	}
	live := seconds(f.Live)
	var passes []Pass
	err := s.rows(ctx, func(row scanner) error {
		p, err := scanPass(row)
		passes = append(passes, p)
		return err
	}, `SELECT `+passColumns+` FROM passes WHERE (subject = ? OR CAST(? AS TEXT) = '') AND (service = ? OR CAST(? AS TEXT) = '')
		AND (CAST(? AS BIGINT) = 0 OR expires > ? AND revoked = 0) ORDER BY created DESC, id LIMIT ?`,
		f.Subject, f.Subject, f.Service, f.Service, live, live, f.Limit)
	return passes, err
}

// RevokePass ends a pass. One that is revoked stays as it is. The error may be ErrNotFound,
// or that of check, after which nothing has changed.
func (s *Store) RevokePass(ctx context.Context, id string, at time.Time, reason string, check func(Pass) error, event Event) (Pass, error) {
	var p Pass
	err := s.write(ctx, func(c *change) (err error) {
		if p, err = scanPass(c.row(`SELECT `+passColumns+` FROM passes WHERE id = ?`, id)); err != nil {
			return err
		}
		if err := check(p); err != nil || !p.Revoked.IsZero() {
			return err
		}
		p.Revoked, p.Reason, p.Revision = fromSeconds(seconds(at)), reason, c.revision
		err = c.exec(`UPDATE passes SET revoked = ?, reason = ?, revision = ? WHERE id = ?`, seconds(at), reason, c.revision, id)
		if err != nil {
			return err
		}
		return c.event(event.of(p))
	})
	return p, err
}

// PassEnd ends all passes of a service, of a subject or of both that were issued before a
// time; an empty text is every service or every subject.
type PassEnd struct {
	Service, Subject string
	Before           time.Time
}

// EndPasses stores an end. One that is stored already for the same passes is never moved
// back.
func (s *Store) EndPasses(ctx context.Context, end PassEnd, event Event) error {
	return s.write(ctx, func(c *change) error {
		err := c.exec(`INSERT INTO pass_ends (service, subject, ended_before, revision) VALUES (?, ?, ?, ?)
			ON CONFLICT (service, subject) DO UPDATE SET revision = excluded.revision,
			ended_before = CASE WHEN excluded.ended_before > pass_ends.ended_before THEN excluded.ended_before ELSE pass_ends.ended_before END`,
			end.Service, end.Subject, seconds(end.Before), c.revision)
		if err != nil {
			return err
		}
		return c.event(event.of(Pass{Service: end.Service, Subject: end.Subject}))
	})
}

// RevokedPasses returns the IDs of revoked passes and the ends that were stored after a
// revision. From 0, it reads all.
func (s *Store) RevokedPasses(ctx context.Context, since int64) (ids []string, ends []PassEnd, err error) {
	err = s.rows(ctx, func(row scanner) error {
		var id string
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	}, `SELECT id FROM passes WHERE revision > ? AND revoked <> 0`, since)
	if err != nil {
		return nil, nil, err
	}
	err = s.rows(ctx, func(row scanner) error {
		var e PassEnd
		var before int64
		err := row.Scan(&e.Service, &e.Subject, &before)
		e.Before = fromSeconds(before)
		ends = append(ends, e)
		return err
	}, `SELECT service, subject, ended_before FROM pass_ends WHERE revision > ?`, since)
	return ids, ends, err
}

// PassUsage is how a pass was used.
type PassUsage struct {
	Pass    string
	Count   int64
	Last    time.Time // in whole seconds
	Address string    // of the last use
	Agent   string    // of the last use: the client's User-Agent
}

// AddPassUsage adds uses to what is stored. It changes no revision.
func (s *Store) AddPassUsage(ctx context.Context, uses []PassUsage) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return explained(err)
	}
	defer func() { _ = tx.Rollback() }()
	c := &change{Store: s, ctx: ctx, tx: tx}
	for _, u := range uses {
		err := c.exec(`INSERT INTO pass_usage (id, total, last, address, agent) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET total = pass_usage.total + excluded.total,
			address = CASE WHEN excluded.last >= pass_usage.last THEN excluded.address ELSE pass_usage.address END,
			agent = CASE WHEN excluded.last >= pass_usage.last THEN excluded.agent ELSE pass_usage.agent END,
			last = CASE WHEN excluded.last >= pass_usage.last THEN excluded.last ELSE pass_usage.last END`,
			u.Pass, u.Count, seconds(u.Last), u.Address, u.Agent)
		if err != nil {
			return err
		}
	}
	return explained(tx.Commit())
}

// PassUsage returns all uses of a pass that were written.
func (s *Store) PassUsage(ctx context.Context, id string) (PassUsage, error) {
	u := PassUsage{Pass: id}
	err := s.rows(ctx, func(row scanner) error {
		var last int64
		err := row.Scan(&u.Count, &last, &u.Address, &u.Agent)
		u.Last = fromSeconds(last)
		return err
	}, `SELECT total, last, address, agent FROM pass_usage WHERE id = ?`, id)
	return u, err
}

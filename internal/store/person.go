package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Person is someone who was at the gateway: one issuer's subject.
type Person struct {
	ID              int64 // above 0 and below 2^53, so that JavaScript reads it exactly
	Issuer, Subject string
	Login, Email    string
	Active          bool
	Seen            time.Time // the last visit, in whole seconds
	Roles, Groups   []string
	Revision        int64
}

const personColumns = `id, issuer, subject, login, email, active, seen, roles, member_of, revision`

func scanPerson(row scanner) (Person, error) {
	var p Person
	var seen int64
	var roles, groups string
	if err := row.Scan(&p.ID, &p.Issuer, &p.Subject, &p.Login, &p.Email, &p.Active, &seen, &roles, &groups, &p.Revision); err != nil {
		return Person{}, found(err)
	}
	p.Seen = fromSeconds(seen)
	return p, errors.Join(json.Unmarshal([]byte(roles), &p.Roles), json.Unmarshal([]byte(groups), &p.Groups))
}

// found turns a row that is missing into ErrNotFound.
func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// Person returns one person. The error may be ErrNotFound.
func (s *Store) Person(ctx context.Context, id int64) (Person, error) {
	return scanPerson(s.db.QueryRowContext(ctx, s.rebind(`SELECT `+personColumns+` FROM people WHERE id = ?`), id))
}

// PersonFilter chooses people; the zero value of each field chooses all.
type PersonFilter struct {
	Text  string // in the login, the e-mail address or the subject
	After int64  // for the next page
	Limit int    // 0: 100
}

// People returns people in the order of their IDs.
func (s *Store) People(ctx context.Context, f PersonFilter) ([]Person, error) {
	if f.Limit == 0 {
		f.Limit = 100
	}
	var people []Person
	err := s.rows(ctx, func(row scanner) error {
		p, err := scanPerson(row)
		people = append(people, p)
		return err
	}, `SELECT `+personColumns+` FROM people WHERE id > ? AND (CAST(? AS TEXT) = '' OR `+containsText("login", "email", "subject")+`) ORDER BY id LIMIT ?`,
		f.After, f.Text, f.Text, f.Text, f.Text, f.Limit)
	return people, err
}

// seenInterval is how exact the time of the last visit is: a page that is read often
// must not write often.
const seenInterval = time.Minute

// Visit records that the person who has the issuer and the subject of p was at the
// gateway at p.Seen, with what else p holds. It returns the person as stored. It never
// changes whether a known person is active.
func (s *Store) Visit(ctx context.Context, p Person) (Person, error) {
	known, err := s.visitor(ctx, p)
	if err == nil && !changed(known, p) {
		return known, nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Person{}, err
	}
	var stored Person
	err = s.write(ctx, func(c *change) error {
		current, err := scanPerson(c.row(`SELECT `+personColumns+` FROM people WHERE issuer = ? AND subject = ?`, p.Issuer, p.Subject))
		switch {
		case errors.Is(err, ErrNotFound):
			stored = p
			stored.ID, stored.Active = 1+rand.Int64N(1<<53-1), true //nolint:gosec // no secret
			return c.putPerson(&stored)
		case err != nil:
			return err
		}
		stored = p
		stored.ID, stored.Active = current.ID, current.Active
		if stored.Seen.Before(current.Seen) {
			stored.Seen = current.Seen
		}
		return c.putPerson(&stored)
	})
	return stored, err
}

func (s *Store) visitor(ctx context.Context, p Person) (Person, error) {
	return scanPerson(s.db.QueryRowContext(ctx,
		s.rebind(`SELECT `+personColumns+` FROM people WHERE issuer = ? AND subject = ?`), p.Issuer, p.Subject))
}

func changed(known, now Person) bool {
	return now.Seen.Sub(known.Seen) >= seenInterval || known.Login != now.Login || known.Email != now.Email ||
		!slices.Equal(known.Roles, now.Roles) || !slices.Equal(known.Groups, now.Groups)
}

// ChangePerson changes one person: edit is given the present one. The error may be
// ErrNotFound, or that of edit, after which nothing has changed.
func (s *Store) ChangePerson(ctx context.Context, id int64, edit func(*Person) error, event Event) (Person, error) {
	var p Person
	err := s.write(ctx, func(c *change) (err error) {
		if p, err = scanPerson(c.row(`SELECT `+personColumns+` FROM people WHERE id = ?`, id)); err != nil {
			return err
		}
		if err := edit(&p); err != nil {
			return err
		}
		p.ID = id
		if err := c.putPerson(&p); err != nil {
			return err
		}
		event.Person = id
		return c.event(event)
	})
	return p, err
}

func (c *change) putPerson(p *Person) error {
	p.Revision = c.revision
	return c.exec(`INSERT INTO people (`+personColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET login = excluded.login, email = excluded.email, active = excluded.active,
		seen = excluded.seen, roles = excluded.roles, member_of = excluded.member_of, revision = excluded.revision`,
		p.ID, p.Issuer, p.Subject, p.Login, p.Email, p.Active, seconds(p.Seen), list(p.Roles), list(p.Groups), p.Revision)
}

// list is a list as JSON. It is never null: whether a person has roles is always known.
func list(entries []string) string {
	if entries == nil {
		entries = []string{}
	}
	return text(entries)
}

// text is a value as JSON.
func text(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		return "null" // unreachable: the types are this package's
	}
	return string(encoded)
}

// seconds is a time as it is stored; 0 for the zero time.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func fromSeconds(stored int64) time.Time {
	if stored == 0 {
		return time.Time{}
	}
	return time.Unix(stored, 0).UTC()
}

// Event is one line of the history of keys and people.
type Event struct {
	Revision   int64
	At         time.Time         // in whole seconds; zero: now
	Actor      string            // who did it: a person's subject, "command line", …
	Action     string            // such as "key made"
	Key        int64             // 0: no key
	Person     int64             // 0: no person
	Attributes map[string]string // never a secret
}

func (c *change) event(e Event) error {
	c.events++
	if e.At.IsZero() {
		e.At = time.Now()
	}
	return c.exec(`INSERT INTO events (revision, number, at, actor, action, key, person, attributes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		c.revision, c.events, seconds(e.At), e.Actor, e.Action, e.Key, e.Person, text(e.Attributes))
}

// EventFilter chooses events; the zero value of each field chooses all.
type EventFilter struct {
	Key, Person int64
	Action      string    // the whole
	Actor       string    // a part
	From, To    time.Time // From inclusive, To not
	Before      int64     // revision
	Limit       int       // 0: 100
}

// Events returns events, the newest first.
func (s *Store) Events(ctx context.Context, f EventFilter) ([]Event, error) {
	if f.Limit == 0 {
		f.Limit = 100
	}
	var events []Event
	err := s.rows(ctx, func(row scanner) error {
		var e Event
		var at int64
		var attributes string
		if err := row.Scan(&e.Revision, &at, &e.Actor, &e.Action, &e.Key, &e.Person, &attributes); err != nil {
			return err
		}
		e.At = fromSeconds(at)
		events = append(events, e)
		if err := json.Unmarshal([]byte(attributes), &events[len(events)-1].Attributes); err != nil {
			return fmt.Errorf("event %d: %w", e.Revision, err)
		}
		return nil
	}, `SELECT revision, at, actor, action, key, person, attributes FROM events
		WHERE (key = ? OR CAST(? AS BIGINT) = 0) AND (person = ? OR CAST(? AS BIGINT) = 0) AND (revision < ? OR CAST(? AS BIGINT) = 0)
		AND (action = ? OR CAST(? AS TEXT) = '') AND (CAST(? AS TEXT) = '' OR `+containsText("actor")+`)
		AND at >= ? AND (at < ? OR CAST(? AS BIGINT) = 0)
		ORDER BY revision DESC, number DESC LIMIT ?`,
		f.Key, f.Key, f.Person, f.Person, f.Before, f.Before, f.Action, f.Action, f.Actor, f.Actor,
		seconds(f.From), seconds(f.To), seconds(f.To), f.Limit)
	return events, err
}

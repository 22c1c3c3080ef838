package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/apikey"
)

// Key is one API key at rest. Times are in whole seconds.
type Key struct {
	ID       apikey.ID
	Kind     apikey.Kind
	Pepper   apikey.PepperID // under which Hash was made; 0 but for opaque keys
	Hash     *apikey.Hash    // nil for a JWT
	Number   int64           // a JWT's sub, below 2^53; 0: none
	Person   int64           // 0: no person, Owner names the role or team
	Owner    string
	Name     string
	Note     string
	Created  time.Time
	Expires  time.Time // zero: never
	Revoked  time.Time // zero: not revoked
	Reason   string    // of the revocation
	Replaces apikey.ID // the key that this one was rotated from; 0: none
	apikey.Restrictions
	Config   json.RawMessage     // nil: none
	Services map[string][]string // services and scopes that the key opens
	Grants   []string
	Revision int64

	Signed *Signed // of a new JWT, for AddKey and RotateKey; not read back
}

const keyColumns = `id, kind, pepper, hash, number, person, owner, name, note, created, expires, revoked, reason, replaces,
	restrictions, config, services, grants, revision`

func scanKey(row scanner) (Key, error) {
	var k Key
	var id, pepper, replaces, created, expires, revoked int64
	var number, person *int64
	var hash []byte
	var restrictions, config, services, grants string
	if err := row.Scan(&id, &k.Kind, &pepper, &hash, &number, &person, &k.Owner, &k.Name, &k.Note, &created, &expires, &revoked,
		&k.Reason, &replaces, &restrictions, &config, &services, &grants, &k.Revision); err != nil {
		return Key{}, found(err)
	}
	k.ID, k.Pepper, k.Replaces = apikey.ID(id), apikey.PepperID(pepper), apikey.ID(replaces) //nolint:gosec // as they were stored
	k.Created, k.Expires, k.Revoked = fromSeconds(created), fromSeconds(expires), fromSeconds(revoked)
	if len(hash) == len(apikey.Hash{}) {
		k.Hash = (*apikey.Hash)(hash)
	}
	if number != nil {
		k.Number = *number
	}
	if person != nil {
		k.Person = *person
	}
	if config != "" {
		k.Config = json.RawMessage(config)
	}
	err := errors.Join(unmarshal(restrictions, &k.Restrictions), unmarshal(services, &k.Services), unmarshal(grants, &k.Grants))
	if err != nil {
		return Key{}, fmt.Errorf("key %s: %w", k.ID, err)
	}
	return k, nil
}

// unmarshal reads a member that most keys do not have and that is empty then.
func unmarshal(text string, value any) error {
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), value)
}

// AddKey stores a new key. The error may be ErrExists.
func (s *Store) AddKey(ctx context.Context, key Key, event Event) (Key, error) {
	err := s.write(ctx, func(c *change) error { return c.addKey(&key, event) })
	return key, err
}

// ErrLimit is returned for one key more than a person may have.
var ErrLimit = errors.New("too many live keys")

// AddKeyWithin is AddKey for a person who may have limit live keys, this one among them; 0:
// any number. Those count that are neither revoked nor expired when the key is made. The
// error may be ErrLimit.
func (s *Store) AddKeyWithin(ctx context.Context, key Key, limit int, event Event) (Key, error) {
	err := s.write(ctx, func(c *change) error {
		if limit > 0 {
			live, err := scanCount(c.row(liveKeys, key.Person, seconds(key.Created)))
			if err == nil && live >= limit {
				err = ErrLimit
			}
			if err != nil {
				return err
			}
		}
		return c.addKey(&key, event)
	})
	return key, err
}

// LiveKeys counts the keys of a person that are neither revoked nor expired.
func (s *Store) LiveKeys(ctx context.Context, person int64, now time.Time) (int, error) {
	return scanCount(s.db.QueryRowContext(ctx, s.rebind(liveKeys), person, seconds(now)))
}

const liveKeys = `SELECT COUNT(*) FROM keys WHERE person = ? AND revoked = 0 AND (expires = 0 OR expires > ?)`

func scanCount(row scanner) (int, error) {
	var count int
	if err := row.Scan(&count); err != nil {
		return 0, fmt.Errorf("database: %w", err)
	}
	return count, nil
}

func (c *change) addKey(k *Key, event Event) error {
	k.Revision = c.revision
	err := c.exec(`INSERT INTO keys (`+keyColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		int64(k.ID), int64(k.Kind), int64(k.Pepper), hashBytes(k.Hash), orNull(k.Number), orNull(k.Person), //nolint:gosec // read back as it is written
		k.Owner, k.Name, k.Note, seconds(k.Created), seconds(k.Expires), seconds(k.Revoked), k.Reason, int64(k.Replaces), //nolint:gosec // below 2^60
		restrictionsText(k.Restrictions), string(k.Config), orEmpty(k.Services, len(k.Services)), orEmpty(k.Grants, len(k.Grants)), k.Revision)
	if err != nil {
		return err
	}
	if err := c.addSigned(*k); err != nil {
		return err
	}
	event.Key, event.Person = int64(k.ID), k.Person //nolint:gosec // below 2^60
	return c.event(event)
}

func hashBytes(hash *apikey.Hash) []byte {
	if hash == nil {
		return nil
	}
	return hash[:]
}

func orNull(number int64) *int64 {
	if number == 0 {
		return nil
	}
	return &number
}

func orEmpty(value any, length int) string {
	if length == 0 {
		return ""
	}
	return text(value)
}

// restrictionsText is empty for no restrictions, which most keys have: a million keys
// are read faster so.
func restrictionsText(r apikey.Restrictions) string {
	if encoded := text(r); encoded != `{"roles":null}` {
		return encoded
	}
	return ""
}

// Key returns one key. The error may be ErrNotFound.
func (s *Store) Key(ctx context.Context, id apikey.ID) (Key, error) {
	return scanKey(s.db.QueryRowContext(ctx, s.rebind(`SELECT `+keyColumns+` FROM keys WHERE id = ?`), int64(id))) //nolint:gosec // below 2^60
}

// KeyFilter chooses keys; the zero value of each field chooses all.
type KeyFilter struct {
	Person int64
	Text   string    // in the name, the note, the owner or the owner's login or e-mail
	App    string    // keys that name this application; those for every one are left out
	After  apikey.ID // for the next page
	Limit  int       // 0: 100
}

// Keys returns keys in the order of their IDs.
func (s *Store) Keys(ctx context.Context, f KeyFilter) ([]Key, error) {
	if f.Limit == 0 {
		f.Limit = 100
	}
	var keys []Key
	err := s.rows(ctx, func(row scanner) error {
		key, err := scanKey(row)
		keys = append(keys, key)
		return err
	}, `SELECT `+keyColumns+` FROM keys WHERE id > ? AND (person = ? OR CAST(? AS BIGINT) = 0)
		AND (CAST(? AS TEXT) = '' OR `+containsText("name", "note", "owner")+`
			OR person IN (SELECT id FROM people WHERE `+containsText("login", "email")+`))
		AND (CAST(? AS TEXT) = '' OR `+containsText("restrictions")+`) ORDER BY id LIMIT ?`,
		int64(f.After), f.Person, f.Person, f.Text, f.Text, f.Text, f.Text, f.Text, f.Text, f.App, quoted(f.App), f.Limit) //nolint:gosec // below 2^60
	if err != nil || f.App == "" || len(keys) == 0 {
		return keys, err
	}
	last := keys[len(keys)-1].ID
	keys, full := slices.DeleteFunc(keys, func(k Key) bool { return !slices.Contains(k.Apps, f.App) }), len(keys) == f.Limit
	if full && len(keys) < f.Limit { // the text was elsewhere in some of them
		f.After, f.Limit = last, f.Limit-len(keys)
		more, err := s.Keys(ctx, f)
		return append(keys, more...), err
	}
	return keys, nil
}

// quoted is a text as it is in JSON; empty for none.
func quoted(entry string) string {
	if entry == "" {
		return ""
	}
	return text(entry)
}

// containsText compares without case, and without the wildcards of LIKE.
func containsText(columns ...string) string {
	conditions := make([]string, len(columns))
	for i, column := range columns {
		conditions[i] = `LOWER(` + column + `) LIKE '%' || REPLACE(REPLACE(REPLACE(LOWER(CAST(? AS TEXT)), '\', '\\'), '%', '\%'), '_', '\_') || '%' ESCAPE '\'`
	}
	return "(" + strings.Join(conditions, " OR ") + ")"
}

// ChangeKey changes what of a key may change: edit is given the present one. ID, kind,
// hash, number and owner stay. The error may be ErrNotFound, or that of edit, after which
// nothing has changed.
func (s *Store) ChangeKey(ctx context.Context, id apikey.ID, edit func(*Key) error, event Event) (Key, error) {
	var key Key
	err := s.write(ctx, func(c *change) (err error) {
		key, err = c.changeKey(id, edit, event)
		return err
	})
	return key, err
}

func (c *change) changeKey(id apikey.ID, edit func(*Key) error, event Event) (Key, error) {
	key, err := scanKey(c.row(`SELECT `+keyColumns+` FROM keys WHERE id = ?`, int64(id))) //nolint:gosec // below 2^60
	if err != nil {
		return Key{}, err
	}
	if err := edit(&key); err != nil {
		return Key{}, err
	}
	key.Revision = c.revision
	err = c.exec(`UPDATE keys SET name = ?, note = ?, expires = ?, revoked = ?, reason = ?, restrictions = ?, config = ?,
		services = ?, grants = ?, revision = ? WHERE id = ?`,
		key.Name, key.Note, seconds(key.Expires), seconds(key.Revoked), key.Reason, restrictionsText(key.Restrictions), string(key.Config),
		orEmpty(key.Services, len(key.Services)), orEmpty(key.Grants, len(key.Grants)), c.revision, int64(id)) //nolint:gosec // below 2^60
	if err != nil {
		return Key{}, err
	}
	event.Key, event.Person = int64(id), key.Person //nolint:gosec // below 2^60
	return key, c.event(event)
}

// RotateKey stores a key in the place of another, whose end edit sets, in one change. The
// error may be ErrNotFound, ErrExists or that of edit, after which nothing has changed.
func (s *Store) RotateKey(ctx context.Context, old apikey.ID, edit func(*Key) error, next Key, event Event) (Key, error) {
	err := s.write(ctx, func(c *change) error {
		if _, err := c.changeKey(old, edit, event); err != nil {
			return err
		}
		next.Replaces = old
		return c.addKey(&next, event)
	})
	return next, err
}

// RevokeKeys revokes the keys of one person that are not revoked yet, and returns them.
func (s *Store) RevokeKeys(ctx context.Context, person int64, at time.Time, reason string, event Event) ([]apikey.ID, error) {
	var ids []apikey.ID
	err := s.write(ctx, func(c *change) (err error) {
		if ids, err = c.unrevoked(person); err != nil {
			return err
		}
		for _, id := range ids {
			revoke := func(k *Key) error { k.Revoked, k.Reason = at, reason; return nil }
			if _, err := c.changeKey(id, revoke, event); err != nil {
				return err
			}
		}
		return nil
	})
	return ids, err
}

func (c *change) unrevoked(person int64) ([]apikey.ID, error) {
	rows, err := c.tx.QueryContext(c.ctx, c.rebind(`SELECT id FROM keys WHERE person = ? AND revoked = 0 ORDER BY id`), person)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	defer rows.Close()
	var ids []apikey.ID
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("database: %w", err)
		}
		ids = append(ids, apikey.ID(id)) //nolint:gosec // as it was stored
	}
	return ids, rows.Err()
}

// Peppers counts the keys that still need each pepper: those that are neither revoked nor
// expired at the given time.
func (s *Store) Peppers(ctx context.Context, now time.Time) (map[apikey.PepperID]int, error) {
	counts := map[apikey.PepperID]int{}
	err := s.rows(ctx, func(row scanner) error {
		var pepper int64
		var count int
		err := row.Scan(&pepper, &count)
		counts[apikey.PepperID(pepper)] = count //nolint:gosec // as it was stored
		return err
	}, `SELECT pepper, COUNT(*) FROM keys WHERE kind = ? AND revoked = 0 AND (expires = 0 OR expires > ?) GROUP BY pepper`,
		int64(apikey.Opaque), now.Unix())
	return counts, err
}

package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// SigningKey is a signing key at rest.
type SigningKey struct {
	ID       string // the JWK thumbprint
	Purpose  string
	State    string
	Created  time.Time // in whole seconds
	Private  []byte    // encrypted
	Revision int64
}

// SigningKeyRevoked is the state of a signing key all of whose API keys are revoked.
const SigningKeyRevoked = "revoked"

// Signed is what is stored of a JWT besides the key.
type Signed struct {
	SigningKey string // its ID
	List       int    // the status list that the JWT names
	Index      int    // in that list
}

const signingKeyColumns = `id, purpose, state, created, private, revision`

func scanSigningKey(row scanner) (SigningKey, error) {
	var k SigningKey
	var created int64
	err := row.Scan(&k.ID, &k.Purpose, &k.State, &created, &k.Private, &k.Revision)
	k.Created = fromSeconds(created)
	return k, err
}

// SigningKeys returns all signing keys, the oldest first.
func (s *Store) SigningKeys(ctx context.Context) ([]SigningKey, error) {
	var keys []SigningKey
	err := s.rows(ctx, func(row scanner) error {
		key, err := scanSigningKey(row)
		keys = append(keys, key)
		return err
	}, `SELECT `+signingKeyColumns+` FROM signing_keys ORDER BY created, id`)
	return keys, err
}

// signingKeysChanged reports whether a signing key is new or was changed after a revision.
func (s *Store) signingKeysChanged(ctx context.Context, since int64) (bool, error) {
	var count int
	if err := s.db.QueryRowContext(ctx, s.rebind(`SELECT COUNT(*) FROM signing_keys WHERE revision > ?`), since).Scan(&count); err != nil {
		return false, fmt.Errorf("database: %w", err)
	}
	return count > 0, nil
}

// ChangeSigningKeys stores the keys that edit returns, which is given all there are. No other
// change runs meanwhile. The API keys of a signing key whose state becomes SigningKeyRevoked
// are revoked with it. The error may be that of edit, after which nothing has changed.
func (s *Store) ChangeSigningKeys(ctx context.Context, edit func([]SigningKey) ([]SigningKey, error), event Event) error {
	return s.write(ctx, func(c *change) error {
		all, err := c.signingKeys()
		if err != nil {
			return err
		}
		changed, err := edit(all)
		if err != nil {
			return err
		}
		for _, key := range changed {
			if err := c.putSigningKey(key, event); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *change) signingKeys() ([]SigningKey, error) {
	rows, err := c.tx.QueryContext(c.ctx, c.rebind(`SELECT `+signingKeyColumns+` FROM signing_keys ORDER BY created, id`))
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	defer rows.Close()
	var keys []SigningKey
	for rows.Next() {
		key, err := scanSigningKey(rows)
		if err != nil {
			return nil, fmt.Errorf("database: %w", err)
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}

func (c *change) putSigningKey(k SigningKey, event Event) error {
	err := c.exec(`INSERT INTO signing_keys (`+signingKeyColumns+`) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, private = excluded.private, revision = excluded.revision`,
		k.ID, k.Purpose, k.State, seconds(k.Created), k.Private, c.revision)
	if err != nil {
		return err
	}
	if k.State == SigningKeyRevoked {
		if event.At.IsZero() {
			event.At = time.Now()
		}
		err = c.exec(`UPDATE keys SET revoked = ?, reason = ?, revision = ? WHERE revoked = 0
			AND id IN (SELECT key FROM signed_keys WHERE signing_key = ?)`,
			seconds(event.At), "its signing key was revoked", c.revision, k.ID)
		if err != nil {
			return err
		}
	}
	event.Attributes = map[string]string{"signing key": k.ID, "purpose": k.Purpose, "state": k.State}
	return c.event(event)
}

// errIndexTaken is returned where two keys were given the same place in a status list at
// the same moment.
var errIndexTaken = errors.New("database: the place in the status list was taken meanwhile; try again")

func (c *change) addSigned(k Key) error {
	if k.Signed == nil {
		return nil
	}
	err := c.exec(`INSERT INTO signed_keys (key, signing_key, list, position) VALUES (?, ?, ?, ?)`,
		int64(k.ID), k.Signed.SigningKey, k.Signed.List, k.Signed.Index) //nolint:gosec // below 2^60
	if errors.Is(err, ErrExists) {
		return errIndexTaken
	}
	return err
}

// LastStatusList is the number of the newest status list, from 0.
func (s *Store) LastStatusList(ctx context.Context) (int, error) {
	var last int
	if err := s.db.QueryRowContext(ctx, `SELECT COALESCE(MAX(list), 0) FROM signed_keys`).Scan(&last); err != nil {
		return 0, fmt.Errorf("database: %w", err)
	}
	return last, nil
}

// StatusIndexTaken reports whether a place in a status list is a key's.
func (s *Store) StatusIndexTaken(ctx context.Context, list, index int) (bool, error) {
	var count int
	err := s.db.QueryRowContext(ctx, s.rebind(`SELECT COUNT(*) FROM signed_keys WHERE list = ? AND position = ?`), list, index).Scan(&count)
	if err != nil {
		return false, fmt.Errorf("database: %w", err)
	}
	return count > 0, nil
}

// RevokedIndices lists the places in a status list whose keys are revoked, or belong to
// people who are not active.
func (s *Store) RevokedIndices(ctx context.Context, list int) ([]int, error) {
	var indices []int
	err := s.rows(ctx, func(row scanner) error {
		var index int
		err := row.Scan(&index)
		indices = append(indices, index)
		return err
	}, `SELECT signed_keys.position FROM signed_keys JOIN keys ON keys.id = signed_keys.key
		LEFT JOIN people ON people.id = keys.person
		WHERE signed_keys.list = ? AND (keys.revoked <> 0 OR people.active = FALSE)`, list)
	return indices, err
}

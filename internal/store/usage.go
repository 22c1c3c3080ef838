package store

import (
	"context"
	"time"

	"github.com/token2go/token2go/internal/apikey"
)

// Usage is how a key was used since usage was last written.
type Usage struct {
	Key     apikey.ID
	Count   int64
	Last    time.Time // in whole seconds
	Address string    // of the last use
	Agent   string    // of the last use: the client's User-Agent
}

// AddUsage adds uses to what is stored. It changes no revision: replicas count apart.
func (s *Store) AddUsage(ctx context.Context, uses []Usage) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return explained(err)
	}
	defer func() { _ = tx.Rollback() }()
	c := &change{Store: s, ctx: ctx, tx: tx}
	for _, u := range uses {
		if err := c.addUsage(u); err != nil {
			return err
		}
	}
	return explained(tx.Commit())
}

func (c *change) addUsage(u Usage) error {
	id := int64(u.Key) //nolint:gosec // below 2^60
	err := c.exec(`INSERT INTO usage (key, total, last, address, agent) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET total = usage.total + excluded.total,
		address = CASE WHEN excluded.last >= usage.last THEN excluded.address ELSE usage.address END,
		agent = CASE WHEN excluded.last >= usage.last THEN excluded.agent ELSE usage.agent END,
		last = CASE WHEN excluded.last >= usage.last THEN excluded.last ELSE usage.last END`,
		id, u.Count, seconds(u.Last), u.Address, u.Agent)
	if err != nil {
		return err
	}
	return c.exec(`INSERT INTO usage_days (key, day, total) VALUES (?, ?, ?)
		ON CONFLICT (key, day) DO UPDATE SET total = usage_days.total + excluded.total`,
		id, seconds(u.Last)/secondsPerDay, u.Count)
}

const secondsPerDay = 24 * 60 * 60

// UsageDay is how often a key was used on one day (UTC).
type UsageDay struct {
	Day   time.Time
	Count int64
}

// Usage returns all uses of a key that were written, and those per day since a time, the
// oldest first. A key that was never used has the zero Usage but for its ID.
func (s *Store) Usage(ctx context.Context, id apikey.ID, since time.Time) (Usage, []UsageDay, error) {
	u := Usage{Key: id}
	err := s.rows(ctx, func(row scanner) error {
		var last int64
		err := row.Scan(&u.Count, &last, &u.Address, &u.Agent)
		u.Last = fromSeconds(last)
		return err
	}, `SELECT total, last, address, agent FROM usage WHERE key = ?`, int64(id)) //nolint:gosec // below 2^60
	if err != nil {
		return Usage{}, nil, err
	}
	var days []UsageDay
	err = s.rows(ctx, func(row scanner) error {
		var day, count int64
		err := row.Scan(&day, &count)
		days = append(days, UsageDay{time.Unix(day*secondsPerDay, 0).UTC(), count})
		return err
	}, `SELECT day, total FROM usage_days WHERE key = ? AND day >= ? ORDER BY day`, int64(id), seconds(since)/secondsPerDay) //nolint:gosec // below 2^60
	return u, days, err
}

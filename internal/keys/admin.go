package keys

import (
	"context"
	"slices"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/store"
)

// RevokeApp ends all keys that name an application and returns their IDs. Keys that are
// good for every application stay. Only an administrator may. After an error some keys may
// have ended; the call can be repeated.
func (m *Manager) RevokeApp(ctx context.Context, by Actor, app, reason string) ([]apikey.ID, error) {
	if !by.Admin {
		return nil, store.ErrNotFound
	}
	if app == "" || app == apikey.EveryApp {
		return nil, &Invalid{Field: "app", Want: "the name of one application"}
	}
	var ended []apikey.ID
	filter := store.KeyFilter{App: app}
	for {
		list, err := m.o.Store.Keys(ctx, filter)
		if err != nil || len(list) == 0 {
			return ended, err
		}
		for _, key := range list {
			if !key.Revoked.IsZero() || !slices.Contains(key.Apps, app) {
				continue
			}
			if _, err := m.Revoke(ctx, by, key.ID, reason); err != nil {
				return ended, err
			}
			ended = append(ended, key.ID)
		}
		filter.After = list[len(list)-1].ID
	}
}

// SetActive disables a person, whose keys are then refused, or enables one again. Only an
// administrator may.
func (m *Manager) SetActive(ctx context.Context, by Actor, person int64, active bool) (store.Person, error) {
	if !by.Admin {
		return store.Person{}, store.ErrNotFound
	}
	action := "person disabled"
	if active {
		action = "person enabled"
	}
	return m.o.Store.ChangePerson(ctx, person, func(p *store.Person) error { p.Active = active; return nil }, m.event(by, action))
}

// Package replica keeps every live key in memory, up to date with the database.
package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/store"
)

// Options are what a Replica needs.
type Options struct {
	Store   *store.Store    // required
	Peppers []apikey.Pepper // required

	Passes  *pass.Revocations        // takes the passes that are revoked; nil: none are
	Signing func([]store.SigningKey) // takes all signing keys when one has changed; nil: not followed

	// MaxAge is how old the copy may be; required.
	MaxAge time.Duration
	// Continue has an older copy count while the database cannot be asked.
	Continue bool
}

// Replica is the copy of one server. It is safe for concurrent use.
type Replica struct {
	Keys *check.Set

	options  Options
	follower *store.Follower
	asking   sync.Mutex
	failure  atomic.Pointer[failure]
}

// failure is why the database did not answer, and when.
type failure struct {
	at  time.Time
	err error
}

// ErrPepper is returned where live keys need a database key that is not configured.
var ErrPepper = errors.New("a database key is missing")

// New reads every key from the database. The error may be ErrPepper.
func New(ctx context.Context, o Options) (*Replica, error) {
	r := &Replica{Keys: check.NewSet(o.Peppers...), options: o}
	r.follower = &store.Follower{Store: o.Store, Person: r.putPerson, Key: r.putKey, Signing: o.Signing}
	if err := checkPeppers(ctx, o); err != nil {
		return nil, err
	}
	if o.Passes != nil {
		r.follower.Passes = r.revokePasses
	}
	if err := r.follower.Refresh(ctx); err != nil {
		return nil, err
	}
	// A change counts here when it is answered; where this fails, Run catches up.
	o.Store.OnChange(func(ctx context.Context) { _ = r.Refresh(context.WithoutCancel(ctx)) })
	return r, nil
}

func checkPeppers(ctx context.Context, o Options) error {
	needed, err := o.Store.Peppers(ctx, time.Now())
	if err != nil {
		return err
	}
	for _, pepper := range o.Peppers {
		delete(needed, pepper.ID)
	}
	if len(needed) == 0 {
		return nil
	}
	var missing []string
	for id, count := range needed {
		missing = append(missing, fmt.Sprintf("%d live keys were made under the one with the ID %s", count, id))
	}
	slices.Sort(missing)
	return fmt.Errorf("%w: %s; add it to T2G_DATABASE_KEY after the current one", ErrPepper, strings.Join(missing, ", "))
}

// Run follows the database until the context ends.
func (r *Replica) Run(ctx context.Context) { r.follower.Run(ctx) }

// Refresh takes over what was changed since the last time.
func (r *Replica) Refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	return r.follower.Refresh(ctx)
}

// Age is how old the copy is at most.
func (r *Replica) Age() time.Duration { return time.Since(r.follower.Heard()) }

// Usable reports whether checks are answered: the copy is young enough, or an older one
// counts. It asks nothing.
func (r *Replica) Usable() bool { return r.options.Continue || r.Age() <= r.options.MaxAge }

const (
	refreshTimeout = 5 * time.Second

	askTimeout  = time.Second            // of a question while checks wait
	askInterval = 250 * time.Millisecond // between two questions that failed
)

// Current returns nil if the copy may be relied on: it is young enough, or the database
// has just answered, or an older one counts. Only one caller asks at a time; the others
// go by what the one before has heard.
func (r *Replica) Current(ctx context.Context) error {
	if r.Age() <= r.options.MaxAge {
		return nil
	}
	err := r.ask(ctx)
	if err != nil && r.options.Continue {
		return nil
	}
	return err
}

func (r *Replica) ask(ctx context.Context) error {
	if !r.asking.TryLock() {
		if last := r.failure.Load(); last != nil {
			return last.err
		}
		r.asking.Lock()
	}
	defer r.asking.Unlock()
	if r.Age() <= r.options.MaxAge {
		return nil
	}
	if last := r.failure.Load(); last != nil && time.Since(last.at) < askInterval {
		return last.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	if err := r.follower.Refresh(ctx); err != nil {
		r.failure.Store(&failure{time.Now(), err})
		return err
	}
	r.failure.Store(nil)
	return nil
}

func (r *Replica) revokePasses(ids []string, ends []store.PassEnd) {
	var revoked []pass.Revocation
	for _, id := range ids {
		revoked = append(revoked, pass.Revocation{ID: id})
	}
	for _, end := range ends {
		revoked = append(revoked, pass.Revocation{Service: end.Service, Subject: end.Subject, Before: end.Before})
	}
	r.options.Passes.Add(revoked...)
}

func (r *Replica) putPerson(p store.Person) error {
	r.Keys.PutPerson(&check.Person{
		ID: p.ID, Issuer: p.Issuer, Subject: p.Subject, Login: p.Login, Email: p.Email,
		Active: p.Active, Seen: p.Seen, Roles: p.Roles, Groups: p.Groups,
	})
	return nil
}

// keptFor is how long a key that has ended stays in memory, so that its owner is told
// why it was refused.
const keptFor = 7 * 24 * time.Hour

func (r *Replica) putKey(k store.Key) error {
	key := check.Key{
		ID: k.ID, Kind: k.Kind, Pepper: k.Pepper, Person: k.Person, Expires: k.Expires, Revoked: !k.Revoked.IsZero(),
		Name: k.Name, Config: k.Config, Restrictions: k.Restrictions, Grants: k.Grants, Services: k.Services,
	}
	if k.Hash != nil {
		key.Hash = *k.Hash
	}
	if longAgo(k.Expires) || longAgo(k.Revoked) {
		r.Keys.Remove(key)
		return nil
	}
	r.Keys.Put(key)
	return nil
}

func longAgo(t time.Time) bool { return !t.IsZero() && time.Since(t) > keptFor }

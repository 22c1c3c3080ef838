package keyauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/signing"
)

// offline verifies keys with what the server publishes.
type offline struct {
	o       Options
	keys    *document[*signing.Ring] // that sign API keys
	signers *document[*signing.Ring] // that sign lists of revoked ones

	mu    sync.Mutex
	lists map[string]*document[*signing.StatusList] // by address
}

func newOffline(o Options) *offline {
	off := &offline{o: o, lists: map[string]*document[*signing.StatusList]{}}
	off.keys = off.ring("/jwks.json", signing.APIKeys)
	off.signers = off.ring("/.well-known/token2go/status.json", signing.Statuses)
	return off
}

// keysInterval is how often the server's keys are read again.
const keysInterval = 5 * time.Minute

func (f *offline) ring(path string, purpose signing.Purpose) *document[*signing.Ring] {
	return &document[*signing.Ring]{o: f.o, read: func(ctx context.Context) (*signing.Ring, time.Time, error) {
		body, err := fetch(ctx, f.o, path)
		if err != nil {
			return nil, time.Time{}, err
		}
		ring, err := signing.ReadRing(purpose, body)
		return ring, f.o.Now().Add(keysInterval), err
	}}
}

// claims are those of an API key.
type claims struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	ID      string `json:"jti"`
	Expires *int64 `json:"exp"`
	Status  struct {
		List struct {
			Index *int   `json:"idx"`
			URI   string `json:"uri"`
		} `json:"status_list"`
	} `json:"status"`
}

func (f *offline) check(ctx context.Context, key secret.Value) (Key, error) {
	c, err := f.verify(ctx, key.Reveal())
	if err != nil {
		return Key{}, err
	}
	if c.Issuer != f.o.Issuer || c.Subject == "" || c.Status.List.Index == nil {
		return Key{}, errInvalid // a key without a status could not be revoked
	}
	found := Key{ID: c.ID, Kind: "jwt", Subject: c.Subject}
	if c.Expires != nil {
		found.Expires = time.Unix(*c.Expires, 0)
		if !f.o.Now().Before(found.Expires) {
			return Key{}, errInvalid
		}
	}
	list, err := f.list(ctx, c.Status.List.URI)
	if err != nil {
		return Key{}, err
	}
	if list.Revoked(*c.Status.List.Index) {
		return Key{}, errInvalid
	}
	return found, nil
}

// verify verifies the signature. A key of the server's that is not known yet has the keys
// read again.
func (f *offline) verify(ctx context.Context, text string) (c claims, err error) {
	for _, force := range []bool{false, true} {
		ring, err := f.keys.get(ctx, force)
		if err != nil {
			return claims{}, unavailable(err)
		}
		if ring.Verify(text, &c) == nil {
			return c, nil
		}
	}
	return claims{}, errInvalid
}

// list returns the list at an address that a key names, which must be one of the server's.
func (f *offline) list(ctx context.Context, address string) (*signing.StatusList, error) {
	path, own := strings.CutPrefix(address, f.o.Issuer)
	number, isList := strings.CutPrefix(path, "/status-lists/")
	if !own || !isList || number == "" || strings.Trim(number, "0123456789") != "" {
		return nil, errInvalid
	}
	f.mu.Lock()
	known := f.lists[address]
	if known == nil {
		known = &document[*signing.StatusList]{o: f.o, read: func(ctx context.Context) (*signing.StatusList, time.Time, error) {
			return f.readList(ctx, address, path)
		}}
		f.lists[address] = known // as many as the server has signed keys for
	}
	f.mu.Unlock()
	list, err := known.get(ctx, false)
	if err != nil {
		return nil, unavailable(err)
	}
	return list, nil
}

func (f *offline) readList(ctx context.Context, address, path string) (*signing.StatusList, time.Time, error) {
	body, err := fetch(ctx, f.o, path)
	if err != nil {
		return nil, time.Time{}, err
	}
	for _, force := range []bool{false, true} {
		signers, err := f.signers.get(ctx, force)
		if err != nil {
			return nil, time.Time{}, err
		}
		if list, until, err := signing.OpenStatusList(signers, strings.TrimSpace(string(body)), address, f.o.Now()); err == nil {
			return list, until, nil
		}
	}
	return nil, time.Time{}, errors.New("the list of revoked keys is not one that the server has signed, or is too old")
}

// document is something that the server publishes, kept until it is to be read again.
type document[T any] struct {
	o    Options
	read func(context.Context) (value T, until time.Time, err error)

	flights singleflight.Group
	mu      sync.Mutex
	value   T
	tried   time.Time
	heard   time.Time // when it was read; zero: never
	until   time.Time // when it is to be read again
}

// retryInterval is how often the server is asked at most.
const retryInterval = 10 * time.Second

// get returns the document. It is read again where that is due or wanted, once for all who
// wait; where that fails, the old one is good for a while.
func (d *document[T]) get(ctx context.Context, force bool) (T, error) {
	d.mu.Lock()
	now := d.o.Now()
	due := d.heard.IsZero() || force || !now.Before(d.until)
	recent := now.Sub(d.tried) < retryInterval && now.Sub(d.tried) >= 0
	value, usable := d.value, !d.heard.IsZero() && now.Sub(d.heard) < d.o.MaxStale
	d.mu.Unlock()
	if usable && (!due || recent) {
		return value, nil
	}
	if recent && !usable {
		return value, errors.New("the server did not answer a moment ago")
	}
	flight := d.flights.DoChan("", func() (any, error) { return nil, d.refresh(context.WithoutCancel(ctx)) })
	var err error
	select {
	case <-ctx.Done():
		return value, ctx.Err()
	case result := <-flight:
		err = result.Err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.heard.IsZero() || d.o.Now().Sub(d.heard) >= d.o.MaxStale {
		return d.value, err
	}
	return d.value, nil
}

func (d *document[T]) refresh(ctx context.Context) error {
	started := d.o.Now()
	value, until, err := d.read(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tried = started
	if err != nil {
		return err
	}
	d.value, d.heard, d.until = value, started, until
	return nil
}

// fetch reads a document of the server.
func fetch(ctx context.Context, o Options, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.Server+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := o.HTTPClient.Do(request)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d", path, response.StatusCode)
	}
	const maxDocument = 4 << 20
	return io.ReadAll(io.LimitReader(response.Body, maxDocument))
}

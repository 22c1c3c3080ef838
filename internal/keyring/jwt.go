package keyring

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/signing"
	"github.com/token2go/token2go/internal/store"
)

// claims are those of an API key. There is no aud and nothing personal: a client of
// apikeyserv fails on an aud, and on an iat that is ahead of its clock.
type claims struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	ID      string `json:"jti"`
	Issued  int64  `json:"iat"`
	Expires int64  `json:"exp,omitempty"`
	Status  status `json:"status"`
}

// status refers to a status list (IETF Token Status List, section 6.2).
type status struct {
	List struct {
		Index int    `json:"idx"`
		URI   string `json:"uri"`
	} `json:"status_list"`
}

// SignKey gives a key its number and its place in a status list, and returns its JWT.
func (k *Keyring) SignKey(ctx context.Context, key *store.Key) (secret.Value, error) {
	list, index, err := k.place(ctx)
	if err != nil {
		return secret.Value{}, err
	}
	key.Number = 1 + random(maxNumber-1)
	c := claims{
		Issuer: k.o.Issuer, Subject: fmt.Sprint(key.Number), ID: key.ID.String(),
		Issued: k.o.Now().Unix() - 1, Status: status{},
	}
	c.Status.List.Index, c.Status.List.URI = index, k.listAddress(list)
	if !key.Expires.IsZero() {
		c.Expires = key.Expires.Unix()
	}
	text, signer, err := k.rings[signing.APIKeys].SignBy(c)
	if err != nil {
		return secret.Value{}, err
	}
	key.Signed = &store.Signed{SigningKey: signer, List: list, Index: index}
	return secret.New(text), nil
}

// maxNumber bounds the numbers of keys: JavaScript reads those below it exactly.
const maxNumber = 1 << 53

// random is below a bound, each number equally likely.
func random(bound int64) int64 {
	n, _ := rand.Int(rand.Reader, big.NewInt(bound)) // rand.Reader never fails
	return n.Int64()
}

const (
	// listSize is the number of keys that a status list has places for: 128 KB, which
	// compress to the revoked ones.
	listSize = 1 << 20
	// tries is how many places of a list are tried before the next list begins. With one
	// place taken in four, the chance of that is 1 in 65,000 for each new key: lists end
	// about there.
	tries = 8
)

// place draws a place in a status list that no key has.
func (k *Keyring) place(ctx context.Context) (list, index int, err error) {
	if list, err = k.o.Store.LastStatusList(ctx); err != nil {
		return 0, 0, err
	}
	for range tries {
		index = int(random(listSize))
		taken, err := k.o.Store.StatusIndexTaken(ctx, list, index)
		if err != nil || !taken {
			return list, index, err
		}
	}
	return list + 1, index, nil
}

func (k *Keyring) listAddress(list int) string {
	return fmt.Sprintf("%s/status-lists/%d", k.o.Issuer, list)
}

const (
	// ListLifetime is how long a verifier may keep a status list.
	ListLifetime = time.Minute

	readEvery = time.Second // how often the database is asked about a list
	signEvery = ListLifetime / 2
)

// signed is a status list as it was published last.
type signed struct {
	jwt            string
	revoked        map[int]bool
	keys           uint64 // version of the signing keys
	made, readLast time.Time
}

// ErrNoList is returned for a status list that does not exist.
var ErrNoList = errors.New("no such status list")

// StatusList returns a signed status list. It is made anew when a key was revoked, and
// often enough to be valid as long as it may be kept. The error may be ErrNoList.
func (k *Keyring) StatusList(ctx context.Context, n int) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, list := k.o.Now(), k.lists[n]
	if list == nil {
		if err := k.exists(ctx, n); err != nil {
			return "", err
		}
		list = new(signed)
	}
	if age := now.Sub(list.readLast); age >= 0 && age < readEvery {
		return list.jwt, nil
	}
	indices, err := k.o.Store.RevokedIndices(ctx, n)
	if err != nil {
		return "", err
	}
	list.readLast = now
	version := k.rings[signing.Statuses].Version()
	if list.jwt == "" || list.keys != version || now.Sub(list.made) >= signEvery || !list.has(indices) {
		if err := k.sign(list, n, indices); err != nil {
			return "", err
		}
		list.made, list.keys = now, version
	}
	k.lists[n] = list
	return list.jwt, nil
}

// exists returns ErrNoList for a list that no key is in. The first one is there always.
func (k *Keyring) exists(ctx context.Context, n int) (err error) {
	if n > k.last {
		if k.last, err = k.o.Store.LastStatusList(ctx); err != nil {
			return err
		}
	}
	if n < 0 || n > k.last {
		return ErrNoList
	}
	return nil
}

// has reports whether exactly these indices are revoked.
func (s *signed) has(indices []int) bool {
	if len(indices) != len(s.revoked) {
		return false
	}
	for _, index := range indices {
		if !s.revoked[index] {
			return false
		}
	}
	return true
}

func (k *Keyring) sign(s *signed, n int, indices []int) (err error) {
	list := signing.NewStatusList(listSize)
	s.revoked = make(map[int]bool, len(indices))
	for _, index := range indices {
		if err := list.Revoke(index); err != nil {
			return err
		}
		s.revoked[index] = true
	}
	s.jwt, err = signing.SignStatusList(k.rings[signing.Statuses], list, k.listAddress(n), k.o.Now(), ListLifetime)
	return err
}

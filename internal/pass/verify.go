package pass

import (
	"crypto/sha256"
	"errors"
	"time"
)

// Errors of Verify. The caller of a service gets one answer for all of them; which it was
// is for the operator.
var (
	ErrInvalid = errors.New("not a pass of this server")
	ErrService = errors.New("the pass is for another service")
	ErrExpired = errors.New("the pass has expired")
	ErrNotYet  = errors.New("the pass is not valid yet")
	ErrRevoked = errors.New("the pass was revoked")
)

type digest [sha256.Size]byte

// verified is a pass whose signature was found good under one version of the keys.
type verified struct {
	pass    Pass
	version uint64
}

// maxKnown bounds how many passes are remembered; one takes some KiB.
const maxKnown = 4096

// maxSkew is how far the clock of the replica that made a pass may be ahead.
const maxSkew = 5 * time.Second

// Verify reads a pass for a service. The signature is verified before any claim is read,
// and remembered while the keys stay the same; times and revocations are looked at each
// time.
func (i *Issuer) Verify(text, service string) (Pass, error) {
	p, err := i.open(text)
	if err != nil {
		return Pass{}, err
	}
	if p.Service != service {
		return Pass{}, ErrService
	}
	return p, i.status(p)
}

// Inspect is Verify for whatever service the pass is for. With ErrExpired, ErrNotYet and
// ErrRevoked it returns the pass too.
func (i *Issuer) Inspect(text string) (Pass, error) {
	p, err := i.open(text)
	if err != nil {
		return Pass{}, err
	}
	return p, i.status(p)
}

func (i *Issuer) status(p Pass) error {
	now := i.o.Now()
	switch {
	case !now.Before(p.Expires) || now.Sub(p.Issued) >= i.o.MaxTTL:
		return ErrExpired
	case p.NotBefore.Sub(now) > maxSkew:
		return ErrNotYet
	case i.o.Revocations.Cover(p):
		return ErrRevoked
	}
	return nil
}

// open verifies the signature.
func (i *Issuer) open(text string) (Pass, error) {
	version := i.o.Ring.Version()
	sum := digest(sha256.Sum256([]byte(text)))
	if known, found := i.known.Get(sum); found && known.version == version {
		return known.pass, nil
	}
	var c claims
	if err := i.o.Ring.Verify(text, &c); err != nil {
		return Pass{}, ErrInvalid
	}
	p, whole := c.pass()
	if !whole || p.Issuer != i.o.Issuer {
		return Pass{}, ErrInvalid
	}
	i.known.Add(sum, verified{p, version})
	return p, nil
}

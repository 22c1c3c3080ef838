package signing

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"
)

// StatusList says of up to Size JWTs which are revoked: one bit each (IETF Token Status
// List, section 4). Indices are given at random, so that a list shows neither how many
// JWTs there are nor when one was made. It is not safe for concurrent use.
type StatusList struct{ bits []byte }

// NewStatusList makes a list in which nothing is revoked. Size is rounded up to bytes.
func NewStatusList(size int) *StatusList { return &StatusList{make([]byte, (size+7)/8)} }

// Size is the number of indices.
func (l *StatusList) Size() int { return 8 * len(l.bits) }

// Revoke marks an index. One outside the list is an error.
func (l *StatusList) Revoke(index int) error {
	if index < 0 || index >= l.Size() {
		return fmt.Errorf("status index %d, want 0 to %d", index, l.Size()-1)
	}
	l.bits[index/8] |= 1 << (index % 8)
	return nil
}

// Revoked reports whether an index is marked. One outside the list is taken for revoked:
// a verifier must not accept what the list does not cover.
func (l *StatusList) Revoked(index int) bool {
	return index < 0 || index >= l.Size() || l.bits[index/8]&(1<<(index%8)) != 0
}

// statusClaims are the claims of a status list (section 5.1).
type statusClaims struct {
	Subject  string `json:"sub"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	Lifetime int64  `json:"ttl"`
	List     struct {
		Bits int    `json:"bits"`
		List string `json:"lst"`
	} `json:"status_list"`
}

// SignStatusList makes the JWT of a list that is published under an address. Verifiers
// may keep it for ttl and must not use it after three times that.
func SignStatusList(r *Ring, l *StatusList, address string, now time.Time, ttl time.Duration) (string, error) {
	var packed bytes.Buffer
	w, err := zlib.NewWriterLevel(&packed, zlib.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(l.bits); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	claims := statusClaims{Subject: address, Issued: now.Unix(), Expires: now.Add(3 * ttl).Unix(), Lifetime: int64(ttl / time.Second)}
	claims.List.Bits, claims.List.List = 1, base64.RawURLEncoding.EncodeToString(packed.Bytes())
	return r.Sign(claims)
}

// maxStatusBytes bounds what a list may unpack to: eight million indices.
const maxStatusBytes = 1 << 20

// OpenStatusList verifies a list and returns it with the time until which it may be kept.
func OpenStatusList(r *Ring, compact, address string, now time.Time) (*StatusList, time.Time, error) {
	var claims statusClaims
	if err := r.Verify(compact, &claims); err != nil {
		return nil, time.Time{}, err
	}
	if claims.Subject != address || claims.List.Bits != 1 || now.Unix() >= claims.Expires {
		return nil, time.Time{}, ErrInvalid
	}
	packed, err := base64.RawURLEncoding.DecodeString(claims.List.List)
	if err != nil {
		return nil, time.Time{}, ErrInvalid
	}
	unpacked, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, time.Time{}, ErrInvalid
	}
	bits, err := io.ReadAll(io.LimitReader(unpacked, maxStatusBytes+1))
	if err != nil || len(bits) > maxStatusBytes {
		return nil, time.Time{}, errors.Join(ErrInvalid, err)
	}
	return &StatusList{bits}, time.Unix(claims.Issued+claims.Lifetime, 0), nil
}

package pass

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/token2go/token2go/internal/signing"
)

// ReadKeyFile reads the keys that passes are signed and sealed with where there is no
// database: private Ed25519 keys in PEM (PKCS#8), the first for new passes, the others for
// those that exist. A file that is missing is made with a new key, mode 0600, in one step,
// so that servers that start together get the same one; created reports that.
func ReadKeyFile(path string, now time.Time) (ring *signing.Ring, sealer *Sealer, created bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if created, err = createKeyFile(path); err == nil {
			text, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return nil, nil, false, fmt.Errorf("pass key file: %w", err)
	}
	ring, sealer, err = readKeys(text, now)
	if err != nil {
		return nil, nil, false, fmt.Errorf("pass key file %s: %w", path, err)
	}
	return ring, sealer, created, nil
}

func readKeys(text []byte, now time.Time) (*signing.Ring, *Sealer, error) {
	var seeds [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		private, isEd25519 := parsed.(ed25519.PrivateKey)
		if err != nil || !isEd25519 {
			return nil, nil, errors.New("want unencrypted Ed25519 private keys in PEM (PKCS#8)")
		}
		seeds = append(seeds, private.Seed())
	}
	if len(seeds) == 0 {
		return nil, nil, errors.New("no PEM block; want BEGIN PRIVATE KEY")
	}
	return keysOf(seeds, now)
}

// DeriveKeys derives the keys from database keys of 32 bytes (HKDF-SHA-256, RFC 5869), so
// that all replicas have the same. The first are for new passes, the others for those
// that exist.
func DeriveKeys(now time.Time, databaseKeys ...[]byte) (*signing.Ring, *Sealer, error) {
	var seeds [][]byte
	for _, key := range databaseKeys {
		seed, err := hkdf.Key(sha256.New, key, nil, "token2go pass signing key", ed25519.SeedSize)
		if err != nil {
			return nil, nil, err
		}
		seeds = append(seeds, seed)
	}
	return keysOf(seeds, now)
}

func keysOf(seeds [][]byte, now time.Time) (*signing.Ring, *Sealer, error) {
	var keys []signing.Key
	state := signing.Active
	for _, seed := range seeds {
		text, err := encode(ed25519.NewKeyFromSeed(seed))
		if err != nil {
			return nil, nil, err
		}
		key, err := signing.ImportPEM(text, signing.Passes, state, now)
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, key)
		state = signing.Retired
	}
	ring := signing.NewRing(signing.Passes)
	if err := ring.Set(keys); err != nil {
		return nil, nil, err
	}
	sealer, err := NewSealer(seeds...)
	return ring, sealer, err
}

func encode(key ed25519.PrivateKey) ([]byte, error) {
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), err
}

// createKeyFile writes a new key beside the path and links it there, which fails where a
// file is: that one is used then.
func createKeyFile(path string) (created bool, err error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return false, err
	}
	text, err := encode(private)
	if err != nil {
		return false, err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".pass-key-") // mode 0600
	if err != nil {
		return false, err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return false, err
	}
	err = os.Link(file.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

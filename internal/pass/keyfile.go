package pass

import (
	"crypto/ed25519"
	"crypto/rand"
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
	var keys []signing.Key
	var seeds [][]byte
	for block, rest := pem.Decode(text); block != nil || len(keys) == 0; block, rest = pem.Decode(rest) {
		if block == nil {
			return nil, nil, errors.New("no PEM block; want BEGIN PRIVATE KEY")
		}
		state := signing.Active
		if len(keys) > 0 {
			state = signing.Retired
		}
		key, err := signing.ImportPEM(pem.EncodeToMemory(block), signing.Passes, state, now)
		if err != nil {
			return nil, nil, err
		}
		private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, key)
		seeds = append(seeds, private.(ed25519.PrivateKey).Seed()) //nolint:forcetypeassert // ImportPEM takes no other
	}
	ring := signing.NewRing(signing.Passes)
	if err := ring.Set(keys); err != nil {
		return nil, nil, err
	}
	sealer, err := NewSealer(seeds...)
	return ring, sealer, err
}

// createKeyFile writes a new key beside the path and links it there, which fails where a
// file is: that one is used then.
func createKeyFile(path string) (created bool, err error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return false, err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return false, err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".pass-key-") // mode 0600
	if err != nil {
		return false, err
	}
	defer os.Remove(file.Name())
	err = errors.Join(pem.Encode(file, &pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), file.Sync(), file.Close())
	if err != nil {
		return false, err
	}
	err = os.Link(file.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

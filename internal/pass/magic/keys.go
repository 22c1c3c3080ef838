// Package magic makes and verifies the tokens of magic-api-proxy: a broad API token, sealed
// to this server and wrapped with the few requests that it may be used for.
//
// A key pair is bound to one service and one origin: whoever could point a token elsewhere
// would be sent the API token in it.
package magic

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
	lru "github.com/hashicorp/golang-lru/v2"
)

// Options are what Keys need besides their files.
type Options struct {
	Folder  string           // required: has private.pem and public.pem
	Service string           // required: the only service whose tokens these keys open
	Origin  string           // required: of the service's base URL
	MaxAge  time.Duration    // of a token since it was issued; 0: its own end counts alone
	Now     func() time.Time // nil: the clock
}

// Keys are a key pair with what it is bound to. They are safe for concurrent use.
type Keys struct {
	o       Options
	private *rsa.PrivateKey
	signer  jose.Signer
	known   *lru.Cache[[sha256.Size]byte, Token] // an RSA decryption takes a millisecond
}

// The files of a key pair.
const (
	privateName = "private.pem"
	publicName  = "public.pem"
)

const minBits = 2048

// ReadKeys reads a key pair, which may be one that magic-api-proxy made.
func ReadKeys(o Options) (*Keys, error) {
	if o.Service == "" || o.Origin == "" {
		return nil, errors.New("keys of magic-api-proxy: a service and the origin of its base URL are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	private, err := readPrivate(filepath.Join(o.Folder, privateName))
	if err != nil {
		return nil, err
	}
	if err := checkPublic(filepath.Join(o.Folder, publicName), private); err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: private}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return nil, err
	}
	const maxKnown = 4096
	known, err := lru.New[[sha256.Size]byte, Token](maxKnown)
	if err != nil {
		return nil, err
	}
	return &Keys{o: o, private: private, signer: signer, known: known}, nil
}

// readPrivate reads a private RSA key in PKCS#8 or PKCS#1.
func readPrivate(path string) (*rsa.PrivateKey, error) {
	block, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block)
	if err != nil {
		parsed, err = x509.ParsePKCS1PrivateKey(block)
	}
	private, isRSA := parsed.(*rsa.PrivateKey)
	switch {
	case err != nil || !isRSA:
		return nil, fmt.Errorf("%s: want an unencrypted RSA private key", path)
	case private.N.BitLen() < minBits:
		return nil, fmt.Errorf("%s: an RSA key of %d bits, want at least %d", path, private.N.BitLen(), minBits)
	}
	return private, nil
}

// checkPublic finds a pair that does not belong together: tokens sealed with such a public
// key could not be opened.
func checkPublic(path string, private *rsa.PrivateKey) error {
	block, err := readPEM(path)
	if err != nil {
		return err
	}
	parsed, err := x509.ParsePKIXPublicKey(block)
	if err != nil {
		return fmt.Errorf("%s: want an RSA public key", path)
	}
	if !private.PublicKey.Equal(parsed) {
		return fmt.Errorf("%s is not the public key of %s beside it", path, privateName)
	}
	return nil
}

func readPEM(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("keys of magic-api-proxy: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM block", path)
	}
	return block.Bytes, nil
}

// ErrExists is returned for a folder that has a key pair, which is never replaced: all its
// tokens would end.
var ErrExists = errors.New("there is a key already")

// CreateKeys makes a key pair in a folder, which is made too. The private key's file has
// the mode 0600. The error may be ErrExists.
func CreateKeys(folder string) error {
	private, err := rsa.GenerateKey(rand.Reader, minBits)
	if err != nil {
		return err
	}
	privateText, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	publicText, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := create(filepath.Join(folder, privateName), "PRIVATE KEY", privateText, 0o600); err != nil {
		return err
	}
	return create(filepath.Join(folder, publicName), "PUBLIC KEY", publicText, 0o644)
}

func create(path, kind string, encoded []byte, mode fs.FileMode) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", path, ErrExists)
	}
	if err != nil {
		return err
	}
	return errors.Join(pem.Encode(file, &pem.Block{Type: kind, Bytes: encoded}), file.Sync(), file.Close())
}

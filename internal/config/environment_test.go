package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/config"
)

const marked = "s3cr3t-marked-value"

// environment takes every T2G_ variable away for the length of a test and sets those
// of the assignments.
func environment(t *testing.T, assignments ...string) {
	t.Helper()
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(strings.ToUpper(name), "T2G_") {
			t.Setenv(name, value) // so that it comes back
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, assignment := range assignments {
		name, value, _ := strings.Cut(assignment, "=")
		t.Setenv(name, value)
	}
}

// loaded is the configuration that the assignments make, which must be right.
func loaded(t *testing.T, assignments ...string) config.Config {
	t.Helper()
	environment(t, assignments...)
	c, err := config.Load()
	if err != nil {
		t.Fatalf("%q: got %v, want a configuration", assignments, err)
	}
	return c
}

// faults are those that the assignments make, none if they are right.
func faults(t *testing.T, assignments ...string) config.Faults {
	t.Helper()
	environment(t, assignments...)
	_, err := config.Load()
	if err == nil {
		return nil
	}
	var found config.Faults
	if !errors.As(err, &found) {
		t.Fatalf("got an error of type %T, want config.Faults", err)
	}
	return found
}

// refused is the one fault that the assignments make.
func refused(t *testing.T, assignments ...string) config.Fault {
	t.Helper()
	found := faults(t, assignments...)
	if len(found) != 1 {
		t.Fatalf("%q: got %d faults, want 1: %v", assignments, len(found), found)
	}
	return found[0]
}

func names(faults config.Faults) []string {
	var names []string
	for _, fault := range faults {
		names = append(names, fault.Name)
	}
	return names
}

func written(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// certificate writes a fresh self-signed pair.
func certificate(t *testing.T) (certPath, keyPath string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, bytes []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
	}
	return written(t, "tls.crt", block("CERTIFICATE", der)), written(t, "tls.key", block("PRIVATE KEY", keyDER))
}

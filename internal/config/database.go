package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/secret"
)

// Database is where people, keys and events are stored.
type Database struct {
	URL    secret.Value  `name:"T2G_DATABASE_URL" allowed:"sqlite: and an absolute path, or a postgres:// URL" meaning:"Switches API keys on, and the API listener. PostgreSQL is for more than one replica." example:"sqlite:/var/lib/token2go/token2go.db"`
	Keys   secret.Value  `name:"T2G_DATABASE_KEY" allowed:"32 random bytes as base64, such as openssl rand -base64 32 prints; several with commas, the first being the current one" meaning:"Hashes API keys and encrypts signing keys in the database. With SQLite and none given, one is made in a file beside the database; PostgreSQL requires one." example:"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="`
	MaxAge time.Duration `name:"T2G_DATABASE_MAX_AGE" min:"1s" max:"1h" default:"10s" meaning:"How long keys are checked without word from the database before it is asked directly." example:"30s"`
	Stale  string        `name:"T2G_DATABASE_STALE" oneof:"refuse,continue" default:"refuse" meaning:"What happens to checks when it cannot be asked then: they get 503, or go on with what is known." example:"continue"`
}

// IsSQLite reports whether the database is a file.
func (d Database) IsSQLite() bool { return strings.HasPrefix(d.URL.Reveal(), sqlitePrefix) }

// Path is the file of an SQLite database.
func (d Database) Path() string { return strings.TrimPrefix(d.URL.Reveal(), sqlitePrefix) }

const sqlitePrefix = "sqlite:"

// DatabaseKeys decodes what T2G_DATABASE_KEY or its file holds. The error quotes nothing
// of it.
func DatabaseKeys(text string) ([][]byte, error) {
	var keys [][]byte
	for i, part := range strings.Split(text, ",") {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(part))
		switch {
		case err != nil:
			return nil, fmt.Errorf("key %d is not base64", i+1)
		case len(key) != apikey.DatabaseKeyLength:
			return nil, fmt.Errorf("key %d has %d bytes", i+1, len(key))
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (d Database) check(r *reader) {
	const urlName, keyName = "T2G_DATABASE_URL", "T2G_DATABASE_KEY"
	if d.URL.Absent() || !r.sound(urlName, urlName+fileSuffix, keyName, keyName+fileSuffix) {
		return
	}
	if err := databaseURL(d); err != nil {
		r.refuse(urlName, size(d.URL.Reveal())+because(err))
		return
	}
	switch {
	case !d.Keys.Absent():
		if _, err := DatabaseKeys(d.Keys.Reveal()); err != nil {
			r.refuse(keyName, size(d.Keys.Reveal())+because(err))
		}
	case !d.IsSQLite():
		r.refuse(keyName, "nothing, with PostgreSQL")
	}
}

func databaseURL(d Database) error {
	switch text := d.URL.Reveal(); {
	case d.IsSQLite():
		if !strings.HasPrefix(d.Path(), "/") {
			return errors.New("the path after sqlite: is not absolute")
		}
	case !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://"):
		return errors.New("neither sqlite: nor postgres://")
	}
	return nil
}

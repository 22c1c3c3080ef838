package cli

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

// Status lists what is kept, of one server or of all.
func (e Env) Status(c Config, server string, asJSON bool) error {
	var entries []token2go.Entry
	var err error
	if server == "" {
		entries, err = (token2go.Cache{}).Entries()
	} else {
		var p Profile
		var entry token2go.Entry
		if p, err = c.Find(server, e.Getenv); err == nil {
			entry, err = Request{Profile: p}.cache().Load(p.Server)
		}
		if err == nil && !entry.Token.Absent() {
			entries = append(entries, entry)
		}
	}
	if err != nil {
		return err
	}
	if err := e.list(entries, asJSON); err != nil {
		return err
	}
	switch {
	case server != "" && (len(entries) == 0 || !entries[0].Good(0)):
		return fmt.Errorf("%w at %s: token2go get %s", errNotSignedIn, server, quoted(server))
	case len(entries) == 0:
		e.say("no token is kept")
	}
	return nil
}

// list writes what is known of tokens, but for the tokens.
func (e Env) list(entries []token2go.Entry, asJSON bool) error {
	now := time.Now()
	if asJSON {
		encoder := json.NewEncoder(e.Stdout)
		for _, entry := range entries {
			if err := encoder.Encode(struct {
				Server      string    `json:"server"`
				Usable      bool      `json:"usable"`
				Expires     time.Time `json:"expires,omitzero"`
				Until       time.Time `json:"until"`
				Obtained    time.Time `json:"obtained"`
				Fingerprint string    `json:"fingerprint"`
				Issuer      string    `json:"issuer,omitempty"`
			}{entry.Server, entry.Good(0), entry.Token.Expires, entry.Until, entry.Obtained, entry.Token.Fingerprint, entry.Token.Issuer}); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	for _, entry := range entries {
		said := lifetime(entry.Token, now)
		if entry.Token.Expires.IsZero() {
			said += ", used until " + clock(entry.Until, now)
		}
		fmt.Fprintf(table, "%s\t%s\tfingerprint %.12s\n", entry.Server, said, entry.Token.Fingerprint)
	}
	return table.Flush()
}

// Logout forgets a server's token.
func (e Env) Logout(c Config, server string) error {
	p, err := c.Find(server, e.Getenv)
	if err != nil {
		return err
	}
	if err := (Request{Profile: p}).cache().Remove(p.Server); err != nil {
		return err
	}
	sweepRuns()
	e.say("forgotten; at the gateway you stay signed in until you sign out there: %s", p.Server)
	return nil
}

// LogoutAll forgets every token.
func (e Env) LogoutAll() error {
	cache := token2go.Cache{}
	entries, err := cache.Entries()
	if err != nil {
		return err
	}
	sweepRuns()
	for _, entry := range entries {
		if err := cache.Remove(entry.Server); err != nil {
			return err
		}
		e.say("forgotten: %s", entry.Server)
	}
	return nil
}

package cli

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

// Status lists what is kept, of one server or of all.
func (w World) Status(c Config, server string, asJSON bool) error {
	var entries []token2go.Entry
	var err error
	if server == "" {
		entries, err = (token2go.Cache{}).Entries()
	} else {
		var p Profile
		var entry token2go.Entry
		if p, err = c.Find(server, w.Getenv); err == nil {
			entry, err = Request{Profile: p}.cache().Load(p.Server)
		}
		if err == nil && !entry.Token.Absent() {
			entries = append(entries, entry)
		}
	}
	if err != nil {
		return err
	}
	if err := w.list(entries, asJSON); err != nil {
		return err
	}
	switch {
	case server != "" && (len(entries) == 0 || !entries[0].Good(0)):
		return fmt.Errorf("%w at %s: token2go get %s", errNotSignedIn, server, quoted(server))
	case len(entries) == 0:
		w.say("no token is kept")
	}
	return nil
}

// list writes what is known of tokens, but for the tokens.
func (w World) list(entries []token2go.Entry, asJSON bool) error {
	now := time.Now()
	if asJSON {
		encoder := json.NewEncoder(w.Stdout)
		for _, e := range entries {
			if err := encoder.Encode(struct {
				Server      string    `json:"server"`
				Usable      bool      `json:"usable"`
				Expires     time.Time `json:"expires,omitzero"`
				Until       time.Time `json:"until"`
				Obtained    time.Time `json:"obtained"`
				Fingerprint string    `json:"fingerprint"`
				Issuer      string    `json:"issuer,omitempty"`
			}{e.Server, e.Good(0), e.Token.Expires, e.Until, e.Obtained, e.Token.Fingerprint, e.Token.Issuer}); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(w.Stdout, 0, 0, 2, ' ', 0)
	for _, e := range entries {
		said := lifetime(e.Token, now)
		if e.Token.Expires.IsZero() {
			said += ", used until " + clock(e.Until, now)
		}
		fmt.Fprintf(table, "%s\t%s\tfingerprint %.12s\n", e.Server, said, e.Token.Fingerprint)
	}
	return table.Flush()
}

// Logout forgets a server's token.
func (w World) Logout(c Config, server string) error {
	p, err := c.Find(server, w.Getenv)
	if err != nil {
		return err
	}
	if err := (Request{Profile: p}).cache().Remove(p.Server); err != nil {
		return err
	}
	sweepRuns()
	w.say("forgotten; at the gateway you stay signed in until you sign out there: %s", p.Server)
	return nil
}

// LogoutAll forgets every token.
func (w World) LogoutAll() error {
	cache := token2go.Cache{}
	entries, err := cache.Entries()
	if err != nil {
		return err
	}
	sweepRuns()
	for _, e := range entries {
		if err := cache.Remove(e.Server); err != nil {
			return err
		}
		w.say("forgotten: %s", e.Server)
	}
	return nil
}

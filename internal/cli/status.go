package cli

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

// Status prints what is kept for a profile. Without a valid token it is an error.
func (e Env) Status(p Profile, asJSON bool) error {
	entry, err := Request{Profile: p}.cache().Load(p.Server)
	if err != nil {
		return err
	}
	if !entry.Token.Absent() {
		if err := e.list([]token2go.Entry{entry}, asJSON); err != nil {
			return err
		}
	}
	e.warnOfGitHelpers(p)
	if !entry.Good(0) {
		return fmt.Errorf("%w at %s; sign in with: token2go get %s", errNotSignedIn, p.Server, p.argument())
	}
	return nil
}

// StatusAll prints what is kept for all servers.
func (e Env) StatusAll(c Config, asJSON bool) error {
	entries, err := token2go.Cache{}.Entries()
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		e.say("no token is kept")
	}
	if err := e.list(entries, asJSON); err != nil {
		return err
	}
	for _, name := range c.Names() {
		e.warnOfGitHelpers(c.Profiles[name])
	}
	return nil
}

func (e Env) warnOfGitHelpers(p Profile) {
	for _, f := range e.gitFindings(p) {
		if f.Verdict == verdictWrong {
			e.note(Event{Event: "warning"}, "git: %s; %s", f.Text, f.Fix)
		}
	}
}

// list prints what is known of tokens, without the tokens.
func (e Env) list(entries []token2go.Entry, asJSON bool) error {
	now := time.Now()
	if asJSON {
		encoder := json.NewEncoder(e.Stdout)
		for _, entry := range entries {
			if err := encoder.Encode(struct {
				Server      string    `json:"server"`
				Profile     string    `json:"profile,omitempty"`
				Usable      bool      `json:"usable"`
				Expires     time.Time `json:"expires,omitzero"`
				Until       time.Time `json:"until"`
				Obtained    time.Time `json:"obtained"`
				Fingerprint string    `json:"fingerprint"`
				Issuer      string    `json:"issuer,omitempty"`
			}{entry.Server, entry.Profile, entry.Good(0), entry.Token.Expiry, entry.Until, entry.Obtained, entry.Token.Fingerprint, entry.Token.Issuer}); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	for _, entry := range entries {
		text := lifetime(entry.Token, now)
		if entry.Token.Expiry.IsZero() {
			text += ", used until " + clock(entry.Until, now)
		}
		fmt.Fprintf(table, "%s\t%s\tfingerprint %.12s\n", entryName(entry), text, entry.Token.Fingerprint)
	}
	return table.Flush()
}

// entryName is the server, with the profile where that is needed to tell tokens apart.
func entryName(e token2go.Entry) string {
	if e.Profile == "" {
		return e.Server
	}
	return e.Server + " (" + e.Profile + ")"
}

// Package audit writes one line for every hand-over and every refusal, never a secret.
//
// A line is written before the answer is sent, so what was handed over is always on
// record; and it names token and key by fingerprint, so the record is safe to keep.
package audit

import (
	"context"
	"log/slog"
	"time"
)

// Way is how a token leaves.
type Way string

// The ways.
const (
	WayToken    Way = "token"     // in clear, to /token
	WayQuery    Way = "query"     // sealed, in a redirect
	WayFormPost Way = "form_post" // sealed, posted by the browser
	WayPage     Way = "page"      // sealed, carried over by the person
)

// Decision is what became of a request for a token.
type Decision string

// The decisions.
const (
	HandedOver Decision = "handed_over"
	Asked      Decision = "asked"
	Refused    Decision = "refused"
)

// Entry is one line. Empty fields are left out.
type Entry struct {
	Way         Way
	Decision    Decision
	Reason      string // of a refusal: the kind of the problem
	Person      string // who is signed in, as forwarded
	Target      string // host and port where the answer goes
	Client      string // the program's own claim of its name
	Key         string // the thumbprint of the client's key (RFC 7638)
	Fingerprint string // of the token
	Header      string // the header that carried the token
}

// Log writes entries. Its zero value cannot be used.
type Log struct{ handler slog.Handler }

// New makes a Log that writes through the handler. For a line to be on record when
// Write returns, what the handler writes to must not buffer.
func New(handler slog.Handler) *Log { return &Log{handler: handler} }

// Write writes the line of one entry.
func (l *Log) Write(ctx context.Context, now time.Time, entry Entry) error {
	record := slog.NewRecord(now, slog.LevelInfo, "audit", 0)
	var space [9]slog.Attr
	attributes := space[:0]
	add := func(name, value string) {
		if value != "" {
			attributes = append(attributes, slog.String(name, value))
		}
	}
	add("decision", string(entry.Decision))
	add("way", string(entry.Way))
	add("reason", entry.Reason)
	add("person", entry.Person)
	add("target", entry.Target)
	add("client", entry.Client)
	add("key", entry.Key)
	add("fingerprint", entry.Fingerprint)
	add("header", entry.Header)
	record.AddAttrs(attributes...)
	return l.handler.Handle(ctx, record)
}

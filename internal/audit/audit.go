// Package audit writes one line for every decision about a credential, never a secret.
//
// A line is written before the answer is sent, so every credential that was handed out is
// on record. Credentials and keys are named by fingerprint, so the record is safe to keep.
package audit

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// Action is what was asked for.
type Action string

// The actions.
const (
	HandOver Action = "hand_over" // of the access token in a request
	Call     Action = "call"      // of a service behind the proxy
	Check    Action = "check"     // of an API key
	Revoke   Action = "revoke"    // of an API key by whoever holds it
)

// Outcome is what was decided.
type Outcome string

// The outcomes.
const (
	HandedOver Outcome = "handed_over"
	Asked      Outcome = "asked" // the person was asked first
	Refused    Outcome = "refused"
	Allowed    Outcome = "allowed"
)

// Event is one decision. Empty fields and attributes are left out of its line.
type Event struct {
	Listener   string // where it was asked: gateway, api, ops
	Action     Action
	Outcome    Outcome
	Reason     string      // of a refusal: the kind of the problem
	Actor      string      // who asked, as far as the listener trusts it
	Attributes []slog.Attr // what this action adds; never a secret
}

// Log writes events. Its zero value cannot be used.
type Log struct{ handler slog.Handler }

// New makes a Log that writes through the handler. For a line to be on record when
// Write returns, what the handler writes to must not buffer.
func New(handler slog.Handler) *Log { return &Log{handler: handler} }

// Write writes the line of one event.
func (l *Log) Write(ctx context.Context, now time.Time, event Event) error {
	record := slog.NewRecord(now, slog.LevelInfo, "audit", 0)
	var space [16]slog.Attr // on the stack, and added at once
	attributes := append(space[:0],
		slog.String("decision", string(event.Outcome)),
		slog.String("listener", event.Listener),
		slog.String("action", string(event.Action)),
		slog.String("reason", event.Reason),
		slog.String("person", event.Actor),
	)
	attributes = append(attributes, event.Attributes...)
	record.AddAttrs(slices.DeleteFunc(attributes, isEmpty)...)
	return l.handler.Handle(ctx, record)
}

func isEmpty(attribute slog.Attr) bool {
	return attribute.Value.Kind() == slog.KindString && attribute.Value.String() == ""
}

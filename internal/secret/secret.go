// Package secret holds a credential that cannot be printed by accident.
//
// A Value answers every printing, logging and encoding interface of the standard
// library with a mask. The one way out is Reveal, so searching for that name lists
// all code by which a credential leaves the program's hands.
package secret

import (
	"fmt"
	"log/slog"
)

const mask = "[secret]"

// Value is a credential. Its zero value is the absent credential.
//
// The text is behind a pointer: fmt and slog print a plain string field when the
// Value is held in an unexported field, where they cannot call its methods.
type Value struct{ text *string }

// New wraps text. The empty text is the absent credential.
func New(text string) Value {
	if text == "" {
		return Value{}
	}
	return Value{text: &text}
}

// Reveal returns the credential itself.
func (v Value) Reveal() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

// Absent reports whether there is no credential.
func (v Value) Absent() bool { return v.text == nil }

// Len is the credential's length in bytes.
func (v Value) Len() int { return len(v.Reveal()) }

// String returns the mask, or the empty text for the absent credential.
func (v Value) String() string {
	if v.Absent() {
		return ""
	}
	return mask
}

// Format writes what String returns, whatever the verb.
func (v Value) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(v.String())) }

// LogValue logs what String returns.
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }

// MarshalText encodes what String returns; JSON, XML and YAML encoders use it too.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

package flow

import (
	"fmt"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/token"
)

// Answer is a sealed token on its way to the client.
type Answer struct {
	Mode     Mode      // ModeQuery, ModeFormPost or ModePage
	Location string    // ModeQuery: the target with the answer in its query
	Action   string    // ModeFormPost: the target
	Source   string    // ModeFormPost: the target as a Content-Security-Policy names it
	Fields   []Field   // ModeFormPost: what is posted
	Sealed   string    // ModePage: the text that the person pastes into the client
	Expires  time.Time // ModePage: until when the client accepts it
}

// Field is one parameter of an answer.
type Field struct{ Name, Value string }

// answer seals the token for the client's key.
func (ru Rules) answer(r Request, found token.Found, now time.Time) (*Answer, error) {
	fields, err := ru.seal(r, found, now)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	switch r.Mode {
	case ModePage:
		return &Answer{Mode: ModePage, Sealed: fields[0].Value, Expires: now.Add(seal.Lifetime)}, nil
	case ModeFormPost:
		return formPost(r, fields), nil
	}
	location := r.Target.with(fields)
	if r.Mode == modeAuto && ru.Modes.offers(ModeFormPost) && (len(location) > ru.MaxURL || !ru.Modes.offers(ModeQuery)) {
		return formPost(r, fields), nil
	}
	return &Answer{Mode: ModeQuery, Location: location}, nil
}

func formPost(r Request, fields []Field) *Answer {
	return &Answer{Mode: ModeFormPost, Action: r.Target.String(), Source: r.Target.Source(), Fields: fields}
}

// seal returns the fields of the answer, the state last.
func (ru Rules) seal(r Request, found token.Found, now time.Time) ([]Field, error) {
	document := found.Document(now)
	if r.Format == FormatJWE {
		text, err := seal.SealJWE(r.Key, document, seal.Header{Issuer: ru.Issuer, State: r.State, IssuedAt: now})
		return []Field{{"response", text}, {"state", r.State}}, err
	}
	triple, err := seal.SealTriple(r.Key, document)
	return []Field{
		{"key", triple.Key}, {"nonce", triple.Nonce}, {"payload", triple.Payload}, {"state", r.State},
	}, err
}

// writeFields writes fields as a query. Their names need no escaping.
func writeFields(into *strings.Builder, fields []Field) {
	for i, field := range fields {
		if i > 0 {
			into.WriteByte('&')
		}
		into.WriteString(field.Name)
		into.WriteByte('=')
		writeEscaped(into, field.Value)
	}
}

// writeEscaped writes what url.QueryEscape would return, without allocating it: a sealed
// token is kilobytes long.
func writeEscaped(into *strings.Builder, text string) {
	const hex = "0123456789ABCDEF"
	done := 0 // everything before it is written
	for i := range len(text) {
		b := text[i]
		if isUnreserved(b) {
			continue
		}
		into.WriteString(text[done:i])
		done = i + 1
		if b == ' ' {
			into.WriteByte('+')
			continue
		}
		into.WriteByte('%')
		into.WriteByte(hex[b>>4])
		into.WriteByte(hex[b&15])
	}
	into.WriteString(text[done:])
}

// The bytes that need no escaping anywhere (RFC 3986, section 2.3), one bit each: those
// below 64, and those from 64 to 127.
const (
	unreservedLow  = 1<<'-' | 1<<'.' | (1<<10-1)<<'0'
	unreservedHigh = (1<<26-1)<<('A'-64) | 1<<('_'-64) | (1<<26-1)<<('a'-64) | 1<<('~'-64)
)

// isUnreserved reports whether b is unreserved. A bitmap avoids branch mispredictions,
// which base64's mix of letters and digits would cause.
func isUnreserved(b byte) bool {
	return [4]uint64{unreservedLow, unreservedHigh}[b>>6]>>(b&63)&1 == 1
}

package flow

import (
	"fmt"
	"net/url"
	"time"

	"token2go/internal/seal"
	"token2go/internal/token"
)

// Answer is a sealed token on its way to the client.
type Answer struct {
	Mode     Mode    // ModeQuery, ModeFormPost or ModePage
	Location string  // ModeQuery: the target with the answer in its query
	Action   string  // ModeFormPost: the target
	Source   string  // ModeFormPost: the target as a Content-Security-Policy names it
	Fields   []Field // ModeFormPost: what is posted
	Sealed   string  // ModePage: the text that the person carries over
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
		return &Answer{Mode: ModePage, Sealed: fields[0].Value}, nil
	case ModeFormPost:
		return formPost(r, fields), nil
	}
	location := r.Target.with(encode(fields))
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

// encode makes a query of fields whose names need no escaping.
func encode(fields []Field) string {
	size := 0
	for _, field := range fields {
		size += len(field.Name) + len(field.Value) + len(field.Value)/8 + 2
	}
	query := make([]byte, 0, size)
	for i, field := range fields {
		if i > 0 {
			query = append(query, '&')
		}
		query = append(append(query, field.Name...), '=')
		query = append(query, url.QueryEscape(field.Value)...)
	}
	return string(query)
}

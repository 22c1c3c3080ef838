package token

import (
	"encoding/json"
	"time"

	"token2go/internal/secret"
)

// Document is the JSON that is handed over, by /token in clear and by the redirect flow
// in an envelope: timestamp (now, RFC 3339), fingerprint, secret, and where known
// expires, header and tokenType.
func (f Found) Document(now time.Time) secret.Value {
	text := make([]byte, 0, 256+f.Secret.Len())
	text = append(text, `{"timestamp":"`...)
	text = now.UTC().AppendFormat(text, time.RFC3339)
	text = append(text, `","fingerprint":"`...)
	text = append(text, f.fingerprint...)
	text = append(text, `","secret":`...)
	text = appendString(text, f.Secret.Reveal())
	if !f.claims.Expires.IsZero() {
		text = append(text, `,"expires":"`...)
		text = f.claims.Expires.AppendFormat(text, time.RFC3339)
		text = append(text, '"')
	}
	if f.Header != "" {
		text = append(text, `,"header":`...)
		text = appendString(text, f.Header)
	}
	if f.Bearer {
		text = append(text, `,"tokenType":"Bearer"`...)
	}
	return secret.New(string(append(text, '}')))
}

// appendString appends text as a JSON string. Tokens are almost always plain ASCII,
// which needs no escaping and is copied.
func appendString(into []byte, text string) []byte {
	for i := range len(text) {
		if b := text[i]; b < ' ' || b > '~' || b == '"' || b == '\\' {
			quoted, _ := json.Marshal(text) // a string always encodes
			return append(into, quoted...)
		}
	}
	into = append(into, '"')
	into = append(into, text...)
	return append(into, '"')
}

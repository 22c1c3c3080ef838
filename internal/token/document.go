package token

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/secret"
)

// Document is the JSON that is handed over, by /token in clear and by the redirect flow
// in an envelope: timestamp (now, RFC 3339), fingerprint, secret, and where known
// expires, header and tokenType.
func (f Found) Document(now time.Time) secret.Value {
	var text strings.Builder
	text.Grow(256 + f.Secret.Len()) // for one allocation
	text.WriteString(`{"timestamp":"`)
	text.WriteString(now.UTC().Format(time.RFC3339))
	text.WriteString(`","fingerprint":"`)
	text.WriteString(f.fingerprint)
	text.WriteString(`","secret":`)
	writeString(&text, f.Secret.Reveal())
	if !f.claims.Expires.IsZero() {
		text.WriteString(`,"expires":"`)
		text.WriteString(f.claims.Expires.Format(time.RFC3339))
		text.WriteByte('"')
	}
	if f.Header != "" {
		text.WriteString(`,"header":`)
		writeString(&text, f.Header)
	}
	if f.Bearer {
		text.WriteString(`,"tokenType":"Bearer"`)
	}
	text.WriteByte('}')
	return secret.New(text.String())
}

// writeString writes text as a JSON string. Text that needs no escaping, as in almost
// every token, is copied.
func writeString(into *strings.Builder, text string) {
	if !isVisible(text) || strings.IndexByte(text, '"') >= 0 || strings.IndexByte(text, '\\') >= 0 {
		quoted, _ := json.Marshal(text) // a string always encodes
		into.Write(quoted)
		return
	}
	into.WriteByte('"')
	into.WriteString(text)
	into.WriteByte('"')
}

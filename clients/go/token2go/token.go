package token2go

import (
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/token2go/token2go/internal/secret"
)

// Token is an access token. fmt, slog and the encoders of the standard library print a
// mask in its place; Reveal and SetAuthHeader are the ways out. Its zero value is no token.
type Token struct {
	Expiry      time.Time // by this computer's clock; zero: unknown
	TokenType   string    // for the Authorization header, such as Bearer
	Fingerprint string    // 64 hex characters, the same that the server shows; safe to print
	Header      string    // the header that the gateway sent it in, where known; for showing
	Issuer      string    // the server's own claim, unproven and for showing; may be empty
	Words       [4]string // the four words of the call that got it; empty where there was none

	text     secret.Value
	doubtful bool // someone else may have sent it, so it is not kept
}

// fingerprintSalt goes before a token when its fingerprint is taken. It is part of the
// protocol.
const fingerprintSalt = "03c49494-c1f3-4b3c-a9e3-28b1c4e42177"

// NewToken makes a Token of type Bearer from its text, from a cache
// or in a test. The empty text gives the zero Token.
func NewToken(text string) Token {
	if text == "" {
		return Token{}
	}
	sum := sha512.Sum512_256([]byte(fingerprintSalt + text))
	return Token{Fingerprint: hex.EncodeToString(sum[:]), TokenType: "Bearer", text: secret.New(text)}
}

// Reveal returns the token itself.
func (t Token) Reveal() string { return t.text.Reveal() }

// SetAuthHeader sets the Authorization header of a request.
func (t Token) SetAuthHeader(r *http.Request) {
	r.Header.Set("Authorization", t.TokenType+" "+t.Reveal())
}

// Absent reports whether there is no token.
func (t Token) Absent() bool { return t.text.Absent() }

// Valid reports whether the token is there and has not expired, with ten seconds to
// spare for its way to a server. One whose expiry is unknown is valid.
func (t Token) Valid() bool { return t.ValidFor(10 * time.Second) }

// ValidFor reports whether the token is there and does not expire within d. One whose
// expiry is unknown does not.
func (t Token) ValidFor(d time.Duration) bool { return t.validFor(d, time.Now()) }

func (t Token) validFor(d time.Duration, now time.Time) bool {
	return !t.Absent() && (t.Expiry.IsZero() || t.Expiry.Sub(now) >= d)
}

// String returns a mask, or the empty text for no token.
func (t Token) String() string { return t.text.String() }

// Format writes what String returns, whatever the verb.
func (t Token) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(t.String())) }

// LogValue logs the fingerprint and the expiry.
func (t Token) LogValue() slog.Value {
	if t.Absent() {
		return slog.GroupValue()
	}
	return slog.GroupValue(slog.String("fingerprint", t.Fingerprint), slog.Time("expires", t.Expiry))
}

// MarshalJSON encodes all fields, and a mask in place of the token.
func (t Token) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Secret      string    `json:"secret"`
		Expires     time.Time `json:"expires,omitzero"`
		Fingerprint string    `json:"fingerprint,omitempty"`
		Header      string    `json:"header,omitempty"`
		TokenType   string    `json:"tokenType,omitempty"`
		Issuer      string    `json:"issuer,omitempty"`
	}{t.String(), t.Expiry, t.Fingerprint, t.Header, t.TokenType, t.Issuer})
}

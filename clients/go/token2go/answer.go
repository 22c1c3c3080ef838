package token2go

import (
	"crypto/rsa"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/secret"
)

// verdict is what ends a wait: a token, or the error that the server sent in its place.
type verdict struct {
	token   Token
	err     error
	warning error  // may be nil
	browser bool   // it came through a browser, which waits for a page
	answer  string // the parameters that the browser brought
}

// errStray is the error of what does not hold the state. The person is not warned of it.
var errStray = errors.New("it does not hold the state of this call")

// judge reads the parameters of what claims to be the answer, sealed no earlier than
// since. After an error the wait goes on.
func (c *call) judge(fields url.Values, since time.Time) (verdict, error) {
	state := fields["state"]
	if len(state) != 1 || subtle.ConstantTimeCompare([]byte(state[0]), []byte(c.state)) != 1 {
		return verdict{}, errStray
	}
	for _, name := range []string{"error", "error_description", "response", "key", "nonce", "payload"} {
		if len(fields[name]) > 1 {
			return verdict{}, unaccepted("it holds %s twice", name)
		}
	}
	sealed := fields.Has("response")
	parts := fields.Has("key") || fields.Has("nonce") || fields.Has("payload")
	switch {
	case fields.Has("error") && (sealed || parts):
		return verdict{}, unaccepted("it is a refusal and a token at once")
	case fields.Has("error"):
		return verdict{err: refusal(fields.Get("error"), fields.Get("error_description"))}, nil
	case c.format == JWE && parts:
		return verdict{}, unaccepted("it is in the format triple, and jwe was asked for")
	case c.format == Triple && sealed:
		return verdict{}, unaccepted("it is in the format jwe, and triple was asked for")
	case sealed:
		return c.openJWE(fields.Get("response"), since)
	case parts:
		return c.openTriple(seal.Triple{Key: fields.Get("key"), Nonce: fields.Get("nonce"), Payload: fields.Get("payload")}, since)
	}
	return verdict{}, unaccepted("it holds neither a token nor a refusal")
}

func (c *call) openJWE(text string, since time.Time) (verdict, error) {
	opened, err := seal.OpenJWE(c.private, text, c.state)
	if err != nil {
		return verdict{}, unaccepted("%w", err)
	}
	token, _, err := c.read(opened.Plaintext)
	if err != nil {
		return verdict{}, err
	}
	if issuer := opened.Issuer; issuer == printable(issuer) {
		token.Issuer = issuer
	}
	warning := c.checkClock(&token, opened.IssuedAt, since)
	return verdict{token: token, warning: warning}, nil
}

func (c *call) openTriple(triple seal.Triple, since time.Time) (verdict, error) {
	private, _ := c.private.(*rsa.PrivateKey)
	plaintext, err := seal.OpenTriple(private, triple)
	if err != nil {
		return verdict{}, unaccepted("%w", err)
	}
	token, at, err := c.read(plaintext)
	if err != nil {
		return verdict{}, err
	}
	warning := c.checkClock(&token, at, since)
	return verdict{token: token, warning: warning}, nil
}

// read returns the token in the plaintext, and the time of sealing that the server
// states there. Other members that are unknown or unusable are ignored.
func (c *call) read(plaintext secret.Value) (Token, time.Time, error) {
	var document map[string]any // a struct would take SECRET for secret
	if !utf8.ValidString(plaintext.Reveal()) || json.Unmarshal([]byte(plaintext.Reveal()), &document) != nil {
		return Token{}, time.Time{}, unaccepted("what it holds is not the JSON of a token")
	}
	text := func(name string) string { member, _ := document[name].(string); return member }
	if !isToken(text("secret")) {
		return Token{}, time.Time{}, unaccepted("it holds no token that can be used")
	}
	token := NewToken(text("secret"))
	token.Words = c.key.Words(c.state)
	if expires, err := time.Parse(time.RFC3339, text("expires")); err == nil {
		token.Expiry = expires
	}
	if exp := expiryOf(text("secret")); token.Expiry.IsZero() || !exp.IsZero() && exp.Before(token.Expiry) {
		token.Expiry = exp
	}
	if isName(text("header")) {
		token.Header = text("header")
	}
	if isName(text("tokenType")) {
		token.TokenType = text("tokenType")
	}
	at, _ := time.Parse(time.RFC3339, text("timestamp")) // 1.0.3 writes it too; unreadable is unknown
	return token, at, nil
}

// isToken reports whether text can be sent in a header as it is.
func isToken(text string) bool {
	return text != "" && utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) })
}

// isName reports whether text is a token as RFC 9110, section 5.6.2, has it, which is
// what names of headers and of authentication schemes are.
func isName(text string) bool {
	odd := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	}
	return text != "" && len(text) <= 100 && !strings.ContainsFunc(text, odd)
}

// checkClock compares the server's clock, which sealed at a moment, with this computer's.
// Where they differ it corrects the token's expiry, and returns a warning.
func (c *call) checkClock(token *Token, sealed, since time.Time) error {
	const tolerance = time.Minute
	ours := c.now()
	switch {
	case sealed.IsZero():
		return nil
	case sealed.Sub(ours) > tolerance:
	case since.Sub(sealed) > tolerance:
		ours = since
	default:
		return nil
	}
	if !token.Expiry.IsZero() {
		left := token.Expiry.Sub(sealed)
		token.Expiry = time.Time{} // a token that had expired when it was sealed: one of the times is wrong
		if left > 0 {
			token.Expiry = ours.Round(0).Add(left)
		}
	}
	return &ClockError{Ahead: sealed.Sub(ours)}
}

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
	warning error // may be nil
	browser bool  // it came through a browser, which waits for a page
}

// errStray is the error of whatever does not hold the state: nobody's business, so no
// person is told of it.
var errStray = errors.New("it does not hold the state of this call")

// judge looks at the parameters of what claims to be the answer, sealed no earlier than
// since. An error leaves the wait as it was.
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
	return verdict{token: token, warning: c.clock(opened.IssuedAt, since)}, nil
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
	return verdict{token: token, warning: c.clock(at, since)}, nil
}

// read takes the token out of the plaintext, and when the server says that it sealed
// it. Members that are not known or not usable are passed over, but for the token.
func (c *call) read(plaintext secret.Value) (Token, time.Time, error) {
	var document map[string]any // not a struct, to which SECRET would be secret
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
	if isName(text("header")) {
		token.Header = text("header")
	}
	if isName(text("tokenType")) {
		token.TokenType = text("tokenType")
	}
	at, _ := time.Parse(time.RFC3339, text("timestamp")) // 1.0.3 writes it too; unreadable is unknown
	return token, at, nil
}

// isToken reports whether text can stand in a header as it is.
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

// clock compares the server's clock with ours, and is nil where there is nothing to say.
func (c *call) clock(at, since time.Time) error {
	const most = time.Minute
	switch now := c.now(); {
	case at.IsZero():
		return nil
	case at.Sub(now) > most:
		return &ClockError{Ahead: at.Sub(now)}
	case since.Sub(at) > most:
		return &ClockError{Ahead: at.Sub(since)}
	}
	return nil
}

package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/token2go/token2go/internal/token"
)

// TokenOptions are what a Token verifier needs.
type TokenOptions struct {
	Issuer    string   // required: exactly as the tokens have it in iss
	Audiences []string // required: a token must be for one of these
	Clients   []string // azp or client_id must be one of these; nil: any
	IDTokens  bool     // ID tokens are accepted, too
	Claims    Claims   // required: Subject at least
	Log       *slog.Logger
	Client    *http.Client     // nil: one with a time limit
	Now       func() time.Time // nil: time.Now
}

// Token verifies the forwarded token as a JWT with the issuer's published keys.
type Token struct {
	*issuer
	TokenOptions
	verified *lru.Cache[[sha256.Size]byte, verifiedPerson]
}

// verifiedPerson is the person of a token that was verified a moment ago.
type verifiedPerson struct {
	person Person
	until  time.Time
}

// verifiedFor is how long a verified token is not verified again: a page sends several
// requests with the same token, and a key that the issuer withdraws counts that much longer.
const verifiedFor = 30 * time.Second

// NewToken makes a verifier. Its Run must run for it to find the issuer.
func NewToken(o TokenOptions) (*Token, error) {
	if o.Issuer == "" || len(o.Audiences) == 0 || o.Claims.Subject == "" || o.Log == nil {
		return nil, errors.New("identity: Issuer, Audiences, Claims and Log are required")
	}
	verified, err := lru.New[[sha256.Size]byte, verifiedPerson](maxAnswers)
	if err != nil {
		return nil, err
	}
	t := &Token{issuer: newIssuer(o.Issuer, o.Client, o.Log, o.Now), TokenOptions: o, verified: verified}
	t.Now = t.now
	return t, nil
}

// Identify verifies signature, issuer, times, audience and kind of the token.
func (t *Token) Identify(ctx context.Context, _ http.Header, found token.Found) (Person, error) {
	if found.Secret.Absent() {
		return Person{}, token.ErrNotFound
	}
	compact := found.Secret.Reveal()
	hash, now := sha256.Sum256([]byte(compact)), t.now()
	if kept, found := t.verified.Get(hash); found && now.Before(kept.until) {
		return kept.person, nil
	}
	p, expires, err := t.verify(ctx, compact)
	if err != nil {
		return Person{}, err
	}
	until := now.Add(verifiedFor)
	if expires.Before(until) {
		until = expires
	}
	t.verified.Add(hash, verifiedPerson{p, until})
	return p, nil
}

func (t *Token) verify(ctx context.Context, compact string) (p Person, expires time.Time, err error) {
	keys, _, err := t.known()
	if err != nil {
		return Person{}, time.Time{}, err
	}
	if err := checkType(compact); err != nil {
		return Person{}, time.Time{}, err
	}
	verified, err := oidc.NewVerifier(t.Issuer, keys, &oidc.Config{
		SkipClientIDCheck:    true, // audiences are several here, and checked below
		SupportedSigningAlgs: names(algorithms()), Now: t.Now,
	}).Verify(ctx, compact)
	switch {
	case err != nil && ctx.Err() != nil:
		return Person{}, time.Time{}, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	case err != nil:
		return Person{}, time.Time{}, fmt.Errorf("%w: %s", ErrUnproven, reason(err))
	}
	var claims map[string]any
	if err := verified.Claims(&claims); err != nil {
		return Person{}, time.Time{}, fmt.Errorf("%w: the token's claims are no object", ErrUnproven)
	}
	if err := t.check(verified.Audience, claims); err != nil {
		return Person{}, time.Time{}, err
	}
	p, err = t.Claims.person(t.Issuer, claims)
	return p, verified.Expiry, err
}

// reason is why go-oidc refuses a token, without anything of the token.
func reason(err error) string {
	if _, expired := errors.AsType[*oidc.TokenExpiredError](err); expired {
		return "the token has expired"
	}
	switch text := err.Error(); {
	case strings.Contains(text, "issued by a different provider"):
		return "the token is of another issuer"
	case strings.Contains(text, "before the nbf"):
		return "the token is not valid yet"
	case strings.Contains(text, "signature"):
		return "the token is signed by no key of the issuer"
	}
	return "the token is no signed JWT with claims of the usual types"
}

// checkType wants the header's typ to be that of an access or ID token, or absent: other
// kinds of tokens are signed by the same keys (RFC 9068, section 4; RFC 8725, section 3.11).
func checkType(compact string) error {
	signed, err := jose.ParseSignedCompact(compact, algorithms())
	if err != nil {
		return fmt.Errorf("%w: the token is no signed JWT of an accepted algorithm", ErrUnproven)
	}
	kind, _ := signed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType].(string)
	switch strings.TrimPrefix(strings.ToLower(kind), "application/") {
	case "", "jwt", "at+jwt":
		return nil
	}
	return fmt.Errorf("%w: the token's type is not that of an access token", ErrUnproven)
}

func names(list []jose.SignatureAlgorithm) []string {
	texts := make([]string, len(list))
	for i, algorithm := range list {
		texts[i] = string(algorithm)
	}
	return texts
}

func (t *Token) check(audience []string, claims map[string]any) error {
	if !slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(t.Audiences, a) }) {
		return fmt.Errorf("%w: the token is for another audience", ErrUnproven)
	}
	switch text(claims["typ"]) { // Keycloak's
	case "", "Bearer", "DPoP", "ID":
	default:
		return fmt.Errorf("%w: the token is neither an access nor an ID token", ErrUnproven)
	}
	if _, isEvent := claims["events"]; isEvent { // RFC 8417; a logout token is one, and is often typed JWT
		return fmt.Errorf("%w: the token reports an event, such as a sign-out", ErrUnproven)
	}
	if isIDToken(claims) && !t.IDTokens {
		return fmt.Errorf("%w: the token is an ID token", ErrUnproven)
	}
	if t.Clients == nil {
		return nil
	}
	client := text(claims["azp"])
	if client == "" {
		client = text(claims["client_id"])
	}
	if !slices.Contains(t.Clients, client) {
		return fmt.Errorf("%w: the token was issued to another client", ErrUnproven)
	}
	return nil
}

// isIDToken reports what only ID tokens have (OpenID Connect Core 1.0, sections 2 and
// 3.3.2.11), since most issuers mark them with nothing else.
func isIDToken(claims map[string]any) bool {
	_, hasNonce := claims["nonce"]
	_, hasTokenHash := claims["at_hash"]
	_, hasCodeHash := claims["c_hash"]
	return text(claims["typ"]) == "ID" || hasNonce || hasTokenHash || hasCodeHash
}

package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/token2go/token2go/internal/token"
)

// UserinfoOptions are what a Userinfo verifier needs.
type UserinfoOptions struct {
	Issuer string        // required
	Claims Claims        // required: Subject at least
	Keep   time.Duration // how long an answer counts; 0: a minute
	Log    *slog.Logger
	Client *http.Client     // nil: one with a time limit
	Now    func() time.Time // nil: time.Now
}

// Userinfo asks the issuer about each token (OpenID Connect Core 1.0, section 5.3): for
// opaque tokens. It cannot know which audience a token is for.
type Userinfo struct {
	*issuer
	UserinfoOptions
	answers *lru.Cache[[sha256.Size]byte, *answer]
}

// answer is what the issuer answered about one token. Requests with the same token wait for
// one answer: the one that holds turn asks.
type answer struct {
	turn    chan struct{} // holds one value while someone asks or reads
	person  Person
	until   time.Time
	refused bool
}

// maxAnswers bounds the memory that answers take.
const maxAnswers = 16384

// NewUserinfo makes a verifier. Its Run must run for it to find the issuer.
func NewUserinfo(o UserinfoOptions) (*Userinfo, error) {
	if o.Issuer == "" || o.Claims.Subject == "" || o.Log == nil {
		return nil, errors.New("identity: Issuer, Claims and Log are required")
	}
	if o.Keep == 0 {
		o.Keep = time.Minute
	}
	answers, err := lru.New[[sha256.Size]byte, *answer](maxAnswers)
	if err != nil {
		return nil, err
	}
	return &Userinfo{issuer: newIssuer(o.Issuer, o.Client, o.Log, o.Now), UserinfoOptions: o, answers: answers}, nil
}

// Identify returns what the issuer answers about the token. An answer is kept by the token's
// hash, a refusal likewise.
func (u *Userinfo) Identify(ctx context.Context, _ http.Header, found token.Found) (Person, error) {
	if found.Secret.Absent() {
		return Person{}, token.ErrNotFound
	}
	_, endpoint, err := u.known()
	if err != nil {
		return Person{}, err
	}
	if endpoint == "" {
		return Person{}, fmt.Errorf("%w: it has no userinfo endpoint", ErrUnavailable)
	}
	a := u.answer(sha256.Sum256([]byte(found.Secret.Reveal())))
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return Person{}, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	now := u.now()
	if now.After(a.until) {
		if err := u.ask(ctx, endpoint, found, a); err != nil {
			return Person{}, err
		}
		a.until = now.Add(u.Keep)
	}
	if a.refused {
		return Person{}, fmt.Errorf("%w: the identity provider does not accept the token", ErrUnproven)
	}
	return a.person, nil
}

func (u *Userinfo) answer(hash [sha256.Size]byte) *answer {
	fresh := &answer{turn: make(chan struct{}, 1)}
	if earlier, found, _ := u.answers.PeekOrAdd(hash, fresh); found {
		return earlier
	}
	return fresh
}

func (u *Userinfo) ask(ctx context.Context, endpoint string, found token.Found, a *answer) error {
	var claims map[string]any
	err := getJSON(ctx, u.client, endpoint, found.Secret.Reveal(), &claims)
	if status, refused := errors.AsType[*statusError](err); refused && (status.status == http.StatusUnauthorized || status.status == http.StatusForbidden) {
		a.refused = true
		return nil
	}
	if err != nil {
		u.log.Error("userinfo not read", "cause", err)
		return ErrUnavailable
	}
	a.refused = false
	a.person, err = u.Claims.person(u.Issuer, claims)
	return err
}

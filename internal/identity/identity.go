// Package identity proves who the person behind a request at the gateway is.
//
// A forwarded name is good enough to be shown. What is stored or signed in a person's
// name wants proof: a token that the issuer signed, the issuer's word on an opaque token,
// or headers that only the gateway can have sent.
package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/token"
)

var (
	// ErrUnproven is returned for a request whose person is not proven. The error that
	// wraps it has the reason, and quotes nothing of a token.
	ErrUnproven = errors.New("identity not proven")
	// ErrUnavailable is returned while the issuer cannot be asked.
	ErrUnavailable = errors.New("the identity provider cannot be asked")
)

// Person is who a request comes from. Issuer and Subject name the person; all else may
// change from one visit to the next.
type Person struct {
	Issuer, Subject string
	Login, Email    string
	Roles, Groups   []string
	Admin           bool
	AuthTime        time.Time // of the sign-in; zero: not known
}

// Verifier proves identities. It is safe for concurrent use.
type Verifier interface {
	// Identify returns the person of a request. The token is the one that was found in
	// it, or the zero value. The error is ErrUnproven or ErrUnavailable, wrapped, or
	// token.ErrNotFound where a token is needed and there is none.
	Identify(ctx context.Context, header http.Header, found token.Found) (Person, error)
}

// Claims are the names under which a token or the issuer's userinfo has what is needed. Each is the name of a
// claim, or names with dots between them for a claim within claims, as in
// realm_access.roles. An empty path is not read.
type Claims struct {
	Subject, Login, Email, Roles, Groups string
	// Admin makes administrators of those whose claim at this path is AdminValue or a list
	// with it, compared exactly.
	Admin, AdminValue string
}

// person reads the claims of a token or of userinfo.
func (c Claims) person(issuer string, claims map[string]any) (Person, error) {
	p := Person{
		Issuer:  issuer,
		Subject: text(lookup(claims, c.Subject)),
		Login:   text(lookup(claims, c.Login)),
		Email:   text(lookup(claims, c.Email)),
		Roles:   texts(lookup(claims, c.Roles)),
		Groups:  texts(lookup(claims, c.Groups)),
	}
	if p.Subject == "" {
		return Person{}, fmt.Errorf("%w: claim %s is missing or no text", ErrUnproven, c.Subject)
	}
	if c.Admin != "" && c.AdminValue != "" {
		p.Admin = slices.Contains(texts(lookup(claims, c.Admin)), c.AdminValue)
	}
	if seconds, isNumber := lookup(claims, "auth_time").(float64); isNumber && seconds > 0 && seconds < 1<<40 {
		p.AuthTime = time.Unix(int64(seconds), 0).UTC()
	}
	return p, nil
}

// lookup finds a claim by its whole name first, since names may hold dots: those of some
// issuers are URLs.
func lookup(claims map[string]any, path string) any {
	if path == "" {
		return nil
	}
	if value, found := claims[path]; found {
		return value
	}
	// The longest name first: a.b.c may be a member b.c of a.
	for i := len(path) - 1; i > 0; i-- {
		if path[i] != '.' {
			continue
		}
		if inner, isObject := claims[path[:i]].(map[string]any); isObject {
			if value := lookup(inner, path[i+1:]); value != nil {
				return value
			}
		}
	}
	return nil
}

// text is a claim of one text; empty for any other.
func text(claim any) string {
	value, _ := claim.(string)
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "" // it would be shown, logged and sent in headers
	}
	return value
}

// texts is a claim that is a list of texts, or one text; entries of other types are left out.
func texts(claim any) []string {
	list, isList := claim.([]any)
	if !isList {
		list = []any{claim}
	}
	var values []string
	for _, entry := range list {
		if value := text(entry); value != "" {
			values = append(values, value)
		}
	}
	return values
}

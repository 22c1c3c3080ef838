package doctor

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/token"
)

// Findings from the token itself.

func noToken(e *examination) Verdict {
	if !errors.Is(e.err, token.ErrNotFound) {
		return Verdict{}
	}
	text := "None of the headers that are looked at holds a token: " + List(e.options.Tokens.Names()) + "." + e.seen.sentence()
	fixes := append(e.seen.elsewhereFixes(), passTokenFixes()...)
	access := accessTokens(e.unlisted)
	if len(access) == 0 {
		return Verdict{Bad, "No token arrives", text, fixes}
	}
	fixes = nil
	for _, one := range access {
		fixes = append(fixes, one.fix())
	}
	return Verdict{Bad, "A header that is not looked at may hold the token", sentences(access) + " " + text, fixes}
}

func unusable(e *examination) Verdict {
	broken, ok := errors.AsType[*token.Unusable](e.err)
	if !ok {
		return Verdict{}
	}
	text := broken.Header + ": " + broken.Reason + ". "
	if broken.Reason == token.Placeholder {
		text += "The gateway has no token for this session, or its configuration names a variable that is not set. The request is refused."
		return Verdict{Bad, "The token cannot be used", text, passTokenFixes()}
	}
	if e.joined(broken.Header) {
		text += "This is what happens where a gateway adds its token to what the client sent under the same name, instead of replacing it. " +
			"Someone may be trying to smuggle a token past it, so the request is refused."
	} else {
		text += "A gateway sends no token like this; the client may have sent it itself. The request is refused."
	}
	return Verdict{Bad, "The token cannot be used", text, replaceFixes(broken.Header)}
}

// joined reports whether a header holds more than one value, in one line or in several.
func (e *examination) joined(name string) bool {
	values := e.request.Header[key(name)]
	return len(values) > 1 || strings.Contains(strings.Join(values, ""), ",")
}

// unusableBehind is about headers that were not reached because an earlier one has a token.
func unusableBehind(e *examination) Verdict {
	if e.err != nil {
		return Verdict{}
	}
	for _, p := range e.candidates {
		if broken, ok := errors.AsType[*token.Unusable](p.err); ok {
			text := fmt.Sprintf("%s: %s. It was not needed this time. When the headers before it are missing, requests like this are refused.", broken.Header, broken.Reason)
			return Verdict{Warn, "Another header holds something that is not one token", text, replaceFixes(broken.Header)}
		}
	}
	return Verdict{}
}

func expired(e *examination) Verdict {
	expires := e.found.Claims().Expires
	if e.err != nil || expires.IsZero() || expires.After(e.now) {
		return Verdict{}
	}
	text := fmt.Sprintf("It ended %s, at %s. The gateway keeps its own session longer than the token lives and does not renew the token.",
		relative(expires, e.now), expires.Format(time.RFC3339))
	return Verdict{Bad, "The token has expired", text, renewFixes()}
}

func expiringSoon(e *examination) Verdict {
	expires := e.found.Claims().Expires
	if e.err != nil || !expires.After(e.now) || expires.Sub(e.now) >= time.Minute {
		return Verdict{}
	}
	text := fmt.Sprintf("It ends %s, too soon to be of use. Let the gateway renew it earlier.", relative(expires, e.now))
	return Verdict{Warn, "The token expires soon", text, renewFixes()}
}

func clockBehind(e *examination) Verdict {
	issued := e.found.Claims().IssuedAt
	if e.err != nil || issued.Sub(e.now) <= time.Minute {
		return Verdict{}
	}
	text := fmt.Sprintf("By this server's clock, which says %s, the token will be issued %s. Either this clock is behind or the issuer's is ahead; every lifetime shown is wrong by as much.",
		e.now.UTC().Format(time.RFC3339), relative(issued, e.now))
	return Verdict{Warn, "Two clocks differ", text, []Fix{
		{ourselves, "Compare the clock of this machine with the issuer's, and let both follow a time server.", "timedatectl status"},
	}}
}

func notYetValid(e *examination) Verdict {
	begins := e.found.Claims().NotBefore
	if e.err != nil || begins.Sub(e.now) <= time.Minute {
		return Verdict{}
	}
	return Verdict{Warn, "The token is not valid yet",
		fmt.Sprintf("It becomes valid %s, at %s. An API that checks it refuses it until then.", relative(begins, e.now), begins.Format(time.RFC3339)), nil}
}

func idToken(e *examination) Verdict {
	if e.err != nil || !e.found.Claims().IDToken() {
		return Verdict{}
	}
	var text strings.Builder
	text.WriteString(e.source() + " holds an ID token. It is meant for the gateway and states who signed in; an API should refuse it and wants an access token.")
	for _, other := range e.others() {
		if !other.found.Claims().IDToken() && other.found.Fingerprint() != e.found.Fingerprint() {
			fmt.Fprintf(&text, " %s holds another token, which may be the access token, and is later in the list of names.", other.name)
		}
	}
	return Verdict{Warn, "An ID token is handed out", text.String(), accessTokenFixes()}
}

// source names where the token was taken from.
func (e *examination) source() string {
	if e.found.Header == "" {
		return "The fallback"
	}
	return e.found.Header
}

func wellFound(e *examination) Verdict {
	claims := e.found.Claims()
	over := !claims.Expires.IsZero() && !claims.Expires.After(e.now)
	if e.err != nil || e.found.Header == "" || claims.IDToken() || over {
		return Verdict{}
	}
	text := fmt.Sprintf("%s holds it: %s, fingerprint %s.", e.found.Header, size(e.found.Secret.Len()), e.found.Fingerprint())
	if !claims.Expires.IsZero() {
		text += fmt.Sprintf(" It expires %s, at %s.", relative(claims.Expires, e.now), claims.Expires.Format(time.RFC3339))
	}
	return Verdict{Good, "A token arrives", text, nil}
}

func fallback(e *examination) Verdict {
	if e.err != nil || e.found.Header != "" {
		return Verdict{}
	}
	return Verdict{Warn, "The fallback token is handed out",
		"No header holds a token, so everyone who reaches this server gets the same one. That is meant for trying things out.",
		append([]Fix{{ourselves, "Unset it once a gateway sends tokens.", "T2G_FALLBACK_TOKEN="}}, passTokenFixes()...)}
}

func bothTokens(e *examination) Verdict {
	if e.err != nil || e.found.Claims().IDToken() {
		return Verdict{}
	}
	for _, other := range e.others() {
		if other.found.Claims().IDToken() {
			text := fmt.Sprintf("%s holds an ID token beside the token in %s. The latter was taken, because its name comes first in the list.", other.name, e.found.Header)
			return Verdict{Note, "An ID token comes, too", text, append([]Fix{
				{ourselves, "Keep the names of access tokens before Authorization.", "T2G_TOKEN_HEADER_NAMES=" + e.found.Header},
			}, accessTokenFixes()...)}
		}
	}
	return Verdict{}
}

func opaque(e *examination) Verdict {
	if e.err != nil || e.found.Claims().JWT {
		return Verdict{}
	}
	return Verdict{Note, "The token cannot be read",
		"It is not a signed JWT, so only its issuer can say how long it is valid and whom it is for. It is handed out as it is; a client's wish for a minimum lifetime cannot be checked.", nil}
}

func noExpiry(e *examination) Verdict {
	claims := e.found.Claims()
	if e.err != nil || !claims.JWT || !claims.Expires.IsZero() {
		return Verdict{}
	}
	return Verdict{Note, "The token does not say when it ends",
		"It is a JWT without an exp claim that is a time in seconds, so it may be valid forever, for anyone who obtains it. Let the issuer put a lifetime into it.", nil}
}

func longLived(e *examination) Verdict {
	expires := e.found.Claims().Expires
	if e.err != nil || expires.Sub(e.now) <= 24*time.Hour {
		return Verdict{}
	}
	return Verdict{Note, "The token lives long",
		fmt.Sprintf("It expires %s. A copy that gets lost stays good until then; issuers usually allow minutes or hours.", relative(expires, e.now)), nil}
}

package token2go

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Why there is no token. Each is the Kind of an Error, so that errors.Is finds it.
var (
	ErrOptions     = errors.New("unusable options")
	ErrListen      = errors.New("no listener on 127.0.0.1")
	ErrUnreachable = errors.New("server unreachable")
	ErrCertificate = errors.New("certificate not trusted")
	ErrDenied      = errors.New("denied")
	ErrTimedOut    = errors.New("timed out")
	ErrNoToken     = errors.New("no token at the gateway")
	ErrExpiring    = errors.New("token expiring")
	ErrRefused     = errors.New("request refused")
	ErrServer      = errors.New("server error")
	ErrCache       = errors.New("cache not usable")
)

// The kinds of warnings.
var (
	ErrAnswer       = errors.New("answer not accepted")                                 // the wait goes on
	ErrOtherUser    = errors.New("a connection of another user was refused")            // the wait goes on
	ErrVisitedTwice = errors.New("the address was opened a second time")                // the token will not be kept
	ErrNotKept      = errors.New("the token is not kept")                               // it is returned all the same
	ErrNotUsed      = errors.New("the token in the cache is not used")                  // another one is asked for
	ErrNotLocked    = errors.New("other programs may ask for the same token meanwhile") // no lock can be had
)

// Error says why there is no token. Advice says what to do next. It never holds a token.
type Error struct {
	Kind   error  // one of the sentinels
	Option string // with ErrOptions, the field of Options that cannot be used; may be empty
	Detail string // what exactly, may be empty; one line, safe for a terminal
	Cause  error  // may be nil

	advice string // in place of the kind's
	early  bool   // nothing was asked, because no one answered before
}

func (e *Error) Error() string {
	text := e.Kind.Error()
	if e.Option != "" {
		text += ": " + e.Option
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Cause != nil {
		text += ": " + oneLine(e.Cause.Error())
	}
	return text
}

// Advice is what the person can do next, as one clause without a full stop; it may be empty.
func (e *Error) Advice() string {
	if e.advice != "" {
		return e.advice
	}
	return advice(e.Kind)
}

// Unwrap returns the kind and, where there is one, the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// advice is what the person can do about any error of a kind.
func advice(kind error) string {
	for _, row := range []struct {
		kind error
		next string
	}{
		{ErrListen, "choose another port, or 0 for any that is free"},
		{ErrUnreachable, "check the address, the network and the proxy"},
		{ErrCertificate, "trust the authority that issued it (a file with its certificate), or check that the address is the right one"},
		{ErrDenied, "ask again and choose Allow if the four words are the same in both places"},
		{ErrTimedOut, "try again and sign in within the time limit; if the browser cannot reach this computer, " +
			"paste what the page shows; a token2go-server 1.0.3 needs the format triple"},
		{ErrNoToken, "tell the operator: the gateway must forward the access token (the server's page /echo says how)"},
		{ErrExpiring, "sign out at the gateway and in again, or ask for a shorter remaining lifetime"},
		{ErrRefused, "ask the operator what is allowed, or change what is asked for"},
		{ErrServer, "try again in a moment; the server's log says more"},
		{ErrOtherUser, "if it is your own browser that runs as another user, paste what the page shows"},
		{ErrVisitedTwice, "if that was not you, press Ctrl-C; the token will not be kept"},
		{ErrNotKept, "set TOKEN2GO_CACHE_DIR to a folder that only you can enter"},
		{ErrNotUsed, "another one takes its place"},
		{ErrNotLocked, "set TOKEN2GO_CACHE_DIR to a folder on a local disk"},
	} {
		if errors.Is(kind, row.kind) {
			return row.next
		}
	}
	return ""
}

// ClockError is a warning: this computer's clock and the server's differ. The token's
// expiry is corrected by as much.
type ClockError struct {
	Ahead time.Duration // how far the server's clock is ahead of ours; negative when behind
}

func (e *ClockError) Error() string {
	side, off := "behind", e.Ahead
	if off < 0 {
		side, off = "ahead of", -off
	}
	return fmt.Sprintf("this computer's clock is %s %s the server's", off.Round(time.Second), side)
}

// Advice is what the person can do next.
func (e *ClockError) Advice() string {
	return "set it: other programs will refuse tokens that are valid"
}

// refusal is what an error parameter with the right state means (RFC 6749, section
// 4.1.2.1, and two codes of our own). Both texts come from outside.
func refusal(code, description string) *Error {
	kind := ErrRefused
	switch code {
	case "access_denied":
		kind = ErrDenied
	case "token_not_found":
		kind = ErrNoToken
	case "token_expiring":
		kind = ErrExpiring
	case "server_error":
		kind = ErrServer
	case "invalid_request":
	default:
		description = strings.TrimSpace(code + " " + description)
	}
	return &Error{Kind: kind, Detail: printable(description)}
}

// printable makes a text from outside fit for a terminal: one line of ASCII and of a
// length that can be read.
func printable(text string) string {
	const most = 400
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}

// oneLine makes a cause fit for a terminal: a certificate, for one, may hold anything.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// unaccepted is the error of an answer that leaves the wait as it was.
func unaccepted(format string, values ...any) error {
	return fmt.Errorf("%w: %w", ErrAnswer, fmt.Errorf(format, values...))
}

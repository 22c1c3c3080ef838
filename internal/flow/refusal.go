package flow

import "strings"

// Code is an error code as a client receives it (RFC 6749, section 4.1.2.1, and two
// of our own).
type Code string

// The codes.
const (
	AccessDenied   Code = "access_denied"
	InvalidRequest Code = "invalid_request"
	ServerError    Code = "server_error"
	TokenNotFound  Code = "token_not_found"
	TokenExpiring  Code = "token_expiring"
)

// Refusal is an error that refuses a request. If the request named an allowed target,
// Location reports it to the client, which would otherwise wait.
type Refusal struct {
	Code   Code
	Detail string // names and values that a program would write are in `backticks`

	target Target
	state  string
	cause  error
}

func (r *Refusal) Error() string { return string(r.Code) + ": " + r.Detail }

// Unwrap returns the sentinel behind the refusal, if there is one.
func (r *Refusal) Unwrap() error { return r.cause }

// Refuse returns a refusal that goes to the request's target.
func (r Request) Refuse(code Code, detail string) *Refusal {
	return &Refusal{Code: code, Detail: detail, target: r.Target, state: r.State}
}

// because attaches the sentinel that callers compare with.
func (r *Refusal) because(cause error) *Refusal {
	r.cause = cause
	return r
}

// Location returns the address that reports the refusal to the client, if there is one.
// An error contains no token, so it may go to any allowed target.
func (r *Refusal) Location() (string, bool) {
	if r.target.host == "" {
		return "", false
	}
	fields := []Field{{"error", string(r.Code)}, {"error_description", describe(r.Detail)}}
	if r.state != "" {
		fields = append(fields, Field{"state", r.state})
	}
	return r.target.with(fields), true
}

// describe removes the backticks, which are for pages, and replaces characters that an
// error_description cannot contain (RFC 6749, section 4.1.2.1).
func describe(detail string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '`':
			return -1
		case r == '"':
			return '\''
		case r < ' ' || r > '~' || r == '\\':
			return '?'
		default:
			return r
		}
	}, detail)
}

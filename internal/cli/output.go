package cli

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

// Outputs lists the forms in which get hands a token over.
func Outputs() []string {
	return []string{"token", "json", "env", "env:NAME", "header", "curl-config", "file:PATH"}
}

// DefaultVariable is what --output env sets.
const DefaultVariable = "ACCESS_TOKEN"

var variables = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// form is a way to write a token down. Exactly one of text and path is set.
type form struct {
	text func(token2go.Token) string // in whole lines
	path string                      // the file that gets the token and nothing else
}

// parseForm reads the value of --output.
func parseForm(server, said string) (form, error) {
	kind, detail, more := strings.Cut(said, ":")
	switch {
	case said == "" || said == "token":
		return form{text: func(t token2go.Token) string { return t.Reveal() + "\n" }}, nil
	case said == "json":
		return form{text: func(t token2go.Token) string { return document(server, t) }}, nil
	case said == "header":
		return form{text: func(t token2go.Token) string { return header(t) + "\n" }}, nil
	case said == "curl-config":
		return form{text: func(t token2go.Token) string { return "header = \"" + curlQuoted(header(t)) + "\"\n" }}, nil
	case said == "env":
		return environmentForm(DefaultVariable)
	case kind == "env" && more:
		return environmentForm(detail)
	case kind == "file" && detail != "":
		return form{path: detail}, nil
	}
	return form{}, usage("--output is %q, want %s", said, strings.Join(Outputs(), ", "))
}

func environmentForm(name string) (form, error) {
	if !variables.MatchString(name) {
		return form{}, usage("%q is no name for a variable", name)
	}
	return form{text: func(t token2go.Token) string { return "export " + name + "=" + quoted(t.Reveal()) + "\n" }}, nil
}

func header(t token2go.Token) string { return "Authorization: " + t.TokenType + " " + t.Reveal() }

// document is a token for a program to read.
func document(server string, t token2go.Token) string {
	text, _ := json.Marshal(struct { // texts and times cannot fail
		Server      string    `json:"server"`
		Token       string    `json:"token"`
		TokenType   string    `json:"tokenType"`
		Expires     time.Time `json:"expires,omitzero"`
		Fingerprint string    `json:"fingerprint"`
		Issuer      string    `json:"issuer,omitempty"`
		Header      string    `json:"header,omitempty"`
	}{server, t.Reveal(), t.TokenType, t.Expiry, t.Fingerprint, t.Issuer, t.Header})
	return string(text) + "\n"
}

// quoted makes one word of a text for a POSIX shell.
func quoted(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+=,") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// curlQuoted escapes what ends or changes a quoted text in a curl configuration.
func curlQuoted(text string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) }

// lifetime describes until when a token is valid, in local time.
func lifetime(t token2go.Token, now time.Time) string {
	switch left := t.Expiry.Sub(now); {
	case t.Expiry.IsZero():
		return "of unknown lifetime"
	case left <= 0:
		return "expired at " + clock(t.Expiry, now)
	default:
		return fmt.Sprintf("valid until %s (%s)", clock(t.Expiry, now), span(left))
	}
}

// clock is a local time, with the day where that is another.
func clock(at, now time.Time) string {
	at, now = at.Local(), now.Local()
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format(time.TimeOnly)
	}
	return at.Format(time.DateTime)
}

// span is a duration in the two units that matter.
func span(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd %dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh %dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm %ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

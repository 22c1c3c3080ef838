// Package cli gets tokens for a person at a shell and hands them to the person's tools.
//
// It decides what a command does; cmd/token2go reads the command line. Stdout gets what
// was asked for and nothing else, stderr all the rest. A token reaches stdout, a file
// that was named, the clipboard or a program's environment only where the person asked for that.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/token2go/token2go/clients/go/token2go"
)

// Env is what a command sees of the computer that it runs on.
type Env struct {
	Stdin  *os.File // read only where a command is documented to
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	JSON   bool // stderr gets events instead of text
}

// Exit codes. run passes on the code of its command, and prints to stderr when a code is
// its own.
const (
	ExitFailed      = 1
	ExitUsage       = 2
	ExitDenied      = 3
	ExitTimedOut    = 4
	ExitNoToken     = 5
	ExitExpiring    = 6
	ExitRefused     = 7
	ExitUnreachable = 8
	ExitCertificate = 9
	ExitServer      = 10
	ExitNotSignedIn = 11
	ExitFindings    = 12
	ExitCache       = 13
	ExitListen      = 14
	ExitCannotRun   = 126
	ExitNotFound    = 127
	ExitInterrupted = 130
)

// outcome is a way to end, with its exit code and its name in events.
type outcome struct {
	kind error
	code int
	name string
	help string
}

// outcomes is the one list from error to exit code.
func outcomes() []outcome {
	return []outcome{
		{errInterrupted, ExitInterrupted, "interrupted", "interrupted (Ctrl-C)"},
		{context.Canceled, ExitInterrupted, "interrupted", ""},
		{ErrUsage, ExitUsage, "usage", "the command line or the configuration is wrong"},
		{token2go.ErrOptions, ExitUsage, "usage", ""},
		{token2go.ErrDenied, ExitDenied, "denied", "the person said no"},
		{token2go.ErrTimedOut, ExitTimedOut, "timed_out", "no answer within the time limit"},
		{token2go.ErrNoToken, ExitNoToken, "no_token", "the gateway sends no token to Token2go"},
		{token2go.ErrExpiring, ExitExpiring, "expiring", "the gateway's token expires too soon"},
		{token2go.ErrRefused, ExitRefused, "refused", "the server refuses what was asked for"},
		{token2go.ErrCertificate, ExitCertificate, "certificate", "the server's certificate is not trusted"},
		{token2go.ErrUnreachable, ExitUnreachable, "unreachable", "the server cannot be reached"},
		{token2go.ErrServer, ExitServer, "server_error", "the server failed"},
		{errNotSignedIn, ExitNotSignedIn, "not_signed_in", "no valid token is kept, and there is no way to sign in here"},
		{token2go.ErrCache, ExitCache, "cache", "the cache is not safe to use, or cannot be written"},
		{token2go.ErrListen, ExitListen, "listen", "no port to listen on"},
		{errFindings, ExitFindings, "findings", "doctor: something has to be fixed"},
		{errNotFound, ExitNotFound, "not_found", "run: there is no such command"},
		{errCannotRun, ExitCannotRun, "cannot_run", "run: the command cannot be run"},
	}
}

// ErrUsage marks what the person can fix at the command line or in the configuration.
var ErrUsage = errors.New("usage")

var (
	errNotSignedIn = errors.New("not signed in")
	errFindings    = errors.New("findings")
	errNotFound    = errors.New("command not found")
	errCannotRun   = errors.New("command cannot be run")
)

func usage(format string, values ...any) error {
	return fmt.Errorf("%w: %w", ErrUsage, fmt.Errorf(format, values...))
}

// CommandError is the error of a command that run started and that did not end with 0.
type CommandError struct {
	Code   int       // 128 and the signal's number where a signal ended it
	Signal os.Signal // nil: it ended by itself
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("the command ended with exit code %d", e.Code)
}

// ExitCode is what the program ends with, and the error's name in events.
func ExitCode(err error) (code int, name string) {
	ended, passed := errors.AsType[*CommandError](err)
	switch {
	case err == nil:
		return 0, ""
	case passed:
		return ended.Code, "command"
	}
	for _, o := range outcomes() {
		if errors.Is(err, o.kind) {
			return o.code, o.name
		}
	}
	return ExitFailed, "failed"
}

// ExitCodes is the table of exit codes for a help text.
func ExitCodes() string {
	var text strings.Builder
	fmt.Fprintf(&text, "  %-4d%s\n  %-4d%s\n", 0, "done", ExitFailed, "anything else that went wrong")
	for code := ExitUsage; code <= ExitInterrupted; code++ {
		for _, o := range outcomes() {
			if o.code == code && o.help != "" {
				fmt.Fprintf(&text, "  %-4d%s\n", code, o.help)
			}
		}
	}
	return text.String()
}

// Report prints an error to stderr, except that of a command, which prints its own.
func (e Env) Report(err error) {
	code, name := ExitCode(err)
	switch {
	case err == nil || name == "command" || name == "findings": // already printed
		return
	case e.JSON:
		e.emit(Event{Event: "error", Error: name, ExitCode: code, Text: oneLine(message(err))})
	case name == "interrupted":
		e.say("interrupted")
	default:
		e.say("%s", message(err))
	}
}

// message is an error in the words of the command line, with what can be done about it.
func message(err error) string {
	text := err.Error()
	typed, is := errors.AsType[*token2go.Error](err)
	if is && typed.Kind == token2go.ErrOptions { //nolint:errorlint // its kind, not its cause
		text = optionName(typed.Option) + ": " + typed.Detail
	}
	var advised interface{ Advice() string }
	if errors.As(err, &advised) && advised.Advice() != "" {
		text += "; " + advised.Advice()
	}
	return text
}

// optionName is how a field of token2go.Options is given on the command line.
func optionName(field string) string {
	switch field {
	case "Server":
		return "SERVER"
	case "AllowHTTP":
		return "--allow-http"
	case "MinTTL":
		return "--min-ttl"
	case "PasteOnly":
		return "--paste"
	case "Ports":
		return "--port"
	}
	return "--" + strings.ToLower(field)
}

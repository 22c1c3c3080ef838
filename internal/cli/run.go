package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

// The variables of WLCG bearer token discovery. The first holds the token itself and
// comes before the file, so a tool that finds it never sees a new token.
const (
	tokenVariable = "BEARER_TOKEN"
	fileVariable  = "BEARER_TOKEN_FILE"
)

// RunOptions say which command gets a token, and how.
type RunOptions struct {
	Request
	Renew      string   // one of Renewals
	Command    []string // with its arguments
	FileNames  []string // variables that get the path of the token's file, besides BEARER_TOKEN_FILE
	TokenNames []string // variables that get the token as it is at the start
}

// Run runs a command with a file that holds a token for as long as the command runs.
// The error is a *CommandError where the command ended with anything but 0.
func (e Env) Run(ctx context.Context, o RunOptions) error {
	path, err := findCommand(o.Command[0])
	if err != nil {
		return err
	}
	for _, name := range append(o.FileNames, o.TokenNames...) {
		if !variables.MatchString(name) {
			return usage("%q is no name for a variable", name)
		}
	}
	folder, end, err := e.runFolder(o.Request)
	if err != nil {
		return err
	}
	defer end()
	token, err := e.obtain(ctx, o.Request)
	if err != nil {
		return err
	}
	file, err := newTokenFile(folder)
	if err != nil {
		return err
	}
	defer file.end()
	if err := file.write(token.Reveal()); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errInterrupted
	}
	command := exec.Command(path, o.Command[1:]...) //nolint:gosec,noctx // what the person wants to run; signals end it, not a context
	command.Args[0] = o.Command[0]
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.Env = o.environment(os.Environ(), file.path, token)
	ended := forwardSignals()
	if err := command.Start(); err != nil {
		_ = ended(nil)
		return fmt.Errorf("%w: %w", errCannotRun, err)
	}
	defer e.keepFresh(ctx, o, token, file)()
	return ended(command)
}

// keepFresh renews the token in the file until stop is called. A signal is the command's to
// answer, so it does not end with ctx.
func (e Env) keepFresh(ctx context.Context, o RunOptions, token token2go.Token, file *tokenFile) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var renewing sync.WaitGroup
	renewing.Go(func() {
		use := func(t token2go.Token) error { return file.write(t.Reveal()) }
		if err := e.renewal(o.Request, o.Renew, token, use, false).run(ctx); err != nil {
			e.note(Event{Event: "warning"}, "the token is not renewed any more: %v", err)
		}
	})
	return func() { cancel(); renewing.Wait() }
}

// findCommand finds a program as a shell would.
func findCommand(name string) (string, error) {
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("%w: %s", errCannotRun, name)
	}
	return "", fmt.Errorf("%w: %s", errNotFound, name)
}

// environment is what the command gets: BEARER_TOKEN is taken out unless it was asked
// for, since it would be preferred to the file and never renewed.
func (o RunOptions) environment(given []string, path string, token token2go.Token) []string {
	var kept []string
	for _, variable := range given {
		if name, _, _ := strings.Cut(variable, "="); name != tokenVariable {
			kept = append(kept, variable)
		}
	}
	for _, name := range append([]string{fileVariable}, o.FileNames...) {
		kept = append(kept, name+"="+path)
	}
	for _, name := range o.TokenNames {
		kept = append(kept, name+"="+token.Reveal())
	}
	return kept
}

// renewal keeps the token of a request fresh. A person who pastes can be asked
// only where stdin is this program's own.
func (e Env) renewal(r Request, mode string, token token2go.Token, use func(token2go.Token) error, pastes bool) *renewal {
	ends := func(t token2go.Token) time.Time {
		if t.Expiry.IsZero() {
			return time.Now().Add(time.Duration(r.UnknownTTL))
		}
		return t.Expiry
	}
	return &renewal{
		pace: usualPace(), mode: mode, server: r.Server, token: token, until: ends(token), ends: ends,
		use:    use,
		report: e.note,
		kept:   r.kept,
		ask:    renewPrompt{Env: e, request: r, mode: mode, pastes: pastes}.ask,
	}
}

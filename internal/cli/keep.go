package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
	"github.com/token2go/token2go/internal/atomicfile"
)

// KeepOptions say which file holds the token.
type KeepOptions struct {
	Request
	Renew string // one of Renewals
	File  string // empty: DefaultFile
	Leave bool   // the file stays when keep ends
}

// DefaultFile is where tools look for a token that follow WLCG bearer token discovery,
// version 1.0: $BEARER_TOKEN_FILE, else bt_u and the user's number in $XDG_RUNTIME_DIR,
// else in /tmp.
func DefaultFile(getenv func(string) string) (string, error) {
	if path := getenv(fileVariable); path != "" {
		return path, nil
	}
	if runtime.GOOS == "windows" {
		return "", usage("there is no usual path on Windows; name one with --file")
	}
	name := "bt_u" + strconv.Itoa(os.Getuid())
	if folder := getenv("XDG_RUNTIME_DIR"); folder != "" {
		return filepath.Join(folder, name), nil
	}
	return filepath.Join("/tmp", name), nil
}

// Keep keeps a file fresh until the context ends, which is no error.
func (e Env) Keep(ctx context.Context, o KeepOptions) error {
	path := o.File
	if path == "" {
		var err error
		if path, err = DefaultFile(e.Getenv); err != nil {
			return err
		}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	folder, end, err := e.runFolder(o.Request)
	if err != nil {
		return err
	}
	defer end()
	held, err := lockFile(folder, path)
	if err != nil {
		return err
	}
	defer func() { _ = held.Close() }()
	if err := checkFile(path); err != nil {
		return err
	}
	token, err := e.obtain(ctx, o.Request)
	if err != nil {
		return err
	}
	k := &keeper{Env: e, path: path}
	if err := k.use(token); err != nil {
		return err
	}
	if !o.Leave {
		defer k.remove()
	}
	if e.Getenv(tokenVariable) != "" {
		e.note(Event{Event: "warning"}, "%s is set, which tools prefer to the file: unset it", tokenVariable)
	}
	return e.renewal(o.Request, o.Renew, token, k.use, true).run(ctx)
}

// keeper is the owner of a file.
type keeper struct {
	Env
	path  string
	wrote []byte
}

func (k *keeper) use(token token2go.Token) error {
	text := []byte(token.Reveal())
	if err := atomicfile.Write(k.path, text, 0o600); err != nil {
		return fmt.Errorf("%w; name another file with --file", err)
	}
	k.wrote = text // not before: until then the file contains the old one, to be removed
	k.note(Event{Event: "kept", File: k.path, Fingerprint: token.Fingerprint, Expires: token.Expiry}, "%s holds the token, %s",
		k.path, lifetime(token, time.Now()))
	return nil
}

// remove removes the file, unless another program has replaced it.
func (k *keeper) remove() {
	target, err := filepath.EvalSymlinks(k.path) // of a link, its file is removed
	if err != nil {
		return
	}
	if text, err := os.ReadFile(target); err == nil && bytes.Equal(text, k.wrote) && os.Remove(target) == nil {
		k.note(Event{Event: "removed", File: k.path}, "%s is gone", k.path)
	}
}

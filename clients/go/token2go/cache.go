package token2go

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

const (
	// DefaultMinTTL is the remaining lifetime of a token from a Cache or a Source, by default.
	DefaultMinTTL = time.Minute

	// DefaultLifetime is how long a token of unknown expiry is used, by default.
	DefaultLifetime = 5 * time.Minute

	// maxLifetime is how long a token is kept, whatever its expiry.
	maxLifetime = 24 * time.Hour

	// jump is how far from now a moment in a file may lie ahead. Beyond it, the clock was
	// set back, and the file says nothing of its age.
	jump = time.Minute
)

// Cache keeps tokens in a folder that no other user can read, and lets one program at a
// time ask for a server's. The program token2go and the Python package use the same
// files. Its zero value is the usual folder. Where that is no safe one, Get warns
// (ErrNotKept) and goes on without.
type Cache struct {
	Dir      string        // an absolute path; empty: DefaultCacheDir
	Profile  string        // which of the person's accounts at the server; empty: the only one
	Lifetime time.Duration // how long a token of unknown expiry is used; 0: DefaultLifetime
	Waiting  func()        // called once by a Get that waits for another program to have asked; may be nil
}

// Entry is what a cache holds of one server. Its zero value is nothing.
type Entry struct {
	Server   string // its address as the cache writes it
	Profile  string // empty: none
	Token    Token
	Obtained time.Time
	Until    time.Time // when the token is no longer used: at its expiry, at most a day after it was obtained; Cache.Lifetime after that where the expiry is unknown
}

// Good reports whether there is a token that can be used and lives for another minTTL.
// Of one whose expiry is unknown, minTTL asks nothing.
func (e Entry) Good(minTTL time.Duration) bool { return e.good(minTTL, time.Now()) }

func (e Entry) good(minTTL time.Duration, now time.Time) bool {
	if e.Token.Absent() || e.Obtained.Sub(now) > jump {
		return false
	}
	return now.Before(e.Until) && (e.Token.Expiry.IsZero() || e.Token.Expiry.Sub(now) >= minTTL)
}

// entry makes the Entry of a token that was just obtained.
func (c Cache) entry(server string, token Token, obtained time.Time) Entry {
	lifetime := maxLifetime
	if token.Expiry.IsZero() {
		lifetime = cmp.Or(c.Lifetime, DefaultLifetime)
	}
	until := obtained.Add(lifetime)
	if !token.Expiry.IsZero() && token.Expiry.Before(until) {
		until = token.Expiry
	}
	return Entry{Server: server, Profile: c.Profile, Token: token, Obtained: obtained, Until: until}
}

// Get returns the server's token from the cache where it lives for at least MinTTL (or
// DefaultMinTTL), and else asks as the function Get does. Of many programs that ask at
// once, one does; the others share its token, and its refusal too. Interrupted, it
// leaves the next in the queue to ask.
func (c Cache) Get(ctx context.Context, options Options) (Token, error) {
	e, err := c.get(ctx, options, "")
	return e.Token, err
}

// Renew is Get for a program whose token a server would not take: a token that is the
// same as rejected is not used, unless the gateway hands out that one again.
func (c Cache) Renew(ctx context.Context, options Options, rejected Token) (Token, error) {
	e, err := c.get(ctx, options, rejected.Fingerprint)
	return e.Token, err
}

func (c Cache) get(ctx context.Context, options Options, rejected string) (Entry, error) {
	began := time.Now()
	o, _, err := options.checked()
	if err != nil {
		return Entry{}, err
	}
	o.MinTTL = cmp.Or(o.MinTTL, DefaultMinTTL)
	warned := false
	warn := func(kind, err error) { // once: a folder that is of no use is so for all its files
		if err != nil && !warned {
			warned = true
			o.warn(cacheWarning(kind, err))
		}
	}
	f, err := c.files(o.Server)
	if err != nil {
		warn(ErrNotKept, err)
		token, err := Get(ctx, o)
		return c.entry(f.server, token, time.Now()), err
	}
	fits := func(e Entry) bool { // what was asked for since is what the gateway has
		return e.Good(o.MinTTL) && (!e.Obtained.Before(began) || !o.Fresh && e.Token.Fingerprint != rejected)
	}
	if e, err := f.load(); fits(e) {
		return e, nil
	} else if err != nil {
		warn(ErrNotUsed, err)
	}
	unlock, err := f.lock(ctx, o.Timeout)
	switch {
	case errors.Is(err, ErrNotLocked):
		warn(ErrNotLocked, err)
	case err != nil:
		return Entry{}, err
	}
	defer unlock()
	f.sweep()
	if e, _ := f.load(); fits(e) {
		return e, nil
	}
	if refused := f.refusal(began, o.Background); refused != nil {
		return Entry{}, refused
	}
	token, err := Get(ctx, o)
	if err != nil {
		f.storeRefusal(err, o.Background)
		return Entry{}, err
	}
	e := c.entry(f.server, token, time.Now())
	if !token.doubtful {
		warn(ErrNotKept, f.store(e))
	}
	_, _ = f.remove(".outcome")
	return e, nil
}

// cacheWarning is a trouble with the cache as a warning, with its own advice.
func cacheWarning(kind, err error) error {
	if typed, is := errors.AsType[*Error](err); is {
		return &Error{Kind: kind, Detail: typed.Detail, Cause: typed.Cause, advice: typed.advice}
	}
	return &Error{Kind: kind, Cause: err}
}

// Load returns what the cache holds of a server, good or not; the zero Entry when that
// is nothing.
func (c Cache) Load(server string) (Entry, error) {
	f, err := c.files(server)
	if err != nil {
		return Entry{}, err
	}
	return f.load()
}

// Store keeps a token that was just obtained.
func (c Cache) Store(server string, token Token) error {
	f, err := c.files(server)
	if err != nil {
		return err
	}
	return f.store(c.entry(f.server, token, time.Now()))
}

// Remove removes what is kept of a server, and reports whether there was a token. The
// lock stays, since another program may hold it.
func (c Cache) Remove(server string) (removed bool, err error) {
	address, err := parseServer(server, true)
	if err != nil {
		return false, err
	}
	dir, err := c.dir()
	if err != nil {
		return false, nil //nolint:nilerr // without a folder, nothing was kept
	}
	f := serverFiles{path: filepath.Join(dir, cacheName(canonical(address), c.Profile))}
	removed, err = f.remove(".json")
	_, also := f.remove(".outcome")
	return removed, wrap(ErrCache, errors.Join(err, also))
}

// remove removes one of the files, and reports whether it was there.
func (f serverFiles) remove(end string) (removed bool, err error) {
	err = os.Remove(f.path + end)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil
	}
	return err == nil, err
}

// Entries returns what the cache holds of all servers, good or not.
func (c Cache) Entries() ([]Entry, error) {
	dir, err := c.dir()
	if err != nil {
		return nil, nil //nolint:nilerr // without a folder, nothing was kept
	}
	if _, err := os.Lstat(dir); err != nil {
		return nil, nil //nolint:nilerr // the same
	}
	if dir, err = c.folder(); err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(literal(dir), "*.json"))
	if err != nil {
		return nil, wrap(ErrCache, err)
	}
	var entries []Entry
	for _, name := range names {
		f := serverFiles{cache: c, path: strings.TrimSuffix(name, ".json")}
		if e, err := f.load(); err == nil && filepath.Base(f.path) == cacheName(e.Server, e.Profile) {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// literal takes the meaning from what Glob would read as a pattern.
func literal(dir string) string {
	if os.PathSeparator == '\\' {
		return dir // Glob knows no escape on Windows
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// serverFiles are the files of one server and profile.
type serverFiles struct {
	cache  Cache
	server string // canonical; empty: the one in the file
	path   string // of all its files, without what they end with
}

// files makes and checks the folder. After an error of the kind ErrCache, server is set.
func (c Cache) files(server string) (serverFiles, error) {
	address, err := parseServer(server, true)
	if err != nil {
		return serverFiles{}, err
	}
	f := serverFiles{cache: c, server: canonical(address)}
	dir, err := c.folder()
	f.path = filepath.Join(dir, cacheName(f.server, c.Profile))
	return f, err
}

// dir is where the cache is, a link itself where it is one.
func (c Cache) dir() (string, error) {
	dir := c.Dir
	if dir == "" {
		var err error
		if dir, err = DefaultCacheDir(); err != nil {
			return "", err
		}
	}
	if !filepath.IsAbs(dir) {
		return "", &Error{Kind: ErrCache, Detail: fmt.Sprintf("the folder %q is not an absolute path", dir)}
	}
	return filepath.Clean(dir), nil // a slash at its end would follow a link
}

// folder makes the folder where it is missing. One of our own that others can enter is
// closed to them; any other is refused.
func (c Cache) folder() (string, error) {
	dir, err := c.dir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", wrap(ErrCache, err)
	}
	if err := checkPath(dir, fs.ModeDir); err == nil {
		return dir, nil
	}
	closeToOthers(dir, 0o700) // such as after chmod -R, or what Kubernetes does with fsGroup
	return dir, checkPath(dir, fs.ModeDir)
}

// checkPath refuses what is a link, another user's or open to others.
func checkPath(path string, kind fs.FileMode) error {
	info, err := os.Lstat(path)
	if err != nil {
		return wrap(ErrCache, err)
	}
	return checkOwn(path, info, kind)
}

// closeToOthers takes from others what a mode gives them, where that is possible.
func closeToOthers(path string, mode fs.FileMode) {
	if file, err := openOwn(path); err == nil {
		_ = file.Chmod(mode)
		_ = file.Close()
	}
}

// canonical is the one way in which the cache writes a server's address.
func canonical(server *url.URL) string {
	scheme, host, port := strings.ToLower(server.Scheme), asciiHost(server.Hostname()), server.Port()
	if port == map[string]string{"https": "443", "http": "80"}[scheme] {
		port = ""
	}
	if port != "" {
		host = net.JoinHostPort(host, port)
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return scheme + "://" + host + strings.TrimRight(server.EscapedPath(), "/") + "/"
}

// cacheName is what the files of a server and a profile begin with.
func cacheName(server, profile string) string {
	if profile != "" {
		server += "\x00" + profile
	}
	sum := sha256.Sum256([]byte("token2go cache\x00" + server))
	return hex.EncodeToString(sum[:16])
}

// stored is what NAME.json holds.
type stored struct {
	Version     int        `json:"version"`
	Server      string     `json:"server"`
	Profile     string     `json:"profile,omitempty"`
	Token       string     `json:"token"`
	TokenType   string     `json:"tokenType"`
	Expires     *time.Time `json:"expires,omitempty"`
	Obtained    time.Time  `json:"obtained"`
	Fingerprint string     `json:"fingerprint"`
	Header      string     `json:"header,omitempty"`
	Issuer      string     `json:"issuer,omitempty"`
}

// load returns the zero Entry for a file that is missing or says nothing that can be
// used. The error is of a file that others could have written or read.
func (f serverFiles) load() (Entry, error) {
	text, err := readOwn(f.path + ".json")
	if err != nil {
		return Entry{}, err
	}
	return f.read(text), nil
}

func (f serverFiles) read(text []byte) Entry {
	var file stored
	if json.Unmarshal(text, &file) != nil || file.Version != 1 || file.Obtained.IsZero() ||
		f.server != "" && (file.Server != f.server || file.Profile != f.cache.Profile) || !isToken(file.Token) || !isName(file.TokenType) {
		return Entry{}
	}
	token := NewToken(file.Token)
	if token.Fingerprint != file.Fingerprint {
		return Entry{}
	}
	token.TokenType = file.TokenType
	if file.Expires != nil {
		token.Expiry = *file.Expires
	}
	if isName(file.Header) {
		token.Header = file.Header
	}
	token.Issuer = printable(file.Issuer)
	e := f.cache.entry(file.Server, token, file.Obtained)
	e.Profile = file.Profile
	return e
}

func (f serverFiles) store(e Entry) error {
	file := stored{
		Version: 1, Server: e.Server, Profile: e.Profile, Token: e.Token.Reveal(), TokenType: e.Token.TokenType, Obtained: e.Obtained.UTC(),
		Fingerprint: e.Token.Fingerprint, Header: e.Token.Header, Issuer: e.Token.Issuer,
	}
	if !e.Token.Expiry.IsZero() {
		expires := e.Token.Expiry.UTC()
		file.Expires = &expires
	}
	return f.write(".json", file)
}

// write replaces a file whole: a reader sees the old one or the new one.
func (f serverFiles) write(end string, content any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return wrap(ErrCache, err)
	}
	file, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*.tmp") // mode 0600, and new
	if err != nil {
		return wrap(ErrCache, err)
	}
	_, err = file.Write(append(text, '\n'))
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), f.path+end)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return wrap(ErrCache, err)
}

// sweep removes what a program left that was killed while it wrote. Its caller holds the
// lock.
func (f serverFiles) sweep() {
	const old = time.Minute
	dir := filepath.Dir(f.path)
	names, _ := filepath.Glob(filepath.Join(literal(dir), filepath.Base(f.path)+".*.tmp"))
	for _, name := range names {
		if info, err := os.Lstat(name); err == nil && time.Since(info.ModTime()) > old {
			_ = os.Remove(name)
		}
	}
}

// lock waits until no other program asks for this server's token. The lock is the
// operating system's, so it ends with the process that holds it, however that ends. An
// error of the kind ErrNotLocked says that none can be had.
func (f serverFiles) lock(ctx context.Context, limit time.Duration) (unlock func(), err error) {
	const pause = 50 * time.Millisecond
	none := func() {}
	path := f.path + ".lock"
	if err := checkPath(path, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		closeToOthers(path, 0o600)
		if err := checkPath(path, 0); err != nil {
			return none, &Error{Kind: ErrNotLocked, Cause: err}
		}
	}
	lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR|noFollow), flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err == nil && !held {
		if f.cache.Waiting != nil {
			f.cache.Waiting()
		}
		limited, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		held, err = lock.TryLockContext(limited, pause)
		if !held && ctx.Err() == nil && limited.Err() != nil {
			err = &Error{Kind: ErrTimedOut, Detail: "another program asks, and has no answer yet"}
		}
	}
	if held {
		return func() { _ = lock.Close() }, nil
	}
	_ = lock.Close()
	switch {
	case ctx.Err() != nil:
		return none, context.Cause(ctx)
	case errors.Is(err, ErrTimedOut):
		return none, err
	}
	return none, &Error{Kind: ErrNotLocked, Cause: err}
}

// outcome is what NAME.outcome holds: why the last ask gave no token.
type outcome struct {
	Version    int       `json:"version"`
	At         time.Time `json:"at"`
	Error      string    `json:"error"`
	Detail     string    `json:"detail"`
	Unanswered int       `json:"unanswered,omitempty"` // questions in a row of background calls that no one answered
}

// shared are the names of the refusals that others share. An interrupt is none.
func shared() map[string]error {
	return map[string]error{
		"denied": ErrDenied, "timed_out": ErrTimedOut, "no_token": ErrNoToken,
		"expiring": ErrExpiring, "refused": ErrRefused, "server_error": ErrServer,
	}
}

// refusal returns why nothing is asked: another ask was refused since this program began
// to wait, or this one runs in the background and no one answered the last.
func (f serverFiles) refusal(began time.Time, background bool) error {
	text, err := readOwn(f.path + ".outcome")
	if err != nil {
		return nil //nolint:nilerr // what others could have written says nothing
	}
	if err := readRefusal(text, began, time.Now()); err != nil {
		return err
	}
	if background {
		return readUnanswered(text, time.Now()).refusal(time.Now())
	}
	return nil
}

func readOutcome(text []byte, now time.Time) (file outcome, usable bool) {
	usable = json.Unmarshal(text, &file) == nil && file.Version == 1 && file.At.Sub(now) <= jump
	return file, usable
}

func readRefusal(text []byte, began, now time.Time) error {
	file, usable := readOutcome(text, now)
	if kind := shared()[file.Error]; usable && kind != nil && !file.At.Before(began) {
		return &Error{Kind: kind, Detail: printable(file.Detail)}
	}
	return nil
}

func readUnanswered(text []byte, now time.Time) unanswered {
	file, usable := readOutcome(text, now)
	if !usable || file.Error != "timed_out" {
		return unanswered{}
	}
	return unanswered{count: max(file.Unanswered, 0), last: file.At}
}

// storeRefusal shares an error with those who wait. It is of use even where that fails.
func (f serverFiles) storeRefusal(err error, background bool) {
	typed, is := errors.AsType[*Error](err)
	if !is {
		return
	}
	for name, kind := range shared() {
		if errors.Is(typed.Kind, kind) {
			file := outcome{Version: 1, At: time.Now().UTC(), Error: name, Detail: typed.Detail}
			if errors.Is(kind, ErrTimedOut) {
				text, _ := readOwn(f.path + ".outcome")
				file.Unanswered = readUnanswered(text, time.Now()).count
				if background {
					file.Unanswered++
				}
			}
			_ = f.write(".outcome", file)
		}
	}
}

// readOwn reads a file of ours; a missing one is empty.
func readOwn(path string) ([]byte, error) {
	const limit = 1 << 20 // bytes
	file, err := openOwn(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &Error{Kind: ErrCache, Detail: "it must be a file of its own, no link", Cause: err}
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, wrap(ErrCache, err)
	}
	if err := checkOwn(path, info, 0); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, limit))
	return text, wrap(ErrCache, err)
}

// wrap is nil for nil.
func wrap(kind, cause error) error {
	if cause == nil {
		return nil
	}
	return &Error{Kind: kind, Cause: cause}
}

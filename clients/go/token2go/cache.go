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
	"time"

	"github.com/gofrs/flock"
)

const (
	// DefaultMinTTL is how long a token from a Cache or a Source still lives unless told.
	DefaultMinTTL = time.Minute

	// DefaultLifetime is how long a token of unknown expiry is used unless told.
	DefaultLifetime = 5 * time.Minute

	// maxLifetime is how long a token is kept, whatever is said of its expiry.
	maxLifetime = 24 * time.Hour

	// jump is how far from now a moment in a file may lie ahead. Beyond it, the clock was
	// set back, and the file says nothing of its age.
	jump = time.Minute
)

// Cache keeps tokens in a folder that nobody else can read, and lets one program at a
// time ask for a server's. The program token2go and the Python package use the same
// files. Its zero value is the usual folder.
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
	if o.MinTTL == 0 {
		o.MinTTL = DefaultMinTTL
	}
	s, err := c.shelf(o.Server)
	if err != nil {
		return Entry{}, err
	}
	fits := func(e Entry) bool { // what was asked for since is what the gateway has
		return e.Good(o.MinTTL) && (!e.Obtained.Before(began) || !o.Fresh && e.Token.Fingerprint != rejected)
	}
	if e, err := s.load(); err != nil || fits(e) {
		return e, err
	}
	unlock, err := s.lock(ctx, o.Timeout)
	if err != nil {
		return Entry{}, err
	}
	defer unlock()
	s.sweep()
	if e, err := s.load(); err != nil || fits(e) {
		return e, err
	}
	if refused := s.refusal(began); refused != nil {
		return Entry{}, refused
	}
	token, err := Get(ctx, o)
	if err != nil {
		if outcome := s.storeRefusal(err); outcome != nil {
			o.warn(outcome)
		}
		return Entry{}, err
	}
	e := c.entry(s.server, token, time.Now())
	if err := s.store(e); err != nil {
		o.warn(fmt.Errorf("the token was not kept: %w", err)) // the person has signed in: it is of use all the same
	}
	return e, nil
}

// Load returns what the cache holds of a server, good or not; the zero Entry when that
// is nothing.
func (c Cache) Load(server string) (Entry, error) {
	s, err := c.shelf(server)
	if err != nil {
		return Entry{}, err
	}
	return s.load()
}

// Store keeps a token that was just obtained.
func (c Cache) Store(server string, token Token) error {
	s, err := c.shelf(server)
	if err != nil {
		return err
	}
	return s.store(c.entry(s.server, token, time.Now()))
}

// Remove removes what is kept of a server, and reports whether there was a token. The
// lock stays, since another program may hold it.
func (c Cache) Remove(server string) (removed bool, err error) {
	s, err := c.shelf(server)
	if err != nil {
		return false, err
	}
	err = os.Remove(s.path + ".json")
	removed = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if also := os.Remove(s.path + ".outcome"); !errors.Is(also, fs.ErrNotExist) {
		err = errors.Join(err, also)
	}
	return removed, wrap(ErrCache, err)
}

// Entries returns what the cache holds of all servers, good or not.
func (c Cache) Entries() ([]Entry, error) {
	dir, err := c.folder()
	if err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(literal(dir), "*.json"))
	if err != nil {
		return nil, wrap(ErrCache, err)
	}
	var entries []Entry
	for _, name := range names {
		s := shelf{cache: c, path: strings.TrimSuffix(name, ".json")}
		if e, err := s.load(); err == nil && filepath.Base(s.path) == cacheName(e.Server, e.Profile) {
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

// shelf is one server's place in the cache.
type shelf struct {
	cache  Cache
	server string // canonical; empty: whichever the file says
	path   string // of all its files, without what they end with
}

func (c Cache) shelf(server string) (shelf, error) {
	address, err := parseServer(server, true)
	if err != nil {
		return shelf{}, err
	}
	dir, err := c.folder()
	if err != nil {
		return shelf{}, err
	}
	name := canonical(address)
	return shelf{cache: c, server: name, path: filepath.Join(dir, cacheName(name, c.Profile))}, nil
}

// folder makes the folder where it is missing, and refuses one that others can enter.
func (c Cache) folder() (string, error) {
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
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", wrap(ErrCache, err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", wrap(ErrCache, err)
	}
	return dir, checkOwn(dir, info, fs.ModeDir)
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
func (s shelf) load() (Entry, error) {
	text, err := readOwn(s.path + ".json")
	if err != nil {
		return Entry{}, err
	}
	return s.read(text), nil
}

func (s shelf) read(text []byte) Entry {
	var file stored
	if json.Unmarshal(text, &file) != nil || file.Version != 1 || file.Obtained.IsZero() ||
		s.server != "" && (file.Server != s.server || file.Profile != s.cache.Profile) || !isToken(file.Token) || !isName(file.TokenType) {
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
	e := s.cache.entry(file.Server, token, file.Obtained)
	e.Profile = file.Profile
	return e
}

func (s shelf) store(e Entry) error {
	file := stored{
		Version: 1, Server: e.Server, Profile: e.Profile, Token: e.Token.Reveal(), TokenType: e.Token.TokenType, Obtained: e.Obtained.UTC(),
		Fingerprint: e.Token.Fingerprint, Header: e.Token.Header, Issuer: e.Token.Issuer,
	}
	if !e.Token.Expiry.IsZero() {
		expires := e.Token.Expiry.UTC()
		file.Expires = &expires
	}
	return s.write(".json", file)
}

// write replaces a file whole: a reader sees the old one or the new one.
func (s shelf) write(end string, content any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return wrap(ErrCache, err)
	}
	file, err := os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+".*.tmp") // mode 0600, and new
	if err != nil {
		return wrap(ErrCache, err)
	}
	_, err = file.Write(append(text, '\n'))
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), s.path+end)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return wrap(ErrCache, err)
}

// sweep removes what a program left that was killed while it wrote. Whoever holds the
// lock does.
func (s shelf) sweep() {
	const old = time.Minute
	dir := filepath.Dir(s.path)
	names, _ := filepath.Glob(filepath.Join(literal(dir), filepath.Base(s.path)+".*.tmp"))
	for _, name := range names {
		if info, err := os.Lstat(name); err == nil && time.Since(info.ModTime()) > old {
			_ = os.Remove(name)
		}
	}
}

// lock waits until no other program asks for this server's token. The lock is the
// operating system's, so it ends with the process that holds it, however that ends.
func (s shelf) lock(ctx context.Context, most time.Duration) (unlock func(), err error) {
	const pause = 50 * time.Millisecond
	lock := flock.New(s.path+".lock", flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err == nil && !held {
		if s.cache.Waiting != nil {
			s.cache.Waiting()
		}
		limited, cancel := context.WithTimeout(ctx, most)
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
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if errors.Is(err, ErrTimedOut) {
		return nil, err
	}
	return nil, wrap(ErrCache, err)
}

// outcome is what NAME.outcome holds: why the last ask gave no token.
type outcome struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`
	Error   string    `json:"error"`
	Detail  string    `json:"detail"`
}

// shared are the names of the refusals that others share. An interrupt is none.
func shared() map[string]error {
	return map[string]error{
		"denied": ErrDenied, "timed_out": ErrTimedOut, "no_token": ErrNoToken,
		"expiring": ErrExpiring, "refused": ErrRefused, "server_error": ErrServer,
	}
}

// refusal returns the refusal of an ask that ended since this program began to wait.
func (s shelf) refusal(began time.Time) error {
	text, err := readOwn(s.path + ".outcome")
	if err != nil {
		return err
	}
	return readRefusal(text, began, time.Now())
}

func readRefusal(text []byte, began, now time.Time) error {
	var file outcome
	var kind error
	if json.Unmarshal(text, &file) == nil && file.Version == 1 && !file.At.Before(began) && file.At.Sub(now) <= jump {
		kind = shared()[file.Error]
	}
	if kind == nil {
		return nil
	}
	return &Error{Kind: kind, Detail: printable(file.Detail)}
}

func (s shelf) storeRefusal(err error) error {
	typed, is := errors.AsType[*Error](err)
	if !is {
		return nil
	}
	for name, kind := range shared() {
		if errors.Is(typed.Kind, kind) {
			return s.write(".outcome", outcome{Version: 1, At: time.Now().UTC(), Error: name, Detail: typed.Detail})
		}
	}
	return nil
}

// readOwn reads a file of ours; a missing one is empty.
func readOwn(path string) ([]byte, error) {
	const most = 1 << 20 // bytes
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
	text, err := io.ReadAll(io.LimitReader(file, most))
	return text, wrap(ErrCache, err)
}

// wrap is nil for nil.
func wrap(kind, cause error) error {
	if cause == nil {
		return nil
	}
	return &Error{Kind: kind, Cause: cause}
}

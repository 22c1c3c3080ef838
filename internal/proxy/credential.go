package proxy

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/token2go/token2go/internal/secret"
)

// Credential is what a service is called with.
type Credential interface {
	// put adds the credential to a request that goes out. Caller is the secret that the
	// caller's own credential carries, for those that have one.
	put(out *outgoing, caller secret.Value) error
	// headers are the names of those that put sets.
	headers() []string
}

// outgoing is the part of a request that a credential may change.
type outgoing struct {
	header http.Header
	path   string // raw
	query  string // raw
	sent   []string
}

// set replaces a header, and notes the secret, so that an answer which echoes it is
// recognized.
func (o *outgoing) set(name, value, secret string) {
	o.header.Set(name, value)
	o.sent = append(o.sent, secret)
}

// Secret is a text, the value of an environment variable, or the content of a file, which
// is read again when it changes.
type Secret struct {
	text secret.Value
	file *watchedFile
}

func newSecret(raw json.RawMessage) (Secret, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return literalSecret(text)
	}
	var from struct {
		Env  string `json:"env"`
		File string `json:"file"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&from) != nil || (from.Env == "") == (from.File == "") {
		return Secret{}, errors.New(`not a text, {"env":"NAME"} or {"file":"/path"}`)
	}
	if from.Env != "" {
		value, set := os.LookupEnv(from.Env)
		if !set {
			return Secret{}, fmt.Errorf("the environment variable %s is not set", from.Env)
		}
		return literalSecret(value)
	}
	s := Secret{file: &watchedFile{path: from.File}}
	_, err := s.file.read()
	return s, err
}

func literalSecret(text string) (Secret, error) {
	if err := checkSecret(text); err != nil {
		return Secret{}, err
	}
	return Secret{text: secret.New(text)}, nil
}

// checkSecret refuses what would end a header.
func checkSecret(text string) error {
	switch {
	case text == "":
		return errors.New("empty")
	case strings.ContainsAny(text, "\r\n\x00"):
		return errors.New("holds a line break or a NUL")
	}
	return nil
}

// Reveal is the secret as it is now.
func (s Secret) Reveal() (string, error) {
	if s.file == nil {
		return s.text.Reveal(), nil
	}
	return s.file.read()
}

// watchedFile is a file with one line. It is looked at once a second at most.
type watchedFile struct {
	path string

	mu       sync.Mutex
	looked   time.Time
	modified time.Time
	size     int64
	text     secret.Value
}

func (f *watchedFile) read() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.looked) < time.Second {
		return f.text.Reveal(), nil
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return f.keep(err)
	}
	if f.text.Absent() || !info.ModTime().Equal(f.modified) || info.Size() != f.size {
		content, err := os.ReadFile(f.path)
		if err != nil {
			return f.keep(err)
		}
		text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
		if err := checkSecret(text); err != nil {
			return f.keep(fmt.Errorf("%s: %w", f.path, err))
		}
		f.text, f.modified, f.size = secret.New(text), info.ModTime(), info.Size()
	}
	f.looked = time.Now()
	return f.text.Reveal(), nil
}

// keep goes on with the secret that was read before, if there is one: a file that is
// replaced may be missing for a moment.
func (f *watchedFile) keep(err error) (string, error) {
	if f.text.Absent() {
		return "", err
	}
	return f.text.Reveal(), nil
}

// The kinds of credentials.
type (
	basic struct {
		username string
		password Secret
	}
	bearer  struct{ token Secret }
	headers map[string]Secret
	query   struct {
		name  string
		value Secret
	}
	inPath struct {
		template string // with one {token}
		token    Secret
	}
	person struct{}
)

func (c basic) headers() []string { return []string{"Authorization"} }

func (c basic) put(out *outgoing, _ secret.Value) error {
	password, err := c.password.Reveal()
	if err != nil {
		return err
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(c.username + ":" + password))
	out.set("Authorization", "Basic "+encoded, encoded)
	out.sent = append(out.sent, password)
	return nil
}

func (c bearer) headers() []string { return []string{"Authorization"} }

func (c bearer) put(out *outgoing, _ secret.Value) error {
	token, err := c.token.Reveal()
	if err != nil {
		return err
	}
	out.set("Authorization", "Bearer "+token, token)
	return nil
}

func (c headers) headers() []string {
	var names []string
	for name := range c {
		names = append(names, name)
	}
	return names
}

func (c headers) put(out *outgoing, _ secret.Value) error {
	for name, held := range c {
		value, err := held.Reveal()
		if err != nil {
			return err
		}
		out.set(name, value, value)
	}
	return nil
}

func (c query) headers() []string { return nil }

// put adds the parameter in place of those of the same name that the caller sent.
func (c query) put(out *outgoing, _ secret.Value) error {
	value, err := c.value.Reveal()
	if err != nil {
		return err
	}
	kept := cutQuery(out.query, func(name, _ string) bool { return name == c.name })
	if kept != "" {
		kept += "&"
	}
	out.query = kept + url.QueryEscape(c.name) + "=" + url.QueryEscape(value)
	out.sent = append(out.sent, value, url.QueryEscape(value))
	return nil
}

func (c inPath) headers() []string { return nil }

// put adds a segment before the caller's path.
func (c inPath) put(out *outgoing, _ secret.Value) error {
	token, err := c.token.Reveal()
	if err != nil {
		return err
	}
	escaped := url.PathEscape(token)
	out.path = strings.Replace(c.template, "{token}", escaped, 1) + out.path
	out.sent = append(out.sent, token, escaped)
	return nil
}

func (person) headers() []string { return []string{"Authorization"} }

var errNoPerson = errors.New("the caller's credential carries no token of a person")

func (person) put(out *outgoing, caller secret.Value) error {
	if caller.Absent() {
		return errNoPerson
	}
	token := caller.Reveal()
	out.set("Authorization", "Bearer "+token, token)
	return nil
}

// cutQuery takes the pieces of a raw query away for which drop returns true, with their
// ampersand; the rest stays byte for byte.
func cutQuery(raw string, drop func(name, value string) bool) string {
	if raw == "" {
		return ""
	}
	pieces := strings.Split(raw, "&")
	kept := pieces[:0]
	for _, piece := range pieces {
		name, value, _ := strings.Cut(piece, "=")
		name, nameErr := url.QueryUnescape(name)
		value, valueErr := url.QueryUnescape(value)
		if nameErr != nil || valueErr != nil || !drop(name, value) {
			kept = append(kept, piece)
		}
	}
	return strings.Join(kept, "&")
}

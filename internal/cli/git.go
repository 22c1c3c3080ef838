package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"github.com/token2go/token2go/clients/go/token2go"
	"github.com/token2go/token2go/internal/loopback"
)

// credential is what git and a credential helper tell each other
// (gitcredentials(7), git-credential(1)).
type credential struct {
	protocol, host, username, secret string
	bearer                           bool // git accepts an authtype: 2.46 and newer
	challenges                       []string
}

// maxCredential is far above what git sends, tokens among it.
const maxCredential = 1 << 20

// readCredential reads attributes up to an empty line or the end. Only a line feed ends
// a line.
func readCredential(r io.Reader) (credential, error) {
	var c credential
	text, err := io.ReadAll(io.LimitReader(r, maxCredential))
	if err != nil {
		return credential{}, err
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if line == "" {
			break
		}
		key, value, found := strings.Cut(line, "=")
		switch {
		case !found:
			return credential{}, usage("stdin: a line without =; git-credential is for git to call")
		case strings.ContainsFunc(line, unicode.IsControl) && key != "wwwauth[]": // such as the carriage return of CVE-2024-52006
			return credential{}, usage("stdin: a control character in %q", key)
		}
		switch key {
		case "protocol":
			c.protocol = value
		case "host":
			c.host = value
		case "url":
			if parsed, err := url.Parse(value); err == nil {
				c.protocol, c.host = parsed.Scheme, parsed.Host
			}
		case "username":
			c.username = value
		case "password", "credential":
			c.secret = value
		case "capability[]":
			c.bearer = c.bearer && value != "" || value == "authtype"
		case "wwwauth[]":
			c.challenges = append(c.challenges, value)
			if value == "" { // an empty value begins the list anew
				c.challenges = nil
			}
		}
	}
	c.host = canonicalHost(c.protocol, c.host)
	return c, nil
}

// canonicalHost is a host in lower case and ASCII, with its port where that is not the
// protocol's.
func canonicalHost(protocol, host string) string {
	host = strings.TrimSuffix(lower(host), map[string]string{"https": ":443", "http": ":80"}[protocol])
	name, port, found := strings.Cut(host, ":")
	if ascii, err := idna.Lookup.ToASCII(name); err == nil && ascii != "" {
		name = ascii
	}
	if !found {
		return name
	}
	return name + ":" + port
}

// lower is a host in lower case. Letters beyond ASCII stay: İ would become i, and a host
// of another owner the one in a profile.
func lower(host string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r - 'A' + 'a'
		}
		return r
	}, host)
}

// encrypted reports whether what is sent to the host cannot be read on the way.
func (c credential) encrypted() bool {
	if c.protocol == "https" {
		return true
	}
	host := (&url.URL{Host: c.host}).Hostname()
	return c.protocol == "http" && loopback.Host(host)
}

// takesBearer reports whether the token can be sent as a bearer token: git must support
// it, and the host must not ask for Basic only.
func (c credential) takesBearer() bool {
	wants := func(scheme string) bool {
		return slices.ContainsFunc(c.challenges, func(challenge string) bool {
			word, _, _ := strings.Cut(challenge, " ")
			return strings.EqualFold(word, scheme)
		})
	}
	return c.bearer && (wants("Bearer") || !wants("Basic"))
}

// GitCredential answers git. Without a profile of that name, or with the empty name, it
// is the first profile that names the host. For any other host it prints nothing, so that
// no clone address is given the token.
func (e Env) GitCredential(ctx context.Context, c Config, profile, operation string, change func(Profile) (Request, error)) error {
	if operation != "get" && operation != "erase" {
		return nil // store, and whatever git thinks of later (gitcredentials(7))
	}
	asked, err := readCredential(e.Stdin)
	if err != nil {
		return err
	}
	found, named, err := c.forGit(profile, asked)
	if err != nil || !named {
		return err
	}
	request, err := change(found)
	if err != nil {
		return err
	}
	if operation == "erase" {
		return request.forget(asked.secret)
	}
	token, err := e.obtain(ctx, request)
	if err != nil {
		if errors.Is(err, token2go.ErrDenied) || errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled) {
			fmt.Fprintln(e.Stdout, "quit=1") // or git would ask for a password
		}
		return err
	}
	return asked.answer(e.Stdout, found, token)
}

// forGit is the profile that names the host of a request.
func (c Config) forGit(profile string, asked credential) (Profile, bool, error) {
	candidates := c.Names()
	if profile != "" {
		if _, known := c.Profiles[profile]; !known {
			return Profile{}, false, usage("%q is no profile; %s", profile, c.known())
		}
		candidates = []string{profile}
	}
	for _, name := range candidates {
		p := c.profile(name)
		if asked.encrypted() && slices.ContainsFunc(p.GitHosts, func(host string) bool { return canonicalHost(asked.protocol, host) == asked.host }) {
			return p, true, nil
		}
	}
	return Profile{}, false, nil
}

// defaultGitUsername goes with a token as password at GitLab and, since they pass over
// the name, at most others.
const defaultGitUsername = "oauth2"

func (c credential) answer(out io.Writer, p Profile, token token2go.Token) error {
	var lines []string
	if c.takesBearer() {
		lines = append(lines, "capability[]=authtype", "authtype="+token.TokenType, "credential="+token.Reveal(), "ephemeral=1")
	} else {
		username := c.username
		if username == "" {
			username = p.GitUsername
		}
		if username == "" {
			username = defaultGitUsername
		}
		lines = append(lines, "username="+username, "password="+token.Reveal())
	}
	if !token.Expiry.IsZero() {
		lines = append(lines, fmt.Sprintf("password_expiry_utc=%d", token.Expiry.Unix()))
	}
	_, err := io.WriteString(out, strings.Join(lines, "\n")+"\n")
	return err
}

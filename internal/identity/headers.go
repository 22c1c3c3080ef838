package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/token"
)

// HeaderOptions are what a Headers verifier needs. A header alone proves nothing, and
// neither does the address of its sender: clients' headers pass through several gateways,
// and every local process is on loopback.
type HeaderOptions struct {
	Issuer  string // required: what people are stored under, such as the gateway's URL
	Subject string // required: header names; one header each
	Login   string // empty: the subject
	Email   string
	Groups  string // its value is a list with commas

	// Socket means that requests come by a Unix socket that only the gateway can open.
	Socket bool
	// Secret is what the gateway sends in SecretHeader. Required unless Socket.
	Secret       secret.Value
	SecretHeader string

	Admin string // a group whose members are administrators; empty: no one is
}

// Headers trusts what the gateway forwards.
type Headers struct{ HeaderOptions }

// NewHeaders makes a verifier.
func NewHeaders(o HeaderOptions) (*Headers, error) {
	switch {
	case o.Issuer == "" || o.Subject == "":
		return nil, errors.New("identity: Issuer and Subject are required")
	case !o.Socket && (o.Secret.Absent() || o.SecretHeader == ""):
		return nil, errors.New("identity: headers prove nothing without a Unix socket or a secret of the gateway's")
	}
	return &Headers{o}, nil
}

// Identify reads the headers, each of which must be there once at most.
func (h *Headers) Identify(_ context.Context, header http.Header, _ token.Found) (Person, error) {
	if err := h.prove(header); err != nil {
		return Person{}, err
	}
	p := Person{Issuer: h.Issuer}
	for _, field := range []struct {
		name string
		into *string
	}{{h.Subject, &p.Subject}, {h.Login, &p.Login}, {h.Email, &p.Email}} {
		value, err := only(header, field.name)
		if err != nil {
			return Person{}, err
		}
		*field.into = value
	}
	if p.Subject == "" {
		return Person{}, fmt.Errorf("%w: header %s is missing", ErrUnproven, h.Subject)
	}
	if p.Login == "" {
		p.Login = p.Subject
	}
	groups, err := only(header, h.Groups)
	if err != nil {
		return Person{}, err
	}
	for group := range strings.SplitSeq(groups, ",") {
		if group = strings.TrimSpace(group); group != "" {
			p.Groups = append(p.Groups, group)
			p.Admin = p.Admin || group == h.Admin
		}
	}
	return p, nil
}

// prove wants the gateway's secret, unless the socket is proof.
func (h *Headers) prove(header http.Header) error {
	if h.Socket {
		return nil
	}
	sent, err := only(header, h.SecretHeader)
	if err != nil {
		return err
	}
	got, want := sha256.Sum256([]byte(sent)), sha256.Sum256([]byte(h.Secret.Reveal()))
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return fmt.Errorf("%w: header %s does not hold the gateway's secret", ErrUnproven, h.SecretHeader)
	}
	return nil
}

// only returns the one value of a header; empty where it is missing or has no name. Two
// values, or another header that some servers take for the same, were sent by someone
// besides the gateway.
func only(header http.Header, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	key := textproto.CanonicalMIMEHeaderKey(name)
	for other := range header {
		if other != key && plain(other) == plain(key) {
			return "", fmt.Errorf("%w: header %s came in two spellings", ErrUnproven, name)
		}
	}
	values := header[key]
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", fmt.Errorf("%w: header %s came twice", ErrUnproven, name)
	}
	if strings.ContainsFunc(values[0], func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", fmt.Errorf("%w: header %s holds a control character", ErrUnproven, name)
	}
	return strings.TrimSpace(values[0]), nil
}

// plain is a header name as servers see it that take _ and - for the same.
func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "-")) }

package token2go

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/token2go/token2go/internal/loopback"
)

// Tokens is where a Transport gets tokens from. *Source is one.
type Tokens interface {
	Get(ctx context.Context) (Token, error)
	Renew(ctx context.Context, rejected Token) (Token, error)
}

// Transport is an http.RoundTripper that adds the token to requests for the hosts that
// it names, and to no others.
//
// A request goes without the token when its host is not named, when it is neither https
// nor for this computer, when it follows a redirect from another host (even to one that
// is named: the other host would choose what is done in the person's name), and when it
// has an Authorization header already. Where the answer is 401, another token is asked
// for and the request sent once more, if its body can be read again (http.Request's
// GetBody); where none is to be had, the answer stays 401.
type Transport struct {
	Tokens Tokens            // required
	Hosts  []string          // such as api.example.org, api.example.org:8443, or .example.org for all hosts below it
	Base   http.RoundTripper // nil: http.DefaultTransport
}

var _ http.RoundTripper = (*Transport)(nil)

// RoundTrip sends the request. It leaves the caller's as it is.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	hosts, err := t.hosts()
	if err != nil {
		closeBody(r)
		return nil, err
	}
	if !mayAdd(r, hosts) {
		return t.base().RoundTrip(r)
	}
	token, err := t.Tokens.Get(r.Context())
	if err != nil {
		closeBody(r)
		return nil, err
	}
	answer, err := t.base().RoundTrip(signed(r, token, r.Body))
	if err != nil || answer.StatusCode != http.StatusUnauthorized {
		return answer, err
	}
	body, err := bodyAgain(r)
	if err != nil {
		return answer, nil //nolint:nilerr // the request was answered: it only cannot be sent twice
	}
	renewed, err := t.Tokens.Renew(r.Context(), token)
	if err != nil || renewed.Fingerprint == token.Fingerprint {
		if body != nil {
			_ = body.Close()
		}
		return answer, nil // 401 is an answer, and says as much
	}
	discard(answer)
	return t.base().RoundTrip(signed(r, renewed, body))
}

func (t *Transport) hosts() ([]hostPattern, error) {
	hosts := make([]hostPattern, 0, len(t.Hosts))
	for _, text := range t.Hosts {
		host, err := parseHost(text)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

func (t *Transport) base() http.RoundTripper {
	if t.Base != nil {
		return t.Base
	}
	return http.DefaultTransport
}

// mayAdd reports whether a request may have the token.
func mayAdd(r *http.Request, hosts []hostPattern) bool {
	own := authority(r.URL)
	_, set := r.Header["Authorization"]
	if own == "" || set || r.URL.Scheme != "https" && (r.URL.Scheme != "http" || !loopback.Host(r.URL.Hostname())) {
		return false
	}
	for before := r.Response; before != nil; before = before.Request.Response {
		if before.Request == nil || before.Request.URL.Scheme != r.URL.Scheme || authority(before.Request.URL) != own {
			return false
		}
	}
	return slices.ContainsFunc(hosts, func(host hostPattern) bool { return host.matches(r.URL) })
}

// signed is a copy of the request with the token.
func signed(r *http.Request, token Token, body io.ReadCloser) *http.Request {
	r = r.Clone(r.Context())
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Body = body
	token.SetAuthHeader(r)
	return r
}

// bodyAgain returns the body for another sending; nil for none.
func bodyAgain(r *http.Request) (io.ReadCloser, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return r.Body, nil
	}
	if r.GetBody == nil {
		return nil, errors.New("the body can be read but once")
	}
	return r.GetBody()
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

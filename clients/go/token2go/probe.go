package token2go

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Probe asks the server's /health, before the person is asked, whether it can be reached
// and has a certificate that is trusted. Any answer will do, also that of a gateway which
// wants a sign-in first; 500 and beyond is ErrServer. It asks with HTTPClient, for at
// most ten seconds, and follows no redirect.
func Probe(ctx context.Context, options Options) error {
	const limit = 10 * time.Second
	o, server, err := options.checked()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := http.NewRequestWithContext(limited, http.MethodGet, server.JoinPath("health").String(), nil)
	if err != nil {
		return &Error{Kind: ErrOptions, Cause: err}
	}
	client := http.Client{Transport: throughProxy()}
	if o.HTTPClient != nil {
		client = *o.HTTPClient
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return unreached(err)
	}
	discard(answer)
	if answer.StatusCode == http.StatusProxyAuthRequired {
		return proxyRefusal(answer.StatusCode)
	}
	if answer.StatusCode >= http.StatusInternalServerError {
		return &Error{Kind: ErrServer, Detail: "it answered " + printable(answer.Status)}
	}
	return nil
}

// throughProxy is http.DefaultTransport with Proxy, and with an error that distinguishes a
// proxy's refusal from a server that is not there.
func throughProxy() http.RoundTripper {
	transport, is := http.DefaultTransport.(*http.Transport)
	if !is {
		return http.DefaultTransport
	}
	transport = transport.Clone()
	transport.Proxy = Proxy
	transport.OnProxyConnectResponse = ProxyConnectResponse
	transport.DisableKeepAlives = true // it is used once
	return transport
}

// ProxyConnectResponse is for http.Transport.OnProxyConnectResponse: it makes an *Error of
// a proxy's refusal, which net/http reports without its status.
func ProxyConnectResponse(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		return proxyRefusal(answer.StatusCode)
	}
	return nil
}

func proxyRefusal(status int) *Error {
	e := &Error{Kind: ErrUnreachable, Detail: fmt.Sprintf("the proxy answered %d %s", status, http.StatusText(status))}
	if status == http.StatusProxyAuthRequired {
		e.advice = "put the proxy's user and password into HTTPS_PROXY, or skip the check: the browser has its own way"
	}
	return e
}

// unreached distinguishes a certificate that is not trusted from a server that is not there.
func unreached(err error) *Error {
	if address, is := errors.AsType[*url.Error](err); is {
		err = address.Err
	}
	if refused, is := errors.AsType[*Error](err); is {
		return refused
	}
	if isCertificate(err) {
		return &Error{Kind: ErrCertificate, Cause: err}
	}
	_, garbled := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case garbled || errors.Is(err, http.ErrSchemeMismatch):
		return &Error{Kind: ErrUnreachable, Detail: "what answers there does not speak https", Cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: ErrUnreachable, Detail: "no answer within ten seconds"}
	}
	return &Error{Kind: ErrUnreachable, Cause: err}
}

func isCertificate(err error) bool {
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, hostname := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	return verification || authority || hostname || invalid
}

// discard lets the connection be used again.
func discard(answer *http.Response) {
	const limit = 64 << 10 // bytes that are worth reading for that
	_, _ = io.CopyN(io.Discard, answer.Body, limit)
	_ = answer.Body.Close()
}

package token2go_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/token2go/token2go/clients/go/token2go"
	"github.com/token2go/token2go/internal/t2gtest"
)

// withAdvice is an error and what can be done about it.
func withAdvice(err error) string {
	var advised interface{ Advice() string }
	if errors.As(err, &advised) {
		return err.Error() + "; " + advised.Advice()
	}
	return err.Error()
}

func TestProbeClassifiesFailures(t *testing.T) {
	instance := t2gtest.Start(t, t2gtest.Options{})
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer broken.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	closed, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for _, test := range []struct {
		name, server string
		client       *http.Client
		want         error
		says         string
	}{
		{"a gateway that wants a sign-in", instance.Gateway, nil, nil, ""},
		{"a server without a gateway", instance.Direct, nil, nil, ""},
		{"no one listens", "http://" + closed.Addr().String(), nil, token2go.ErrUnreachable, "check the address"},
		{"a gateway whose server is gone", broken.URL, nil, token2go.ErrServer, "502"},
		{"an untrusted certificate", secure.URL, nil, token2go.ErrCertificate, "trust the authority"},
		{"a certificate that is trusted", secure.URL, secure.Client(), nil, ""},
		{"a certificate of another name", strings.Replace(secure.URL, "127.0.0.1", "localhost", 1), secure.Client(), token2go.ErrCertificate, "localhost"},
		{"http where https is meant", strings.Replace(instance.Direct, "http://", "https://", 1), nil, token2go.ErrUnreachable, "does not speak https"},
		{"no address", "t2g.example.org", nil, token2go.ErrOptions, "https://"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := token2go.Probe(t.Context(), token2go.Options{Server: test.server, HTTPClient: test.client})
			if test.want == nil && err != nil || !errors.Is(err, test.want) || test.want != nil && !strings.Contains(withAdvice(err), test.says) {
				t.Errorf("got %v, want %v and %q in it", err, test.want, test.says)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := token2go.Probe(ctx, token2go.Options{Server: instance.Direct}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the interrupt", err)
	}
}

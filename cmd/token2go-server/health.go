package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/config"
)

func healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Exit 0 if the server that runs with this environment is healthy, else 1",
		Long: "healthcheck asks /health at the ops listener, or where that is off at the gateway listener, or where that\n" +
			"is off, too, at the API listener.\n" +
			"It is for containers without a shell. A wrong variable ends it with exit code 1, too.",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := load()
			if err != nil {
				// Not %w: a wrong configuration is exit code 2 elsewhere, which container
				// engines keep for themselves in a health check.
				return fmt.Errorf("not healthy: no server runs with this configuration\n%v", err) //nolint:errorlint // see above
			}
			return checkHealth(c.Context(), s)
		},
	}
}

const healthTimeout = 3 * time.Second

func checkHealth(ctx context.Context, s settings) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	asked := asksHealth(s)
	address, client := asked.health()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("not healthy: %w", errors.Unwrap(err))
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusForbidden && asked.restricted {
		return nil // the listener is up, and this computer is none of its peers
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("not healthy: got status %d from %s", answer.StatusCode, address)
	}
	return nil
}

// listening is a listener of the server that runs with this environment.
type listening struct {
	host, socket string
	port         int
	tls          bool
	restricted   bool // it answers some peers alone
}

// asksHealth is the listener whose /health is asked.
func asksHealth(s settings) listening {
	switch {
	case s.Ops.Port != 0:
		return listening{host: s.Ops.Host, port: s.Ops.Port}
	case s.Gateway.Port != config.Off || s.Gateway.Socket != "":
		return listening{s.Gateway.Host, s.Gateway.Socket, s.Gateway.Port, s.Gateway.TLSCertFile != "", s.Gateway.CIDRs != nil}
	}
	return listening{s.API.Host, s.API.Socket, s.API.Port, s.API.TLSCertFile != "", s.API.CIDRs != nil}
}

// health is where /health is asked, and by which client.
func (l listening) health() (string, *http.Client) {
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: transport}
	switch {
	case l.socket != "":
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", l.socket)
		}
		return "http://localhost/health", client
	case l.tls:
		// The certificate is for the name that callers use. The request contains
		// nothing that another server at this address could use.
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} //nolint:gosec // see above
		return "https://" + reachable(l.host, l.port) + "/health", client
	}
	return "http://" + reachable(l.host, l.port) + "/health", client
}

// reachable is the address of a listener as the same machine reaches it: loopback where
// it listens on every interface.
func reachable(host string, port int) string {
	if address, err := netip.ParseAddr(host); err == nil && address.IsUnspecified() {
		host = "127.0.0.1"
		if address.Is6() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

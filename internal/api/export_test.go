package api

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/token2go/token2go/internal/check"
)

// Client and Find are what the fuzz tests call, Decide what the benchmark of signed keys does.
func (s *Server) Client(r *http.Request, header string) netip.Addr { return s.client(r, header) }

func (s *Server) Find(r *http.Request, target *url.URL) (text string, inURL bool, err error) {
	found, err := s.find(r, target)
	return found.text, found.inURL, err
}

func (s *Server) Decide(ctx context.Context, r *http.Request) error {
	found, err := s.find(r, r.URL)
	if err != nil {
		return err
	}
	credential, _, err := s.credential(found.text, netip.Addr{})
	if err != nil {
		return err
	}
	_, err = s.options.Checker.Check(ctx, credential, check.Facts{})
	return err
}

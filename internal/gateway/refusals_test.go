package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest"
)

func TestRefusalByRedirectIsCounted(t *testing.T) {
	server := open(t)
	client := &http.Client{Transport: t2gtest.NewClient(t).Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, body := get(t, client, server.Direct+jweClient(t).path())
	if answer.status != http.StatusSeeOther {
		t.Fatalf("got %d, want a redirect to the client: %s", answer.status, body)
	}
	_, metrics := get(t, client, server.Ops+"/metrics")
	if want := `token2go_refusals_total{listener="gateway",reason="token_not_found"} 1`; !strings.Contains(metrics, want+"\n") {
		t.Errorf("got no line %s in the metrics", want)
	}
}

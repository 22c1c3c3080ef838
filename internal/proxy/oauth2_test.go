package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

func TestServeWithClientCredentials(t *testing.T) {
	var asked atomic.Int64
	var down atomic.Bool
	lasts := "3600"
	issuer := goUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		id, key, _ := r.BasicAuth()
		if down.Load() || id != "client" || key != "marked-key" {
			http.Error(w, "no: "+key, http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"renewed-token-%d","token_type":"Bearer","expires_in":%s}`, asked.Add(1), lasts)
	})
	u := newUpstream(t, ok)
	file := `{"services":{"notes":{"base_url":"http://UPSTREAM","requires_service_token":false,"credential":{"type":"oauth2_client_credentials",
		"client_id":"client","client_secret":"marked-key","token_url":"http://` + issuer + `/token","scopes":["read"]}}}}`
	call := func(f *fixture, want string) {
		t.Helper()
		status, answer := f.send(t, "GET /s/notes/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if want == "" {
			if status != 502 || !strings.Contains(answer, "credential_missing") || strings.Contains(answer, "marked-key") {
				t.Errorf("got %d\n%s", status, answer)
			}
			return
		}
		if status != 200 || !strings.Contains(u.last(t), "Authorization: Bearer "+want+"\r\n") {
			t.Errorf("got %d, sent %s", status, u.last(t))
		}
	}
	f := newFixture(t, u, file)
	down.Store(true)
	call(f, "")
	down.Store(false)
	call(f, "renewed-token-1")
	call(f, "renewed-token-1") // it lasts

	lasts = "30" // less than the minute before the end
	f = newFixture(t, u, file)
	call(f, "renewed-token-2")
	call(f, "renewed-token-3")
	down.Store(true)
	call(f, "renewed-token-3") // the old one, as long as it lasts
	for _, e := range f.events {
		if strings.Contains(e.Detail, "marked-key") {
			t.Errorf("event %+v", e)
		}
	}
}

package demo_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/demo"
)

func TestNotesReturnsDataForAnAccessToken(t *testing.T) {
	s := open(t, demo.Options{})
	beside := httptest.NewServer(s.gateway.Notes())
	t.Cleanup(beside.Close)
	bearer := "Bearer " + s.see(s.signedIn("ada.analyst"), "/", nil).Header.Get(access)
	for _, address := range []string{beside.URL, s.front.URL} {
		response, text := s.do(s.client(), "GET", address+"/api/notes", nil, func(r *http.Request) { r.Header.Set("Authorization", bearer) })
		checkNotes(t, response, text)
	}
}

func TestNotesThroughTheGatewayAcceptsASession(t *testing.T) {
	s := open(t, demo.Options{})
	response, text := s.get(s.signedIn("ada.analyst"), "/api/notes")
	checkNotes(t, response, text)
	if response, _ := s.get(s.client(), "/api/notes"); response.StatusCode != http.StatusForbidden {
		t.Errorf("got %d without a session, want the sign-in page, 403", response.StatusCode)
	}
}

func checkNotes(t *testing.T, response *http.Response, text string) {
	t.Helper()
	var got struct {
		Person string
		Notes  []string
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || response.StatusCode != http.StatusOK || got.Person != "ada.analyst" || len(got.Notes) == 0 {
		t.Errorf("got %d %s, want 200 with Ada's notes", response.StatusCode, text)
	}
}

func TestNotesRejectsOtherTokens(t *testing.T) {
	now := newClock()
	s := open(t, demo.Options{Now: now.Now, Flags: demo.Flags{PassAuthorizationHeader: true}})
	seen := s.see(s.signedIn("ada.analyst"), "/", nil)
	good := seen.Header.Get(access)
	other := open(t, demo.Options{Now: now.Now})
	foreign := other.see(other.signedIn("ada.analyst"), "/", nil).Header.Get(access)
	for _, test := range []struct {
		name, authorization, challenge string
		after                          time.Duration
	}{
		{"none", "", "Bearer", 0},
		{"another scheme", "Basic YTpi", "Bearer", 0},
		{"no JWT", "Bearer opaque", `Bearer error="invalid_token"`, 0},
		{"a changed signature", "Bearer " + good[:len(good)-8] + "AAAAAAAA", `Bearer error="invalid_token"`, 0},
		{"another key", "Bearer " + foreign, `Bearer error="invalid_token"`, 0},
		{"an ID token, for another audience", seen.Header.Get("Authorization"), `Bearer error="invalid_token"`, 0},
		{"an expired one", "Bearer " + good, `Bearer error="invalid_token"`, 5*time.Minute + time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			now.advance(test.after)
			response := httptest.NewRecorder()
			request := httptest.NewRequest(http.MethodGet, "/api/notes", nil)
			request.Header.Set("Authorization", test.authorization)
			s.gateway.Notes().ServeHTTP(response, request)
			if got := response.Header().Get("WWW-Authenticate"); response.Code != http.StatusUnauthorized || got != test.challenge {
				t.Errorf("got %d %q, want 401 %q", response.Code, got, test.challenge)
			}
		})
	}
}

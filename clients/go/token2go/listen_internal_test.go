package token2go

import (
	"net/http"
	"testing"
)

// startListener starts one for a user.
func startListener(t *testing.T, uid int) (*listener, *wait) {
	t.Helper()
	o, server, err := Options{Server: "https://t2g.example.org"}.checked()
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCall(o.Format)
	if err != nil {
		t.Fatal(err)
	}
	c.uid = uid
	w := newWait()
	l, err := listen(c, w, server, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.close(t.Context()) })
	return l, w
}

func statusOf(t *testing.T, l *listener) int {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get(l.shortURL())
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// TestListenerShowsThePageAgain is of a browser that sends its answer twice.
func TestListenerShowsThePageAgain(t *testing.T) {
	l, _ := startListener(t, -1)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, test := range []struct {
		name, reason string
		status       int
	}{
		{"the answer", "a", http.StatusSeeOther},
		{"the same answer", "a", http.StatusSeeOther},
		{"another answer", "b", http.StatusGone},
	} {
		answer, err := client.Get("http://" + l.host() + l.path + "?error=access_denied&error_description=" + test.reason + "&state=" + l.call.state)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != test.status || test.status == http.StatusSeeOther && answer.Header.Get("Location") != l.page {
			t.Errorf("%s: got %s, want %d", test.name, answer.Status, test.status)
		}
	}
}

package cli

import (
	"os/exec"
	"testing"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

// Tokens are letters and digits as a rule; these are what a gateway could send.
func TestOutputQuotesTokensForShellAndCurl(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`plain.token-_~+/=`, `it's`, `a"b\c`, `$(id)` + "`id`", `!history`, `ü`} {
		f, err := parseForm("", "env:HELD")
		if err != nil {
			t.Fatal(err)
		}
		got, err := exec.Command("sh", "-c", f.text(token2go.NewToken(text))+`printf %s "$HELD"`).Output()
		if err != nil || string(got) != text {
			t.Errorf("sh: got %q and %v, want %q", got, err, text)
		}
		f, err = parseForm("", "curl-config")
		if err != nil {
			t.Fatal(err)
		}
		if got, want := f.text(token2go.NewToken(text)), map[string]string{`a"b\c`: "header = \"Authorization: Bearer a\\\"b\\\\c\"\n"}[text]; want != "" && got != want {
			t.Errorf("curl: got %q, want %q", got, want)
		}
	}
}

func TestLifetimeUsesTwoUnits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	for _, test := range []struct {
		name    string
		expires time.Time
		want    string
	}{
		{"unknown", time.Time{}, "of unknown lifetime"},
		{"seconds", now.Add(42 * time.Second), "valid until 03:04:47 (42s)"},
		{"minutes", now.Add(5*time.Minute - time.Second/2), "valid until 03:09:04 (5m 0s)"},
		{"hours", now.Add(90 * time.Minute), "valid until 04:34:05 (1h 30m)"},
		{"days", now.Add(26 * time.Hour), "valid until 2026-01-03 05:04:05 (1d 2h)"},
		{"over", now.Add(-time.Hour), "expired at 02:04:05"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			token := token2go.NewToken("x")
			token.Expiry = test.expires
			if got := lifetime(token, now); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

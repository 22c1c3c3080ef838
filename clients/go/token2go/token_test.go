package token2go_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

func TestTokenPrintsAsAMask(t *testing.T) {
	token := long("s3cr3t-marked")
	holder := struct {
		Public  token2go.Token
		private token2go.Token
	}{token, token}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb, token, &token, holder)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("told", "token", token, "holder", holder)
	}
	if err := json.NewEncoder(&out).Encode([]any{token, holder}); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Contains(text, "s3cr3t") || strings.Contains(text, fmt.Sprintf("%x", "s3cr3t")) ||
		!strings.Contains(text, "[secret]") || !strings.Contains(text, token.Fingerprint) {
		t.Errorf("got %s", text)
	}
	if token.Reveal() != "s3cr3t-marked" {
		t.Error("got another token")
	}
}

func TestTokenFingerprintVectors(t *testing.T) {
	var file struct {
		Vectors []struct{ Name, Token, Fingerprint string } `json:"vectors"`
	}
	readVectors(t, "fingerprint.json", &file)
	if len(file.Vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, vector := range file.Vectors {
		if got := token2go.NewToken(vector.Token).Fingerprint; vector.Token != "" && got != vector.Fingerprint {
			t.Errorf("%s: got %s, want %s", vector.Name, got, vector.Fingerprint)
		}
	}
}

func TestTokenValidFor(t *testing.T) {
	known := long("x")
	for _, test := range []struct {
		token token2go.Token
		d     time.Duration
		want  bool
	}{
		{token2go.Token{}, 0, false},
		{token2go.NewToken(""), 0, false},
		{token2go.NewToken("x"), 24 * time.Hour, true},
		{known, 50 * time.Minute, true},
		{known, 2 * time.Hour, false},
	} {
		if got := test.token.ValidFor(test.d); got != test.want {
			t.Errorf("%v for %s: got %t, want %t", test.token.Expiry, test.d, got, test.want)
		}
	}
}

func TestErrorPrintsNoControlCharacters(t *testing.T) {
	cause := errors.New("certificate of a\x1b[2J\u009b\r\nb\u202e, Zürich")
	got := (&token2go.Error{Kind: token2go.ErrCertificate, Cause: cause}).Error()
	if !strings.HasSuffix(got, ": certificate of a?[2J???b?, Zürich") {
		t.Errorf("got %q", got)
	}
}

package token_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/token2go/token2go/internal/token"
)

// vector is one of openapi/vectors/claims.json, which README.md beside it explains.
type vector struct {
	Name, Header, Payload, Token string
	Repeat                       [][3]any // name, text, count
	Type                         string
	IDToken                      bool
	Expires, NotBefore, Issued   time.Time
	Issuer, Subject, Scope       string
	Username                     string
	Audience                     []string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("../../openapi/vectors/claims.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []vector }
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil || len(file.Cases) == 0 {
		t.Fatalf("got %d vectors and %v", len(file.Cases), err)
	}
	return file.Cases
}

func (v vector) token() string {
	if v.Token != "" {
		return v.Token
	}
	head, body := `{"alg":"RS256"}`, v.Payload
	if v.Header != "" {
		head = v.Header
	}
	for _, part := range v.Repeat {
		body = strings.ReplaceAll(body, part[0].(string), strings.Repeat(part[1].(string), int(part[2].(float64))))
	}
	return jwt(head, body)
}

// jwt makes a text in the shape of a JWT, whose signature is none.
func jwt(head, body string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(head)) + "." + encode([]byte(body)) + ".c2lnbmF0dXJl"
}

func TestClaimsOfVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			found := find(t, v.token())
			got := found.Claims()
			got.MediaType, got.Type = "", ""
			want := token.Claims{
				JWT: v.Type == "JWT", Issuer: v.Issuer, Subject: v.Subject, Audience: v.Audience, Scope: v.Scope, Username: v.Username,
				Expires: v.Expires, NotBefore: v.NotBefore, IssuedAt: v.Issued,
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(token.Claims{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got := found.Claims().IDToken(); got != v.IDToken {
				t.Errorf("got an ID token %v, want %v", got, v.IDToken)
			}
			if found.Secret.Reveal() != v.token() {
				t.Error("the token is not what came")
			}
		})
	}
}

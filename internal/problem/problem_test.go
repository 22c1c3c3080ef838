package problem_test

import (
	"encoding/json"
	"testing"

	"github.com/token2go/token2go/internal/problem"
)

func TestKindsHaveStatusAndTitle(t *testing.T) {
	if len(problem.Kinds()) == 0 {
		t.Fatal("no kinds")
	}
	for _, kind := range problem.Kinds() {
		if kind.Status() < 400 || kind.Status() > 599 || kind.Title() == "" {
			t.Errorf("%s: got %d %q, want an error status and a title", kind, kind.Status(), kind.Title())
		}
	}
}

func TestUnknownKindIsInternalError(t *testing.T) {
	if got := problem.Kind("nonsense").Status(); got != 500 {
		t.Errorf("got %d, want 500", got)
	}
	if got, want := problem.Kind("nonsense").Title(), problem.InternalError.Title(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProblemEncodesAsRFC9457(t *testing.T) {
	encoded, err := json.Marshal(&problem.Problem{
		Kind: problem.TokenNotFound, Detail: "none of the headers holds a token", Wanted: []string{"Token"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"urn:token2go:problem:token_not_found","kind":"token_not_found",` +
		`"title":"No token in the request","status":401,` +
		`"detail":"none of the headers holds a token","wanted":["Token"]}`
	if string(encoded) != want {
		t.Errorf("got  %s\nwant %s", encoded, want)
	}
}

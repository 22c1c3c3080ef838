package secret_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/secret"
)

const marked = "s3cr3t-marked"

type holder struct {
	Public  secret.Value
	private secret.Value
	Pointer *secret.Value
}

func TestValueIsNeverPrinted(t *testing.T) {
	value := secret.New(marked)
	held := holder{Public: value, private: value, Pointer: &value}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%10s"} {
		fmt.Fprintf(&out, verb, value)
		fmt.Fprintf(&out, verb, held)
		fmt.Fprintf(&out, verb, &held)
		fmt.Fprintf(&out, verb, []secret.Value{value})
		fmt.Fprintf(&out, verb, map[string]secret.Value{"key": value})
	}
	fmt.Fprintln(&out, errors.New(value.String()))
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("told", "value", value, "held", held, "pointer", &held)
	}
	for _, encode := range []func(any) ([]byte, error){json.Marshal, xml.Marshal} {
		encoded, err := encode(held)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(encoded)
	}
	text := out.String()
	for _, form := range []string{marked, fmt.Sprintf("%x", marked), fmt.Sprintf("%X", marked)} {
		if strings.Contains(text, form) {
			t.Errorf("printed the credential as %q", form)
		}
	}
	if !strings.Contains(text, "[secret]") {
		t.Error("printed no mask")
	}
}

func TestRevealReturnsTheText(t *testing.T) {
	value := secret.New(marked)
	if got := value.Reveal(); got != marked {
		t.Errorf("got %q, want %q", got, marked)
	}
	if value.Absent() || value.Len() != len(marked) {
		t.Errorf("got absent=%v len=%d, want a credential of %d bytes", value.Absent(), value.Len(), len(marked))
	}
}

func TestAbsentReportsEmptyText(t *testing.T) {
	for _, value := range []secret.Value{{}, secret.New("")} {
		if !value.Absent() || value.Reveal() != "" || value.String() != "" || value.Len() != 0 {
			t.Errorf("got %q (absent %v), want the absent credential", value.String(), value.Absent())
		}
	}
}

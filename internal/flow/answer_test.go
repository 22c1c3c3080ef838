package flow

import (
	"crypto/rand"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"
)

func escaped(text string) string {
	var into strings.Builder
	writeEscaped(&into, text)
	return into.String()
}

func TestWriteFieldsEscapesAsTheStandardLibrary(t *testing.T) {
	for b := range 256 {
		for _, text := range []string{string([]byte{byte(b)}), "a" + string([]byte{byte(b)}) + "z"} {
			if got, want := escaped(text), url.QueryEscape(text); got != want {
				t.Errorf("%q: got %s, want %s", text, got, want)
			}
		}
	}
	if got := escaped(""); got != "" {
		t.Errorf("got %q, want nothing", got)
	}
}

// BenchmarkEscape is about the length of a sealed token. The texts differ, since a text
// that comes again is learnt by the branch predictor.
func BenchmarkEscape(b *testing.B) {
	texts := make([]string, 256)
	for i := range texts {
		random := make([]byte, 1800)
		_, _ = rand.Read(random)
		texts[i] = base64.StdEncoding.EncodeToString(random)
	}
	for name, escape := range map[string]func(string) string{"ours": escaped, "net-url": url.QueryEscape} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				escape(texts[i%len(texts)])
			}
		})
	}
}

// BenchmarkBegin is everything of a hand-over that is not HTTP: the key read, the token
// found, sealed and made into an address.
func BenchmarkBegin(b *testing.B) {
	f, query := newFlow(), ask(b)
	h := headers(jwt(b, now.Add(time.Hour), 1200), "Sec-Fetch-Site: none", "Sec-Fetch-User: ?1", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
	b.ReportAllocs()
	for b.Loop() {
		outcome, err := f.Begin(query, h)
		if err != nil || outcome.Answer == nil {
			b.Fatalf("got %v, want an answer", err)
		}
	}
}

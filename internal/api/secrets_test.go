package api_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest"
	"time"

	"github.com/token2go/token2go/internal/api"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/signing"
)

// TestNoSecretLeaks sends keys and marked texts in every location of a request, to every
// route and every refusal, and looks for them in the answers and in all that the server
// writes.
func TestNoSecretLeaks(t *testing.T) {
	var ring *signing.Ring
	f := open(t, func(o *api.Options) { everything(t)(o); ring = o.Rings.APIKeys; o.AuditGood = true })
	f.refresh = func(context.Context) error { return nil }
	inURL := func(k *check.Key) { k.AllowInURL = true }
	marked := rand.Text()
	signed, err := ring.Sign(map[string]any{"iss": "https://api.example.org", "sub": marked, "jti": "0000000000", "exp": time.Now().Add(time.Hour).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	good, asker := f.add(inURL), f.add(func(k *check.Key) { k.Grants = []string{"introspect:maps"} })
	keys := map[string]string{
		"good": good, "revoked": f.add(func(k *check.Key) { k.Revoked = true }), "restricted": f.add(inNetwork),
		"not in a URL": f.add(nil), "unknown": prefix.Mint().Secret().Reveal(), "mistyped": good[:50] + "xx", "cut off": good[:40], "signed": signed,
	}
	var secrets []string
	for _, key := range keys {
		secrets = append(secrets, key[len(key)-20:])
	}
	secrets = append(secrets, asker[15:], marked)
	look := func(where, text string) {
		t.Helper()
		for _, one := range secrets {
			for _, form := range []string{one, fmt.Sprintf("%x", one), base64.StdEncoding.EncodeToString([]byte(one))[:20]} {
				if strings.Contains(text, form) {
					t.Fatalf("%s holds a secret: %s", where, text)
				}
			}
		}
	}
	sent := 0
	for name, key := range keys {
		for _, path := range []string{
			"/check", "/check?app=" + marked, "/check?app=a&app=" + marked, "/verify", "/verify?app=signed", "/verify/nginx?app=maps", "/verify/envoy/maps/tiles/" + marked,
			"/verify/" + marked, "/introspect", "/revoke", "/jwks.json", "/status-lists/0", "/status-lists/" + marked, "/s/" + marked + "/x", "/" + marked, "/health",
		} {
			separator := "?"
			if strings.Contains(path, "?") {
				separator = "&"
			}
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				for _, request := range [][]string{
					{path, "Authorization", "Bearer " + key},
					{path, "Authorization", "Bearer " + asker, "X-Api-Key", key},
					append([]string{path}, basic(marked, key)...),
					{path + separator + "api-key=" + key},
					{"/k/" + key + path},
					{path, "X-Forwarded-Uri", "/a?api-key=" + key, "X-Original-Uri", "/k/" + key + "/b", "X-Forwarded-For", marked, "X-Real-Ip", key},
					{path, "Authorization", "Bearer " + asker, "Content-Type", "application/x-www-form-urlencoded"},
					{path, "Authorization", "Bearer " + asker, "Content-Type", "application/json"},
				} {
					lines := append(request[1:], "User-Agent", marked, "Referer", "https://example.org/?code="+marked, "Cookie", "a="+marked)
					got := f.raw(t, method, request[0], bodyFor(lines, key, marked), lines...)
					look(name+": "+method+" "+path, fmt.Sprint(got.header)+got.body)
					sent++
				}
			}
		}
	}
	f.refresh = func(context.Context) error { return errors.New("connection with " + marked + " refused") }
	got := f.get(t, "/check", bearer(prefix.Mint().Secret().Reveal())...)
	look("a database that fails", got.body)
	for _, line := range f.output.Lines() {
		look("the log", line)
	}
	answer, err := t2gtest.NewClient(t).Get(f.metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || len(text) == 0 {
		t.Fatal("no metrics", err)
	}
	look("the metrics", string(text))
	if lines := strings.Count(f.output.String(), `"msg":"access"`); lines < sent {
		t.Errorf("got %d access lines for %d requests", lines, sent)
	}
}

// bodyFor is a body of the type that the header lines name.
func bodyFor(lines []string, key, marked string) string {
	switch joined := strings.Join(lines, " "); {
	case strings.Contains(joined, "urlencoded"):
		return "token=" + key + "&" + marked + "=" + marked
	case strings.Contains(joined, "application/json"):
		return `{"key":"` + key + `","uri":"/a?x=` + marked + `"}`
	}
	return ""
}

// raw is send without a look at the API document, which lists no operation for many of
// these.
func (f *fixture) raw(t testing.TB, method, path, body string, lines ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, f.address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(lines); i += 2 {
		r.Header.Add(lines[i], lines[i+1])
	}
	response, err := t2gtest.NewClient(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

// TestGuessingCostsFewLooks: as many wrong keys as can be sent in a second make the
// database be asked ten times, and a good key is not refused for them.
func TestGuessingCostsFewLooks(t *testing.T) {
	f := open(t, nil)
	good := f.add(nil)
	begin := time.Now()
	const guessers, each = 16, 40
	client, done := t2gtest.NewClient(t), make(chan struct{}, guessers)
	for range guessers {
		go func() {
			defer func() { done <- struct{}{} }()
			for range each {
				r, _ := http.NewRequest(http.MethodGet, f.address+"/check", nil)
				r.Header.Set("X-Api-Key", prefix.Mint().Secret().Reveal())
				if answer, err := client.Do(r); err != nil {
					t.Error(err)
				} else {
					_ = answer.Body.Close()
				}
			}
		}()
	}
	f.get(t, "/check", bearer(good)...).has(t, 200)
	for range guessers {
		<-done
	}
	if most := int64(time.Since(begin)/(100*time.Millisecond)) + 2; f.looks.Load() > most {
		t.Errorf("got %d looks at the database in %s, want at most %d", f.looks.Load(), time.Since(begin), most)
	}
	f.get(t, "/check", bearer(good)...).has(t, 200)
}

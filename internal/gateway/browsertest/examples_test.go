package browsertest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/browser"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// pretendLibraries stand in for the two Python libraries, as far as the examples call
// them: what counts is that the text is Python, and which address and header it names.
var pretendLibraries = map[string]string{
	"requests.py": `
from urllib.request import Request, urlopen
class Answer:
    def __init__(self, text): self.text = text
    def raise_for_status(self): pass
def get(url, *, headers, timeout=None):
    with urlopen(Request(url, headers=headers), timeout=timeout) as answer:
        return Answer(answer.read().decode())
`,
	"httpx.py": `
import requests
class Client:
    def __init__(self, *, headers): self.headers = headers
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def get(self, url): return requests.get(url, headers=self.headers, timeout=30)
`,
}

// TestExamplesRun has the examples call an address that is full of what shells and
// programs read as something else, with the token in them and with it in TOKEN.
func TestExamplesRun(t *testing.T) {
	t.Parallel()
	const path = `/v1/it's/$HOME/$(id)/!1;x?list=[1-2]&set={a,b}`
	called := make(chan [2]string, 1)
	api := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, err := url.PathUnescape(r.RequestURI)
		if err != nil {
			asked = err.Error()
		}
		called <- [2]string{asked, r.Header.Get("Authorization")}
		w.WriteHeader(http.StatusOK)
	}))
	libraries := t.TempDir()
	for name, text := range pretendLibraries {
		if err := os.WriteFile(filepath.Join(libraries, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	instance := t2gtest.Start(t, t2gtest.Options{})
	b := openTab(t)
	b.openTokenPage(instance)
	b.waitForState("ready")
	eval[chromedp.Void](b, fmt.Sprintf(`{const field = document.getElementById("url"); field.value = %q; field.dispatchEvent(new Event("input"));}`, api+path))
	secret := b.token()
	for _, tool := range []struct {
		id      string
		command []string // before the example's text
	}{
		{"curl", []string{process.Need(t, "", "bash"), "-c"}},
		{"requests", []string{process.Need(t, "T2G_TEST_PYTHON", "python3"), "-c"}},
		{"httpx", []string{process.Need(t, "T2G_TEST_PYTHON", "python3"), "-c"}},
		{"fetch", []string{process.Need(t, "T2G_TEST_NODE", "node"), "--input-type=module", "-e"}},
	} {
		b.Click("#tab-" + tool.id)
		for _, inside := range []bool{false, true} {
			eval[chromedp.Void](b, fmt.Sprintf(`if (document.getElementById("with-token").checked !== %t) document.getElementById("with-token").click()`, inside))
			example := eval[string](b, `document.getElementById("snippet").textContent`)
			token := secret
			if inside {
				token = "not this one"
			}
			run(t, append(tool.command, example), "TOKEN="+token, "PYTHONPATH="+libraries)
			select {
			case got := <-called:
				if want := [2]string{path, "Bearer " + secret}; got != want {
					t.Errorf("%s called %q, want %q:\n%s", tool.id, got, want, example)
				}
			default:
				t.Errorf("%s made no call:\n%s", tool.id, example)
			}
		}
	}
}

func run(t *testing.T, words []string, environment ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), browser.Patience)
	defer cancel()
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	command.WaitDelay = time.Second
	command.Env = append(os.Environ(), environment...)
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, output, words[len(words)-1])
	}
}

package gateways_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// phase is how long the clock of a jumping server is right, an hour ahead, an hour behind,
// and right again for good.
const phase = 6 * time.Second

// jumping builds a server of the same sources but for one: its time.Now jumps, as that of
// a computer does whose clock is set. Nothing from outside moves a static program's clock.
func jumping(b *testing.B) (path string) {
	b.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		b.Fatal(err)
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(original)
	if err != nil {
		b.Fatal(err)
	}
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(source), now) != 1 {
		b.Fatalf("time.Now of this version of Go is not as it was: %s", original)
	}
	changed := strings.Replace(string(source), now, now+fmt.Sprintf(`
	switch (mono - startNano) / %d {
	case 1:
		sec += 3600
	case 2:
		sec -= 3600
	}
`, phase), 1)
	folder := b.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			b.Fatal(err)
		}
		return path
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: write("time.go", changed)}})
	if err != nil {
		b.Fatal(err)
	}
	path = filepath.Join(folder, "token2go-server")
	build := exec.Command("go", "build", "-overlay", write("overlay.json", string(overlay)), "-o", path, "github.com/token2go/token2go/cmd/token2go-server")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return path
}

// jumps makes callers ask while the server's clock jumps. All get their answers, on
// connections that none closes; only tokens look older or newer than they are.
func jumps(b *testing.B, g gateway) {
	if g.name == "oauth2-proxy" {
		g = oauth2Proxy(g.program, 5*time.Minute)
	}
	variant := jumping(b)
	s := open(b, g)
	client, flow := s.signedIn(b), flowAddress(b)
	callers := calls(b, concurrency, s.dial, tokenAsked("/token", s.session(b)), http.StatusOK)
	forwarded := s.forwarded(b)
	s.variant = variant
	_ = s.running.server.Process.Kill()
	process.Until(b, "the port is free", func() bool { return !s.serves() })
	s.serve(b)
	begin, before := time.Now(), s.handedOver()
	still := calls(b, 1, func() (net.Conn, error) { return net.Dial("tcp", s.server) }, forwarded, http.StatusOK)
	if _, err := still.Callers[0].Call(); err != nil {
		b.Fatal(err)
	}
	handed := 1
	for i, want := range []string{"payload=", "error=token_expiring", "payload=", "payload="} {
		if _, err := callers.Run(time.Until(begin.Add(time.Duration(i)*phase + phase/2))); err != nil {
			b.Fatalf("phase %d: %v", i, err)
		}
		answer, content := get(b, client, flow)
		location := answer.Header.Get("Location")
		if !strings.Contains(location, want) {
			b.Errorf("phase %d: got %d to %.200s, want %s: %.200s", i, answer.StatusCode, location, want, content)
		}
		if strings.Contains(location, "payload=") {
			handed++
		}
	}
	if _, err := still.Callers[0].Call(); err != nil {
		b.Errorf("a connection that was there before: %v", err)
	}
	s.checkRecord(b, before, callers.Answered+handed+1)
	s.mustLogNoErrors(b)
	row("the server's clock jumps an hour ahead, two hours back and an hour ahead, under load",
		"%d answers of `/token`, all 200 and with an audit line, on connections kept throughout; the flow answers `token_expiring` while it is ahead, and works otherwise",
		callers.Answered)
}

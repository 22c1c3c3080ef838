package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/config"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

func TestCommandsPrintAndExit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		arguments []string
		code      int
		stdout    string // how it begins; nothing: it is empty
		stderr    string // likewise
	}{
		{"version", []string{"version"}, 0, "token2go-server ", ""},
		{"--version is the same", []string{"--version"}, 0, "token2go-server ", ""},
		{"--help", []string{"--help"}, 0, "token2go-server runs behind", ""},
		{"help", []string{"help"}, 0, "token2go-server runs behind", ""},
		{"help of a command", []string{"help", "demo"}, 0, "demo starts the server", ""},
		{"--help of a command", []string{"healthcheck", "--help"}, 0, "healthcheck asks /health", ""},
		{"help of what is no command", []string{"help", "nonsense"}, 2, "", "usage: nonsense is no command"},
		{"config", []string{"config"}, 0, "default T2G_SERVER_HOST=127.0.0.1\n", "warning: T2G_TOKEN_HEADER_NAMES: has its default of 7 names"},
		{"completion for a shell", []string{"completion", "bash"}, 0, "# bash completion V2 for token2go-server", ""},
		{"the manual", []string{"manual", t.TempDir()}, 0, "", ""},
		{"what is no command", []string{"sevre"}, 2, "", "usage: sevre is no command of token2go-server; try token2go-server --help\n"},
		{"what is no command of a command", []string{"demo", "now"}, 2, "", "usage: now is no command of token2go-server demo"},
		{"an unknown flag", []string{"--port=1"}, 2, "", "usage: unknown flag: --port"},
		{"a flag that does not parse", []string{"demo", "--port=many"}, 2, "", "usage: invalid argument \"many\""},
		{"a demo on every interface", []string{"demo", "--host=0.0.0.0"}, 2, "", "usage: host \"0.0.0.0\": the demo listens on loopback only"},
		{"a demo by a name", []string{"demo", "--host=localhost.example"}, 2, "", "usage: host \"localhost.example\": the demo listens on loopback only"},
		{"a demo on a port that does not exist", []string{"demo", "--port=70000"}, 2, "", "usage: port: got 70000, want 0 to 65535\n"},
		{"a demo with tokens of no lifetime", []string{"demo", "--lifetime=0"}, 2, "", "usage: lifetime: got 0s, want at least 1s\n"},
		{"a demo with half a second of lifetime", []string{"demo", "--port=0", "--server-port=0", "--lifetime=1500ms"}, 2, "", "usage: lifetime: got 1.5s, want whole seconds\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := launch(t, test.arguments)
			if got := p.Code(t); got != test.code {
				t.Errorf("got exit code %d, want %d", got, test.code)
			}
			for _, stream := range []struct{ name, got, want string }{
				{"stdout", p.stdout.String(), test.stdout},
				{"stderr", p.stderr.String(), test.stderr},
			} {
				if !strings.HasPrefix(stream.got, stream.want) || stream.want == "" && stream.got != "" {
					t.Errorf("%s: got %.200q, want %q", stream.name, stream.got, stream.want)
				}
			}
		})
	}
}

func TestHelpListsEveryVariable(t *testing.T) {
	t.Parallel()
	p := launch(t, []string{"--help"})
	p.Code(t)
	for _, variable := range config.Variables() {
		if !strings.Contains(p.stdout.String(), "\n"+variable.Name+"\n") {
			t.Errorf("--help lacks %s", variable.Name)
		}
	}
	for _, line := range p.stdout.Lines() {
		if len(line) > 100 {
			t.Errorf("got a line of %d columns, want at most 100: %s", len(line), line)
		}
	}
}

func TestConfigPrintsEffectiveValuesMasked(t *testing.T) {
	t.Parallel()
	const secret = "mark-of-a-secret"
	p := launch(t, []string{"config"},
		"T2G_SERVER_PORT=9090", "T2G_SERVER_HOST=", "T2G_FLOW_MODES= query , page ", "T2G_FALLBACK_TOKEN="+secret)
	if got := p.Code(t); got != 0 {
		t.Errorf("got exit code %d, want 0: %s", got, p.stderr)
	}
	for _, want := range []string{
		"set     T2G_SERVER_PORT=9090", "default T2G_SERVER_HOST=127.0.0.1", "set     T2G_FLOW_MODES=query,page", "set     T2G_FALLBACK_TOKEN=",
	} {
		if !strings.Contains(p.stdout.String(), want) {
			t.Errorf("config lacks %q:\n%s", want, p.stdout)
		}
	}
	if got, want := len(p.stdout.Lines()), len(config.Variables()); got != want {
		t.Errorf("got %d lines, want one for each of %d variables", got, want)
	}
	if !strings.Contains(p.stderr.String(), "warning: T2G_FALLBACK_TOKEN: everyone") {
		t.Errorf("got %q, want a warning of the fallback token", p.stderr)
	}
	if strings.Contains(p.stdout.String()+p.stderr.String(), secret) {
		t.Error("config prints a secret")
	}
}

func TestBadConfigurationListsEveryFault(t *testing.T) {
	t.Parallel()
	const secret = "mark of a secret"
	environment := []string{
		"T2G_SERVER_PORT=tcp://10.0.0.1:80", "T2G_FLOW_TARGETS=https://hub.example/**/x", "T2G_SEVRER_HOST=0.0.0.0",
		"T2G_FALLBACK_TOKEN=" + secret, "T2G_DRAIN_DELAY=5",
	}
	wanted := []string{
		`T2G_SERVER_PORT: got "tcp://10.0.0.1:80"`, "T2G_FALLBACK_TOKEN: got a value of 16 bytes", `T2G_FLOW_TARGETS: got "https://hub.example/**/x"`,
		`T2G_DRAIN_DELAY: got "5"`, "T2G_SEVRER_HOST: got a value of 7 bytes",
	}
	for command, code := range map[string]int{"": 2, "demo": 2, "config": 2, "healthcheck": 1} {
		t.Run("command "+command, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			p := launch(t, strings.Fields(command), environment...)
			if got := p.Code(t); got != code {
				t.Errorf("got exit code %d, want %d", got, code)
			}
			// A second is what is promised. The rest is for a machine that does much else.
			if spent := time.Since(begin); spent > 10*time.Second {
				t.Errorf("took %v", spent)
			}
			lines := p.stderr.Lines()
			if command == "healthcheck" {
				lines = lines[1:]
			}
			if len(lines) != len(wanted) {
				t.Fatalf("got %d lines, want %d:\n%s", len(lines), len(wanted), p.stderr)
			}
			for i, want := range wanted {
				if !strings.HasPrefix(lines[i], want) || !strings.Contains(lines[i], "; want ") || !strings.Contains(lines[i], "; for example T2G_") {
					t.Errorf("got %s\nwant %s, what is allowed and an example", lines[i], want)
				}
			}
			if !strings.Contains(lines[0], "enableServiceLinks: false") {
				t.Errorf("got %s\nwant what to do against Kubernetes's own variables", lines[0])
			}
			if strings.Contains(p.stderr.String()+p.stdout.String(), secret) {
				t.Error("a secret is printed")
			}
		})
	}
}

func TestStartFailsOnUsedPort(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	for listener, environment := range map[string][]string{
		"gateway": {"T2G_SERVER_PORT=" + port, "T2G_OPS_PORT=0"},
		"ops":     {"T2G_SERVER_PORT=0", "T2G_OPS_PORT=" + port},
	} {
		p := launch(t, nil, environment...)
		if got := p.Code(t); got != exitFailed {
			t.Errorf("%s listener: got exit code %d, want %d", listener, got, exitFailed)
		}
		if want := listener + " listener: port " + port + " is in use; stop what listens there or choose another port\n"; p.stderr.String() != want {
			t.Errorf("got %q, want %q", p.stderr, want)
		}
	}
}

func TestReportFailsOnFullDisk(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"version", "config", "--help", "demo --help"} {
		c := exec.Command(os.Args[0], strings.Fields(command)...)
		c.Stdout = fullDevice(t)
		p := launchCommand(t, c)
		if got := p.Code(t); got != exitFailed || !strings.Contains(p.stderr.String(), "no space left on device") {
			t.Errorf("%s: got exit code %d and %q, want %d and why", command, got, p.stderr, exitFailed)
		}
	}
}

func fullDevice(t *testing.T) *os.File {
	t.Helper()
	file, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		process.Missing(t, "no full device: "+err.Error())
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

func TestReportEndsQuietlyOnClosedPipe(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	_ = reader.Close()
	c := exec.Command(os.Args[0], "--help")
	c.Stdout = writer
	p := launchCommand(t, c)
	p.Code(t)
	if p.stderr.String() != "" {
		t.Errorf("got %q, want nothing said", p.stderr)
	}
}

func TestSecretsAreReadFromFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := openInstance(t, "T2G_FALLBACK_TOKEN_FILE="+path)
	if status, body := mustGet(t, "http://"+h.gateway+"/token"); status != 200 || !strings.Contains(body, `"secret":"from-a-file"`) {
		t.Errorf("got %d %s, want the token of the file", status, body)
	}
	if strings.Contains(h.stdout.String()+h.stderr.String(), "from-a-file") {
		t.Error("the secret is logged")
	}
}

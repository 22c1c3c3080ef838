package cli

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/cli/browser"

	"github.com/token2go/token2go/clients/go/token2go"
)

// browserAccess says where the person's browser is, and how it opens an address.
type browserAccess struct {
	local   bool                       // on this computer, so that it reaches a listener on 127.0.0.1
	reason  string                     // why none is opened here
	command []string                   // what open runs, with %s where the address goes; nil: the system's way
	open    func(address string) error // nil: the person opens the address
}

// platform is what the choice of a browser depends on.
type platform struct {
	system  string // runtime.GOOS
	getenv  func(string) string
	look    func(command string) (path string, err error) // exec.LookPath
	windows bool                                          // Linux inside Windows
}

func currentPlatform(getenv func(string) string) platform {
	return platform{system: runtime.GOOS, getenv: getenv, look: exec.LookPath, windows: isWSL(getenv)}
}

// isWSL reports whether this is the Linux of a Windows computer. Containers have the same
// kernel there, but no way to the browser.
func isWSL(getenv func(string) string) bool {
	if runtime.GOOS != "linux" {
		return false
	}
	if getenv("WSL_DISTRO_NAME") != "" {
		return true
	}
	for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(mark); err == nil {
			return false
		}
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	return err == nil && strings.Contains(strings.ToLower(string(release)), "microsoft")
}

// browse decides where the browser is, and by which program an address is opened: by
// named, or else by $BROWSER, or else the system's way. openapi/vectors/README.md has the
// rules, which the Python package follows as well.
func (s platform) browse(named string) (browserAccess, error) {
	command, off := s.browserVariable()
	switch named {
	case "":
	case "none":
		off = true
	default:
		var err error
		if command, err = s.command(named); err != nil {
			return browserAccess{}, usage("--browser: %v", err)
		}
		off = false
	}
	reason := s.elsewhere(command)
	if reason == "" && command == nil {
		reason = s.remote()
	}
	b := browserAccess{local: reason == "", reason: reason}
	switch {
	case off:
		b.reason = "no browser is opened"
	case command != nil:
		b.command, b.open = command, start(command)
	case b.local && s.windows:
		b.open = start(s.windowsBrowser())
	case b.local:
		b.open = openBySystem
	}
	return b, nil
}

// forQuestion returns the access without a browser where nothing that it opens could bring
// an answer, unless the person has named one.
func (b browserAccess) forQuestion(r Request, pastes bool) browserAccess {
	if !b.local && !pastes && r.Browser == "" {
		b.open = nil
	}
	return b
}

// pasteFirst reports whether the address that ends in a text to paste is shown first, and
// opened: the browser does not reach this computer, and nothing forwards a port to it.
func (b browserAccess) pasteFirst(r Request, pastes bool) bool {
	return !b.local && pastes && r.Format != string(token2go.Triple) && len(r.Ports) == 0
}

func openBySystem(address string) error {
	browser.Stdout, browser.Stderr = io.Discard, io.Discard // stdout is for the token only
	return browser.OpenURL(address)
}

// browserVariable returns the first command of $BROWSER whose program is found, and whether
// the variable says that nothing is opened.
func (s platform) browserVariable() (command []string, off bool) {
	separator := byte(':')
	if s.system == "windows" {
		separator = ';'
	}
	for _, alternative := range splitUnquoted(s.getenv("BROWSER"), separator, s.system != "windows") {
		if strings.TrimSpace(alternative) == "none" {
			return nil, true
		}
		if command, err := s.command(alternative); err == nil {
			return command, false
		}
	}
	return nil, false
}

// elsewhere says why the browser that command opens is not on this computer: the editor
// or the desktop here is a web page. Empty: it may be on this computer.
func (s platform) elsewhere(command []string) string {
	for _, name := range []string{
		"CODESPACES", "VSCODE_PROXY_URI", "CODE_SERVER_SESSION_SOCKET", "GITPOD_WORKSPACE_ID",
		"JUPYTERHUB_SERVICE_PREFIX", "BINDER_SERVICE_HOST", "COLAB_RELEASE_TAG",
	} {
		if s.getenv(name) != "" {
			return "the browser is on another computer ($" + name + " is set)"
		}
	}
	if command != nil && (strings.Contains(command[0], "/.vscode/cli/") || strings.Contains(command[0], "/.vscode-cli/")) {
		return "the browser is at the other end of a tunnel"
	}
	return ""
}

// remote says why a browser on this computer would not be in front of the person; empty
// where it would.
func (s platform) remote() string {
	if reason := s.elsewhere(nil); reason != "" {
		return reason
	}
	for _, name := range []string{"SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"} {
		if s.getenv(name) != "" {
			return "this is an SSH session"
		}
	}
	if s.windows || s.system == "windows" || s.system == "darwin" {
		return ""
	}
	if s.getenv("DISPLAY") == "" && s.getenv("WAYLAND_DISPLAY") == "" {
		return "there is no display"
	}
	return ""
}

// command reads a command as $BROWSER has it: a program, spaces in its path and all, or
// words. The address goes where %s is, or else last.
func (s platform) command(text string) ([]string, error) {
	text = strings.TrimSpace(text)
	words := []string{text}
	if _, err := s.look(text); err != nil {
		if words, err = shellWords(text, s.system != "windows"); err != nil {
			return nil, err
		}
	}
	if n := len(words); n > 0 && words[n-1] == "&" {
		words = words[:n-1]
	}
	if len(words) == 0 {
		return nil, exec.ErrNotFound
	}
	path, err := s.look(words[0])
	if err != nil {
		return nil, err
	}
	words[0] = path
	if !strings.Contains(strings.Join(words[1:], " "), "%s") {
		words = append(words, "%s")
	}
	return words, nil
}

// start returns a function that runs a command with an address in place of %s. No shell is
// between, so the address is one word whatever it holds.
func start(command []string) func(string) error {
	return func(address string) error {
		words := []string{command[0]}
		for _, word := range command[1:] {
			words = append(words, strings.ReplaceAll(word, "%s", address))
		}
		c := exec.Command(words[0], words[1:]...) //nolint:gosec,noctx // the person's own choice, which outlives this program
		detach(c)
		return c.Run()
	}
}

// windowsBrowser opens an address in the browser of the Windows around this Linux. No
// command processor sees the address, which holds an ampersand.
func (s platform) windowsBrowser() []string {
	const handler = "url.dll,FileProtocolHandler"
	if path, err := s.look("wslview"); err == nil {
		return []string{path, "%s"}
	}
	if path, err := s.look("rundll32.exe"); err == nil {
		return []string{path, handler, "%s"}
	}
	return []string{"/mnt/c/Windows/System32/rundll32.exe", handler, "%s"}
}

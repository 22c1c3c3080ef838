package cli

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/cli/browser"
)

// browserAccess says where the person's browser is, and how it opens an address.
type browserAccess struct {
	local  bool                       // on this computer, so that it reaches a listener on 127.0.0.1
	reason string                     // why none is opened here
	open   func(address string) error // nil: the person opens the address
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

// isWSL reports whether this is the Linux of a Windows computer.
func isWSL(getenv func(string) string) bool {
	if runtime.GOOS != "linux" {
		return false
	}
	if getenv("WSL_DISTRO_NAME") != "" {
		return true
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	return err == nil && strings.Contains(strings.ToLower(string(release)), "microsoft")
}

// browse decides by which program an address is opened. What the person named is used
// wherever this runs: editors that work on another computer set $BROWSER to a program
// that reaches the one the person sits at.
func (s platform) browse(named string) (browserAccess, error) {
	remote := s.remote()
	switch {
	case named == "none":
		return browserAccess{local: remote == "", reason: "no browser is opened"}, nil
	case named != "":
		command, err := s.command(named)
		if err != nil {
			return browserAccess{}, usage("--browser: %v", err)
		}
		return browserAccess{local: true, open: start(command)}, nil
	}
	for alternative := range strings.SplitSeq(s.getenv("BROWSER"), string(os.PathListSeparator)) {
		if command, err := s.command(alternative); err == nil {
			return browserAccess{local: true, open: start(command)}, nil
		}
	}
	if remote != "" {
		return browserAccess{reason: remote}, nil
	}
	if s.windows {
		return browserAccess{local: true, open: s.windowsBrowser()}, nil
	}
	return browserAccess{local: true, open: func(address string) error {
		browser.Stdout, browser.Stderr = io.Discard, io.Discard // stdout is for the token only
		return browser.OpenURL(address)
	}}, nil
}

// remote says why a browser on this computer would not be in front of the person; empty
// where it would.
func (s platform) remote() string {
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

// command reads a command as $BROWSER has it: words, perhaps with %s where the address
// goes, else it goes last.
func (s platform) command(text string) ([]string, error) {
	words := []string{text}
	if _, err := s.look(text); err != nil { // not a path with spaces in it
		words = strings.Fields(text)
	}
	if len(words) == 0 {
		return nil, exec.ErrNotFound
	}
	path, err := s.look(words[0])
	if err != nil {
		return nil, err
	}
	return append([]string{path}, words[1:]...), nil
}

// start returns a function that runs a command with an address. The address is one word
// whatever it holds, since no shell is between.
func start(command []string) func(string) error {
	return func(address string) error {
		words, placed := make([]string, 0, len(command)+1), false
		for _, word := range command {
			if strings.Contains(word, "%s") {
				word, placed = strings.ReplaceAll(word, "%s", address), true
			}
			words = append(words, word)
		}
		if !placed {
			words = append(words, address)
		}
		c := exec.Command(words[0], words[1:]...) //nolint:gosec,noctx // the person's own choice, which outlives this program
		detach(c)
		return c.Run()
	}
}

// outside opens an address in the browser of the Windows around this Linux. No command
// processor sees the address, which holds an ampersand.
func (s platform) windowsBrowser() func(string) error {
	for _, command := range [][]string{{"wslview"}, {"rundll32.exe", "url.dll,FileProtocolHandler"}} {
		if path, err := s.look(command[0]); err == nil {
			return start(append([]string{path}, command[1:]...))
		}
	}
	return start([]string{filepath.FromSlash("/mnt/c/Windows/System32/rundll32.exe"), "url.dll,FileProtocolHandler"})
}

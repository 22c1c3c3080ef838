package cli

import (
	"encoding/base64"
	"errors"
	"os/exec"
	"strings"
)

// copy puts a text into the clipboard by the platform's own program, through its stdin,
// since other users can read command lines. Where there is none, the terminal is asked
// to (OSC 52), which reaches the right clipboard over SSH, too.
func (e Env) copy(s platform, text string, terminal bool) error {
	for _, command := range s.clipboards() {
		path, err := s.look(command[0])
		if err != nil {
			continue
		}
		c := exec.Command(path, command[1:]...) //nolint:gosec,noctx // a name of the table below
		c.Stdin = strings.NewReader(text)
		if c.Run() == nil {
			return nil
		}
	}
	if terminal {
		_, err := e.Stderr.Write([]byte("\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte(text)) + "\a"))
		return err
	}
	return errors.New("no clipboard: install wl-clipboard, xclip or xsel, or do without --copy")
}

// clipboards lists programs that take a text for the clipboard, the likeliest first.
func (s platform) clipboards() [][]string {
	switch {
	case s.system == "darwin":
		return [][]string{{"pbcopy"}}
	case s.system == "windows" || s.windows:
		return [][]string{{"clip.exe"}}
	case s.remote() != "":
		return nil
	case s.getenv("WAYLAND_DISPLAY") != "":
		return [][]string{{"wl-copy"}, {"xclip", "-selection", "clipboard"}, {"xsel", "--clipboard", "--input"}}
	}
	return [][]string{{"xclip", "-selection", "clipboard"}, {"xsel", "--clipboard", "--input"}}
}

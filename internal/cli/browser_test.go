package cli

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// onComputer is a computer with programs and variables.
func onComputer(system string, windows bool, programs []string, variables map[string]string) platform {
	return platform{
		system: system, windows: windows,
		getenv: func(name string) string { return variables[name] },
		look: func(command string) (string, error) {
			if slices.Contains(programs, command) {
				return "/bin/" + command, nil
			}
			return "", exec.ErrNotFound
		},
	}
}

func TestBrowseOpensOnlyABrowserInFrontOfThePerson(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, system string
		windows      bool
		variables    map[string]string
		named        string
		opens, here  bool
	}{
		{"a desktop", "linux", false, map[string]string{"DISPLAY": ":0"}, "", true, true},
		{"a desktop with Wayland", "linux", false, map[string]string{"WAYLAND_DISPLAY": "wayland-0"}, "", true, true},
		{"no display, as in a container or at a hub", "linux", false, nil, "", false, false},
		{"an SSH session", "linux", false, map[string]string{"SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"}, "", false, false},
		{"an SSH session that forwards a display", "linux", false, map[string]string{"SSH_TTY": "/dev/pts/1", "DISPLAY": "localhost:10"}, "", false, false},
		{"an SSH session to a Mac", "darwin", false, map[string]string{"SSH_CLIENT": "192.0.2.1 1 22"}, "", false, false},
		{"a Mac", "darwin", false, nil, "", true, true},
		{"Windows", "windows", false, nil, "", true, true},
		{"Linux inside Windows", "linux", true, nil, "", true, true},
		{"an editor that sets $BROWSER in an SSH session", "linux", false, map[string]string{"SSH_CONNECTION": "1", "BROWSER": "editor-helper"}, "", true, true},
		{"$BROWSER names what is not there", "linux", false, map[string]string{"BROWSER": "gone"}, "", false, false},
		{"--browser without a display", "linux", false, nil, "firefox --new-tab", true, true},
		{"--no-browser on a desktop", "linux", false, map[string]string{"DISPLAY": ":0", "BROWSER": "firefox"}, "none", false, true},
		{"--no-browser in an SSH session", "linux", false, map[string]string{"SSH_CONNECTION": "1"}, "none", false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := onComputer(test.system, test.windows, []string{"firefox", "editor-helper"}, test.variables)
			got, err := s.browse(test.named)
			if err != nil || (got.open != nil) != test.opens || got.local != test.here {
				t.Errorf("got opened %v, here %v and %v, want %v and %v", got.open != nil, got.local, err, test.opens, test.here)
			}
		})
	}
}

func TestBrowseFollowsTheSharedCases(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../openapi/vectors/environment.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cases []struct {
			Name, Platform string
			Environment    map[string]string
			Programs       []string
			WSL, Port      bool
			Terminal       *bool
			Format         string
			Here           bool
			Opens          any
			First          string
		}
	}
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors.Cases) == 0 {
		t.Fatalf("%d cases, %v", len(vectors.Cases), err)
	}
	for _, test := range vectors.Cases {
		t.Run(test.Name, func(t *testing.T) {
			t.Parallel()
			s := onComputer(test.Platform, test.WSL, test.Programs, test.Environment)
			look := s.look
			s.look = func(command string) (string, error) { _, err := look(command); return command, err }
			request, pastes := Request{Profile: Profile{Format: test.Format}}, test.Terminal == nil || *test.Terminal
			if test.Port {
				request.Ports = Ports{8400}
			}
			got, err := s.browse("")
			if err != nil {
				t.Fatal(err)
			}
			got = got.forQuestion(request, pastes)
			var opens any
			switch {
			case got.open != nil && got.command != nil:
				words := []any{}
				for _, word := range got.command {
					words = append(words, strings.ReplaceAll(word, "%s", "{url}"))
				}
				opens = words
			case got.open != nil:
				opens = "system"
			}
			first := "loopback"
			if got.pasteFirst(request, pastes) {
				first = "paste"
			}
			if got.local != test.Here || first != test.First || !reflect.DeepEqual(opens, test.Opens) {
				t.Errorf("got here %v, opened by %q, first %s, want %v, %q, %s", got.local, opens, first, test.Here, test.Opens, test.First)
			}
		})
	}
}

func TestBrowseRejectsAMissingBrowser(t *testing.T) {
	t.Parallel()
	_, err := onComputer("linux", false, nil, map[string]string{"DISPLAY": ":0"}).browse("gone")
	if code, _ := ExitCode(err); !errors.Is(err, ErrUsage) || code != ExitUsage {
		t.Errorf("got %v, want it to be for the person to fix", err)
	}
}

func TestBrowserCommandRunsWithoutAShell(t *testing.T) {
	const address = "http://127.0.0.1:1/$(id)?a=1&b='2'"
	folder := t.TempDir()
	program := filepath.Join(folder, "my browser")
	out := filepath.Join(folder, "out")
	script := "#!/bin/sh\nfor word in \"$@\"; do echo \"$word\" >> '" + out + "'; done\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	real := platform{look: exec.LookPath}
	for _, test := range []struct{ name, command, want string }{
		{"a path with a space", program, address + "\n"},
		{"words before the address", "sh " + shellSafe(t, program) + " --new-tab", "--new-tab\n" + address + "\n"},
		{"a place for the address", "sh " + shellSafe(t, program) + " --url=%s -x", "--url=" + address + "\n-x\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_ = os.Remove(out)
			words, err := real.command(test.command)
			if err != nil {
				t.Fatal(err)
			}
			if err := start(words)(address); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(out); err != nil || string(got) != test.want {
				t.Errorf("got %q and %v, want %q", got, err, test.want)
			}
		})
	}
}

// shellSafe is the same program under a path without spaces.
func shellSafe(t *testing.T, program string) string {
	t.Helper()
	link := filepath.Join(t.TempDir(), "browser")
	if err := os.Symlink(program, link); err != nil {
		t.Fatal(err)
	}
	return link
}

func TestBrowseOnWSLRunsNoCommandProcessor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		programs []string
	}{
		{"by wslview", []string{"wslview", "rundll32.exe"}},
		{"by Windows itself", []string{"rundll32.exe"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := onComputer("linux", true, test.programs, nil).browse("")
			if err != nil || got.open == nil {
				t.Fatalf("got %v, want something that opens", err)
			}
			var missing *os.PathError
			if err := got.open("http://127.0.0.1/?a&b"); !errors.As(err, &missing) || missing.Path != "/bin/"+test.programs[0] {
				t.Errorf("got %v, want /bin/%s tried", err, test.programs[0])
			}
		})
	}
}

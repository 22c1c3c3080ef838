//go:build linux

package browsertest

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// display is an X server with a window manager. The X server repeats a key that is held
// down, as a real one does; no browser driver can.
type display struct {
	t    *testing.T
	name string // such as :99
}

func openDisplay(t *testing.T) *display {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	x := exec.Command(process.Need(t, "T2G_TEST_XVFB", "Xvfb"), "-displayfd", "3", "-screen", "0", "1280x1500x24", "-nolisten", "tcp")
	x.ExtraFiles = []*os.File{writer}
	process.Start(t, x)
	writer.Close()
	number, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb does not start: %v", err)
	}
	d := &display{t: t, name: ":" + strings.TrimSpace(number)}
	rules := filepath.Join(t.TempDir(), "rc.xml")
	if err := os.WriteFile(rules, []byte(maximized), 0o600); err != nil {
		t.Fatal(err)
	}
	process.Start(t, d.command(process.Need(t, "T2G_TEST_OPENBOX", "openbox"), "--sm-disable", "--config-file", rules))
	return d
}

const maximized = `<openbox_config xmlns="http://openbox.org/3.4/rc"><applications>
<application class="*"><decor>no</decor><maximized>yes</maximized></application></applications></openbox_config>`

// command is a program that uses the display, in a process group of its own.
func (d *display) command(name string, arguments ...string) *exec.Cmd {
	c := exec.Command(name, arguments...)
	c.Env = append(os.Environ(), "DISPLAY="+d.name, "HOME="+d.t.TempDir(), "XDG_RUNTIME_DIR="+d.t.TempDir(), "NO_AT_BRIDGE=1", "GDK_BACKEND=x11")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return c
}

// do has xdotool press, release, type, move or click.
func (d *display) do(words ...string) {
	d.t.Helper()
	c := exec.Command(process.Need(d.t, "T2G_TEST_XDOTOOL", "xdotool"), words...)
	c.Env = append(os.Environ(), "DISPLAY="+d.name)
	if out, err := c.CombinedOutput(); err != nil {
		d.t.Fatalf("xdotool %s: %v: %s", strings.Join(words, " "), err, out)
	}
}

// keys presses and releases keys, one after another.
func (d *display) keys(names ...string) {
	d.t.Helper()
	d.do(append([]string{"key", "--delay", "20"}, names...)...)
}

// engine is a browser of one of the three kinds.
type engine struct {
	name    string
	command func(t *testing.T, d *display, address string) *exec.Cmd
}

func engines() []engine {
	return []engine{
		{"Chromium", func(t *testing.T, d *display, address string) *exec.Cmd {
			return d.command(process.Need(t, "T2G_TEST_CHROMIUM", "chromium", "chromium-browser", "google-chrome"),
				"--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update",
				"--disable-sync", "--disable-quic", "--password-store=basic", "--user-data-dir="+t.TempDir(), address)
		}},
		{"Firefox", func(t *testing.T, d *display, address string) *exec.Cmd {
			profile := t.TempDir()
			if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(firefoxPreferences), 0o600); err != nil {
				t.Fatal(err)
			}
			return d.command(process.Need(t, "T2G_TEST_FIREFOX", "firefox-esr", "firefox"),
				"--no-remote", "--profile", profile, address)
		}},
		{"WebKit", func(t *testing.T, d *display, address string) *exec.Cmd {
			found, _ := filepath.Glob("/usr/lib/*/webkit2gtk-4.*/MiniBrowser")
			c := d.command(process.Need(t, "T2G_TEST_MINIBROWSER", append(found, "MiniBrowser")...), address)
			c.Env = append(c.Env, "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS=1", "WEBKIT_DISABLE_COMPOSITING_MODE=1", "LIBGL_ALWAYS_SOFTWARE=1")
			return c
		}},
	}
}

// firefoxPreferences keep it from opening pages and asking for things by itself.
const firefoxPreferences = `
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("datareporting.policy.dataSubmissionPolicyBypassNotification", true);
user_pref("termsofuse.bypassNotification", true);
user_pref("browser.tabs.warnOnClose", false);
user_pref("app.normandy.enabled", false);
user_pref("app.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,");
user_pref("toolkit.telemetry.enabled", false);
`

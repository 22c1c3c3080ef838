package check_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const unit = "deploy/systemd/token2go-server.service"

func TestUnitIsHardened(t *testing.T) {
	// In tenths: 0.9 is what is left of 10 with the network that a server needs.
	run(t, exec.Command(need(t, "systemd-analyze"), "security", "--offline=true", "--threshold=9", filepath.Join(top, unit)))
}

func TestUnitPassesSystemdVerify(t *testing.T) {
	systemd := need(t, "systemd-analyze")
	// The program is where this test has built it, and its manual nowhere.
	local := bytes.ReplaceAll(read(t, unit), []byte("=/usr/bin/token2go-server"), []byte("="+server(t)))
	path := filepath.Join(t.TempDir(), filepath.Base(unit))
	if err := os.WriteFile(path, local, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(systemd, "verify", "--man=no", path).CombinedOutput()
	if err != nil || strings.Contains(string(out), path) || strings.Contains(string(out), filepath.Base(unit)) {
		t.Errorf("got %v: %s", err, out)
	}
}

func TestUnitEnvironmentFileIsAccepted(t *testing.T) {
	var pairs []string
	for line := range strings.Lines(string(read(t, "deploy/systemd/token2go-server.env"))) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "T2G_") {
			pairs = append(pairs, line)
		}
	}
	config := configured(t, pairs)
	for _, pair := range pairs {
		if name, value, _ := strings.Cut(pair, "="); config[name] != value {
			t.Errorf("got %s=%s, want %s", name, config[name], value)
		}
	}
	if len(pairs) == 0 {
		t.Error("the file sets nothing")
	}
}

func TestUnitStopTimeoutCoversDrain(t *testing.T) {
	config := configured(t, nil)
	_, after, _ := strings.Cut(string(read(t, unit)), "\nTimeoutStopSec=")
	seconds, _, _ := strings.Cut(after, "\n")
	got := duration(t, seconds+"s")
	if want := duration(t, config["T2G_DRAIN_DELAY"]) + duration(t, config["T2G_SHUTDOWN_TIMEOUT"]); got < want {
		t.Errorf("killed after %v, want at least %v", got, want)
	}
}

// systemd's own limit, which a unit may set otherwise: five starts in ten seconds.
func TestUnitRestartsWithinStartLimit(t *testing.T) {
	_, after, _ := strings.Cut(string(read(t, unit)), "\nRestartSec=")
	pause, _, _ := strings.Cut(after, "\n")
	if got := duration(t, pause); 4*got <= 10*time.Second {
		t.Errorf("five starts take %v, after which systemd gives up", 4*got)
	}
}

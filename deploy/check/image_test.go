package check_test

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"golang.org/x/sys/unix"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// image is what the Dockerfile's last stage says, with its file tree unpacked.
type image struct {
	root        string
	user        string
	environment []string
	entrypoint  []string
	health      *instructions.HealthCheckCommand
	labels      map[string]string
}

func stages(t testing.TB) []instructions.Stage {
	t.Helper()
	parsed, err := parser.Parse(bytes.NewReader(read(t, "Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.Warnings) > 0 {
		t.Errorf("got warnings %+v, want none", parsed.Warnings)
	}
	found, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// unpack does what building the image does, as far as that can be had without an image
// engine: it runs the first stage's build on this computer and makes the last stage's
// file tree of it.
func unpack(t testing.TB) *image {
	t.Helper()
	found := stages(t)
	if len(found) != 2 || found[1].BaseName != "scratch" {
		t.Fatalf("got %d stages, the last from %s, want 2, the last from scratch", len(found), found[len(found)-1].BaseName)
	}
	built := build(t, found[0])
	i := &image{root: t.TempDir(), labels: map[string]string{}}
	if err := os.Chmod(i.root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, command := range found[1].Commands {
		switch c := command.(type) {
		case *instructions.CopyCommand:
			from := top
			if c.From != "" {
				from = built
			}
			i.add(t, from, c)
		case *instructions.UserCommand:
			i.user = c.User
		case *instructions.EnvCommand:
			for _, pair := range c.Env {
				i.environment = append(i.environment, pair.String())
			}
		case *instructions.EntrypointCommand:
			if c.PrependShell {
				t.Errorf("the entry point %q wants a shell, and there is none", c.CmdLine)
			}
			i.entrypoint = c.CmdLine
		case *instructions.HealthCheckCommand:
			i.health = c
		case *instructions.LabelCommand:
			for _, pair := range c.Labels {
				i.labels[pair.Key] = strings.Trim(pair.Value, `"`)
			}
		case *instructions.ExposeCommand:
		default:
			t.Fatalf("line %d: this test does not know %s", command.Location()[0].Start.Line, command.Name())
		}
	}
	return i
}

// build runs what the first stage runs and returns a folder that is its root.
func build(t testing.TB, stage instructions.Stage) string {
	t.Helper()
	root := t.TempDir()
	environment := append(os.Environ(), "TARGETOS="+runtime.GOOS, "TARGETARCH="+runtime.GOARCH)
	builds := 0
	for _, command := range stage.Commands {
		switch c := command.(type) {
		case *instructions.EnvCommand:
			for _, pair := range c.Env {
				environment = append(environment, pair.String())
			}
		case *instructions.RunCommand:
			line := strings.Join(c.CmdLine, " ")
			shell := exec.Command("sh", "-c", strings.ReplaceAll(line, " /out/", " "+root+"/out/"))
			shell.Dir, shell.Env = top, environment
			run(t, shell)
			builds++
		}
	}
	if builds != 1 {
		t.Fatalf("ran %d commands of the first stage, want 1", builds)
	}
	// The golang images have Debian's certificates, where this computer has its own.
	const certificates = "/etc/ssl/certs/ca-certificates.crt"
	if _, err := os.Stat(certificates); err != nil {
		process.Missing(t, err.Error())
	}
	put(t, certificates, filepath.Join(root, certificates))
	return root
}

func (i *image) add(t testing.TB, from string, c *instructions.CopyCommand) {
	t.Helper()
	if len(c.SourcePaths) != 1 || strings.HasSuffix(c.DestPath, "/") {
		t.Fatalf("%v to %s: this test copies one file to one name", c.SourcePaths, c.DestPath)
	}
	put(t, filepath.Join(from, c.SourcePaths[0]), filepath.Join(i.root, c.DestPath))
}

func put(t testing.TB, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, info.Mode().Perm()); err != nil {
		t.Fatal(err)
	}
}

func TestDockerfilePassesLinter(t *testing.T) {
	run(t, exec.Command(need(t, "hadolint"), filepath.Join(top, "Dockerfile")))
}

func TestImageUsesGoVersionOfModule(t *testing.T) {
	version := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindSubmatch(read(t, "go.mod"))
	got, want := stages(t)[0].BaseName, "golang:"+string(version[1])+"-bookworm"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDockerignoreKeepsTrackedFiles(t *testing.T) {
	ignored := strings.Split(string(read(t, ".gitignore")), "\n")
	rows := 0
	for line := range strings.Lines(string(read(t, ".dockerignore"))) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") || line == "" {
			continue
		}
		rows++
		if !slices.Contains(ignored, line) {
			t.Errorf("%s is not ignored by git: a build without it calls its version modified", line)
		}
	}
	if rows == 0 {
		t.Error("nothing is kept from the build")
	}
}

func TestImageHoldsServerAndCertificatesOnly(t *testing.T) {
	i := unpack(t)
	var files []string
	err := filepath.WalkDir(i.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, i.root)
		if mode := info.Mode(); mode.Perm()&0o022 != 0 || mode&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
			t.Errorf("%s has mode %v, which lets others than root write", name, mode)
		}
		if !entry.IsDir() {
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/etc/ssl/certs/ca-certificates.crt", "/usr/bin/token2go-server", "/usr/share/doc/token2go-server/LICENSE"}
	if !slices.Equal(files, want) {
		t.Errorf("got %v, want %v", files, want)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(readFrom(t, i.root, want[0])) {
		t.Error("no certificate in " + want[0])
	}
	program, err := elf.Open(filepath.Join(i.root, want[1]))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if slices.ContainsFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Error("the server wants a dynamic linker, and there is none")
	}
}

func readFrom(t testing.TB, root, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestImageHasUserAndLabels(t *testing.T) {
	i := unpack(t)
	if !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(i.user) {
		t.Errorf("got user %q, want two numbers, so that Kubernetes can see that it is not root", i.user)
	}
	for _, label := range []string{"title", "description", "licenses"} {
		if i.labels["org.opencontainers.image."+label] == "" {
			t.Errorf("got labels %v, want %s among them", slices.Sorted(maps.Keys(i.labels)), label)
		}
	}
}

func TestImageRunsWithoutCapabilities(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT TESTED: only root can enter a file tree as another user")
	}
	i := unpack(t)
	ownNetwork(t)

	config := i.output(t, "config")
	if !strings.Contains(config, "set     T2G_SERVER_HOST=0.0.0.0\n") {
		t.Errorf("got %s\nwant T2G_SERVER_HOST=0.0.0.0", config)
	}
	if out, err := i.healthcheck().CombinedOutput(); err == nil {
		t.Errorf("healthy before the server runs: %s", out)
	}

	c, lines := i.command(i.entrypoint...), new(process.Output)
	c.Stdout, c.Stderr = lines, lines
	server := process.Start(t, c)
	if err := server.Await(process.Soon, func() bool { return i.healthcheck().Run() == nil }); err != nil {
		t.Fatal(err)
	}
	mustBeUnprivileged(t, c.Process.Pid)
	if got := ask(t, "127.0.0.1:8080", "/token"); got != http.StatusUnauthorized {
		t.Errorf("got %d of /token without a token, want 401", got)
	}
	server.Signal(t, syscall.SIGTERM)
	if code := server.Code(t); code != 0 {
		t.Errorf("ended with %d: %s", code, lines)
	}
}

// mustBeUnprivileged reads from the system what the process may do.
func mustBeUnprivileged(t testing.TB, pid int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Uid:\t65532\t65532\t65532\t65532\n", "Gid:\t65532\t65532\t65532\t65532\n", "Groups:\t \n",
		"CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n", "NoNewPrivs:\t1\n",
	} {
		if !strings.Contains(string(status), want) {
			t.Errorf("got\n%s\nwant %q", status, want)
		}
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m) / ro,`).Match(mounts) {
		t.Errorf("got mounts\n%s\nwant a root that is read-only", mounts)
	}
}

// ownNetwork gives the test, and what it starts, a network in which nothing is but
// loopback; so the image's own address and ports can be used whatever runs here. It is
// the thread that has it, so the thread must not serve another test afterwards: a
// goroutine that ends locked takes its thread with it.
func ownNetwork(t testing.TB) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		process.Missing(t, "a network of its own: "+err.Error())
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(socket)
	loopback, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	loopback.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, loopback); err != nil {
		t.Fatal(err)
	}
}

// ask returns the status of an answer. It dials itself, since http.Client dials in a
// goroutine of its own, which would be in another network.
func ask(t testing.TB, address, path string) int {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(process.Soon)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(connection, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// Variables that make this program, run again, enter the image.
const (
	inImage = "TOKEN2GO_TEST_IMAGE_ROOT"
	asUser  = "TOKEN2GO_TEST_IMAGE_USER"
)

// command is a command line in the image: this program enters it and becomes that.
func (i *image) command(line ...string) *exec.Cmd {
	c := exec.Command("/proc/self/exe", line...)
	c.Env = append(slices.Clone(i.environment), inImage+"="+i.root, asUser+"="+i.user)
	return c
}

func (i *image) output(t testing.TB, arguments ...string) string {
	t.Helper()
	return run(t, i.command(append(slices.Clone(i.entrypoint), arguments...)...))
}

func (i *image) healthcheck() *exec.Cmd {
	return i.command(i.health.Health.Test[1:]...) // the first is CMD
}

// enter makes the image's tree this process's root, read-only, gives up every capability, and
// becomes the program that the arguments name. It does not return.
func enter() {
	runtime.LockOSThread()
	root := os.Getenv(inImage)
	var user, group int
	if _, err := fmt.Sscanf(os.Getenv(asUser), "%d:%d", &user, &group); err != nil {
		fail("user", err)
	}
	must("own mounts", unix.Unshare(unix.CLONE_NEWNS))
	must("keep mounts", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	must("bind", unix.Mount(root, root, "", unix.MS_BIND, ""))
	must("read-only", unix.Mount("", root, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""))
	must("root", unix.Chroot(root))
	must("folder", unix.Chdir("/"))
	for power := uintptr(0); unix.Prctl(unix.PR_CAPBSET_DROP, power, 0, 0, 0) == nil; power++ {
		continue // until the kernel has no such capability
	}
	must("no new powers", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	must("groups", unix.Setgroups(nil))
	must("group", unix.Setresgid(group, group, group))
	must("user", unix.Setresuid(user, user, user))
	environment := slices.DeleteFunc(os.Environ(), func(pair string) bool {
		return strings.HasPrefix(pair, "TOKEN2GO_TEST_IMAGE_")
	})
	must(os.Args[1], unix.Exec(os.Args[1], os.Args[1:], environment))
}

func must(what string, err error) {
	if err != nil {
		fail(what, err)
	}
}

func fail(what string, err error) {
	fmt.Fprintf(os.Stderr, "enter the image: %s: %v\n", what, err)
	os.Exit(125)
}

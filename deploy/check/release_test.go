package check_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// foreign is a file that has nothing to do with a release, in the folder that it fills.
const foreign = "somebody-elses"

// release runs the release command into a folder of its own.
func release(t testing.TB, platforms string, environment ...string) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, foreign), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("deploy/release")
	c.Dir = top
	c.Env = slices.Concat(os.Environ(), []string{"DIST=" + folder, "PLATFORMS=" + platforms}, environment)
	run(t, c)
	return folder
}

func names(t testing.TB, folder string) (found []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	return found
}

// file is a file in an archive.
type file struct {
	mode    fs.FileMode
	content []byte
}

// opened is what an archive holds, by name without the folder that it is all in.
func opened(t testing.TB, path string) map[string]file {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(path) == ".zip" {
		return unzipped(t, content)
	}
	return untarred(t, content)
}

func untarred(t testing.TB, content []byte) map[string]file {
	t.Helper()
	packed, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]file{}
	for archive := tar.NewReader(packed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 || header.Uname != "" {
			t.Errorf("%s belongs to %d:%d %s", header.Name, header.Uid, header.Gid, header.Uname)
		}
		if header.Typeflag == tar.TypeReg {
			content, err := io.ReadAll(archive)
			if err != nil {
				t.Fatal(err)
			}
			files[within(header.Name)] = file{header.FileInfo().Mode(), content}
		}
	}
}

func unzipped(t testing.TB, content []byte) map[string]file {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]file{}
	for _, entry := range archive.File {
		reader, err := entry.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		files[within(entry.Name)] = file{entry.Mode(), content}
	}
	return files
}

func within(name string) string {
	_, rest, _ := strings.Cut(name, "/")
	return rest
}

func TestReleaseIsCompleteAndReproducible(t *testing.T) {
	here := runtime.GOOS + "/" + runtime.GOARCH
	first := release(t, here+" windows/amd64", "TZ=Asia/Tokyo", "LC_ALL=C")
	second := release(t, here, "TZ=America/Lima", "GOFLAGS=-p=1", "GOAMD64=v3", "GOARM64=v9.0")

	checkSums(t, first)
	again := names(t, second)
	if len(again) < 2 {
		t.Fatalf("got %v, want archives and their checksums", again)
	}
	for _, name := range again {
		if name == "SHA256SUMS" {
			continue
		}
		a, b := readFrom(t, first, name), readFrom(t, second, name)
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs: %d and %d bytes", name, len(a), len(b))
		}
	}

	programs, err := os.ReadDir(filepath.Join(top, "cmd"))
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range programs {
		for _, end := range []string{runtime.GOOS + "_" + runtime.GOARCH + ".tar.gz", "windows_amd64.zip"} {
			t.Run(program.Name()+" "+end, func(t *testing.T) {
				found, err := filepath.Glob(filepath.Join(first, program.Name()+"_*_"+end))
				if err != nil || len(found) != 1 {
					t.Fatalf("got archives %v of %v, want one", found, names(t, first))
				}
				checkArchive(t, program.Name(), opened(t, found[0]))
			})
		}
	}
}

// What is missing is reported before anything is built.
func TestReleaseFailsWithoutPip(t *testing.T) {
	c := exec.Command("deploy/release")
	c.Dir, c.Env = top, append(os.Environ(), "DIST="+t.TempDir(), "PYTHON=/bin/false")
	said, err := c.CombinedOutput()
	if err == nil || !strings.Contains(string(said), "/bin/false has no pip") {
		t.Errorf("got %v: %s", err, said)
	}
}

// checkSums holds the checksums to the files, and that each file has one.
func checkSums(t *testing.T, folder string) {
	var listed []string
	for line := range strings.Lines(string(readFrom(t, folder, "SHA256SUMS"))) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		got := sha256.Sum256(readFrom(t, folder, name))
		if hex.EncodeToString(got[:]) != sum {
			t.Errorf("%s has another checksum", name)
		}
		listed = append(listed, name)
	}
	want := slices.DeleteFunc(names(t, folder), func(name string) bool { return name == "SHA256SUMS" || name == foreign })
	if !slices.Equal(listed, want) {
		t.Errorf("got checksums of %v, want of %v", listed, want)
	}
	c := exec.Command("sha256sum", "--strict", "-c", "SHA256SUMS")
	c.Dir = folder
	run(t, c)
	readFrom(t, folder, foreign) // it is still there
}

func checkArchive(t *testing.T, program string, files map[string]file) {
	for _, name := range []string{
		"LICENSE", "README.md", "CHANGELOG.md", "man/man1/" + program + ".1",
		"completions/" + program + ".bash", "completions/" + program + ".zsh",
		"completions/" + program + ".fish", "completions/" + program + ".ps1", "LICENSES-OF-OTHERS.txt",
	} {
		if len(files[name].content) < 500 {
			t.Errorf("got %d bytes of %s", len(files[name].content), name)
		}
	}
	for _, library := range []string{"==== Go: LICENSE", "==== github.com/spf13/cobra v", "==== the list of words: NOTICE"} {
		if !bytes.Contains(files["LICENSES-OF-OTHERS.txt"].content, []byte(library)) {
			t.Errorf("the licences of others lack %q", library)
		}
	}
	if program == "token2go-server" {
		checkInstall(t, files)
	}
	executable, found := files[program]
	if !found {
		executable, found = files[program+".exe"]
	}
	if !found || executable.mode.Perm() != 0o755 {
		t.Fatalf("got %v with mode %v, want a program", found, executable.mode)
	}
	place, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(executable.content, []byte(place)) {
		t.Errorf("%s names the folder in which it was built", program)
	}
	if bytes.HasPrefix(executable.content, []byte("MZ")) {
		return // for another system than this one
	}
	path := filepath.Join(t.TempDir(), program)
	if err := os.WriteFile(path, executable.content, 0o700); err != nil {
		t.Fatal(err)
	}
	if said := run(t, exec.Command(path, "version")); !strings.HasPrefix(said, program+" ") {
		t.Errorf("got %q of version", said)
	}
}

// checkInstall holds the unit's instructions to what is in the archive.
func checkInstall(t *testing.T, files map[string]file) {
	installs := regexp.MustCompile(`(?m)^#   install (?:-D )?-m (\d+) (\S+) (\S+)$`).FindAllSubmatch(files["systemd/token2go-server.service"].content, -1)
	if len(installs) < 4 {
		t.Errorf("got %d files to install, want program, unit, variables and manual", len(installs))
	}
	for _, install := range installs {
		from, to := string(install[2]), string(install[3])
		_, found := files[from]
		_, exe := files[from+".exe"]
		if !found && !exe {
			t.Errorf("%s is to be installed, and is not in the archive", from)
		}
		if strings.HasSuffix(to, "/") {
			to += filepath.Base(from)
		}
		if strings.HasPrefix(from, "systemd/") && strings.HasSuffix(from, ".env") && !bytes.Contains(files["systemd/token2go-server.service"].content, []byte("\nEnvironmentFile=-"+to+"\n")) {
			t.Errorf("the unit does not read %s", to)
		}
		if from == "token2go-server" && !bytes.Contains(files["systemd/token2go-server.service"].content, []byte("\nExecStart="+to+"\n")) {
			t.Errorf("the unit does not start %s", to)
		}
	}
}

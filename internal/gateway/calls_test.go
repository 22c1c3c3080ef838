package gateway_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// shell runs scripts as a person who has this home folder and nothing else.
type shell struct {
	home   string
	python string
}

// run runs a script and returns what it prints.
func (s shell) run(t *testing.T, name string, args []string, input string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), process.Soon)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Dir, c.Stdin, c.WaitDelay = s.home, strings.NewReader(input), time.Second
	c.Env = []string{
		"HOME=" + s.home, "PATH=" + filepath.Dir(s.python) + ":" + os.Getenv("PATH"), "LANG=C.UTF-8",
		"GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1",
		"PIP_TARGET=" + filepath.Join(s.home, "packages"), "PIP_NO_INPUT=1", "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_CACHE_DIR=1",
	}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, strings.Join(args, " "), out)
	}
	return string(out)
}

// bash runs a ready call. GDAL's program is played by the library.
func (s shell) bash(t *testing.T, script string) string {
	t.Helper()
	const gdalinfo = `gdalinfo() { python -c 'import rasterio, sys; print(rasterio.open(sys.argv[1]).profile)' "$1"; }
`
	return s.run(t, process.Need(t, "", "bash"), []string{"-ec", gdalinfo + script}, "")
}

// keyAPI is a server that answers those who send the key: an API, a raster, a git
// repository and a package index.
func keyAPI(t *testing.T, home string, key *string) string {
	t.Helper()
	git := process.Need(t, "", "git")
	backend, err := exec.Command(git, "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	repositories := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(backend)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + filepath.Join(home, "repositories"), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=key"},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/items", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "accepted") })
	mux.HandleFunc("/scene.tif", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, filepath.Join(home, "scene.tif")) })
	mux.Handle("/team/", repositories)
	mux.HandleFunc("/simple/example-package/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<a href="/example_package-1.0-py3-none-any.whl">example_package-1.0-py3-none-any.whl</a>`)
	})
	mux.HandleFunc("/example_package-1.0-py3-none-any.whl", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(wheel(t)) })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		if r.Header.Get("Authorization") != "Bearer "+*key && password != *key && r.URL.Query().Get("api-key") != *key {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, "refused", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// wheel is a Python package without code.
func wheel(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, text := range map[string]string{
		"example_package/__init__.py":                 "",
		"example_package-1.0.dist-info/METADATA":      "Metadata-Version: 2.1\nName: example-package\nVersion: 1.0\n",
		"example_package-1.0.dist-info/WHEEL":         "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		"example_package-1.0.dist-info/RECORD":        "",
		"example_package-1.0.dist-info/top_level.txt": "example_package\n",
	} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(text))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var callPattern = regexp.MustCompile(`(?s)<code id="call-([a-z]+-\d)"[^>]*>(.*?)</code>`)

// TestReadyCallsSendTheKey runs what a key's page offers, with the real programs.
func TestReadyCallsSendTheKey(t *testing.T) {
	t.Parallel()
	process.Slow(t)
	home := t.TempDir()
	python := process.Need(t, "T2G_TEST_CLIENT_PYTHON")
	s := shell{home, python}
	s.run(t, python, []string{"-c", `import numpy, rasterio
with rasterio.open("scene.tif", "w", driver="GTiff", width=64, height=64, count=1, dtype="uint8") as f: f.write(numpy.zeros((1, 64, 64), "uint8"))`}, "")
	s.bash(t, `git config --global credential.helper store
git init -q --bare repositories/team/project.git`)
	var key string
	api := keyAPI(t, home, &key)
	server := keyServer{open(t, t2gtest.WithKeys(t, t2gtest.Database(t)), func(o *gateway.Options) { o.Texts.Example = api + "/v1/items" }), nil, t}
	server.waitForIssuer()
	_, page := server.inForm("ada.analyst", "/keys", url.Values{"name": {"job"}, "allowInUrl": {"true"}})
	key = keyPattern.FindString(page)
	calls := map[string]string{}
	for _, match := range callPattern.FindAllStringSubmatch(page, -1) {
		calls[match[1]] = html.UnescapeString(match[2])
		if strings.Contains(match[2], key) {
			t.Errorf("%s has the key in it", match[1])
		}
	}
	s.run(t, process.Need(t, "", "bash"), []string{"-ec", calls["save-0"]}, key+"\n")
	for _, file := range []string{"", ".header"} {
		saved := filepath.Join(home, ".keys", strings.Split(key, "_")[1]+file)
		if info, err := os.Stat(saved); err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%s: %v, %v", saved, info, err)
		}
	}
	for _, test := range []struct{ call, want string }{
		{"curl-0", "accepted"}, {"curl-1", "accepted"}, {"wget-0", "accepted"}, {"requests-0", "accepted"},
		{"gdal-0", "'width': 64"}, {"gdal-1", "'width': 64"}, {"gdal-2", "'width': 64"}, {"gdal-3", "'width': 64"},
		{"rasterio-0", "'width': 64"}, {"jupyter-0", ""}, {"git-0", "Cloning into"}, {"netrc-0", "accepted"}, {"pip-0", "Successfully installed example-package-1.0"},
	} {
		var out string
		switch {
		case calls[test.call] == "":
			t.Fatalf("the page has no %s", test.call)
		case strings.HasPrefix(test.call, "requests"), strings.HasPrefix(test.call, "rasterio"):
			out = s.run(t, python, []string{"-c", calls[test.call]}, "")
		case strings.HasPrefix(test.call, "jupyter"):
			out = s.run(t, python, []string{"-c", "import getpass, sys\ngetpass.getpass = lambda _: sys.stdin.read()\n" + calls[test.call]}, key)
		default:
			out = s.bash(t, calls[test.call])
		}
		if !strings.Contains(out, test.want) {
			t.Errorf("%s: got %s, want %s, of\n%s", test.call, out, test.want, calls[test.call])
		}
	}
}

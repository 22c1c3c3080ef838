package main

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/token2go/token2go/internal/t2gtest"
)

func TestExecCredentialServesKubectl(t *testing.T) {
	t.Parallel()
	needProgram(t, "kubectl")
	server := t2gtest.Start(t, t2gtest.Options{})
	cluster := newCluster(t)
	s := newShell(t)
	config := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: here
clusters: [{name: here, cluster: {server: %q, certificate-authority: %q}}]
contexts: [{name: here, context: {cluster: here, user: me}}]
users:
- name: me
  user:
    exec: {apiVersion: %s, interactiveMode: IfAvailable, command: token2go, args: [exec-credential, %q]}
`, cluster.URL, cluster.authority(t, s.home), execVersion(t), server.Gateway)
	if err := os.WriteFile(filepath.Join(s.home, "kubeconfig"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if out := s.run(t, "kubectl --kubeconfig kubeconfig get --raw /version"); !strings.Contains(out, "v1.30.0") {
			t.Errorf("got %s, want the cluster's answer", out)
		}
	}
	if got := cluster.credentials(); len(got) != 1 || !strings.HasPrefix(got[0], "Bearer eyJ") {
		t.Errorf("got %.20q, want one token", got)
	}
	s.mustHaveTabs(t, 1)
}

// execVersion is the version of the plugin protocol that this kubectl uses: v1 since
// 1.22.
func execVersion(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("kubectl", "version", "--client", "--output", "json").Output()
	var said struct{ ClientVersion struct{ Minor string } }
	if err == nil {
		err = json.Unmarshal(out, &said)
	}
	minor, reading := strconv.Atoi(strings.TrimRight(said.ClientVersion.Minor, "+"))
	if err != nil || reading != nil {
		t.Fatalf("kubectl version: %v, %v: %s", err, reading, out)
	}
	if minor < 22 {
		return "client.authentication.k8s.io/v1beta1"
	}
	return "client.authentication.k8s.io/v1"
}

// cluster is as much of an API server as kubectl needs to ask for its version.
type cluster struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[string]bool
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{seen: map[string]bool{}}
	c.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.seen[r.Header.Get("Authorization")] = true
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintln(w, `{"major": "1", "minor": "30", "gitVersion": "v1.30.0"}`)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *cluster) credentials() (found []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for credential := range c.seen {
		found = append(found, credential)
	}
	return found
}

// authority is a file with the certificate.
func (c *cluster) authority(t testing.TB, folder string) string {
	t.Helper()
	path := filepath.Join(folder, "cluster.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

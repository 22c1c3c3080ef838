package serve

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// Under a umask of 0 another user could connect between the making of the socket and the
// setting of its mode, and was answered.
func TestListenControlRemovesOthersPermissions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gateway.sock")
	listener, err := (&net.ListenConfig{Control: closeToOthers}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got&0o007 != 0 || got&0o600 != 0o600 {
		t.Errorf("got mode %o, want nothing for others", got)
	}
}

package cli

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/token2go/token2go/clients/go/token2go"
)

// As when the disk is full: the old token is in the file, and goes with it.
func TestKeepRemovesItsFileAfterAFailedWrite(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "kept")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	k := &keeper{Env: Env{Stderr: io.Discard}, path: filepath.Join(folder, "token")}
	if err := k.use(token2go.NewToken("first")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	if err := k.use(token2go.NewToken("second")); err == nil {
		t.Error("got a file in a folder that is not there")
	}
	if err := os.Rename(folder+".away", folder); err != nil {
		t.Fatal(err)
	}
	k.remove()
	if text, err := os.ReadFile(k.path); !os.IsNotExist(err) {
		t.Errorf("got a file with %q left, want none", text)
	}
}

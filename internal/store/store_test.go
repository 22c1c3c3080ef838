package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/store"
	"github.com/token2go/token2go/internal/store/storetest"
)

func TestSQLite(t *testing.T) { storetest.Run(t, storetest.NewSQLite) }

func TestPostgreSQL(t *testing.T) {
	storetest.Run(t, storetest.StartPostgreSQL(t).NewDatabase)
}

func TestPostgreSQL18(t *testing.T) {
	storetest.Run(t, storetest.StartPostgreSQL18(t).NewDatabase)
}

// Behind a pooler, there are neither prepared statements nor notices.
func TestPgBouncer(t *testing.T) {
	storetest.Run(t, storetest.StartPostgreSQL(t).Pooled(t).NewDatabase)
}

func TestConnectRefuses(t *testing.T) {
	for _, test := range []struct{ address, want string }{
		{"", "want sqlite:/PATH or postgres"},
		{"mysql://host/db", "want sqlite:/PATH or postgres"},
		{"sqlite:relative.db", "must be absolute"},
		{"sqlite:/nowhere/at/all/token2go.db", "unable to open"},
		{"postgres://user:hunter2@host:port/db", "not a PostgreSQL address"},
		{"postgres://user:hunter2@127.0.0.1:1/db", "connect"},
	} {
		s, err := store.Connect(t.Context(), store.Options{URL: test.address, Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v, want %q", test.address, err, test.want)
		}
	}
}

func TestMigrateRefusesNewerSchema(t *testing.T) {
	address := storetest.NewSQLite(t)
	storetest.Open(t, address)
	storetest.Execute(t, "sqlite", strings.TrimPrefix(address, "sqlite:"), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)")
	s, err := store.Open(t.Context(), store.Options{URL: address, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		_ = s.Close()
	}
	if !errors.Is(err, store.ErrNewer) {
		t.Errorf("got %v, want %v", err, store.ErrNewer)
	}
}

func TestOpenMakesPrivateFiles(t *testing.T) {
	address := storetest.NewSQLite(t)
	storetest.Open(t, address)
	files, err := filepath.Glob(strings.TrimPrefix(address, "sqlite:") + "*")
	if err != nil || len(files) == 0 {
		t.Fatalf("got the files %q, %v", files, err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v, %v, want 0600", file, info.Mode(), err)
		}
	}
}

func TestBackupIsADatabase(t *testing.T) {
	s := storetest.Open(t, storetest.NewSQLite(t))
	key, err := s.AddKey(t.Context(), storetest.NewKey("kept"), store.Event{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "backup.db")
	if err := s.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v, want 0600", info.Mode(), err)
	}
	if read, err := storetest.Open(t, "sqlite:"+path).Key(t.Context(), key.ID); err != nil || read.Name != "kept" {
		t.Errorf("got %+v, %v", read, err)
	}
	if err := s.Backup(t.Context(), path); err == nil {
		t.Error("a backup replaced an existing file")
	}
}

const writerVariable = "T2G_TEST_STORE_WRITER"

// TestAcknowledgedKeysSurviveSIGKILL kills a process that makes and revokes keys, at
// moments that differ, and looks for all that it had acknowledged.
func TestAcknowledgedKeysSurviveSIGKILL(t *testing.T) {
	if address := os.Getenv(writerVariable); address != "" {
		writeUntilKilled(t, address)
	}
	rounds := 10
	if text := os.Getenv("T2G_TEST_KILLS"); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	} else if testing.Short() {
		rounds = 2
	}
	address := storetest.NewSQLite(t)
	storetest.Open(t, address)
	acknowledged := 0
	for round := range rounds {
		acknowledged += killWriter(t, address, time.Duration(30+17*(round%20))*time.Millisecond)
	}
	if acknowledged == 0 {
		t.Error("no key was acknowledged before a kill")
	}
}

// writeUntilKilled makes keys and revokes them, and prints each ID when that is stored.
func writeUntilKilled(t *testing.T, address string) {
	s := storetest.Open(t, address)
	fmt.Println("ready")
	for {
		key, err := s.AddKey(t.Context(), storetest.NewKey("made"), store.Event{Action: "key made"})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("made", key.ID)
		revoke := func(k *store.Key) error { k.Revoked = time.Now(); return nil }
		if _, err := s.ChangeKey(t.Context(), key.ID, revoke, store.Event{Action: "key revoked"}); err != nil {
			t.Fatal(err)
		}
		fmt.Println("revoked", key.ID)
	}
}

// A command, or another server, is a process of its own on the same file.
func TestFollowerSeesAnotherProcess(t *testing.T) {
	if address := os.Getenv(writerVariable); address != "" {
		writeUntilKilled(t, address)
	}
	address := storetest.NewSQLite(t)
	s := storetest.Open(t, address)
	revoked := make(chan apikey.ID, 1000)
	f := store.Follower{Store: s, Person: func(store.Person) error { return nil }, Key: func(k store.Key) error {
		if !k.Revoked.IsZero() {
			revoked <- k.ID
		}
		return nil
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); f.Run(ctx) }()
	defer func() { cancel(); <-done }()
	writer, said := startWriter(t, address)
	for said.Scan() && !strings.HasPrefix(said.Text(), "revoked ") {
	}
	id := strings.TrimPrefix(said.Text(), "revoked ")
	begin := time.Now()
	_ = writer.Process.Kill()
	_ = writer.Wait() // it was killed
	for seen := range revoked {
		if seen.String() == id {
			break
		}
	}
	if spent := time.Since(begin); spent > 2*time.Second { // a second, on a machine with nothing else to do
		t.Errorf("seen after %s", spent)
	}
}

// startWriter starts a process that runs writeUntilKilled, and returns it when it does.
func startWriter(t *testing.T, address string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	writer := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	writer.Env = append(os.Environ(), writerVariable+"="+address)
	out, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	if !said.Scan() || said.Text() != "ready" {
		t.Fatalf("got %q, want ready", said.Text())
	}
	return writer, said
}

// killWriter lets a process write for a while, kills it, and returns how many keys it had
// acknowledged, all of which must be there.
func killWriter(t *testing.T, address string, after time.Duration) int {
	t.Helper()
	writer, said := startWriter(t, address)
	time.AfterFunc(after, func() { _ = writer.Process.Kill() })
	states := map[string]string{}
	for said.Scan() {
		if state, id, found := strings.Cut(said.Text(), " "); found && len(id) == 10 {
			states[id] = state
		}
	}
	_ = writer.Wait() // it was killed
	s := storetest.Open(t, address)
	for text, state := range states {
		id, err := apikey.ParseID(text)
		if err != nil {
			t.Fatal(err)
		}
		key, err := s.Key(t.Context(), id)
		if err != nil || state == "revoked" && key.Revoked.IsZero() {
			t.Errorf("key %s was acknowledged as %s: got %+v, %v", text, state, key, err)
		}
		if events, err := s.Events(t.Context(), store.EventFilter{Key: int64(id)}); err != nil || len(events) == 0 {
			t.Errorf("key %s has no event, %v", text, err)
		}
	}
	return len(states)
}

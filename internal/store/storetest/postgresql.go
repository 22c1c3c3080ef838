package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // makes databases

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// NewSQLite returns the URL of a database that is empty.
func NewSQLite(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "token2go.db")
}

// Engines runs a test on SQLite, and unless -short on PostgreSQL. fresh is as for Run.
func Engines(t *testing.T, test func(t *testing.T, fresh func(testing.TB) string)) {
	t.Run("SQLite", func(t *testing.T) { test(t, NewSQLite) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, StartPostgreSQL(t).NewDatabase) })
}

// PostgreSQL is a server of a test's own.
type PostgreSQL struct {
	port, pooled string // pooled is PgBouncer's
	mu           sync.Mutex
	count        int
}

// StartPostgreSQL starts Debian's.
func StartPostgreSQL(t testing.TB) *PostgreSQL {
	t.Helper()
	process.Slow(t)
	return startPostgreSQL(t, filepath.Dir(process.Need(t, "T2G_TEST_POSTGRES", "postgres")))
}

// StartPostgreSQL18 starts the newest.
func StartPostgreSQL18(t testing.TB) *PostgreSQL {
	t.Helper()
	process.Slow(t)
	return startPostgreSQL(t, filepath.Dir(process.Need(t, "T2G_TEST_POSTGRES18")))
}

func startPostgreSQL(t testing.TB, programs string) *PostgreSQL {
	t.Helper()
	folder, attributes := unprivileged(t)
	data := filepath.Join(folder, "data")
	initialize := exec.CommandContext(t.Context(), filepath.Join(programs, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8") //nolint:gosec // a program of this computer
	initialize.SysProcAttr, initialize.Dir = attributes, folder
	if out, err := initialize.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	p := &PostgreSQL{port: process.Port(t)}
	serve(t, "ready to accept connections", folder, attributes,
		filepath.Join(programs, "postgres"), "-D", data, "-p", p.port, "-h", "127.0.0.1", "-k", folder, "-F")
	return p
}

// Pooled puts PgBouncer before the server, in the mode that gives each transaction any of
// its connections.
func (p *PostgreSQL) Pooled(t testing.TB) *PostgreSQL {
	t.Helper()
	folder, attributes := unprivileged(t)
	through := &PostgreSQL{port: p.port, pooled: process.Port(t)}
	settings := "[databases]\n* = host=127.0.0.1 port=" + p.port + " user=postgres\n" +
		"[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=" + through.pooled + "\nunix_socket_dir=\nauth_type=any\npool_mode=transaction\ndefault_pool_size=5\n"
	path := filepath.Join(folder, "pgbouncer.ini")
	if err := os.WriteFile(path, []byte(settings), 0o644); err != nil { //nolint:gosec // read by another user
		t.Fatal(err)
	}
	serve(t, "process up", folder, attributes, process.Need(t, "T2G_TEST_PGBOUNCER", "pgbouncer"), path)
	return through
}

// unprivileged returns a folder, and what a program needs to run as its owner: nobody, where
// root runs the test, whom these servers refuse.
func unprivileged(t testing.TB) (folder string, attributes *syscall.SysProcAttr) {
	t.Helper()
	folder, err := os.MkdirTemp("", "t2g-pg") //nolint:usetesting // short, for a socket, and open to another user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	attributes = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		const nobody = 65534
		attributes.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.Chown(folder, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return folder, attributes
}

// serve starts a server and waits until it prints that it is ready.
func serve(t testing.TB, ready, folder string, attributes *syscall.SysProcAttr, program string, arguments ...string) {
	t.Helper()
	output := new(process.Output)
	command := exec.CommandContext(context.WithoutCancel(t.Context()), program, arguments...) //nolint:gosec // a program of this computer
	command.SysProcAttr, command.Dir, command.Stdout, command.Stderr = attributes, folder, output, output
	if err := process.Start(t, command).Await(process.Soon, func() bool { return strings.Contains(output.String(), ready) }); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
}

// NewDatabase makes an empty database and returns its URL.
func (p *PostgreSQL) NewDatabase(t testing.TB) string {
	t.Helper()
	p.mu.Lock()
	p.count++
	name := fmt.Sprint("t", p.count)
	if p.pooled != "" {
		name = "p" + name
	}
	p.mu.Unlock()
	Execute(t, "pgx", p.url(p.port, "postgres"), "CREATE DATABASE "+name)
	if p.pooled != "" {
		return p.url(p.pooled, name)
	}
	return p.url(p.port, name)
}

func (p *PostgreSQL) url(port, database string) string {
	return "postgres://postgres@127.0.0.1:" + port + "/" + database + "?sslmode=disable"
}

// Execute runs a statement past the store.
func Execute(t testing.TB, driver, source, statement string) {
	t.Helper()
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

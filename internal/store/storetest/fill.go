package storetest

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/apikey"
)

// Fill puts keys into an SQLite database past the store, as many as would take the store
// long: one of eight has a network, one of twenty a configuration of 200 bytes, and ten
// belong to one person.
func Fill(t testing.TB, address string, count int, pepper apikey.PepperID) {
	t.Helper()
	people := max(count/10, 1)
	const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) `
	hashed := fmt.Sprintf("%d, randomblob(32), NULL, 1 + i %% %d", int64(pepper), people) //nolint:gosec // as the store writes it
	for _, statement := range []string{
		fmt.Sprintf(numbers, people) + `INSERT INTO people (id, issuer, subject, login, email, active, seen, roles, member_of, revision)
			SELECT i, 'https://idp.example.org', 'subject-' || i, 'login' || i, 'login' || i || '@example.org', TRUE, 1796040000, '["reader","writer"]', '[]', 1 FROM n`,
		fmt.Sprintf(numbers, count) + `INSERT INTO keys (id, kind, pepper, hash, number, person, owner, name, note, created, expires, revoked, reason, replaces,
			restrictions, config, services, grants, revision)
			SELECT abs(random()) >> 4, 0, ` + hashed + `, '', 'a name of 20 letters', '', 1796040000, 0, 0, '', 0,
			CASE i % 8 WHEN 0 THEN '{"networks":["192.0.2.0/24"],"roles":null}' ELSE '' END,
			CASE i % 20 WHEN 0 THEN '{"note":"` + strings.Repeat("0", 189) + `"}' ELSE '' END, '', '', 1 FROM n`,
		`UPDATE revision SET value = 1`,
	} {
		Execute(t, "sqlite", strings.TrimPrefix(address, "sqlite:"), statement)
	}
}

// ReadRows reads every person and key of an SQLite database through the driver alone, and
// returns how many there are.
func ReadRows(t testing.TB, address string) int {
	t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(address, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	return readRows(t, db, `SELECT * FROM people`) + readRows(t, db, `SELECT * FROM keys`)
}

func readRows(t testing.TB, db *sql.DB, query string) int {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new(any)
	}
	count := 0
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		count++
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return count
}

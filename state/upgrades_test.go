package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// raw opens a file behind the package's back.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", dsn(path, "mode=rwc"))
	must(t, err)
	db.SetMaxOpenConns(1)
	return db
}

// format1 makes the file of the first release.
func format1(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile(filepath.Join("testdata", "format-1.sql"))
	must(t, err)
	path := filepath.Join(t.TempDir(), "test.db")
	db := raw(t, path)
	_, err = db.Exec(string(script))
	must(t, err)
	must(t, db.Close())
	return path
}

// shape is the schema of a file, without comments and spacing.
func shape(t *testing.T, db *sql.DB) []string {
	t.Helper()
	rows, err := db.Query("SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema")
	must(t, err)
	defer rows.Close()
	var list []string
	comment := regexp.MustCompile(`--[^\n]*`)
	for rows.Next() {
		var text string
		must(t, rows.Scan(&text))
		list = append(list, strings.Join(strings.Fields(comment.ReplaceAllString(text, "")), " "))
	}
	must(t, rows.Err())
	slices.Sort(list)
	return list
}

func TestFormat1IsUpgraded(t *testing.T) {
	ctx := context.Background()
	path := format1(t)
	if newest() > 1 {
		if _, err := OpenReadOnly(ctx, path); !errors.As(err, new(*OlderError)) {
			t.Errorf("opened for reading before the upgrade: %v", err)
		}
	}
	s, err := Open(ctx, path, testIdentity)
	must(t, err)
	defer s.Close()
	if got, want := shape(t, s.reader), shape(t, openTest(t).reader); !slices.Equal(got, want) {
		t.Errorf("upgraded: %s\nnew:      %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	must(t, s.Check(ctx))
	if runs, err := s.Runs(ctx); err != nil || len(runs) != 1 || runs[0].Name != "night-1" || runs[0].Exit != 3 {
		t.Errorf("runs %+v, %v", runs, err)
	}
	if v, err := s.Verifications(ctx); err != nil || len(v) != 1 || !slices.Equal(v[0].Findings, []string{"one is open"}) {
		t.Errorf("verifications %+v, %v", v, err)
	}
	found, err := s.AccountByAddress(ctx, "anna@x.test")
	if err != nil || len(found) != 1 || found[0].State != "partial" {
		t.Fatalf("accounts %+v, %v", found, err)
	}
	folders, err := s.Folders(ctx, found[0].ID)
	if err != nil || len(folders) != 1 || folders[0].DstMaxUID != 11 || folders[0].Fault != "one is open" {
		t.Fatalf("folders %+v, %v", folders, err)
	}
	rows := all(t, s, folders[0].ID)
	if len(rows) != 2 || rows[0].State != Copied || !rows[0].Wrote || rows[0].InternalDate.Format(time.RFC3339) != "2020-09-13T14:27:40+02:00" ||
		!slices.Equal(rows[0].Flags, []string{`\Seen`}) || rows[0].SHA1[0] != 0x3f {
		t.Errorf("messages %+v", rows)
	}
	if m := rows[1]; m.State != Refused || m.DateText != `"yesterday"` || m.By != "target" || m.Note != "n" || !slices.Equal(m.Flags, []string{"Work"}) {
		t.Errorf("refused %+v", m)
	}
	if in, err := s.Intents(ctx, folders[0].ID); err != nil || len(in) != 1 || in[0].DstUIDNext != 12 || len(in[0].Flags) != 3 {
		t.Errorf("intents %+v, %v", in, err)
	}
	if got := names(t, s, "user"); !slices.Equal(got, []string{"anna@x.test"}) {
		t.Errorf("objects %v", got)
	}
	if got := conflicts(t, s); !slices.Equal(got, []string{"group staff {}"}) {
		t.Errorf("conflicts %v", got)
	}
	if d, err := s.Doubts(ctx, folders[0].ID); err != nil || len(d) != 1 || d[0].DstUIDNext != 9 {
		t.Errorf("doubts %+v, %v", d, err)
	}
}

func TestUpgradeSteps(t *testing.T) {
	ctx := context.Background()
	path := format1(t)
	db := raw(t, path)
	defer db.Close()
	format := func() (n int) {
		must(t, db.QueryRow("PRAGMA user_version").Scan(&n))
		return n
	}
	steps := []string{
		"ALTER TABLE runs ADD COLUMN colour TEXT NOT NULL DEFAULT 'green'",
		"UPDATE runs SET colour = 'blue'; CREATE TABLE half (a INTEGER) STRICT; INSERT INTO missing VALUES (1)",
	}
	err := upgrade(ctx, db, path, 1, steps)
	if err == nil || !strings.Contains(err.Error(), "from format 2") || format() != 2 {
		t.Fatalf("a step that fails: %v, format %d", err, format())
	}
	var colour string
	must(t, db.QueryRow("SELECT colour FROM runs").Scan(&colour))
	if list := shape(t, db); colour != "green" || slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, "half") }) {
		t.Errorf("half a step is there: %s, %q", colour, list)
	}
	steps[1] = "UPDATE runs SET colour = 'red'"
	must(t, upgrade(ctx, db, path, 2, steps))
	must(t, db.QueryRow("SELECT colour FROM runs").Scan(&colour))
	if colour != "red" || format() != 3 {
		t.Errorf("colour %s, format %d", colour, format())
	}
	must(t, upgrade(ctx, db, path, 3, steps)) // nothing to do
	for n, columns := range map[int]int{1: 13, 2: 14} {
		copied := fmt.Sprintf("%s.format-%d", path, n)
		info, err := os.Stat(copied)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("copy of format %d has mode %v", n, info.Mode())
		}
		old := raw(t, copied)
		var got, have int
		must(t, old.QueryRow("SELECT count(*), (SELECT user_version FROM pragma_user_version) FROM pragma_table_info('runs')").Scan(&got, &have))
		if got != columns || have != n {
			t.Errorf("copy of format %d: %d columns, format %d", n, got, have)
		}
		must(t, old.Close())
	}
	if _, err := os.Stat(path + ".format-3"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a copy without an upgrade (%v)", err)
	}
}

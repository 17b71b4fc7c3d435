package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/history/historytest"
	"github.com/turbone/jarvis/history/sqlstore"
)

func TestWhatIsNoHistoryIsLeftAsItIs(t *testing.T) {
	for _, test := range []struct {
		name   string
		make   func(t *testing.T, path string)
		remedy string
	}{
		{"a JSON history", func(t *testing.T, path string) {
			if _, err := filestore.Open(path).Append(t.Context(), historytest.Run(0)); err != nil {
				t.Fatal(err)
			}
		}, "name it with the ending .json"},
		{"JSON after a byte order mark", contents("\xef\xbb\xbf\r\n{\"runs\": []}"), "name it with the ending .json"},
		{"a text", contents("just some words, no database"), "give the history a file of its own"},
		{"white space", contents(strings.Repeat(" ", 40)), "give the history a file of its own"},
		{"a database that was cut off", contents("SQLite format 3\x00"), "put a copy back"},
		{"another program's database", executed("CREATE TABLE bookmarks (url TEXT)"), "give the history a file of its own"},
		{"one of a newer version", func(t *testing.T, path string) {
			made(t, path)
			executed("PRAGMA user_version = 1000")(t, path)
		}, "update this program"},
		{"one whose first page is damaged", func(t *testing.T, path string) {
			made(t, path)
			damaged(t, path, 100, 200)
		}, "put a copy back"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.db")
			test.make(t, path)
			before := read(t, path)
			store, err := sqlstore.Open(t.Context(), path, sqlstore.Patience(sqlstore.NoPatience))
			if err == nil {
				t.Fatal(errors.Join(errors.New("it was opened"), store.Close()))
			}
			if !errors.Is(err, history.ErrUnreadable) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), test.remedy) {
				t.Errorf("the error is %q; want it to name the path and %q", err, test.remedy)
			}
			if !bytes.Equal(before, read(t, path)) {
				t.Error("the file was changed")
			}
		})
	}
}

// Pages in the middle are damaged: it shows when they are read.
func TestDamagedPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	made(t, path)
	size := len(read(t, path))
	damaged(t, path, 4096, size-4096)
	before := read(t, path)
	store, err := sqlstore.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	_, errRuns := store.Runs(t.Context())
	_, errAppend := store.Append(t.Context(), historytest.Run(1000))
	for name, err := range map[string]error{"Runs": errRuns, "Append": errAppend} {
		if !errors.Is(err, history.ErrUnreadable) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), ".recover") {
			t.Errorf("%s = %v; want an error that names the path and how to save what can be read", name, err)
		}
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(before, read(t, path)) {
		t.Error("the file was changed")
	}
}

func TestARunThatIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	made(t, path)
	executed(`UPDATE run_json SET json = '{"total_tests": "many"}' WHERE run = 2`)(t, path)
	_, err := opened(t, path).Runs(t.Context())
	if !errors.Is(err, history.ErrUnreadable) || !strings.Contains(err.Error(), "position 2") {
		t.Errorf("Runs = %v; want an error that names the row", err)
	}
}

func TestARunDeletedByHandIsGoneWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	made(t, path)
	executed("DELETE FROM runs WHERE position = 2")(t, path)
	store := opened(t, path)
	if got := ids(t, store.Runs); len(got) != 49 || got[1] != "run-2" {
		t.Errorf("runs are %v", got)
	}
	whole(t, path)
}

// Another program holds the write lock: reads succeed, a write fails with an error
// that says so, or waits until its context ends.
func TestLockedByAnotherProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	made(t, path)
	other, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	}()
	other.SetMaxOpenConns(1)
	impatient, patient := opened(t, path, sqlstore.Patience(sqlstore.NoPatience)), opened(t, path)
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if _, err := impatient.Append(t.Context(), historytest.Run(1000)); err == nil || !strings.Contains(err.Error(), path+" is locked by another program") {
		t.Errorf("Append = %v; want an error that names the path and the reason", err)
	}
	if got := len(ids(t, impatient.Runs)); got != 50 {
		t.Errorf("%d runs are read, want 50", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := patient.Append(ctx, historytest.Run(1001))
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Append = %v; want the context's error", err)
	}
	if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if _, err := patient.Append(t.Context(), historytest.Run(1002)); err != nil {
		t.Error(err)
	}
}

// made makes a database of 50 runs.
func made(t *testing.T, path string) {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	var content history.Content
	for number := range 50 {
		content.Runs = append(content.Runs, withResults(number, 5))
	}
	_, err = store.Import(t.Context(), content)
	if err := errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
}

func contents(text string) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func executed(statement string) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		t.Helper()
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.ExecContext(t.Context(), statement)
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func damaged(t *testing.T, path string, from, bytes int) {
	t.Helper()
	text := read(t, path)
	for i := range bytes {
		text[from+i] = 0xa5
	}
	contents(string(text))(t, path)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/turbone/jarvis/history"
)

func TestTheEndingSaysWhatItIs(t *testing.T) {
	for name, magic := range map[string]string{
		"history.json": "{", "history": "{", "my.db.json": "{",
		"history.db": "SQLite format 3\x00", "history.sqlite": "SQLite format 3\x00", "HISTORY.SQLITE3": "SQLite format 3\x00",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			for round := range 2 {
				store, closer, err := OpenHistory(t.Context(), path, 3)
				if err != nil {
					t.Fatal(err)
				}
				for number := range 4 {
					if _, err := store.Append(t.Context(), history.Run{ID: fmt.Sprint(round, number)}); err != nil {
						t.Fatal(err)
					}
				}
				if runs, err := store.Runs(t.Context()); err != nil || len(runs) != 3 || runs[2].ID != fmt.Sprint(round, 3) {
					t.Errorf("runs are %v, %v; want the last 3", runs, err)
				}
				if err := closer.Close(); err != nil {
					t.Error(err)
				}
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(text, []byte(magic)) {
				t.Errorf("the file starts with %q, want %q", text[:16], magic)
			}
		})
	}
}

func TestTheWrongEnding(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	if err := os.WriteFile(path, []byte(`{"runs": []}`), 0o644); err != nil {
		t.Fatal(err)
	}
	_, _, err := OpenHistory(t.Context(), path, 500)
	if !errors.Is(err, history.ErrUnreadable) || !strings.Contains(err.Error(), "name it with the ending .json") {
		t.Errorf("Open = %v; want an error that says what to do", err)
	}
}

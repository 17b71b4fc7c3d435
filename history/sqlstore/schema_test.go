package sqlstore

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/turbone/jarvis/history"
)

// A later version adds a step: what is there stays, a step that fails changes
// nothing, and the version before doesn't touch the result.
func TestMigrateGoesForward(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	store, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := store.Append(t.Context(), history.Run{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	step := func(statements ...string) error {
		return store.change(t.Context(), func(tx *sql.Tx) error {
			return migrate(t.Context(), tx, append(append([]string(nil), schema...), statements...))
		})
	}
	version := func() int {
		l, err := look(t.Context(), store.read)
		if err != nil || l.application != application {
			t.Errorf("layout %+v, %v", l, err)
		}
		return l.version
	}

	if err := step("ALTER TABLE runs ADD COLUMN color TEXT; CREATE TABLE runs (a)"); err == nil || !strings.Contains(err.Error(), "from layout 1 to 2") {
		t.Errorf("a step that can't be taken: %v", err)
	}
	if got := version(); got != 1 {
		t.Errorf("after a failed step the layout is %d, want 1", got)
	}
	for range 2 {
		if err := step("ALTER TABLE runs ADD COLUMN color TEXT DEFAULT 'red'"); err != nil {
			t.Fatal(err)
		}
	}
	if got := version(); got != 2 {
		t.Errorf("the layout is %d, want 2", got)
	}
	var color string
	if err := store.read.QueryRowContext(t.Context(), "SELECT color FROM runs WHERE id = 'a'").Scan(&color); err != nil || color != "red" {
		t.Errorf("color %q, %v", color, err)
	}
	older, err := Open(t.Context(), path)
	if err == nil {
		err = errors.Join(errors.New("it was opened"), older.Close())
	}
	if !errors.Is(err, history.ErrUnreadable) || !strings.Contains(err.Error(), "layout 2, this one knows up to 1") {
		t.Errorf("the version before says %v", err)
	}
}

package sqlstore_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/history/sqlstore"
)

const real104 = "../testdata/benchmark_history_104.json"

func TestMigrationBothWays(t *testing.T) {
	folder := t.TempDir()
	original, err := os.ReadFile(real104)
	if err != nil {
		t.Fatal(err)
	}
	store := opened(t, filepath.Join(folder, "history.db"))
	for _, want := range []history.Imported{{Added: 104, Total: 104, Crowned: true}, {Total: 104}} {
		done, err := history.Copy(t.Context(), store, filestore.Open(real104))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, done); diff != "" {
			t.Errorf("into the database (-want +got):\n%s", diff)
		}
	}
	path := filepath.Join(folder, "back.json")
	for _, want := range []history.Imported{{Added: 104, Total: 104, Crowned: true}, {Total: 104}} {
		done, err := history.Copy(t.Context(), filestore.Open(path), store)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, done); diff != "" {
			t.Errorf("into the file (-want +got):\n%s", diff)
		}
	}
	back, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(original), string(back)); diff != "" {
		t.Errorf("the file isn't the same (-want +got):\n%s", diff)
	}
}

func TestMigrationWithAnArchive(t *testing.T) {
	folder := t.TempDir()
	content, err := filestore.Open(real104).Content(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	content.Runs = append(content.Runs, withResults(1, 3), withResults(2, 0))
	content.Extra = map[string]json.RawMessage{"odd \"key\"": []byte(`{"a":1.50}`)}
	want := texts(t, content.Runs)

	// 106 runs into a file that keeps 10, from there into a database, and from
	// there into a file again; each twice.
	small := filestore.Open(filepath.Join(folder, "small.json"), filestore.Keep(10))
	store := opened(t, filepath.Join(folder, "history.db"))
	again := filestore.Open(filepath.Join(folder, "again.json"), filestore.Keep(20))
	for range 2 {
		if _, err := small.Import(t.Context(), content); err != nil {
			t.Fatal(err)
		}
		if _, err := history.Copy(t.Context(), store, small); err != nil {
			t.Fatal(err)
		}
		if _, err := history.Copy(t.Context(), again, store); err != nil {
			t.Fatal(err)
		}
	}
	for name, from := range map[string]history.Movable{"small file": small, "database": store, "last file": again} {
		got, err := from.Content(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, texts(t, got.Runs)); diff != "" {
			t.Errorf("%s: runs (-want +got):\n%s", name, diff)
		}
		if got.Champion == nil || got.Champion.Model != content.Champion.Model {
			t.Errorf("%s: the champion is %v", name, got.Champion)
		}
		members := map[string]string{}
		for key, value := range got.Extra {
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			members[key] = string(text)
		}
		if diff := cmp.Diff(map[string]string{"odd \"key\"": `{"a":1.50}`}, members); diff != "" {
			t.Errorf("%s: members (-want +got):\n%s", name, diff)
		}
	}
	if kept, err := small.Runs(t.Context()); err != nil || len(kept) != 10 {
		t.Errorf("%d are kept, %v", len(kept), err)
	}
}

// What is there and newer isn't overwritten by an older copy.
func TestAnOlderCopyChangesNothing(t *testing.T) {
	monday, tuesday := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	older := history.Content{
		Runs:     []history.Run{{ID: "a", Tests: 8}, {ID: "b", Tests: 8}, {Type: "nameless"}},
		Champion: &history.Champion{Model: "old", Since: monday},
	}
	newer := history.Content{
		Runs:     []history.Run{{ID: "a", Tests: 16}, {ID: "c", Tests: 8}},
		Champion: &history.Champion{Model: "new", Since: tuesday},
	}
	for name, open := range map[string]func(*testing.T) history.Movable{
		"file":     func(t *testing.T) history.Movable { return filestore.Open(filepath.Join(t.TempDir(), "h.json")) },
		"database": func(t *testing.T) history.Movable { return opened(t, filepath.Join(t.TempDir(), "h.db")) },
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t)
			for _, step := range []struct {
				content history.Content
				want    history.Imported
			}{
				{newer, history.Imported{Added: 2, Total: 2, Crowned: true}},
				{older, history.Imported{Added: 2, Total: 4}},
				{older, history.Imported{Total: 4}},
				{newer, history.Imported{Total: 4}},
			} {
				done, err := store.Import(t.Context(), step.content)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(step.want, done); diff != "" {
					t.Errorf("Import (-want +got):\n%s", diff)
				}
			}
			got, err := store.Content(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := texts(t, []history.Run{newer.Runs[0], newer.Runs[1], older.Runs[1], older.Runs[2]})
			if diff := cmp.Diff(want, texts(t, got.Runs)); diff != "" {
				t.Errorf("runs (-want +got):\n%s", diff)
			}
			if got.Champion.Model != "new" {
				t.Errorf("the champion is %q", got.Champion.Model)
			}
		})
	}
}

// A report that has grown replaces the one before, in its place.
func TestAGrownRunIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h.db")
	store := opened(t, path)
	for _, tests := range []int{8, 16} {
		if _, err := store.Import(t.Context(), history.Content{Runs: []history.Run{{ID: "a", Tests: tests}, {ID: "b"}}}); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := opened(t, path, sqlstore.Keep(5)).Runs(t.Context())
	if err != nil || len(runs) != 2 || runs[0].ID != "a" || runs[0].Tests != 16 {
		t.Errorf("runs are %v, %v", runs, err)
	}
}

package filestore

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/history"
)

func TestOldRunsMoveToTheArchive(t *testing.T) {
	file := Open(filepath.Join(t.TempDir(), "history.json"), Keep(3))
	for number := range 8 {
		done, err := file.Append(t.Context(), history.Run{ID: fmt.Sprint(number)})
		if err != nil {
			t.Fatal(err)
		}
		if want := min(number+1, 3); done.Total != want {
			t.Errorf("%d runs are kept, want %d", done.Total, want)
		}
	}
	if diff := cmp.Diff([]string{"5", "6", "7"}, ids(file.Runs(t.Context()))); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"0", "1", "2", "3", "4"}, ids(file.Archived(t.Context()))); diff != "" {
		t.Errorf("archived (-want +got):\n%s", diff)
	}
}

func TestArchivedRowsKeepTheirText(t *testing.T) {
	original, err := os.ReadFile("../testdata/benchmark_history_104.json")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "history.json")
	if err := os.WriteFile(path, original, 0o644); err != nil {
		t.Fatal(err)
	}
	before, err := Open(path).Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := Open(path, Keep(10))
	if _, err := file.Append(t.Context(), history.Run{ID: "new"}); err != nil {
		t.Fatal(err)
	}
	archived, err := file.Archived(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kept, err := file.Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(archived) != 95 || len(kept) != 10 {
		t.Errorf("%d archived, %d kept; want 95 and 10", len(archived), len(kept))
	}
	after := append(archived, kept[:len(kept)-1]...)
	if diff := cmp.Diff(marshalled(t, before), marshalled(t, after)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if _, there, err := file.Champion(t.Context()); err != nil || !there {
		t.Errorf("the champion is gone: %v", err)
	}
}

// A crash at each point between the first byte of the archive and the new
// history: nothing is lost, nothing is twice in the archive.
func TestACrashWhileArchiving(t *testing.T) {
	start := func(t *testing.T) (path string) {
		path = filepath.Join(t.TempDir(), "history.json")
		file := Open(path, Keep(KeepAll))
		for number := range 6 {
			// Two rows of the same text, as the record has them.
			if _, err := file.Append(t.Context(), history.Run{ID: fmt.Sprint(number), Extra: map[string]json.RawMessage{"same": []byte("1")}}); err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	path := start(t)
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Keep(3)).Append(t.Context(), history.Run{ID: "6"}); err != nil {
		t.Fatal(err)
	}
	archive, err := os.ReadFile(Open(path).ArchivePath())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"0", "1", "2", "3"}
	for cut := range len(archive) + 1 {
		if cut%7 != 0 && cut < len(archive)-1 && archive[max(cut-1, 0)] != '\n' {
			continue // a sample will do
		}
		file := Open(filepath.Join(t.TempDir(), "history.json"), Keep(3))
		if err := os.WriteFile(file.path, old, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file.ArchivePath(), archive[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		// What was cut off is in the history still; it is no error.
		if _, err := file.Archived(t.Context()); err != nil {
			t.Errorf("cut at %d: %v", cut, err)
		}
		if _, err := file.Append(t.Context(), history.Run{ID: "6"}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, ids(file.Archived(t.Context()))); diff != "" {
			t.Errorf("cut at %d: archived (-want +got):\n%s", cut, diff)
		}
		if diff := cmp.Diff([]string{"4", "5", "6"}, ids(file.Runs(t.Context()))); diff != "" {
			t.Errorf("cut at %d: kept (-want +got):\n%s", cut, diff)
		}
	}
}

func TestTheArchiveCannotBeWritten(t *testing.T) {
	file := Open(filepath.Join(t.TempDir(), "history.json"), Keep(1))
	if err := os.Mkdir(file.ArchivePath(), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Append(t.Context(), history.Run{ID: "0"}); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Append(t.Context(), history.Run{ID: "1"}); err == nil || !strings.Contains(err.Error(), file.ArchivePath()) {
		t.Errorf("Append = %v, want an error that names the archive", err)
	}
	if diff := cmp.Diff([]string{"0"}, ids(file.Runs(t.Context()))); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

func ids(runs []history.Run, err error) []string {
	if err != nil {
		return []string{err.Error()}
	}
	var list []string
	for _, run := range runs {
		list = append(list, run.ID)
	}
	return list
}

func marshalled(t *testing.T, runs []history.Run) []string {
	t.Helper()
	var list []string
	for _, run := range runs {
		text, err := json.Marshal(run)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(text))
	}
	return list
}

func FuzzFile(f *testing.F) {
	for _, seed := range []string{
		emptyText, "", "{}", "[]", `{"runs":null}`, `{"runs":[1,{}]}`, `{"runs":[],"runs":[{"run_id":"new"}]}`, "\xef\xbb\xbf{ }", "{\r\n}", `{"champion":{"model":1}}`,
		`{"runs":[{"timestamp":"x"}]}`, `{"runs":[{"by_node":{"a":1}}], "champion" : null }`, `{"runs":[{"total_tests":1e300,"avg_latency_ms":-1e300}]}`, "{\n\n \"a\": {}}", "{\"runs\":[\n{}\n,{}]}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := parse(text)
		if err != nil {
			return
		}
		for i := range d.runs {
			var run history.Run
			if err := json.Unmarshal(d.row(i), &run); err != nil {
				continue
			}
			if _, err := json.Marshal(run); err != nil {
				t.Errorf("a run that was read can't be written: %v", err)
			}
		}
		row, err := json.Marshal(history.Run{ID: "new"})
		if err != nil {
			t.Fatal(err)
		}
		changed, err := d.withRun(row, -1)
		if err != nil {
			t.Fatal(err)
		}
		after, err := parse(changed)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, changed, err)
		}
		if len(after.runs) != len(d.runs)+1 || after.find("new") != len(after.runs)-1 {
			t.Fatalf("%q became %q", text, changed)
		}
		for i := range d.runs {
			if diff := cmp.Diff(string(d.row(i)), string(after.row(i))); diff != "" {
				t.Errorf("row %d (-want +got):\n%s", i, diff)
			}
		}
		crowned, err := after.withChampion([]byte(`{"model":"m"}`))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parse(crowned); err != nil || !again.hasChampion || len(again.runs) != len(after.runs) {
			t.Fatalf("%q became %q: %v", changed, crowned, err)
		}
		if shorter, err := parse(after.withoutFirst(len(after.runs) - 1)); err != nil || len(shorter.runs) != 1 {
			t.Fatalf("%q became shorter: %v", changed, err)
		}
	})
}

package filestore_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/history/historytest"
)

func TestEveryPathToAHistoryLeadsToOneArchive(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("making links needs a privilege there")
	}
	path, _ := realHistory(t)
	link := filepath.Join(t.TempDir(), "link.json")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for number, name := range []string{path, link} {
		if _, err := filestore.Open(name, filestore.Keep(100)).Append(t.Context(), historytest.Run(number)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{path, link} {
		archived, err := filestore.Open(name).Archived(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(archived) != 6 {
			t.Errorf("%d runs are archived by way of %s, want 6", len(archived), filepath.Base(name))
		}
	}
}

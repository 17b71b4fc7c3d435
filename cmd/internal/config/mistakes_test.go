package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what is said now into testdata")

// environment is what the files of the tests may refer to.
func environment(name string) (string, bool) {
	v, ok := map[string]string{
		"EMPTY":     "",
		"KEY":       "sk-environment-secret",
		"MULTILINE": "sk-environment\nsecret",
		"TELEGRAM":  "telegram://123:sk-environment-secret@telegram?chats=1",
		"HOST":      "10.5.0.2",
		"ATTEMPTS":  "5",
	}[name]
	return v, ok
}

// TestMistakes: each mistake is told with its place, what is wrong and what to
// write instead, and never with a secret.
func TestMistakes(t *testing.T) {
	const file = "testdata/mistakes.txtar"
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		source, want := archive.Files[i], &archive.Files[i+1]
		t.Run(source.Name, func(t *testing.T) {
			text := strings.NewReplacer("{NUL}", "\x00", "{SOH}", "\x01").Replace(string(source.Data))
			_, err := parse("jarvis.yaml", []byte(text), environment)
			if err == nil {
				t.Fatal("taken without a word")
			}
			dir, _ := filepath.Abs(".")
			got := strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "") + "\n"
			if strings.Contains(got, "sk-") {
				t.Errorf("a secret is printed: %s", got)
			}
			if *update {
				want.Data = []byte(got)
				return
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("want(-) got(+):\n%s", diff)
			}
		})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

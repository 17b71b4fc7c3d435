package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/turbone/jarvis/cmd/internal/docfile"
)

// environment is what the files of the tests may refer to.
func environment(name string) (string, bool) {
	v, ok := map[string]string{
		"EMPTY":     "",
		"KEY":       "sk-environment-secret",
		"SHORT":     "sk-short",
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
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/mistakes.txtar", func(t *testing.T, source []byte) string {
		_, err := parse("jarvis.yaml", source, environment)
		return told(t, err, dir)
	})
}

// TestMistakesInKeys: so is each mistake in the file of the clients' keys, by
// its own lines.
func TestMistakesInKeys(t *testing.T) {
	golden(t, "testdata/keys.txtar", func(t *testing.T, source []byte) string {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "keys.yaml"), source, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := parse(filepath.Join(dir, "jarvis.yaml"), []byte(oneNode+"gateway: {keys_file: keys.yaml}\n"), environment)
		return told(t, err, dir)
	})
}

const oneNode = "nodes: [{name: M1, engine: lmstudio, url: 'http://h:1', model: m}]\n"

// told is an error's text with paths from dir on.
func told(t *testing.T, err error, dir string) string {
	if err == nil {
		t.Fatal("taken without a word")
	}
	return strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "") + "\n"
}

// golden compares what is said about each file of an archive with the file
// after it.
func golden(t *testing.T, file string, say func(t *testing.T, source []byte) string) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		source, want := archive.Files[i], &archive.Files[i+1]
		t.Run(source.Name, func(t *testing.T) {
			text := strings.NewReplacer("{NUL}", "\x00", "{SOH}", "\x01").Replace(string(source.Data))
			got := say(t, []byte(text))
			if strings.Contains(got, "sk-") {
				t.Errorf("a secret is printed: %s", got)
			}
			if docfile.Update() {
				want.Data = []byte(got)
				return
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("want(-) got(+):\n%s", diff)
			}
		})
	}
	if docfile.Update() {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/cmd/internal/config"
)

// TestReadme reads every config, every suite of tasks, and every file of keys
// that the README shows. A part of a config belongs to the first one.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"LMSTUDIO_M1_KEY", "JARVIS_TOKEN", "ALICE_KEY", "BOB_KEY"} {
		t.Setenv(name, "secret of "+name)
	}
	t.Setenv("JARVIS_TELEGRAM", "telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=42")
	blocks := strings.Split(string(readme), "```yaml\n")[1:]
	if len(blocks) < 2 {
		t.Fatalf("%d configs in the README", len(blocks))
	}
	whole, keys := "", ""
	for i, block := range blocks {
		blocks[i], _, _ = strings.Cut(block, "```")
		switch text := blocks[i]; {
		case strings.HasPrefix(text, "- name:"):
			keys = text
		case strings.HasPrefix(text, "nodes:") && whole == "":
			whole = text
		case strings.HasPrefix(text, "gateway:"):
			blocks[i] = whole + text
		}
	}
	clients := 0
	for _, text := range blocks {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "jarvis_keys.yaml"), []byte(keys), 0o600); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, config.FileName)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(text, "- id:") {
			if _, err := suite.Read(path); err != nil {
				t.Errorf("%v\nin\n%s", err, text)
			}
			continue
		}
		if text == keys {
			continue // read by those that name it
		}
		c, err := config.Load(path)
		if err != nil {
			t.Errorf("%v\nin\n%s", err, text)
			continue
		}
		if _, err := c.Build(); err != nil {
			t.Errorf("%v\nin\n%s", err, text)
		}
		clients += len(c.Gateway.Keys)
	}
	if want := 2 * strings.Count(string(readme), "keys_file: jarvis_keys.yaml "); clients != want {
		t.Errorf("%d keys were read, want %d", clients, want)
	}
}

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
// that the README and the pages in docs show. A part of a config belongs to the
// README's.
func TestReadme(t *testing.T) {
	pages, err := filepath.Glob("../../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	for _, name := range []string{"LMSTUDIO_M1_KEY", "JARVIS_TOKEN", "ALICE_KEY", "BOB_KEY"} {
		t.Setenv(name, "secret of "+name)
	}
	t.Setenv("JARVIS_TELEGRAM", "telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=42")
	var blocks []string
	whole, keys := "", ""
	for _, page := range append([]string{"../../../README.md"}, pages...) {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range strings.Split(string(content), "```yaml\n")[1:] {
			text, _, _ = strings.Cut(text, "```")
			blocks = append(blocks, text)
			switch {
			case strings.HasPrefix(text, "- name:"):
				keys = text
			case strings.HasPrefix(text, "nodes:") && whole == "":
				whole = text
			}
		}
	}
	if len(blocks) < 6 || whole == "" || keys == "" {
		t.Fatalf("%d samples of YAML, whole %t, keys %t", len(blocks), whole != "", keys != "")
	}
	clients, named := 0, 0
	for _, text := range blocks {
		named += strings.Count(text, "keys_file: jarvis_keys.yaml")
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "jarvis_keys.yaml"), []byte(keys), 0o600); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, config.FileName)
		switch {
		case text == keys:
			continue // read by those that name it
		case strings.HasPrefix(text, "- id:"):
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := suite.Read(path); err != nil {
				t.Errorf("%v\nin\n%s", err, text)
			}
			continue
		case !strings.HasPrefix(text, "nodes:"):
			section, _, _ := strings.Cut(text, ":")
			text = without(whole, section) + text
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
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
	if clients != 2*named || named == 0 {
		t.Errorf("%d keys were read, want %d", clients, 2*named)
	}
}

// without returns a config without one of its sections.
func without(config, section string) string {
	var kept strings.Builder
	skipping := false
	for line := range strings.Lines(config) {
		if !strings.HasPrefix(line, " ") {
			skipping = strings.HasPrefix(line, section+":")
		}
		if !skipping {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/cmd/internal/config"
)

// TestReadme reads every config, and every suite of tasks, that the README shows.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"LMSTUDIO_M1_KEY", "JARVIS_TOKEN"} {
		t.Setenv(name, "secret")
	}
	t.Setenv("JARVIS_TELEGRAM", "telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=42")
	blocks := strings.Split(string(readme), "```yaml\n")[1:]
	if len(blocks) < 2 {
		t.Fatalf("%d configs in the README", len(blocks))
	}
	for _, block := range blocks {
		text, _, _ := strings.Cut(block, "```")
		path := filepath.Join(t.TempDir(), config.FileName)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(text, "- id:") {
			if _, err := suite.Read(path); err != nil {
				t.Errorf("%v\nin\n%s", err, text)
			}
			continue
		}
		c, err := config.Load(path)
		if err != nil {
			t.Errorf("%v\nin\n%s", err, text)
			continue
		}
		if _, err := c.Build(); err != nil {
			t.Errorf("%v\nin\n%s", err, text)
		}
	}
}

package jarvisturbo_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

var (
	// kebab is how plugins, marketplaces and commands are named.
	kebab = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	// semantic is MAJOR.MINOR.PATCH, as the manifest's version.
	semantic = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$`)
)

// longestDescription is what the list of commands shows on one line.
const longestDescription = 60

// TestManifests holds the two manifests against the documented layout.
func TestManifests(t *testing.T) {
	var plugin struct {
		Name, Version, Description, Repository, License string
		Author                                          struct{ Name string }
		Keywords                                        []string
	}
	readJSON(t, ".claude-plugin/plugin.json", &plugin)
	if !kebab.MatchString(plugin.Name) || plugin.Name != "jarvis-turbo" {
		t.Errorf("the plugin is named %q", plugin.Name)
	}
	if !semantic.MatchString(plugin.Version) || plugin.Description == "" || plugin.Author.Name == "" {
		t.Errorf("version %q, description %q, author %q", plugin.Version, plugin.Description, plugin.Author.Name)
	}
	var market struct {
		Name    string
		Owner   struct{ Name string }
		Plugins []struct{ Name, Source, Description string }
	}
	readJSON(t, ".claude-plugin/marketplace.json", &market)
	if !kebab.MatchString(market.Name) || market.Owner.Name == "" || len(market.Plugins) != 1 ||
		market.Plugins[0].Name != plugin.Name || market.Plugins[0].Source != "./" {
		t.Errorf("marketplace: %+v", market)
	}
	// Only the manifests belong in that folder.
	if diff := cmp.Diff([]string{"marketplace.json", "plugin.json"}, names(t, ".claude-plugin")); diff != "" {
		t.Errorf(".claude-plugin (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"arena.md", "benchmark-history.md", "heal-status.md"}, names(t, "commands")); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

// TestReadme: it says how to install the plugin, and names each command with
// its argument.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/plugin marketplace add ./examples/jarvis-turbo", "/plugin install jarvis-turbo@jarvis"}
	for name, c := range commands(t) {
		hint := strings.ReplaceAll(c.text(t, "argument-hint"), "|", `\|`) // within a table
		want = append(want, "`/jarvis-turbo:"+name+" "+hint+"`")
	}
	for _, words := range want {
		if !strings.Contains(string(text), words) {
			t.Errorf("the README doesn't have %s", words)
		}
	}
}

// TestFrontMatter: it has documented keys alone, each of its documented type.
func TestFrontMatter(t *testing.T) {
	documented := []string{"allowed-tools", "argument-hint", "description", "disable-model-invocation", "model"}
	for name, c := range commands(t) {
		if !kebab.MatchString(name) {
			t.Errorf("%s is no name for a command", name)
		}
		for _, key := range []string{"description", "argument-hint", "allowed-tools"} {
			if c.text(t, key) == "" {
				t.Errorf("%s has no %s", name, key)
			}
		}
		if d := c.text(t, "description"); len(d) > longestDescription {
			t.Errorf("%s: the description has %d letters: %s", name, len(d), d)
		}
		for key, value := range c.front {
			if !slices.Contains(documented, key) {
				t.Errorf("%s: %s is no key of the front matter", name, key)
			}
			if _, is := value.(bool); is != (key == "disable-model-invocation") {
				t.Errorf("%s: %s is %v", name, key, value)
			}
		}
		if !strings.Contains(c.body, "$ARGUMENTS") {
			t.Errorf("%s never reads its argument", name)
		}
	}
	if commands(t)["arena"].front["disable-model-invocation"] != true {
		t.Error("a tournament may begin without anybody having asked for one")
	}
}

// TestPermissions: what a command runs is allowed, each line by one rule, and
// nothing else is.
func TestPermissions(t *testing.T) {
	others := []string{
		"jarvis-heal", "jarvis-heal run", "jarvis-heal init", "jarvis-heal demo", "jarvis-heal notify-test", "jarvis-heal statusx",
		"jarvis-arena", "jarvis-arena qwen3", "jarvis-arena --all", "jarvis-arena --json qwen3", "jarvis-arena --extend qwen3",
		"jarvis-arena --selftest", "jarvis-arena --resume", "jarvis-arena --rule plain qwen3", "jarvis-arena --append results.json",
		"jarvis-arena pull qwen3", "jarvis-arena discover", "jarvis-arena move", "jarvis-arena --report report.html",
		"jarvis-arena --historyx", "jarvis-arena --dry-run=false qwen3", "jarvis-arenax --quick",
	}
	for name, c := range commands(t) {
		for _, rule := range c.rules(t) {
			if !slices.ContainsFunc(c.lines, rule.covers) {
				t.Errorf("%s allows %q, and never runs it", name, rule)
			}
			for _, other := range others {
				if rule.covers(other) {
					t.Errorf("%s allows %q with %q", name, other, rule)
				}
			}
			if name != "arena" && (rule.covers("jarvis-arena --quick qwen3") || rule.covers("jarvis-arena --dry-run qwen3")) {
				t.Errorf("%s allows %q", name, rule)
			}
		}
		for _, line := range c.lines {
			covering := slices.DeleteFunc(c.rules(t), func(r rule) bool { return !r.covers(line) })
			if len(covering) != 1 {
				t.Errorf("%s runs %q, allowed by %q", name, line, covering)
			}
			// A line of several commands is none that a rule allows.
			if strings.ContainsAny(line, "|&;<>$`()") {
				t.Errorf("%s: %q is more than one plain command", name, line)
			}
		}
		// A line that runs before the command is read must not fail, and these
		// may: the exit code is an answer.
		if strings.Contains(c.body, "!`") || strings.Contains(c.body, "```!") {
			t.Errorf("%s runs something before it is read", name)
		}
		if strings.Contains(c.body, "`jarvis-") {
			t.Errorf("%s has a command line that is no block of its own", name)
		}
	}
}

// TestWarnsBeforeATournament: the estimate of the same tournament, the warning
// and the question stand before the first line that takes a node out of
// service.
func TestWarnsBeforeATournament(t *testing.T) {
	c := commands(t)["arena"]
	after := 0
	for _, words := range []string{
		"A tournament takes a node out of service", "--dry-run", "--dry-run", "jarvis-heal status", "Then warn", "out of service", "`minutes`",
		"nobody answers meanwhile", "Ask the user whether to go on, and wait for the answer", "Without a clear yes, stop", "in the background",
		"```sh\njarvis-arena --quick", "```sh\njarvis-arena --quick",
	} {
		at := strings.Index(c.body[after:], words)
		if at < 0 {
			t.Fatalf("no %q where it belongs, in:\n%s", words, c.body[after:])
		}
		after += at + len(words)
	}
	if n := strings.Count(c.body, "jarvis-arena --quick"); n != 2 {
		t.Errorf("%d lines hold a tournament", n)
	}
	for _, line := range c.lines {
		if rest, is := strings.CutPrefix(line, "jarvis-arena --quick"); is && !slices.Contains(c.lines, "jarvis-arena --dry-run --quick"+rest) {
			t.Errorf("nothing estimates %q", line)
		}
	}
}

// command is a command's file.
type command struct {
	front map[string]any
	body  string
	// lines are the command lines that it runs.
	lines []string
}

var block = regexp.MustCompile("(?s)```sh\n(.*?)\n```")

func commands(t *testing.T) map[string]command {
	t.Helper()
	list := map[string]command{}
	for _, name := range names(t, "commands") {
		text, err := os.ReadFile(filepath.Join("commands", name))
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.SplitN(string(text), "---\n", 3)
		if len(parts) != 3 || parts[0] != "" {
			t.Fatalf("%s has no front matter", name)
		}
		c := command{body: parts[2]}
		if err := yaml.Unmarshal([]byte(parts[1]), &c.front); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if fences := strings.Count(c.body, "```"); fences != 2*strings.Count(c.body, "```sh\n") {
			t.Fatalf("%s has a block that is no sh, or one that never ends", name)
		}
		for _, found := range block.FindAllStringSubmatch(c.body, -1) {
			c.lines = append(c.lines, strings.Split(found[1], "\n")...)
		}
		list[strings.TrimSuffix(name, ".md")] = c
	}
	return list
}

// text is a key of the front matter. An unquoted [NODE] would be a list.
func (c command) text(t *testing.T, key string) string {
	t.Helper()
	text, is := c.front[key].(string)
	if !is {
		t.Errorf("%s is %v, not a text", key, c.front[key])
	}
	return text
}

// rule is one of the allowed tools: Bash(words:*), for command lines that begin
// with these words.
type rule string

func (c command) rules(t *testing.T) (list []rule) {
	t.Helper()
	for _, text := range strings.Split(c.text(t, "allowed-tools"), ", ") {
		words, bash := strings.CutPrefix(text, "Bash(")
		words, closed := strings.CutSuffix(words, ":*)")
		if !bash || !closed || len(strings.Fields(words)) < 2 {
			t.Errorf("%q allows more than a command with its flag", text)
		}
		list = append(list, rule(words))
	}
	return list
}

func (r rule) covers(line string) bool {
	return line == string(r) || strings.HasPrefix(line, string(r)+" ")
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return list
}

// readJSON reads a file, and refuses what the type doesn't have.
func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if decoder.More() {
		t.Errorf("%s holds more than one object", path)
	}
}

// sorted are the words of a set.
func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

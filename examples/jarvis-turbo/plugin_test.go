package jarvisturbo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/arena/suite/suitetest"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// kebab is how plugins and their commands are named.
var kebab = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

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
	if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(plugin.Version) || plugin.Description == "" || plugin.Author.Name == "" {
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
	if got := names(t, ".claude-plugin"); !slices.Equal(got, []string{"marketplace.json", "plugin.json"}) {
		t.Errorf(".claude-plugin has %q", got)
	}
	if got := names(t, "commands"); !slices.Equal(got, []string{"arena.md", "benchmark-history.md", "heal-status.md"}) {
		t.Errorf("commands are %q", got)
	}
}

// command is a command's file.
type command struct {
	front map[string]string
	body  string
	// lines are the command lines that it runs.
	lines []string
}

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
		blocks := regexp.MustCompile("(?s)```sh\n(.*?)\n```|!`([^`]*)`").FindAllStringSubmatch(c.body, -1)
		for _, block := range blocks {
			c.lines = append(c.lines, strings.Split(block[1]+block[2], "\n")...)
		}
		list[strings.TrimSuffix(name, ".md")] = c
	}
	return list
}

// TestCommandFiles: the front matter has documented keys alone, and allows just
// what the command runs.
func TestCommandFiles(t *testing.T) {
	documented := []string{"description", "argument-hint", "allowed-tools", "model", "disable-model-invocation"}
	for name, c := range commands(t) {
		if !kebab.MatchString(name) || c.front["description"] == "" {
			t.Errorf("%s: description %q", name, c.front["description"])
		}
		for key := range c.front {
			if !slices.Contains(documented, key) {
				t.Errorf("%s: %s is no key of the front matter", name, key)
			}
		}
		if strings.Contains(c.body, "$ARGUMENTS") != (c.front["argument-hint"] != "") {
			t.Errorf("%s: an argument without its hint, or the other way round", name)
		}
		used := map[string]bool{}
		for _, line := range c.lines {
			covered := false
			for _, allowed := range strings.Split(c.front["allowed-tools"], ", ") {
				prefix, ok := strings.CutPrefix(allowed, "Bash(")
				prefix, closed := strings.CutSuffix(prefix, ":*)")
				if !ok || !closed || !strings.Contains(prefix, " ") {
					t.Errorf("%s allows %q, which is more than it runs", name, allowed)
				}
				if line == prefix || strings.HasPrefix(line, prefix+" ") {
					covered, used[allowed] = true, true
				}
			}
			if !covered {
				t.Errorf("%s runs %q without a permission", name, line)
			}
		}
		if all := strings.Split(c.front["allowed-tools"], ", "); len(used) != len(all) {
			t.Errorf("%s allows %q, and uses %q", name, all, slices.Sorted(maps.Keys(used)))
		}
	}
}

// TestWarnsBeforeATournament: the warning and the question stand before the
// first line that takes a node out of service.
func TestWarnsBeforeATournament(t *testing.T) {
	body := commands(t)["arena"].body
	warning, question, begins := strings.Index(body, "Then warn"), strings.Index(body, "wait for the answer"), strings.Index(body, "--quick")
	if warning < 0 || question < warning || begins < question {
		t.Errorf("warning at %d, question at %d, tournament at %d", warning, question, begins)
	}
}

// TestCommandLines runs every command line of the plugin with the real commands
// against a cluster of fakes, and looks for what the command's text speaks of.
func TestCommandLines(t *testing.T) {
	c := newCluster(t)
	for _, run := range []struct {
		command, line string
		fields        []string
	}{
		{"heal-status", "jarvis-heal status --json", []string{"nodes", "serving", "events"}},
		{"arena", "jarvis-arena --dry-run --json MODEL", []string{"node", "champion", "minutes", "minutes_if_clear", "smallest_gap"}},
		{"arena", "jarvis-arena --dry-run --json --all", []string{"node", "champion", "minutes", "minutes_if_clear", "smallest_gap"}},
		{"arena", "jarvis-arena --quick --json MODEL", []string{"verdict", "reason", "champion", "candidate", "gap"}},
		{"arena", "jarvis-arena --quick --json --all", nil},
		{"arena", "jarvis-arena --history --json", []string{"champion", "runs", "trend", "trend_low", "trend_high", "alarms"}},
		{"benchmark-history", "jarvis-arena --history --json", []string{"champion", "runs", "trend", "trend_low", "trend_high", "alarms"}},
	} {
		if !slices.Contains(commands(t)[run.command].lines, run.line) {
			t.Errorf("%s doesn't run %q any more", run.command, run.line)
			continue
		}
		out := c.run(strings.ReplaceAll(run.line, "MODEL", "'better'"))
		var object map[string]json.RawMessage
		if err := json.Unmarshal(out, &object); err != nil {
			t.Errorf("%s prints no JSON object: %v\n%s", run.line, err, out)
			continue
		}
		for _, field := range run.fields {
			if _, there := object[field]; !there {
				t.Errorf("%s prints no %s:\n%s", run.line, field, out)
			}
		}
	}
	lines := 0
	for _, command := range commands(t) {
		lines += len(command.lines)
	}
	if lines != 7 {
		t.Errorf("the plugin has %d command lines: run them here, too", lines)
	}
}

// cluster is a healer at work on a fake server, with the commands on its path.
type cluster struct {
	t   *testing.T
	dir string
	env []string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir()}
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/jarvis-heal", "../../cmd/jarvis-arena").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c.env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "HOME="+c.dir)
	tasks, err := suite.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	model := func(name string, share float64) nodetest.Model {
		know := suitetest.Knowing(tasks, share)
		maps.Copy(know, nodetest.Knowledge()) // the healer's questions
		return nodetest.Model{Name: name, Knowledge: know}
	}
	server := nodetest.NewOllama(t, nodetest.Options{
		Models: []nodetest.Model{model("good", 0.5), model("better", 1), model("weak", 0.2)}, Loaded: []string{"good"},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "jarvis.yaml"), fmt.Appendf(nil, `
nodes: [{name: M1, engine: ollama, url: %q, model: good}]
healer: {interval: 200ms, retry_after: 50ms, grace: 1s, listen: %s}
arena: {candidates: [{model: better}, {model: weak}], tasks_per_cycle: 16, quick_cycles: 2, warmup: 0}
`, server.URL, address), 0o600); err != nil {
		t.Fatal(err)
	}
	heal := exec.Command(filepath.Join(bin, "jarvis-heal"), "run")
	heal.Dir, heal.Env = c.dir, c.env
	if err := heal.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = heal.Process.Kill()
		_ = heal.Wait() // it was killed
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, err := c.try("jarvis-heal status --json"); err == nil {
			return c
		} else if time.Now().After(deadline) {
			t.Fatalf("the healer never served: %v", err)
		}
	}
}

// try runs a line as a shell would.
func (c *cluster) try(line string) ([]byte, error) {
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir, cmd.Env = c.dir, c.env
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return out, err
}

func (c *cluster) run(line string) []byte {
	c.t.Helper()
	out, err := c.try(line)
	if err != nil {
		c.t.Errorf("%s: %v", line, err)
	}
	return out
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
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	decoder := json.NewDecoder(f)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if decoder.More() {
		t.Errorf("%s holds more than one object", path)
	}
}
